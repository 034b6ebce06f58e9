import { LRUCache } from 'lru-cache'
import {
  type Height,
  bytesToHex,
  paramsOfWeek,
  type PaymentState,
  type Seat,
  threadOfWeek,
  type Week,
} from '../../../protocol/index.ts'
import { createDeadline } from '../../async/deadline.ts'
import { isSecnodeError, messageOf } from '../../errors.ts'
import { isRpcError } from '../../chain-node/rpc/errors.ts'
import { hashText } from '../../chain-node/rpc/values.ts'
import type { AssembledNode } from '../../service/assemble.ts'
import { type VerifiedPayout, verifyPayout } from '../../payout/verify.ts'
import type { WeekView } from './week-view.ts'
import type { WeekViews } from './week-views.ts'

/**
 * `not due`: without an anchor nothing may be paid. `no thread`: the profile names none. `waiting`: the anchor is not
 * deep enough. `unknown`: the check could not be made yet, `detail` says why.
 */
export type PayoutWord = 'not due' | 'no thread' | 'waiting' | 'unpaid' | 'paid' | 'differs' | 'unknown'

/** R-PAY-4: what the chain shows of a week's payout against its tally. */
export interface PayoutCheck {
  state: PayoutWord
  detail: string | null
  /** Base units; null while they are not known. */
  due: bigint | null
  paid: bigint | null
  /** As people write them. */
  txids: readonly string[]
  /** Faults of transactions and payments to strangers, in words. */
  faults: readonly string[]
  /** Tip of the chain node at the time of the check. */
  checkedAt: number | null
  bySeat: ReadonlyMap<Seat, SeatPayment>
}

/** Of one seat; `txids` as people write them. */
export interface SeatPayment {
  due: bigint
  paid: bigint
  state: PaymentState
  txids: readonly string[]
}

export interface PayoutChecks {
  /** What is known; where nothing is, the check is begun and given a moment. */
  get(week: Week, signal: AbortSignal): Promise<PayoutCheck>
  revision(): number
  /** Ends what is under way. */
  stop(): Promise<void>
}

/** A page waits so long for a check that has just begun; afterwards it says that one is under way. */
const patienceMs = 2_000
/** Following the thread of years may take minutes on a node without an index of addresses. */
const deadlineMs = 10 * 60_000
const restPerCheck = 19
/** A week that is paid is looked at again after so many blocks: a reorganisation may have taken it back. */
const settledBlocks = 100
const maxKept = 64

interface Kept {
  basis: string
  check: PayoutCheck
  height: number
  restUntilMs: number
}

export const createPayoutChecks = (
  { daemon, network, follower, rpc }: Pick<AssembledNode, 'daemon' | 'network' | 'follower' | 'rpc'>,
  weekViews: WeekViews,
): PayoutChecks => {
  const { world, chain } = daemon.node
  const { schedule } = network.profile
  const stopping = new AbortController()
  const kept = new LRUCache<Week, Kept>({ max: maxKept })
  const running = new Map<Week, Promise<PayoutCheck>>()
  let revision = 0

  const run = async (view: WeekView, basis: string): Promise<PayoutCheck> => {
    const height = chain.confirmedHeight
    const begunMs = world.monotonicMs()
    const check = await verify(view)
    const tookMs = world.monotonicMs() - begunMs
    kept.set(view.week, { basis, check, height, restUntilMs: begunMs + (1 + restPerCheck) * tookMs })
    revision++
    return check
  }

  const verify = async (view: WeekView): Promise<PayoutCheck> => {
    using deadline = createDeadline(world, deadlineMs, stopping.signal)
    const { signal } = deadline
    try {
      const tally = await weekViews.document(view, signal)
      const { comparison, plan, tipHeight } = await verifyPayout({
        network,
        tally,
        node: { network, rpc, since: null, signal },
        txids: [],
        raw: [],
      })
      const deepAt = (view.anchor?.height ?? 0) + paramsOfWeek(schedule, view.week).payoutConfirmations
      return checkOf(comparison, plan.transactions.length === 0, tipHeight, deepAt)
    } catch (error) {
      if (!stopping.signal.aborted) daemon.node.logger.warn({ err: error }, 'a payout could not be checked')
      // What a chain node said, and where it is, is for the log only.
      return isSecnodeError(error) && !isRpcError(error)
        ? nothingKnown('unknown', messageOf(error))
        : nothingKnown('unknown', 'the chain node could not be asked; the log of the daemon says why')
    }
  }

  return {
    async get(week, signal) {
      const anchor = follower.weeks().records.findLast((record) => record.week === week)?.anchor ?? null
      if (anchor === null) return nothingKnown('not due', 'the week has no anchor yet')
      if (threadOfWeek(network.profile.threads, week) === null) {
        return nothingKnown('no thread', 'the profile names no thread on which this week is paid')
      }
      const basis = `${anchor.checkpoint.toString()} ${bytesToHex(anchor.blockHash)}`
      const known = kept.peek(week)
      if (known?.basis === basis) {
        const blocks = chain.confirmedHeight - known.height
        const isFresh = known.check.state === 'paid' ? blocks < settledBlocks : blocks === 0
        if (isFresh || world.monotonicMs() < known.restUntilMs) return known.check
      }
      let check = running.get(week)
      if (check === undefined) {
        const view = await weekViews.get(week, signal)
        if (view === undefined || view.digest === null) {
          return nothingKnown('unknown', 'the anchored set is not complete here yet')
        }
        check = running.get(week) ?? run(view, basis).finally(() => running.delete(week))
        running.set(week, check)
      }
      const patience = Promise.withResolvers<PayoutCheck>()
      const cancel = world.setTimer(patienceMs, () =>
        patience.resolve(
          known?.basis === basis ? known.check : nothingKnown('unknown', 'it is being checked'),
        ),
      )
      return await Promise.race([check, patience.promise]).finally(cancel)
    },
    revision: () => revision,
    async stop() {
      stopping.abort(new Error('stopping'))
      await Promise.allSettled(running.values())
    },
  }
}

/** `isNothing`: nobody is owed anything; `deepAt`: the height from which on it may be built. */
const checkOf = (
  { isMatch, payees, transactions, strangers, due, paid }: VerifiedPayout['comparison'],
  isNothing: boolean,
  tipHeight: Height | null,
  deepAt: Height,
): PayoutCheck => {
  const isEarly = tipHeight !== null && tipHeight < deepAt
  const unpaid = isEarly ? 'waiting' : 'unpaid'
  return {
    state: isMatch ? (isNothing ? 'not due' : 'paid') : transactions.length === 0 ? unpaid : 'differs',
    detail: isMatch
      ? isNothing
        ? 'no seat is owed anything'
        : null
      : isEarly
        ? `from block ${deepAt} on it may be built`
        : null,
    due,
    paid,
    txids: transactions.map(({ txid }) => hashText(txid)),
    faults: [
      ...transactions.flatMap(({ txid, faults }) => faults.map((fault) => `${hashText(txid)}: ${fault}`)),
      ...strangers.map(({ txid, index }) => `${hashText(txid)}:${index} pays somebody who is owed nothing`),
    ],
    checkedAt: tipHeight,
    bySeat: new Map(
      payees.map(({ seat, due, paid, state, txids }) => [
        seat,
        { due, paid, state, txids: txids.map(hashText) },
      ]),
    ),
  }
}

const nothingKnown = (state: PayoutWord, detail: string): PayoutCheck => ({
  state,
  detail,
  due: null,
  paid: null,
  txids: [],
  faults: [],
  checkedAt: null,
  bySeat: new Map(),
})
