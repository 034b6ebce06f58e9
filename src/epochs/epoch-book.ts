import {
  beaconOf,
  type Committees,
  createCommittees,
  type Epoch,
  type EpochPhases,
  epochOfHeight,
  epochPhases,
  epochStart,
  type Genesis,
  type Height,
  indexOfSeat,
  type NetworkId,
  type Params,
  type ParamsSchedule,
  paramsOfWeek,
  type Snapshot,
  type SnapshotRow,
  type Week,
  weekOfTime,
} from '../../protocol/index.ts'
import type { ChainView } from './chain-view.ts'

/** An epoch whose first block is confirmed: everything the roles ask about it. */
export interface EpochContext {
  epoch: Epoch
  week: Week
  params: Params
  beacon: Uint8Array
  snapshot: Snapshot
  committees: Committees
  phases: EpochPhases
  /** The row of a seat, or undefined if the snapshot has it not. */
  rowOf: (seat: number) => SnapshotRow | undefined
}

/** Contexts of epochs, computed once and forgotten when the chain takes them back. */
export interface EpochBook {
  /** Undefined while b(epoch) is not confirmed. */
  get(epoch: Epoch): Promise<EpochContext | undefined>
  /** What `get` has given before, if it is still at hand: for validators, which may not wait. */
  peek(epoch: Epoch): EpochContext | undefined
  /** False once a reorganisation took away the block that a context hangs on (R-CHAIN-2). */
  isCanonical(context: EpochContext): boolean
  /** Without a snapshot, so cheap for old epochs too. Undefined while b(epoch) is not confirmed. */
  beaconOf(epoch: Epoch): Promise<Uint8Array | undefined>
  /** The epoch of the last confirmed block; null before the activation. */
  current(): Epoch | null
  weekOf(epoch: Epoch): Promise<Week | undefined>
  /** First and last epoch of a week that has begun; null if no epoch of it has. `isComplete`: the next has begun. */
  epochsOfWeek(week: Week): Promise<{ first: Epoch; last: Epoch; isComplete: boolean } | null>
  /** The first epoch of this week or a later one; the first that has not begun yet if there is none. */
  firstEpochFrom(week: Week): Promise<Epoch>
  /** Forgets every epoch whose beacon or snapshot depends on a block above `height`. */
  forgetAbove(height: number): void
}

/** A week and the epochs about it: at 40,000 seats a context is 0.7 MB beside its shared rows. */
const maxContexts = 48

export const createEpochBook = (
  genesis: Genesis,
  networkId: NetworkId,
  schedule: ParamsSchedule,
  chain: ChainView,
): EpochBook => {
  const contexts = new Map<Epoch, EpochContext>()
  const weeks = new Map<Epoch, Week>()
  const loading = new Map<Epoch, Promise<EpochContext | undefined>>()
  /** How often the chain took blocks back, and what each context or week was read after. */
  let reorganisations = 0
  const readAfter = new WeakMap<EpochContext, number>()
  /** Rising in both: a later, deeper reorganisation says all that the ones before it said. */
  let forgotten: { number: number; height: Height }[] = []

  const isGone = (epoch: Epoch, after: number): boolean =>
    forgotten.some(({ number, height }) => number > after && epochStart(genesis, epoch) > height)

  const weekOf = async (epoch: Epoch): Promise<Week | undefined> => {
    const known = weeks.get(epoch)
    if (known !== undefined) return known
    const after = reorganisations
    const height = epochStart(genesis, epoch)
    if (!isEpoch(epoch) || height > chain.confirmedHeight) return undefined
    const time = await chain.medianTimeAt(height)
    if (time === undefined) return undefined
    const week = weekOfTime(time)
    if (!isGone(epoch, after)) weeks.set(epoch, week)
    return week
  }

  const read = async (epoch: Epoch): Promise<EpochContext | undefined> => {
    const start = epochStart(genesis, epoch)
    if (!isEpoch(epoch) || start > chain.confirmedHeight) return undefined
    const [week, blockHash, snapshot] = await Promise.all([
      weekOf(epoch),
      chain.hashAt(start),
      chain.snapshotOf(epoch),
    ])
    if (week === undefined || blockHash === undefined || snapshot === undefined) return undefined
    const params = paramsOfWeek(schedule, week)
    const beacon = beaconOf(networkId, epoch, blockHash)
    return {
      epoch,
      week,
      params,
      beacon,
      snapshot,
      committees: createCommittees(beacon, snapshot.length, params.committee),
      phases: epochPhases(genesis, params.attestBlocks, epoch),
      rowOf: (seat) => {
        const index = indexOfSeat(snapshot, seat)
        return index === -1 ? undefined : snapshot[index]
      },
    }
  }

  /** Reads a context, and keeps it unless its blocks went away meanwhile. */
  const load = async (epoch: Epoch): Promise<EpochContext | undefined> => {
    const after = reorganisations
    const context = await read(epoch)
    if (context === undefined) return undefined
    readAfter.set(context, after)
    if (isGone(epoch, after)) return undefined
    contexts.set(epoch, context)
    if (contexts.size > maxContexts) contexts.delete(contexts.keys().next().value!)
    return context
  }

  const current = (): Epoch | null => epochOfHeight(genesis, chain.confirmedHeight)

  // Weeks rise with epochs (R-EPOCH-2), so the first of a week is found by halving.
  const firstEpochFrom = async (week: Week): Promise<Epoch> => {
    let low = 0
    let high = (current() ?? -1) + 1
    while (low < high) {
      const middle = (low + high) >>> 1
      const found = await weekOf(middle)
      if (found === undefined || found >= week) high = middle
      else low = middle + 1
    }
    return low
  }

  return {
    async get(epoch) {
      const known = contexts.get(epoch)
      if (known !== undefined) {
        contexts.delete(epoch)
        contexts.set(epoch, known)
        return known
      }
      // Shared, so that all who ask hold the same context.
      let reading = loading.get(epoch)
      if (reading === undefined) {
        reading = load(epoch).finally(() => {
          if (loading.get(epoch) === reading) loading.delete(epoch)
        })
        loading.set(epoch, reading)
      }
      return await reading
    },
    peek: (epoch) => contexts.get(epoch),
    async beaconOf(epoch) {
      const known = contexts.get(epoch)
      if (known !== undefined) return known.beacon
      const start = epochStart(genesis, epoch)
      const blockHash =
        isEpoch(epoch) && start <= chain.confirmedHeight ? await chain.hashAt(start) : undefined
      return blockHash === undefined ? undefined : beaconOf(networkId, epoch, blockHash)
    },
    isCanonical: (context) => !isGone(context.epoch, readAfter.get(context) ?? 0),
    current,
    weekOf,
    firstEpochFrom,
    async epochsOfWeek(week) {
      const last = current()
      if (last === null) return null
      const first = await firstEpochFrom(week)
      if (first > last || (await weekOf(first)) !== week) return null
      let next = first
      let high = last + 1
      while (next < high) {
        const middle = (next + high) >>> 1
        const found = await weekOf(middle)
        if (found === undefined || found > week) high = middle
        else next = middle + 1
      }
      return { first, last: next - 1, isComplete: next <= last }
    },
    forgetAbove(height) {
      reorganisations++
      forgotten = forgotten.filter((earlier) => earlier.height < height)
      forgotten.push({ number: reorganisations, height })
      for (const epoch of [...contexts.keys(), ...weeks.keys(), ...loading.keys()]) {
        if (epochStart(genesis, epoch) <= height) continue
        contexts.delete(epoch)
        weeks.delete(epoch)
        loading.delete(epoch)
      }
    },
  }
}

/** Numbers come from the command line too. */
const isEpoch = (epoch: number): boolean => Number.isSafeInteger(epoch) && epoch >= 0
