import { sha256 } from '@noble/hashes/sha2.js'
import type { CID } from 'multiformats/cid'
import { concatBytes, equalBytes } from './bytes.ts'
import { encodeCanonical } from './codec.ts'
import type { Seat } from './ids.ts'
import { finish, type Steps } from './steps.ts'

// RFC 6962 2.1: leaves and nodes are hashed under different first bytes.
export const leafHash = (leaf: Uint8Array): Uint8Array => sha256(concatBytes(Uint8Array.of(0), leaf))
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  sha256(concatBytes(Uint8Array.of(1), left, right))

/** The largest power of two below n (n > 1). */
const splitOf = (n: number): number => 2 ** (31 - Math.clz32(n - 1))

const rootOfHashes = (hashes: readonly Uint8Array[], from: number, to: number): Uint8Array => {
  if (to - from === 1) return hashes[from]!
  const middle = from + splitOf(to - from)
  return nodeHash(rootOfHashes(hashes, from, middle), rootOfHashes(hashes, middle, to))
}

/** Merkle tree hash of RFC 6962 over the leaves in their order: 32 bytes; of none, SHA-256 of nothing. */
export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array =>
  leaves.length === 0 ? sha256(new Uint8Array(0)) : rootOfHashes(leaves.map(leafHash), 0, leaves.length)

/**
 * The same root of leaves that come one after the other, with one hash for each level in memory: below a complete tree
 * of 2^k leaves nothing changes any more.
 */
export const merkleRootOf = (leaves: Iterable<Uint8Array>): Uint8Array => finish(merkleRootInSteps(leaves))

/** Leaves between two pauses: a millisecond or two. */
const leavesPerStep = 128

export const merkleRootInSteps = (leaves: Iterable<Uint8Array>): Steps<Uint8Array> =>
  merkleRootOfHashesInSteps(hashesOf(leaves))

const hashesOf = function* (leaves: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const leaf of leaves) yield leafHash(leaf)
}

/** The same root from the hashes of the leaves (`leafHash`), for leaves that stand under many roots. */
export const merkleRootOfHashesInSteps = function* (hashes: Iterable<Uint8Array>): Steps<Uint8Array> {
  const complete: { leaves: number; hash: Uint8Array }[] = []
  const joinLastTwo = (): void => {
    const right = complete.pop()!
    const left = complete.pop()!
    complete.push({ leaves: left.leaves + right.leaves, hash: nodeHash(left.hash, right.hash) })
  }
  let count = 0
  for (const hash of hashes) {
    if (++count % leavesPerStep === 0) yield
    complete.push({ leaves: 1, hash })
    while (complete.length > 1 && complete.at(-1)!.leaves === complete.at(-2)!.leaves) joinLastTwo()
  }
  while (complete.length > 1) joinLastTwo()
  return complete[0]?.hash ?? sha256(new Uint8Array(0))
}

/** The audit path of RFC 6962 2.1.1 for the leaf at `index`, from the leaf up. */
export const merklePath = (leaves: readonly Uint8Array[], index: number): Uint8Array[] =>
  createMerklePaths(leaves)(index)

/** The same for as many leaves as are asked for: each subtree is hashed once. */
export const createMerklePaths = (leaves: readonly Uint8Array[]): ((index: number) => Uint8Array[]) => {
  const hashes = leaves.map(leafHash)
  const known = new Map<string, Uint8Array>()
  const rootOf = (from: number, to: number): Uint8Array => {
    const name = `${from} ${to}`
    const root = known.get(name) ?? rootOfHashes(hashes, from, to)
    known.set(name, root)
    return root
  }
  return (index) => {
    if (index < 0 || index >= leaves.length) throw new RangeError(`no leaf ${index}`)
    const path: Uint8Array[] = []
    let from = 0
    let to = leaves.length
    while (to - from > 1) {
      const middle = from + splitOf(to - from)
      if (index < middle) {
        path.push(rootOf(middle, to))
        to = middle
      } else {
        path.push(rootOf(from, middle))
        from = middle
      }
    }
    return path.reverse()
  }
}

/** RFC 9162 2.1.3.2: whether `leaf` stands at `index` among `count` leaves under `root`. */
export const verifyMerklePath = (
  root: Uint8Array,
  leaf: Uint8Array,
  index: number,
  count: number,
  path: readonly Uint8Array[],
): boolean => {
  if (!Number.isInteger(index) || index < 0 || index >= count) return false
  let position = index
  let last = count - 1
  let hash = leafHash(leaf)
  for (const sibling of path) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      hash = nodeHash(sibling, hash)
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2)
        last = Math.floor(last / 2)
      }
    } else hash = nodeHash(hash, sibling)
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalBytes(hash, root)
}

/** The leaf of an attestation under root(e) (R-SYNC-1). */
export const attestationLeaf = (seat: Seat, cid: CID): Uint8Array => encodeCanonical([seat, cid])

/** R-SYNC-1: root(e) over the attestations of an epoch, in rising order of seat. */
export const epochRoot = (rows: Iterable<{ seat: Seat; cid: CID }>): Uint8Array =>
  finish(epochRootInSteps(rows))

/** R-SYNC-1: returns the 32-byte root of an epoch, in steps. `rows` in rising order of seat. */
export const epochRootInSteps = (rows: Iterable<{ seat: Seat; cid: CID }>): Steps<Uint8Array> =>
  merkleRootInSteps(leavesOf(rows))

const leavesOf = function* (rows: Iterable<{ seat: Seat; cid: CID }>): Generator<Uint8Array> {
  for (const row of rows) yield attestationLeaf(row.seat, row.cid)
}
