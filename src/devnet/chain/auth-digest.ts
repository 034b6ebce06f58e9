import { personalBlake2b256 } from '../../chain/formats/hashes.ts'
import type { OrchardBundle, TransactionFields } from '../../chain/formats/types.ts'
import { createByteWriter } from '../../chain/formats/writer.ts'

/**
 * What the txids of v5 and v6 leave out, scripts, signatures and proofs, and how a block commits to it (ZIP 244, ZIP
 * 229, ZIP 221). Without it two different blocks would have one hash. Internal byte order throughout.
 */

/** The authorizing data commitment of a transaction; 32 bytes 0xff before v5, whose txids leave nothing out. */
export const authDigest = (fields: TransactionFields): Uint8Array => {
  if (fields.versionGroupId === null || fields.version < 5) return new Uint8Array(32).fill(0xff)
  const personalization = createByteWriter(16)
    .bytes(new TextEncoder().encode('ZTxAuthHash_'))
    .u32(fields.consensusBranchId ?? 0)
    .finish()
  const isV6 = fields.version === 6
  return personalBlake2b256(personalization, [
    scriptsDigest(fields.inputs),
    saplingDigest(fields, isV6),
    bundleDigest(fields.orchard, isV6 ? 'ZTxAuthOrchaH_v6' : 'ZTxAuthOrchaHash', isV6),
    ...(isV6 ? [bundleDigest(fields.ironwood, 'ZTxAuthIrnwdH_v6', isV6)] : []),
  ])
}

/** Root of the tree over the transactions' authorizing data, filled up with zeros to a power of two (ZIP 244). */
export const authDataRoot = (digests: readonly Uint8Array[]): Uint8Array => {
  let level = [...digests]
  while (!Number.isInteger(Math.log2(level.length))) level.push(new Uint8Array(32))
  while (level.length > 1) {
    level = level.flatMap((left, index) =>
      index % 2 === 0 ? [personalBlake2b256('ZcashAuthDatHash', [left, level[index + 1]!])] : [],
    )
  }
  return level[0]!
}

/** hashBlockCommitments of a header since NU5. `historyRoot` is the root of the chain history tree (ZIP 221). */
export const blockCommitment = (historyRoot: Uint8Array, authRoot: Uint8Array): Uint8Array =>
  personalBlake2b256('ZcashBlockCommit', [historyRoot, authRoot, new Uint8Array(32)])

const scriptsDigest = (inputs: TransactionFields['inputs']): Uint8Array => {
  const writer = createByteWriter()
  for (const { script } of inputs) writer.variableBytes(script)
  return personalBlake2b256('ZTxAuthTransHash', [writer.finish()])
}

/** Since v6 the anchors are authorizing data as well. */
const saplingDigest = (fields: TransactionFields, isV6: boolean): Uint8Array => {
  const { saplingSpends: spends, saplingOutputs: outputs, saplingBindingSignature } = fields
  const anchor = isV6 ? spends[0]?.anchor : undefined
  return personalBlake2b256(isV6 ? 'ZTxAuthSapliH_v6' : 'ZTxAuthSapliHash', [
    ...spends.map(({ proof }) => proof),
    ...spends.map(({ signature }) => signature),
    ...outputs.map(({ proof }) => proof),
    ...(saplingBindingSignature === null ? [] : [saplingBindingSignature]),
    ...(anchor === undefined ? [] : [anchor]),
  ])
}

const bundleDigest = (bundle: OrchardBundle | null, personalization: string, isV6: boolean): Uint8Array =>
  personalBlake2b256(
    personalization,
    bundle === null
      ? []
      : [
          bundle.proof,
          ...bundle.actions.map(({ signature }) => signature),
          bundle.bindingSignature,
          ...(isV6 ? [bundle.anchor] : []),
        ],
  )
