import type { Committees, FlatEpoch, Snapshot } from '../../protocol/index.ts'
import type { Actor, Population } from '../population.ts'
import type { Availability } from './availability.ts'
import type { Membership } from './membership.ts'

/** One epoch as the engine sees it. Arrays run over positions of the ring. */
export interface Ring {
  epoch: number
  beacon: Uint8Array
  committees: Committees
  /** What is attested; the engine fills it in. */
  flat: FlatEpoch
  /** Who stands at a position. */
  nodeAt: Uint32Array
  actorAt: Uint8Array
  /** 1 if it answers on the network. */
  isUp: Uint8Array
  /** 1 if it attests: up, or an attacker whose key signs elsewhere. */
  signs: Uint8Array
  /** Side of a partition, or null. */
  sideAt: Uint8Array | null
  actors: readonly Actor[]
}

/** The i-th challenger of the seat at a position, which has it as its i-th target. */
export const challengerAt = ({ committees: { size } }: Ring, position: number, i: number): number =>
  (position + size - 1 - i) % size

/** Where its verdict stands. */
export const cellOf = (ring: Ring, position: number, i: number): number =>
  challengerAt(ring, position, i) * ring.committees.k + i

/** At each position, how many of its challengers satisfy a mark (0 or 1): a sum that slides round the ring. */
export const countChallengers = ({ size, k }: Committees, marks: Uint8Array): Uint8Array => {
  const counts = new Uint8Array(size)
  let sum = 0
  for (let i = 1; i <= k; i++) sum += marks[(size - i) % size]!
  for (let position = 0; position < size; position++) {
    counts[position] = sum
    sum += marks[position]! - marks[(position + size - k) % size]!
  }
  return counts
}

/** Seat and node at each index of a snapshot, which stays the same for as long as nobody comes or goes. */
export interface IndexedSnapshot {
  snapshot: Snapshot
  nodeOfIndex: Uint32Array
  seats: Uint32Array
}

export const indexSnapshot = (snapshot: Snapshot, membership: Membership): IndexedSnapshot => {
  const nodeOfIndex = new Uint32Array(snapshot.length)
  const seats = new Uint32Array(snapshot.length)
  for (const [index, { seat }] of snapshot.entries()) {
    nodeOfIndex[index] = membership.nodeOfSeat(seat)
    seats[index] = seat
  }
  return { snapshot, nodeOfIndex, seats }
}

/** Who stands where, and who is up. */
export const createRing = (
  epoch: number,
  { beacon, committees }: { beacon: Uint8Array; committees: Committees },
  flat: FlatEpoch,
  { nodeOfIndex, seats }: IndexedSnapshot,
  { actors, actorOf }: Population,
  { up, sides }: Pick<Availability, 'up' | 'sides'>,
  membership: Pick<Membership, 'isHeld'>,
): Ring => {
  const { size, ring: indexes } = committees
  const nodeAt = new Uint32Array(size)
  const actorAt = new Uint8Array(size)
  const isUp = new Uint8Array(size)
  const signs = new Uint8Array(size)
  const sideAt = sides === null ? null : new Uint8Array(size)
  for (let position = 0; position < size; position++) {
    const node = nodeOfIndex[indexes[position]!]!
    nodeAt[position] = node
    actorAt[position] = actorOf[node]!
    // The seat of a node that has gone and come back under another stays in a snapshot for a while.
    isUp[position] = membership.isHeld(seats[indexes[position]!]!) ? up[node]! : 0
    signs[position] = isUp[position] === 1 || actors[actorOf[node]!]!.strategies.has('absent') ? 1 : 0
    if (sideAt !== null) sideAt[position] = sides![node]!
  }
  return {
    epoch,
    beacon,
    committees,
    flat,
    nodeAt,
    actorAt,
    isUp,
    signs,
    sideAt,
    actors,
  }
}
