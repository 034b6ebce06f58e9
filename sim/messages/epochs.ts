import {
  createFlatEpoch,
  type Epoch,
  epochPhases,
  type Seat,
  type Snapshot,
  type Week,
  type WeekRecord,
} from '../../protocol/index.ts'
import { drawBeacon } from '../statistical/beacons.ts'
import { createRing, type IndexedSnapshot, indexSnapshot } from '../statistical/ring.ts'
import type { EpochContext } from './epoch-context.ts'
import type { Ground } from './ground.ts'
import { sidesOf } from './victims.ts'

/** The epochs of a run: those whose attestations travel, and those whose week is not settled yet. */
export interface Epochs {
  /** Ids of messages that an epoch has for itself; they are given again after some epochs. */
  idsPerEpoch: number
  /** Ids of all epochs' messages are below this. */
  messages: number
  /** The oldest first. */
  open(): readonly EpochContext[]
  get(epoch: Epoch): EpochContext | undefined
  /** The last epoch whose messages have this id. */
  ofMessage(message: number): EpochContext | undefined
  /** Whether a node ran through an epoch (R-CP-3). */
  ranThrough(node: number, epoch: Epoch): boolean
  /** Weeks count from 1 in the order in which they begin; 0 has only the two epochs without a snapshot. */
  numberOf(week: Week): number
  /** Whether a week is one of those that the scenario asks for. */
  isCounted(number: number): boolean
  /** What every node finds at block b(e); null while snapshots are empty. */
  begin(epoch: Epoch): EpochContext | null
  isSettled(week: Week): boolean
  /** The set of a week is fixed: of its epochs that are closed nobody asks any more. */
  settle(record: WeekRecord): void
}

/** Epochs whose attestations travel at a time: one closes when the third after it opens. */
const openEpochs = 3
/** Groups of message ids: no id of a closed epoch is still on its way when it is given again. */
const groups = openEpochs + 1

/** `onClosed` is told of an epoch when its attestations do not travel any more. */
export const createEpochs = (ground: Ground, onClosed: (context: EpochContext) => void): Epochs => {
  const { scenario, rules, population, membership, availability, chain, network, isUp, holdings } = ground
  const { genesis, params, networkId, weekOf } = rules
  const { nodes } = population
  const contexts = new Map<Epoch, EpochContext>()
  let open: readonly EpochContext[] = []
  const idsPerEpoch = 32 * Math.ceil(nodes / 32)
  const contextOfGroup: (EpochContext | undefined)[] = Array.from({ length: groups })
  const weekNumbers = new Map<Week, number>()
  const settled = new Set<Week>()
  let known: IndexedSnapshot = { snapshot: [], nodeOfIndex: new Uint32Array(), seats: new Uint32Array() }
  let indexOfSeat: ReadonlyMap<Seat, number> = new Map()

  const numberOf = (week: Week): number => {
    if (!weekNumbers.has(week)) weekNumbers.set(week, weekNumbers.size)
    return weekNumbers.get(week)!
  }
  const isCounted = (number: number): boolean => number >= 1 && number <= scenario.weeks

  const forget = (epoch: Epoch): void => {
    holdings.forget(epoch)
    contexts.delete(epoch)
  }

  const contextOf = (epoch: Epoch, week: number, snapshot: Snapshot): EpochContext => {
    if (snapshot !== known.snapshot) {
      known = indexSnapshot(snapshot, membership)
      indexOfSeat = new Map(snapshot.map(({ seat }, index) => [seat, index]))
    }
    const { nodeOfIndex, seats } = known
    const drawn = drawBeacon(networkId, epoch, params.committee, nodeOfIndex, population, chain)
    const flat = createFlatEpoch(drawn.committees)
    const indexOfNode = new Int32Array(nodes).fill(-1)
    for (const [index, node] of nodeOfIndex.entries())
      if (membership.isHeld(seats[index]!)) indexOfNode[node] = index
    return {
      epoch,
      week,
      beacon: drawn.beacon,
      committees: drawn.committees,
      drawn,
      snapshot,
      seats,
      nodeOfIndex,
      indexOfNode,
      indexOfSeat,
      phases: epochPhases(genesis, params.attestBlocks, epoch),
      isUp: isUp.slice(),
      ring: createRing(epoch, drawn, flat, known, population, availability, membership),
      flat,
      firstMessage: (epoch % groups) * idsPerEpoch,
    }
  }

  const closeOldest = (): void => {
    const [over, ...rest] = open
    if (over === undefined || open.length < openEpochs) return
    open = rest
    holdings.close(over.epoch)
    onClosed(over)
    if (settled.has(weekOf(over.epoch))) forget(over.epoch)
  }

  return {
    idsPerEpoch,
    messages: groups * idsPerEpoch,
    open: () => open,
    get: (epoch) => contexts.get(epoch),
    ofMessage: (message) => contextOfGroup[Math.floor(message / idsPerEpoch)],
    ranThrough: (node, epoch) =>
      contexts.get(epoch)?.isUp[node] === 1 && contexts.get(epoch + 1)?.isUp[node] !== 0,
    numberOf,
    isCounted,
    begin: (epoch) => {
      availability.step(epoch - 2)
      const week = numberOf(weekOf(epoch))
      const snapshot = membership.snapshotAt(epoch)
      if (snapshot.length === 0) return null
      isUp.set(availability.up)
      network.partition(sidesOf(availability.sides, ground.victims.isCutOff))
      const context = contextOf(epoch, week, snapshot)
      contexts.set(epoch, context)
      closeOldest()
      open = [...open, context]
      contextOfGroup[epoch % groups] = context
      holdings.open(context)
      return context
    },
    isSettled: (week) => settled.has(week),
    settle: ({ week, first, last }) => {
      settled.add(week)
      for (let epoch = first; epoch <= last!; epoch++) if (!holdings.isOpen(epoch)) forget(epoch)
    },
  }
}
