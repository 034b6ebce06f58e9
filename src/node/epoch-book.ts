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
  rowOf(seat: number): SnapshotRow | undefined
}

/** Contexts of epochs, computed once and forgotten when the chain takes them back. */
export interface EpochBook {
  /** Undefined while b(epoch) is not confirmed. */
  get(epoch: Epoch): Promise<EpochContext | undefined>
  /** What `get` has given before: for validators, which may not wait. */
  peek(epoch: Epoch): EpochContext | undefined
  /** The epoch of the last confirmed block; null before the activation. */
  current(): Epoch | null
  weekOf(epoch: Epoch): Promise<Week | undefined>
  /** First and last epoch of a week that has begun; null if no epoch of it has. `isComplete`: the next has begun. */
  epochsOfWeek(week: Week): Promise<{ first: Epoch; last: Epoch; isComplete: boolean } | null>
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

  const weekOf = async (epoch: Epoch): Promise<Week | undefined> => {
    const known = weeks.get(epoch)
    if (known !== undefined) return known
    const height = epochStart(genesis, epoch)
    if (height > chain.confirmedHeight) return undefined
    const time = await chain.medianTimeAt(height)
    if (time === undefined) return undefined
    const week = weekOfTime(time)
    weeks.set(epoch, week)
    return week
  }

  const load = async (epoch: Epoch): Promise<EpochContext | undefined> => {
    const start = epochStart(genesis, epoch)
    if (epoch < 0 || start > chain.confirmedHeight) return undefined
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

  const current = (): Epoch | null => epochOfHeight(genesis, chain.confirmedHeight)

  return {
    async get(epoch) {
      const known = contexts.get(epoch)
      if (known !== undefined) {
        contexts.delete(epoch)
        contexts.set(epoch, known)
        return known
      }
      const context = await load(epoch)
      if (context === undefined) return undefined
      contexts.set(epoch, context)
      if (contexts.size > maxContexts) contexts.delete(contexts.keys().next().value!)
      return context
    },
    peek: (epoch) => contexts.get(epoch),
    current,
    weekOf,
    async epochsOfWeek(week) {
      const last = current()
      if (last === null) return null
      // Weeks rise with epochs (R-EPOCH-2), so both ends are found by halving.
      const firstOf = async (wanted: Week): Promise<Epoch> => {
        let low = 0
        let high = last + 1
        while (low < high) {
          const middle = (low + high) >>> 1
          const found = await weekOf(middle)
          if (found === undefined || found >= wanted) high = middle
          else low = middle + 1
        }
        return low
      }
      const first = await firstOf(week)
      if (first > last || (await weekOf(first)) !== week) return null
      let next = first
      let high = last + 1
      while (next < high) {
        const middle = (next + high) >>> 1
        if ((await weekOf(middle))! > week) high = middle
        else next = middle + 1
      }
      return { first, last: next - 1, isComplete: next <= last }
    },
    forgetAbove(height) {
      for (const epoch of [...contexts.keys(), ...weeks.keys()]) {
        if (epochStart(genesis, epoch) > height) {
          contexts.delete(epoch)
          weeks.delete(epoch)
        }
      }
    },
  }
}
