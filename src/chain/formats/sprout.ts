import type { ByteReader } from './reader.ts'
import type { JoinSplit, TransactionFields } from './types.ts'
import type { ByteWriter } from './writer.ts'

/** Groth16 since Sapling (Zcash v4, ZEN -3), PHGR13 before: seven points of 33 bytes and one of 65. */
export type SproutProof = 'groth16' | 'phgr13'

const proofBytes = { groth16: 192, phgr13: 296 } as const
const ciphertextBytes = 601
/** 1,698 bytes with Groth16, 1,802 with PHGR13. */
const joinSplitBytes = (proof: SproutProof): number => 304 + proofBytes[proof] + 2 * ciphertextBytes

type SproutFields = Pick<TransactionFields, 'joinSplits' | 'joinSplitPublicKey' | 'joinSplitSignature'>

export const readJoinSplits = (reader: ByteReader, proof: SproutProof): SproutFields => {
  const joinSplits = reader.vector(joinSplitBytes(proof), () => readJoinSplit(reader, proof))
  if (joinSplits.length === 0) return { joinSplits, joinSplitPublicKey: null, joinSplitSignature: null }
  return { joinSplits, joinSplitPublicKey: reader.bytes(32), joinSplitSignature: reader.bytes(64) }
}

const readJoinSplit = (reader: ByteReader, proof: SproutProof): JoinSplit => ({
  publicOld: reader.u64(),
  publicNew: reader.u64(),
  anchor: reader.bytes(32),
  nullifiers: [reader.bytes(32), reader.bytes(32)],
  commitments: [reader.bytes(32), reader.bytes(32)],
  ephemeralKey: reader.bytes(32),
  randomSeed: reader.bytes(32),
  macs: [reader.bytes(32), reader.bytes(32)],
  proof: reader.bytes(proofBytes[proof]),
  ciphertexts: [reader.bytes(ciphertextBytes), reader.bytes(ciphertextBytes)],
})

export const writeJoinSplits = (writer: ByteWriter, proof: SproutProof, fields: SproutFields): void => {
  writer.vector(fields.joinSplits, (joinSplit) => writeJoinSplit(writer, proof, joinSplit))
  if (fields.joinSplits.length === 0) return
  writer.fixed(fields.joinSplitPublicKey ?? none, 32, 'joinSplitPublicKey')
  writer.fixed(fields.joinSplitSignature ?? none, 64, 'joinSplitSignature')
}

const none = new Uint8Array()

/** One JoinSplit as it stands in the transaction, which is also how ZIP 143 and ZIP 243 hash it. */
export const writeJoinSplit = (writer: ByteWriter, proof: SproutProof, joinSplit: JoinSplit): void => {
  writer.u64(joinSplit.publicOld).u64(joinSplit.publicNew).fixed(joinSplit.anchor, 32, 'anchor')
  for (const nullifier of joinSplit.nullifiers) writer.fixed(nullifier, 32, 'nullifier')
  for (const commitment of joinSplit.commitments) writer.fixed(commitment, 32, 'commitment')
  writer.fixed(joinSplit.ephemeralKey, 32, 'ephemeralKey').fixed(joinSplit.randomSeed, 32, 'randomSeed')
  for (const mac of joinSplit.macs) writer.fixed(mac, 32, 'mac')
  writer.fixed(joinSplit.proof, proofBytes[proof], 'JoinSplit proof')
  for (const ciphertext of joinSplit.ciphertexts) writer.fixed(ciphertext, ciphertextBytes, 'ciphertext')
}
