import type { ByteReader } from './reader.ts'
import { encCiphertextBytes, outCiphertextBytes } from './sapling.ts'
import type { OrchardBundle } from './types.ts'
import type { ByteWriter } from './writer.ts'

/** cv, nullifier, rk, cmx, ephemeral key, two ciphertexts; the signatures stand apart. */
const actionBytes = 5 * 32 + encCiphertextBytes + outCiphertextBytes
const signatureBytes = 64

/** The bundle of Orchard (v5, ZIP 225) or Ironwood (v6, ZIP 229); null without actions. */
export const readOrchardBundle = (reader: ByteReader): OrchardBundle | null => {
  const actions = reader.vector(actionBytes, () => ({
    cv: reader.bytes(32),
    nullifier: reader.bytes(32),
    rk: reader.bytes(32),
    cmx: reader.bytes(32),
    ephemeralKey: reader.bytes(32),
    encCiphertext: reader.bytes(encCiphertextBytes),
    outCiphertext: reader.bytes(outCiphertextBytes),
  }))
  if (actions.length === 0) return null
  const flags = reader.u8()
  const valueBalance = reader.i64()
  const anchor = reader.bytes(32)
  const proof = reader.variableBytes()
  return {
    actions: actions.map((action) => ({ ...action, signature: reader.bytes(signatureBytes) })),
    flags,
    valueBalance,
    anchor,
    proof,
    bindingSignature: reader.bytes(signatureBytes),
  }
}

export const writeOrchardBundle = (writer: ByteWriter, bundle: OrchardBundle | null): void => {
  if (bundle === null) {
    writer.compactSize(0)
    return
  }
  if (bundle.actions.length === 0) {
    writer.fail('CHAIN_FORMAT_FIELD', 'a bundle without actions; use null')
  }
  writer.vector(bundle.actions, (action) => {
    writer.fixed(action.cv, 32, 'cv').fixed(action.nullifier, 32, 'nullifier').fixed(action.rk, 32, 'rk')
    writer.fixed(action.cmx, 32, 'cmx').fixed(action.ephemeralKey, 32, 'ephemeralKey')
    writer.fixed(action.encCiphertext, encCiphertextBytes, 'encCiphertext')
    writer.fixed(action.outCiphertext, outCiphertextBytes, 'outCiphertext')
  })
  writer.u8(bundle.flags).i64(bundle.valueBalance).fixed(bundle.anchor, 32, 'anchor')
  writer.variableBytes(bundle.proof)
  for (const action of bundle.actions) writer.fixed(action.signature, signatureBytes, 'action signature')
  writer.fixed(bundle.bindingSignature, signatureBytes, 'bindingSignature')
}
