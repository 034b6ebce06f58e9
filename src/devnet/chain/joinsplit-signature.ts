import { createPublicKey, verify } from 'node:crypto'
import { doubleSha256 } from '../../chain/formats/hashes.ts'
import { sighash, zip243SignatureHash } from '../../chain/formats/sighash.ts'
import { serializeTransaction } from '../../chain/formats/transaction.ts'
import type { TransactionFields } from '../../chain/formats/types.ts'
import { createByteWriter } from '../../chain/formats/writer.ts'

/**
 * JoinSplitSig (Zcash protocol specification 4.11): Ed25519 by a key made for this transaction alone over everything
 * in it but input scripts and the signature itself, so that nobody can take the JoinSplits into another one.
 */
export const isJoinSplitSignatureGood = (fields: TransactionFields, branchId: number): boolean => {
  const { joinSplitPublicKey, joinSplitSignature } = fields
  if (joinSplitPublicKey === null || joinSplitSignature === null) return false
  return verify(
    null,
    joinSplitSignatureHash(fields, branchId),
    publicKeyOf(joinSplitPublicKey),
    joinSplitSignature,
  )
}

/** What the key signs: SIGHASH_ALL for no input (NOT_AN_INPUT in zcashd and zend). */
export const joinSplitSignatureHash = (fields: TransactionFields, branchId: number): Uint8Array => {
  if (fields.versionGroupId !== null) return zip243SignatureHash(fields, null, sighash.all, branchId)
  const preimage = serializeTransaction({
    ...fields,
    inputs: fields.inputs.map((input) => ({ ...input, script: new Uint8Array() })),
    joinSplitSignature: new Uint8Array(64),
  })
  return doubleSha256(
    createByteWriter(preimage.length + 4)
      .bytes(preimage)
      .u32(sighash.all)
      .finish(),
  )
}

const publicKeyOf = (bytes: Uint8Array): ReturnType<typeof createPublicKey> =>
  createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(bytes).toString('base64url') },
    format: 'jwk',
  })
