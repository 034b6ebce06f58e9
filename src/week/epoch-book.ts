import { LRUCache } from 'lru-cache'
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
  unknownRulesetOf,
  type Week,
  weekOfTime,
} from '../../protocol/index.ts'
import { createSerial } from '../async/serial.ts'
import type { ChainView } from './chain-view.ts'

/** An epoch whose first block is confirmed: everything the roles ask about it. */
export interface EpochContext {
  epoch: Epoch
  week: Week
  params: Params
  beacon: Uint8Array
  snapshot: Snapshot
  /** Drawn when first asked for: whoever only wants a key of the snapshot pays for no shuffle. */
  readonly committees: Committees
  phases: EpochPhases
  /** The row of a seat, or undefined if the snapshot has it not. */
  rowOf: (seat: number) => SnapshotRow | undefined
}

/**
 * Contexts of epochs, forgotten when the chain takes them back. Those of running epochs stay once they were read; of the
 * others some are kept, and any is read again when it is asked for.
 */
export interface EpochBook {
  /** For this node's own work. Undefined while b(epoch) is not confirmed, and under a ruleset that is not known. */
  get(epoch: Epoch): Promise<EpochContext | undefined>
  /**
   * The same book for what others ask: `get` reads one context at a time and keeps it in a small cache of its own, so that
   * no question evicts what this node's work needs.
   */
  readonly forOthers: EpochBook
  /** A context that was read before, if it is still at hand: for validators, which may not wait. */
  peek(epoch: Epoch): EpochContext | undefined
  /** Whether gossip, challenges or audits are about this epoch now: the current one and the two before. */
  isRunning(epoch: Epoch): boolean
  /** False once a reorganisation took away the block that a context hangs on (R-CHAIN-2). */
  isCanonical(context: EpochContext): boolean
  /** Without a snapshot, so cheap for old epochs too. Undefined while b(epoch) is not confirmed. */
  beaconOf(epoch: Epoch): Promise<Uint8Array | undefined>
  /** The epoch of the last confirmed block; null before the activation. */
  current(): Epoch | null
  weekOf(epoch: Epoch): Promise<Week | undefined>
  /** The ruleset of a week if this version does not know it (R-NET-3), else null. */
  unknownRulesetOf(week: Week): number | null
  /** First and last epoch of a week that has begun; null if no epoch of it has. `isComplete`: the next has begun. */
  epochsOfWeek(week: Week): Promise<{ first: Epoch; last: Epoch; isComplete: boolean } | null>
  /** The first epoch of this week or a later one; the first that has not begun yet if there is none. */
  firstEpochFrom(week: Week): Promise<Epoch>
  /** Forgets every epoch whose beacon or snapshot depends on a block above `height`. */
  forgetAbove(height: number): void
}

/** Attestations come of the current epoch and the one before (R-EPOCH-3); audits look at the one before that. */
const runningEpochs = 3
/** A week and the epochs about it: at 40,000 seats a context is 0.7 MB beside its shared rows. */
const maxOwnContexts = 48
const maxContextsOfOthers = 8

export const createEpochBook = (
  genesis: Genesis,
  networkId: NetworkId,
  schedule: ParamsSchedule,
  chain: ChainView,
): EpochBook => {
  const running = new Map<Epoch, EpochContext>()
  const own = new LRUCache<Epoch, EpochContext>({ max: maxOwnContexts })
  const ofOthers = new LRUCache<Epoch, EpochContext>({ max: maxContextsOfOthers })
  const branch = createBranch(genesis)
  const calendar = createCalendar(genesis, chain, branch)
  const { weekOf, current } = calendar

  const read = createContextReader(genesis, networkId, schedule, chain, weekOf)
  const { loadOnce, isCanonical, ...loads } = createLoads(read, branch)

  const isRunning = (epoch: Epoch): boolean => {
    const last = current()
    return last !== null && epoch <= last && epoch > last - runningEpochs
  }

  const peek = (epoch: Epoch): EpochContext | undefined =>
    running.get(epoch) ?? own.peek(epoch) ?? ofOthers.peek(epoch)

  const keep = (context: EpochContext, cache: LRUCache<Epoch, EpochContext>): void => {
    for (const [old, one] of running) {
      if (isRunning(old)) continue
      running.delete(old)
      own.set(old, one)
    }
    const { epoch } = context
    if (!isCanonical(context)) return
    const shelf = isRunning(epoch) ? running : cache
    // What is at hand for this node's own work serves others as well.
    if (shelf === ofOthers && own.has(epoch)) return
    shelf.set(epoch, context)
    for (const other of [own, ofOthers]) if (other !== shelf) other.delete(epoch)
  }

  const turns = createSerial()

  const getInto = async (
    cache: LRUCache<Epoch, EpochContext>,
    epoch: Epoch,
    readOnce: () => Promise<EpochContext | undefined>,
  ): Promise<EpochContext | undefined> => {
    const context = peek(epoch) ?? (await readOnce())
    if (context !== undefined) keep(context, cache)
    return context
  }

  const shared: Omit<EpochBook, 'get' | 'forOthers'> = {
    peek,
    isRunning,
    async beaconOf(epoch) {
      const known = peek(epoch)
      if (known !== undefined) return known.beacon
      const start = epochStart(genesis, epoch)
      const blockHash =
        isEpoch(epoch) && start <= chain.confirmedHeight ? await chain.hashAt(start) : undefined
      return blockHash === undefined ? undefined : beaconOf(networkId, epoch, blockHash)
    },
    isCanonical,
    current,
    weekOf,
    unknownRulesetOf: (week) => unknownRulesetOf(schedule, week),
    firstEpochFrom: calendar.firstEpochFrom,
    epochsOfWeek: calendar.epochsOfWeek,
    forgetAbove(height) {
      branch.forgetAbove(height)
      calendar.forgetAbove(height)
      for (const byEpoch of [running, own, ofOthers, loads.underway]) {
        const gone = [...byEpoch.keys()].filter((epoch) => epochStart(genesis, epoch) > height)
        for (const epoch of gone) byEpoch.delete(epoch)
      }
    },
  }
  const forOthers: EpochBook = {
    ...shared,
    get: (epoch) =>
      getInto(ofOthers, epoch, () => turns.run('read', async () => peek(epoch) ?? (await loadOnce(epoch)))),
    get forOthers() {
      return forOthers
    },
  }
  return { ...shared, get: (epoch) => getInto(own, epoch, () => loadOnce(epoch)), forOthers }
}

const createContextReader = (
  genesis: Genesis,
  networkId: NetworkId,
  schedule: ParamsSchedule,
  chain: Pick<ChainView, 'confirmedHeight' | 'hashAt' | 'snapshotOf'>,
  weekOf: EpochBook['weekOf'],
): ((epoch: Epoch) => Promise<EpochContext | undefined>) => {
  return async (epoch) => {
    const start = epochStart(genesis, epoch)
    if (!isEpoch(epoch) || start > chain.confirmedHeight) return undefined
    const week = await weekOf(epoch)
    // R-NET-3: under rules that are not known nothing is signed, judged, taken or passed on.
    if (week === undefined || unknownRulesetOf(schedule, week) !== null) return undefined
    const [blockHash, snapshot] = await Promise.all([chain.hashAt(start), chain.snapshotOf(epoch)])
    if (blockHash === undefined || snapshot === undefined) return undefined
    const params = paramsOfWeek(schedule, week)
    const beacon = beaconOf(networkId, epoch, blockHash)
    let committees: Committees | undefined
    return {
      epoch,
      week,
      params,
      beacon,
      snapshot,
      get committees() {
        return (committees ??= createCommittees(beacon, snapshot.length, params.committee))
      },
      phases: epochPhases(genesis, params.attestBlocks, epoch),
      rowOf: (seat) => {
        const index = indexOfSeat(snapshot, seat)
        return index === -1 ? undefined : snapshot[index]
      },
    }
  }
}

/** Reads of contexts, each of which is good as long as the chain keeps its blocks. */
const createLoads = (read: (epoch: Epoch) => Promise<EpochContext | undefined>, branch: Branch) => {
  const underway = new Map<Epoch, Promise<EpochContext | undefined>>()
  const readAfter = new WeakMap<EpochContext, number>()

  /** Reads a context, unless its blocks go away meanwhile. */
  const load = async (epoch: Epoch): Promise<EpochContext | undefined> => {
    const after = branch.reorganisations()
    const context = await read(epoch)
    if (context === undefined) return undefined
    readAfter.set(context, after)
    return branch.isGone(epoch, after) ? undefined : context
  }

  /** Shared, so that all who ask hold the same context. */
  const loadOnce = (epoch: Epoch): Promise<EpochContext | undefined> => {
    let reading = underway.get(epoch)
    if (reading === undefined) {
      reading = load(epoch).finally(() => {
        if (underway.get(epoch) === reading) underway.delete(epoch)
      })
      underway.set(epoch, reading)
    }
    return reading
  }

  const isCanonical = (context: EpochContext): boolean =>
    !branch.isGone(context.epoch, readAfter.get(context) ?? 0)

  return { underway, loadOnce, isCanonical }
}

/** What reorganisations took away of the chain (R-CHAIN-2). */
interface Branch {
  /** How often the chain took blocks back. */
  reorganisations(): number
  /** Whether block b(epoch) went away in a reorganisation later than the `after`-th. */
  isGone(epoch: Epoch, after: number): boolean
  forgetAbove(height: Height): void
}

const createBranch = (genesis: Genesis): Branch => {
  let reorganisations = 0
  /** Rising in both: a later, deeper reorganisation says all that the ones before it said. */
  let forgotten: { number: number; height: Height }[] = []
  return {
    reorganisations: () => reorganisations,
    isGone: (epoch, after) =>
      forgotten.some(({ number, height }) => number > after && epochStart(genesis, epoch) > height),
    forgetAbove(height) {
      reorganisations++
      forgotten = forgotten.filter((earlier) => earlier.height < height)
      forgotten.push({ number: reorganisations, height })
    },
  }
}

/** Which epochs are of which week. */
const createCalendar = (
  genesis: Genesis,
  chain: Pick<ChainView, 'confirmedHeight' | 'medianTimeAt'>,
  branch: Branch,
) => {
  const weeks = new Map<Epoch, Week>()

  const current = (): Epoch | null => epochOfHeight(genesis, chain.confirmedHeight)

  const weekOf = async (epoch: Epoch): Promise<Week | undefined> => {
    const known = weeks.get(epoch)
    if (known !== undefined) return known
    const after = branch.reorganisations()
    const height = epochStart(genesis, epoch)
    if (!isEpoch(epoch) || height > chain.confirmedHeight) return undefined
    const time = await chain.medianTimeAt(height)
    if (time === undefined) return undefined
    const week = weekOfTime(time)
    if (!branch.isGone(epoch, after)) weeks.set(epoch, week)
    return week
  }

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

  const epochsOfWeek: EpochBook['epochsOfWeek'] = async (week) => {
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
  }

  return {
    weekOf,
    current,
    firstEpochFrom,
    epochsOfWeek,
    forgetAbove(height: Height): void {
      const gone = [...weeks.keys()].filter((epoch) => epochStart(genesis, epoch) > height)
      for (const epoch of gone) weeks.delete(epoch)
    },
  }
}

/** Numbers come from the command line too. */
const isEpoch = (epoch: number): boolean => Number.isSafeInteger(epoch) && epoch >= 0
