import { personalBlake2b256 } from '../../chain/formats/hashes.ts'
import type { OrchardBundle, TransactionFields } from '../../chain/formats/types.ts'
import { createByteWriter } from '../../chain/formats/writer.ts'

/** The authorizing data commitment of a v5 transaction (ZIP 244): what the txid leaves out. Internal byte order. */
export const authDigest = (fields: TransactionFields): Uint8Array => {
  const personalization = createByteWriter(16)
    .bytes(new TextEncoder().encode('ZTxAuthHash_'))
    .u32(fields.consensusBranchId ?? 0)
    .finish()
  return personalBlake2b256(personalization, [
    scriptsDigest(fields.inputs),
    saplingDigest(fields),
    orchardDigest(fields.orchard),
  ])
}

const scriptsDigest = (inputs: TransactionFields['inputs']): Uint8Array => {
  const writer = createByteWriter()
  for (const { script } of inputs) writer.variableBytes(script)
  return personalBlake2b256('ZTxAuthTransHash', [writer.finish()])
}

const saplingDigest = (fields: TransactionFields): Uint8Array => {
  const { saplingSpends: spends, saplingOutputs: outputs, saplingBindingSignature } = fields
  return personalBlake2b256('ZTxAuthSapliHash', [
    ...spends.map(({ proof }) => proof),
    ...spends.map(({ signature }) => signature),
    ...outputs.map(({ proof }) => proof),
    ...(saplingBindingSignature === null ? [] : [saplingBindingSignature]),
  ])
}

const orchardDigest = (bundle: OrchardBundle | null): Uint8Array =>
  personalBlake2b256(
    'ZTxAuthOrchaHash',
    bundle === null
      ? []
      : [bundle.proof, ...bundle.actions.map(({ signature }) => signature), bundle.bindingSignature],
  )
