import { isRetried, reachesEnough, Verdict } from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'
import { challengerAt, type Ring } from './ring.ts'

/** R-FAULT-1 asks this many other seats. */
const selfCheckSeats = 3

/** What every challenger would say if all were honest, before anybody abstains. */
export const observe = (ring: Ring, addressOf: Uint32Array): void => {
  const { size, k } = ring.committees
  const { attests, verdicts, addresses } = ring.flat
  attests.set(ring.signs)
  verdicts.fill(Verdict.valid)
  const addressAt = new Uint32Array(size)
  for (let position = 0; position < size; position++) addressAt[position] = addressOf[ring.nodeAt[position]!]!
  for (let position = 0, at = 0; position < size; position++) {
    let target = position
    for (let i = 0; i < k; i++) {
      target = target + 1 === size ? 0 : target + 1
      addresses[at++] = addressAt[target]!
    }
  }
  for (let position = 0; position < size; position++) {
    if (ring.isUp[position] === 1) continue
    for (let i = 0; i < k; i++) verdicts[challengerAt(ring, position, i) * k + i] = Verdict.unreachable
  }
  const { sideAt } = ring
  if (sideAt === null) return
  for (let position = 0; position < size; position++) {
    for (let i = 0; i < k; i++) {
      if (sideAt[position] !== sideAt[(position + 1 + i) % size])
        verdicts[position * k + i] = Verdict.unreachable
    }
  }
}

/** Challenges that fail on the way though both ends are up. Each challenger counts down to its next one. */
export interface Misses {
  /** Visits before the node's next miss. */
  next: Float64Array
  streamOf: (node: number) => ActorStream
}

export const addMisses = (ring: Ring, misses: Misses): void => {
  const { size, k } = ring.committees
  for (let position = 0; position < size; position++) {
    if (ring.isUp[position] === 0) continue
    const node = ring.nodeAt[position]!
    let next = misses.next[node]!
    for (; next < k;) {
      const cell = position * k + next
      if (ring.flat.verdicts[cell] === Verdict.valid) ring.flat.verdicts[cell] = Verdict.timeout
      const { missRate } = ring.actors[ring.actorAt[position]!]!
      next += 1 + misses.streamOf(node).failuresBefore(missRate)
    }
    misses.next[node] = next - k
  }
}

/** R-EVID-2: a seat whose attestation of two epochs ago lacks receipts gets verdict 9 from all who found no other fault. */
export const audit = (ring: Ring, withoutReceipts: Uint8Array): void => {
  const { size, k } = ring.committees
  for (let position = 0; position < size; position++) {
    if (withoutReceipts[ring.nodeAt[position]!] === 0) continue
    for (let i = 0; i < k; i++) {
      const cell = challengerAt(ring, position, i) * k + i
      if (ring.flat.verdicts[cell] === Verdict.valid) ring.flat.verdicts[cell] = Verdict.evidenceInvalid
    }
  }
}

/** R-FAULT-1: who reaches too few of his targets tries three other seats, and abstains on all if he reaches none. */
export const abstainWhereCutOff = (ring: Ring, streamOf: (node: number) => ActorStream): void => {
  const { size, k } = ring.committees
  const { verdicts } = ring.flat
  for (let position = 0; position < size; position++) {
    if (ring.isUp[position] === 0) continue
    let reached = 0
    for (let i = 0; i < k && !reachesEnough(reached, k); i++) {
      const verdict = verdicts[position * k + i]!
      if (verdict === Verdict.valid || !isRetried(verdict as Verdict)) reached++
    }
    if (reachesEnough(reached, k)) continue
    const stream = streamOf(ring.nodeAt[position]!)
    let others = 0
    for (let i = 0; i < selfCheckSeats; i++) {
      const other = stream.below(size)
      const isSameSide = ring.sideAt === null || ring.sideAt[other] === ring.sideAt[position]
      if (other !== position && ring.isUp[other] === 1 && isSameSide) others++
    }
    if (others === 0) verdicts.fill(Verdict.abstain, position * k, position * k + k)
  }
}
