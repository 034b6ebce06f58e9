/**
 * The one table of key prefixes: the first byte of every key of the store says what the row holds. Heights, seats
 * and epochs are big-endian, so that ranges run in their order.
 */
export const prefixes = {
  /** name → `schema` u32, `network` 32 hex digits. */
  meta: 0x01,

  /** height → hash 32, time u32, median time past u32, transaction count u32: the last row is the cursor. */
  header: 0x10,
  /** seat → [version of its identity, active since, balance]: the registry after the cursor's block. */
  seat: 0x11,
  /** seat, version from 0 → what an announcement said: once for each, however many snapshots name it. */
  identity: 0x12,
  /** txid, index → [seat, value]: unspent outputs that count towards a stake. */
  stakeOutput: 0x13,
  /** height → what takes a block's registry change back; no row where nothing changed. */
  undo: 0x14,
  /** epoch → its snapshot, as a list of (seat, version of its identity). */
  snapshot: 0x15,
  /** epoch → seats in its snapshot u32, the root over them 32. */
  snapshotRoot: 0x18,
  /** height → transparent outputs of its coinbase, in networks with a treasury. */
  coinbase: 0x19,
  /** seat, txid, index → nothing: the outputs of `stakeOutput` by seat. */
  seatOutput: 0x17,
  /** height → the weeks after this block, which changed them: ends, freezes, anchors. */
  weeks: 0x16,
  /** → JSON: the voided anchors under which `weeks` were stepped (R-NET-4). No row says none. */
  voided: 0x1a,

  /** epoch, beacon, seat → heldAt u32, signature 64, payload: attestations, the first held of each seat. */
  attestation: 0x20,
  /** epoch, beacon, seat → proof: one equivocation of a seat, epoch and beacon. */
  equivocation: 0x21,
  /** epoch, beacon, seat → heldAt u32 of a proof, never changed. No row for proofs from before there were such rows. */
  equivocationHeldAt: 0x2c,
  /** SHA-256 → epoch u32, block: evidence, own and fetched. */
  evidence: 0x22,
  /** epoch, SHA-256 → nothing: what of `evidence` may go when its epoch does. */
  evidenceByEpoch: 0x23,
  /** epoch, beacon → nothing: this node ran through that epoch (R-CP-3). */
  ranThrough: 0x2d,
  /** epoch, beacon → signature 64, payload: what this node signed. Written before it is published. */
  signed: 0x24,
  /** epoch, beacon → the challenger's work of the epoch, dag-cbor. */
  work: 0x25,
  /** epoch, beacon, challenger seat → signed question and signed receipt: what this node signed as a target. */
  receipt: 0x26,
  /** epoch, hash of its last block, hash of the treasury scripts → base units u64 that came in. */
  income: 0x27,

  /** week (8 characters), part u32 → the signed transaction: what `payout send` broadcasts, written before. */
  payout: 0x30,
  /** SHA-256 → week's text, payload of a checkpoint or page of proofs. */
  checkpoint: 0x28,
  /** week's text, view u32, SHA-256 of a checkpoint → nothing: a vote, written before it is signed. */
  vote: 0x29,
  /** week's text → the certificate that is known of it. */
  certificate: 0x2a,
  /** SHA-256 of a checkpoint, epoch → (seat u32, SHA-256) of each attestation under its root. */
  contents: 0x2b,

  /** SHA-256 of code and subject, 16 bytes → JSON: what was told of a finding, and what is so. */
  alertFinding: 0x40,
  /** target 8, number u32 → JSON: an alert that was not delivered yet. */
  alertWaiting: 0x41,

  /** nothing → JSON: whether this store's daemon may sign for its seat. */
  signing: 0x50,
} as const

/** Prefix, then the parts as they are. */
export const keyOf = (prefix: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const key = new Uint8Array(parts.reduce((length, part) => length + part.length, 1))
  key[0] = prefix
  let offset = 1
  for (const part of parts) {
    key.set(part, offset)
    offset += part.length
  }
  return key
}

export const u32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export const readU32 = (bytes: Uint8Array, offset = 0): number =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(offset)
