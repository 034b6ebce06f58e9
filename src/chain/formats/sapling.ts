import type { ByteReader } from './reader.ts'
import type { SaplingOutput, SaplingSpend, TransactionFields } from './types.ts'
import type { ByteWriter } from './writer.ts'

const proofBytes = 192
const signatureBytes = 64
export const encCiphertextBytes = 580
export const outCiphertextBytes = 80
const spendBytesV4 = 4 * 32 + proofBytes + signatureBytes
const outputBytesV4 = 3 * 32 + encCiphertextBytes + outCiphertextBytes + proofBytes
/** In v5 proofs, signatures and the anchor, which is one for all, stand apart. */
const spendBytesV5 = 3 * 32
const outputBytesV5 = outputBytesV4 - proofBytes

type SaplingFields = Pick<
  TransactionFields,
  'saplingValueBalance' | 'saplingSpends' | 'saplingOutputs' | 'saplingBindingSignature'
>

export const noSapling: SaplingFields = {
  saplingValueBalance: 0n,
  saplingSpends: [],
  saplingOutputs: [],
  saplingBindingSignature: null,
}

const none = new Uint8Array()

/** v4: balance, spends and outputs; the binding signature comes last of all, after the JoinSplits. */
export const readSaplingV4 = (reader: ByteReader): Omit<SaplingFields, 'saplingBindingSignature'> => ({
  saplingValueBalance: reader.i64(),
  saplingSpends: reader.vector(spendBytesV4, () => ({
    cv: reader.bytes(32),
    anchor: reader.bytes(32),
    nullifier: reader.bytes(32),
    rk: reader.bytes(32),
    proof: reader.bytes(proofBytes),
    signature: reader.bytes(signatureBytes),
  })),
  saplingOutputs: reader.vector(outputBytesV4, () => ({
    ...readOutput(reader),
    proof: reader.bytes(proofBytes),
  })),
})

export const writeSaplingV4 = (writer: ByteWriter, fields: SaplingFields): void => {
  writer.i64(fields.saplingValueBalance)
  writer.vector(fields.saplingSpends, (spend) => {
    writeSpendV4Unsigned(writer, spend)
    writer.fixed(spend.signature, signatureBytes, 'spend signature')
  })
  writer.vector(fields.saplingOutputs, (output) => writeOutputV4(writer, output))
}

/** A v4 spend without its signature, as ZIP 243 hashes it. */
export const writeSpendV4Unsigned = (writer: ByteWriter, spend: SaplingSpend): void => {
  writer.fixed(spend.cv, 32, 'cv').fixed(spend.anchor, 32, 'anchor')
  writer.fixed(spend.nullifier, 32, 'nullifier').fixed(spend.rk, 32, 'rk')
  writer.fixed(spend.proof, proofBytes, 'spend proof')
}

export const writeOutputV4 = (writer: ByteWriter, output: SaplingOutput): void => {
  writeOutput(writer, output)
  writer.fixed(output.proof, proofBytes, 'output proof')
}

/** v5 and later (ZIP 225). The anchor of the bundle is put into every spend. */
export const readSaplingV5 = (reader: ByteReader): SaplingFields => {
  const spends = reader.vector(spendBytesV5, () => ({
    cv: reader.bytes(32),
    nullifier: reader.bytes(32),
    rk: reader.bytes(32),
  }))
  const outputs = reader.vector(outputBytesV5, () => readOutput(reader))
  if (spends.length + outputs.length === 0) return noSapling
  const saplingValueBalance = reader.i64()
  const anchor = spends.length > 0 ? reader.bytes(32) : none
  const spendProofs = spends.map(() => reader.bytes(proofBytes))
  const signatures = spends.map(() => reader.bytes(signatureBytes))
  return {
    saplingValueBalance,
    saplingSpends: spends.map((spend, index) => ({
      ...spend,
      anchor,
      proof: spendProofs[index]!,
      signature: signatures[index]!,
    })),
    saplingOutputs: outputs.map((output) => ({ ...output, proof: reader.bytes(proofBytes) })),
    saplingBindingSignature: reader.bytes(signatureBytes),
  }
}

export const writeSaplingV5 = (writer: ByteWriter, fields: SaplingFields): void => {
  const { saplingSpends: spends, saplingOutputs: outputs } = fields
  writer.vector(spends, (spend) => {
    writer.fixed(spend.cv, 32, 'cv').fixed(spend.nullifier, 32, 'nullifier').fixed(spend.rk, 32, 'rk')
  })
  writer.vector(outputs, (output) => writeOutput(writer, output))
  if (spends.length + outputs.length === 0) {
    if (fields.saplingValueBalance !== 0n) {
      writer.fail('CHAIN_FORMAT_FIELD', 'a Sapling balance without a bundle')
    }
    return
  }
  writer.i64(fields.saplingValueBalance)
  const anchor = spends[0]?.anchor
  if (anchor !== undefined) {
    if (spends.some((spend) => Buffer.compare(spend.anchor, anchor) !== 0)) {
      writer.fail('CHAIN_FORMAT_FIELD', 'from v5 on all spends have one anchor')
    }
    writer.fixed(anchor, 32, 'anchor')
  }
  for (const spend of spends) writer.fixed(spend.proof, proofBytes, 'spend proof')
  for (const spend of spends) writer.fixed(spend.signature, signatureBytes, 'spend signature')
  for (const output of outputs) writer.fixed(output.proof, proofBytes, 'output proof')
  writeBindingSignature(writer, fields.saplingBindingSignature)
}

export const readBindingSignature = (reader: ByteReader): Uint8Array => reader.bytes(signatureBytes)

export const writeBindingSignature = (writer: ByteWriter, signature: Uint8Array | null): void => {
  writer.fixed(signature ?? none, signatureBytes, 'saplingBindingSignature')
}

const readOutput = (reader: ByteReader): Omit<SaplingOutput, 'proof'> => ({
  cv: reader.bytes(32),
  cmu: reader.bytes(32),
  ephemeralKey: reader.bytes(32),
  encCiphertext: reader.bytes(encCiphertextBytes),
  outCiphertext: reader.bytes(outCiphertextBytes),
})

const writeOutput = (writer: ByteWriter, output: SaplingOutput): void => {
  writer
    .fixed(output.cv, 32, 'cv')
    .fixed(output.cmu, 32, 'cmu')
    .fixed(output.ephemeralKey, 32, 'ephemeralKey')
  writer.fixed(output.encCiphertext, encCiphertextBytes, 'encCiphertext')
  writer.fixed(output.outCiphertext, outCiphertextBytes, 'outCiphertext')
}
