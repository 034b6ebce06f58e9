import { SecnodeError } from '../../errors.ts'
import { doubleSha256, personalBlake2b256 } from './hashes.ts'
import { writeOutputV4, writeSpendV4Unsigned } from './sapling.ts'
import { writeJoinSplit } from './sprout.ts'
import { serializeTransaction } from './transaction.ts'
import { isCoinbaseInputs, writeOutpoint, writeOutput } from './transparent.ts'
import {
  isZip244,
  outputsDigest,
  prevoutsDigest,
  rootDigest,
  sequenceDigest,
  transparentDigest,
} from './txid.ts'
import type { TransactionFields, TransactionInput, TransactionOutput } from './types.ts'
import { createByteWriter } from './writer.ts'

/** Hash types. The low five bits say which outputs are signed; 0x80 is added to sign one's own input only. */
export const sighash = { all: 0x01, none: 0x02, single: 0x03, anyoneCanPay: 0x80 } as const

/** The outputs that a transaction spends, in the order of its inputs, and what to sign with. */
export interface InputSigning {
  inputIndex: number
  spentOutputs: readonly TransactionOutput[]
  /** Of P2SH; null for an output that is spent by its own script. */
  redeemScript: Uint8Array | null
  hashType: number
  /** Zcash v3 and v4 only: the branch of the block that is to hold the transaction. v5 and later carry their own. */
  consensusBranchId: number | null
}

/**
 * The hash that the key of a transparent input signs: ZIP 244 for v5 and v6, ZIP 243 for v4, ZIP 143 for v3, Bitcoin's
 * original one for v1, v2 and ZEN. Errors: `CHAIN_SIGHASH_INPUT`, `CHAIN_SIGHASH_TYPE`, `CHAIN_SIGHASH_BRANCH`,
 * `CHAIN_SIGHASH_VERSION`.
 */
export const transparentSignatureHash = (fields: TransactionFields, signing: InputSigning): Uint8Array => {
  const { inputIndex, spentOutputs, hashType, consensusBranchId } = signing
  const spent = spentOutputs[inputIndex]
  if (spent === undefined || spentOutputs.length !== fields.inputs.length) {
    throw new SecnodeError('CHAIN_SIGHASH_INPUT', 'every input needs the output that it spends')
  }
  if (isZip244(fields)) return zip244SignatureHash(fields, inputIndex, spentOutputs, hashType)
  const scriptCode = signing.redeemScript ?? spent.script
  if (fields.versionGroupId === null) return originalSignatureHash(fields, inputIndex, scriptCode, hashType)
  if (consensusBranchId === null) {
    throw new SecnodeError(
      'CHAIN_SIGHASH_BRANCH',
      `version ${fields.version} is signed for a consensus branch`,
    )
  }
  const input = { inputIndex, scriptCode, value: spent.value }
  return zip243SignatureHash(fields, input, hashType, consensusBranchId)
}

/**
 * Bitcoin's original signature hash, for transactions without a version group (ZEN: script/interpreter.cpp,
 * SignatureHash). OP_CODESEPARATOR is disabled in both chains, so the script code is hashed as it is. Version -4 is
 * refused: it signs its sidechain vectors in a way of its own.
 */
export const originalSignatureHash = (
  fields: TransactionFields,
  inputIndex: number,
  scriptCode: Uint8Array,
  hashType: number,
): Uint8Array => {
  if (fields.versionGroupId !== null || fields.sidechain !== null) {
    throw new SecnodeError(
      'CHAIN_SIGHASH_VERSION',
      `version ${fields.version} has no original signature hash`,
    )
  }
  const signed = inputOf(fields, inputIndex)
  const outputsType = hashType & 0x1f
  const othersMayChange = outputsType === sighash.none || outputsType === sighash.single
  const inputs = fields.inputs.map((input, index) => ({
    ...input,
    script: index === inputIndex ? scriptCode : none,
    sequence: index !== inputIndex && othersMayChange ? 0 : input.sequence,
  }))
  const signedInput = { ...signed, script: scriptCode }
  const preimage = serializeTransaction({
    ...fields,
    inputs: (hashType & sighash.anyoneCanPay) === 0 ? inputs : [signedInput],
    outputs: originalOutputs(fields, inputIndex, outputsType),
    joinSplitSignature: fields.joinSplits.length > 0 ? new Uint8Array(64) : null,
  })
  return doubleSha256(
    createByteWriter(preimage.length + 4)
      .bytes(preimage)
      .u32(hashType >>> 0)
      .finish(),
  )
}

const originalOutputs = (
  fields: TransactionFields,
  inputIndex: number,
  outputsType: number,
): readonly TransactionOutput[] => {
  if (outputsType === sighash.none) return []
  if (outputsType !== sighash.single) return fields.outputs
  const own = fields.outputs[inputIndex]
  if (own === undefined) {
    throw new SecnodeError('CHAIN_SIGHASH_TYPE', `input ${inputIndex} has no output of its own to sign`)
  }
  return [...Array.from({ length: inputIndex }, () => ({ value: -1n, script: none })), own]
}

/** The transparent input that is signed for, as ZIP 143 and ZIP 243 hash it. */
export interface SignedInput {
  inputIndex: number
  scriptCode: Uint8Array
  /** Base units of the output that is spent. */
  value: bigint
}

/** ZIP 143 for v3 and ZIP 243 for v4; `input` is null for JoinSplit, spend and binding signatures. */
export const zip243SignatureHash = (
  fields: TransactionFields,
  input: SignedInput | null,
  hashType: number,
  consensusBranchId: number,
): Uint8Array => {
  const { version, versionGroupId, inputs, outputs } = fields
  if ((version !== 3 && version !== 4) || versionGroupId === null) {
    throw new SecnodeError('CHAIN_SIGHASH_VERSION', `version ${version} is not signed by ZIP 143 or ZIP 243`)
  }
  const outputsType = hashType & 0x1f
  const ownInputOnly = (hashType & sighash.anyoneCanPay) !== 0
  const allOutputs = outputsType !== sighash.none && outputsType !== sighash.single
  const ownOutput = outputsType === sighash.single && input !== null ? outputs[input.inputIndex] : undefined

  const prevouts = createByteWriter()
  for (const each of inputs) writeOutpoint(prevouts, each)
  const sequences = createByteWriter()
  for (const { sequence } of inputs) sequences.u32(sequence)
  const signedOutputs = createByteWriter()
  for (const output of allOutputs ? outputs : ownOutput === undefined ? [] : [ownOutput]) {
    writeOutput(signedOutputs, output)
  }

  const preimage = createByteWriter(512)
    .u32(0x80000000 + version)
    .u32(versionGroupId)
    .bytes(ownInputOnly ? zeroHash : personalBlake2b256('ZcashPrevoutHash', [prevouts.finish()]))
    .bytes(
      ownInputOnly || !allOutputs ? zeroHash : personalBlake2b256('ZcashSequencHash', [sequences.finish()]),
    )
    .bytes(
      allOutputs || ownOutput !== undefined
        ? personalBlake2b256('ZcashOutputsHash', [signedOutputs.finish()])
        : zeroHash,
    )
    .bytes(joinSplitsHash(fields))
  if (version === 4) preimage.bytes(saplingSpendsHash(fields)).bytes(saplingOutputsHash(fields))
  preimage.u32(fields.lockTime).u32(fields.expiryHeight)
  if (version === 4) preimage.i64(fields.saplingValueBalance)
  preimage.u32(hashType >>> 0)
  if (input !== null) {
    const signed = inputOf(fields, input.inputIndex)
    writeOutpoint(preimage, signed).variableBytes(input.scriptCode).i64(input.value).u32(signed.sequence)
  }
  const personalization = createByteWriter(16)
    .bytes(new TextEncoder().encode('ZcashSigHash'))
    .u32(consensusBranchId)
    .finish()
  return personalBlake2b256(personalization, [preimage.finish()])
}

const joinSplitsHash = (fields: TransactionFields): Uint8Array => {
  if (fields.joinSplits.length === 0) return zeroHash
  const writer = createByteWriter(2048)
  for (const joinSplit of fields.joinSplits) {
    writeJoinSplit(writer, fields.version === 4 ? 'groth16' : 'phgr13', joinSplit)
  }
  writer.fixed(fields.joinSplitPublicKey ?? none, 32, 'joinSplitPublicKey')
  return personalBlake2b256('ZcashJSplitsHash', [writer.finish()])
}

const saplingSpendsHash = (fields: TransactionFields): Uint8Array => {
  if (fields.saplingSpends.length === 0) return zeroHash
  const writer = createByteWriter(2048)
  for (const spend of fields.saplingSpends) writeSpendV4Unsigned(writer, spend)
  return personalBlake2b256('ZcashSSpendsHash', [writer.finish()])
}

const saplingOutputsHash = (fields: TransactionFields): Uint8Array => {
  if (fields.saplingOutputs.length === 0) return zeroHash
  const writer = createByteWriter(2048)
  for (const output of fields.saplingOutputs) writeOutputV4(writer, output)
  return personalBlake2b256('ZcashSOutputHash', [writer.finish()])
}

const zip244HashTypes = new Set([0x01, 0x02, 0x03, 0x81, 0x82, 0x83])

/**
 * ZIP 244 (v5), and ZIP 229 (v6). `inputIndex` is null for the signatures of shielded parts, which are made with
 * SIGHASH_ALL. Needs the outputs that all inputs spend.
 */
export const zip244SignatureHash = (
  fields: TransactionFields,
  inputIndex: number | null,
  spentOutputs: readonly TransactionOutput[],
  hashType: number,
): Uint8Array => {
  if (!isZip244(fields)) {
    throw new SecnodeError('CHAIN_SIGHASH_VERSION', `version ${fields.version} is not signed by ZIP 244`)
  }
  const { inputs, outputs } = fields
  // S.2: a coinbase spends nothing, and without inputs there is nothing to add to the txid's digest.
  if (inputs.length === 0 || isCoinbaseInputs(inputs)) return rootDigest(fields, transparentDigest(fields))
  if (spentOutputs.length !== inputs.length) {
    throw new SecnodeError('CHAIN_SIGHASH_INPUT', 'every input needs the output that it spends')
  }
  const outputsType = hashType & 0x1f
  if (!zip244HashTypes.has(hashType) || (inputIndex === null && hashType !== sighash.all)) {
    throw new SecnodeError(
      'CHAIN_SIGHASH_TYPE',
      `hash type ${hashType} is not defined for version ${fields.version}`,
    )
  }
  const ownOutput = inputIndex === null ? undefined : outputs[inputIndex]
  if (outputsType === sighash.single && ownOutput === undefined) {
    throw new SecnodeError('CHAIN_SIGHASH_TYPE', `input ${inputIndex} has no output of its own to sign`)
  }
  const ownInputOnly = (hashType & sighash.anyoneCanPay) !== 0
  const signedInputs = ownInputOnly ? [] : inputs
  const signedSpent = ownInputOnly ? [] : spentOutputs
  const signedOutputs = {
    [sighash.all]: outputs,
    [sighash.none]: [],
    [sighash.single]: ownOutput === undefined ? [] : [ownOutput],
  }[outputsType as 1 | 2 | 3]
  const amounts = createByteWriter()
  const scripts = createByteWriter()
  for (const { value, script } of signedSpent) {
    amounts.i64(value)
    scripts.variableBytes(script)
  }
  return rootDigest(
    fields,
    personalBlake2b256('ZTxIdTranspaHash', [
      Uint8Array.of(hashType),
      prevoutsDigest(signedInputs),
      personalBlake2b256('ZTxTrAmountsHash', [amounts.finish()]),
      personalBlake2b256('ZTxTrScriptsHash', [scripts.finish()]),
      sequenceDigest(signedInputs),
      outputsDigest(signedOutputs),
      personalBlake2b256('Zcash___TxInHash', [
        inputIndex === null ? none : signedInputBytes(fields, inputIndex, spentOutputs),
      ]),
    ]),
  )
}

const signedInputBytes = (
  fields: TransactionFields,
  inputIndex: number,
  spentOutputs: readonly TransactionOutput[],
): Uint8Array => {
  const input = inputOf(fields, inputIndex)
  const spent = spentOutputs[inputIndex]!
  return writeOutpoint(createByteWriter(), input)
    .i64(spent.value)
    .variableBytes(spent.script)
    .u32(input.sequence)
    .finish()
}

const inputOf = (fields: TransactionFields, inputIndex: number): TransactionInput => {
  const input = fields.inputs[inputIndex]
  if (input === undefined) {
    throw new SecnodeError(
      'CHAIN_SIGHASH_INPUT',
      `there is no input ${inputIndex} of ${fields.inputs.length}`,
    )
  }
  return input
}

const none = new Uint8Array()
const zeroHash = new Uint8Array(32)
