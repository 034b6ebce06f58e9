import {
  applyChange,
  createRegistry,
  epochStart,
  type Genesis,
  type NetworkId,
  type Seat,
  type SeatRecord,
  type Snapshot,
  takeSnapshot,
} from '../../protocol/index.ts'
import { createActorStream } from '../actor-stream.ts'
import type { Population } from '../population.ts'
import type { Scenario } from '../scenario.ts'

/** Who is staked, in the protocol's own registry: seats come and go, snapshots follow R-EPOCH-5. */
export interface Membership {
  seats: readonly SeatRecord[]
  /** The node that a seat was made for. */
  nodeOfSeat(seat: Seat): number
  /** Whether that node still holds this seat: one that has gone does not answer any more. */
  isHeld(seat: Seat): boolean
  /** Joins and leaves of epoch e − 1, then snapshot(e). Epochs come in order, from 0. */
  snapshotAt(epoch: number): Snapshot
}

export const createMembership = (
  scenario: Scenario,
  repeat: number,
  population: Population,
  genesis: Genesis,
  networkId: NetworkId,
  epochsPerWeek: number,
): Membership => {
  const registry = createRegistry(genesis, networkId)
  const nodeOfSeat: number[] = []
  const seatOfNode = new Uint32Array(population.nodes)
  const leavesAt = new Float64Array(population.nodes).fill(Infinity)
  const streams = population.actors.map((actor) =>
    actor.lifetimeWeeks === undefined
      ? null
      : createActorStream(scenario.seed, repeat, actor.name, 'lifetimes'),
  )
  let snapshot: Snapshot = []
  /** The last epoch with a change that a snapshot may still have to learn of. */
  let changedAt = 0

  const seatOf = (node: number, height: number): SeatRecord => {
    const seat = nodeOfSeat.length
    nodeOfSeat.push(node)
    seatOfNode[node] = seat
    const stake = new Uint8Array(20)
    new DataView(stake.buffer).setUint32(0, seat)
    return {
      seat,
      stake,
      peer: stake,
      host: '',
      p2p: 1,
      tls: 1,
      bls: stake,
      blsSince: height,
      at: height,
      announced: { height, index: 0 },
      activeSince: height,
    }
  }

  const drawLifetime = (node: number, epoch: number): void => {
    const actor = population.actors[population.actorOf[node]!]!
    const stream = streams[actor.index]
    if (stream === null || stream === undefined) return
    leavesAt[node] = epoch + stream.duration(actor.lifetimeWeeks! * epochsPerWeek)
  }

  const change = (height: number, seats: { before: SeatRecord | null; after: SeatRecord }[]): void =>
    applyChange(registry, { height, seats, created: [], removed: [], refused: [] })

  change(
    genesis.activationHeight,
    Array.from({ length: population.nodes }, (_, node) => ({
      before: null,
      after: seatOf(node, genesis.activationHeight),
    })),
  )
  for (let node = 0; node < population.nodes; node++) drawLifetime(node, 0)
  const hasChurn = streams.some((stream) => stream !== null)

  const turnOver = (epoch: number): void => {
    const height = epochStart(genesis, epoch) + 1
    const changes: { before: SeatRecord | null; after: SeatRecord }[] = []
    for (let node = 0; node < population.nodes; node++) {
      if (leavesAt[node]! > epoch) continue
      const before = registry.seats[seatOfNode[node]!]!
      changes.push({ before, after: { ...before, activeSince: null } })
      changes.push({ before: null, after: seatOf(node, height) })
      drawLifetime(node, epoch)
    }
    if (changes.length === 0) return
    changedAt = epoch
    change(height, changes)
  }

  return {
    seats: registry.seats,
    nodeOfSeat: (seat) => nodeOfSeat[seat]!,
    isHeld: (seat) => seatOfNode[nodeOfSeat[seat]!] === seat,
    snapshotAt: (epoch) => {
      if (epoch < 2) return []
      if (hasChurn) turnOver(epoch - 1)
      // A change after b(c) is in the snapshots from c + 1 (who left) and c + 3 (who came: active after b(c + 1), and all
      // blocks to b(c + 2)): then nothing moves.
      if (snapshot.length === 0 || epoch <= changedAt + 3) {
        snapshot = takeSnapshot(registry, epochStart(genesis, epoch - 2))
      }
      return snapshot
    },
  }
}
