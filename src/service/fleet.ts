import {
  type ChainName,
  type Epoch,
  epochStart,
  type Height,
  indexOfSeat,
  type Outcome,
  type Seat,
  stakeOfAddress,
  tallyWeekInSteps,
  type Week,
} from '../../protocol/index.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { countedSetOf, tallyInputOf } from '../week/counted-set.ts'
import { contextsOfWeek } from '../week/gather.ts'
import { type JudgedView, outcomeAt, wordsAbout } from '../week/judged-epoch.ts'
import { isInvalid, wordOfVerdict } from '../week/seat-words.ts'
import { inSlices } from '../async/slices.ts'
import type { AssembledNode } from './assemble.ts'
import type { EpochContext } from '../week/epoch-book.ts'

/** Several nodes' week so far, as any one daemon sees it. JSON; amounts are base units in decimal. */
export interface FleetReport {
  network: string
  week: Week
  epoch: Epoch
  height: number
  nodes: FleetNode[]
}

export interface FleetNode {
  stake: string
  state: 'active' | 'retired' | 'not announced'
  seat: Seat | null
  host: string | null
  /** Credits, of the epochs that came to an end and in whose snapshot it was. */
  score: number
  epochs: number
  /** What the whole week brings if it goes on like this; null while nothing is known of it. */
  expected: string | null
  outcomes: FleetEpoch[]
}

export interface FleetEpoch {
  epoch: Epoch
  /** Null where it was not in the snapshot. */
  outcome: Outcome | null
  /** Attestations may still come. */
  isOpen: boolean
  /** Challengers who say invalid, and how. */
  failedBy: { seat: Seat; host: string; word: string }[]
}

/** Reports of fleets, from the epochs as `weeks` has judged them. */
export interface Fleet {
  /** Errors: FLEET_STAKE (exit code 2), and those of `contextsOfWeek`. */
  report(stakes: readonly string[], signal: AbortSignal): Promise<FleetReport>
}

/** One wallet has ten, a hoster some hundreds. */
export const maxFleet = 1_000
const weekSeconds = 604_800

export const createFleet = (node: AssembledNode): Fleet => {
  const { daemon, follower, network, weeks } = node
  const { genesis } = network.profile

  /** What the week will have brought in if blocks go on to pay as they did; null before the first of them is known. */
  const expectedFund = async (
    closed: readonly EpochContext[],
    isComplete: boolean,
    signal: AbortSignal,
  ): Promise<bigint | null> => {
    const [first] = closed
    const last = closed.at(-1)
    if (first === undefined || last === undefined) return null
    const { fund } = first.params
    try {
      const income = await weeks.fund.ofWeek(fund, first.epoch, last.epoch, signal)
      if (fund.kind === 'fixed' || isComplete) return income
      const [from, to] = await Promise.all(
        [first.epoch, last.epoch + 1].map((epoch) => follower.medianTimeAt(epochStart(genesis, epoch))),
      )
      if (from === undefined || to === undefined || to <= from) return null
      return (income * BigInt(weekSeconds)) / BigInt(to - from)
    } catch (error) {
      // What came in is read from the chain node, which may be away.
      if (isSecnodeError(error)) return null
      throw error
    }
  }

  return {
    async report(stakes, signal) {
      const hashes = stakes.map((stake) => hashOfStake(genesis.chain, stake))
      const current = daemon.epochs.current()
      const week = current === null ? undefined : await daemon.epochs.weekOf(current)
      if (current === null || week === undefined) {
        throw new SecnodeError('FLEET_NO_WEEK', 'no epoch has begun on this chain yet', {
          exitCode: 3,
          hint: 'Let the daemon follow the chain up to the activation height first.',
        })
      }
      const epochs = await contextsOfWeek(weeks, week)
      const { contexts, isComplete } = epochs
      const height = follower.confirmedHeight
      const views: JudgedView[] = []
      for (const { epoch } of contexts) {
        // A reorganisation may have taken it back since.
        const view = await weeks.judged.get(epoch, signal)
        if (view !== undefined) views.push(view)
        signal.throwIfAborted()
      }
      const closed = views.filter(({ context }) => height >= context.phases.closes)
      const isOver = isComplete && closed.length === contexts.length
      const fund = await expectedFund(
        closed.map(({ context }) => context),
        isOver,
        signal,
      )
      const set = await countedSetOf(weeks, epochs, null)
      const input = tallyInputOf(weeks, set, fund ?? 0n, closed)
      const tally = await inSlices(tallyWeekInSteps(input))
      const nodes: FleetNode[] = []
      for (const [i, stake] of stakes.entries()) {
        const standing = follower.standingOf(hashes[i]!)
        const seat = standing?.record.seat ?? null
        const row = tally.seats.find((one) => one.row.seat === seat)
        nodes.push({
          stake,
          state:
            standing === undefined
              ? 'not announced'
              : standing.record.activeSince === null
                ? 'retired'
                : 'active',
          seat,
          host: standing?.record.host ?? null,
          score: row?.score ?? 0,
          epochs: row?.epochs ?? 0,
          expected: fund === null ? null : (row?.amount ?? 0n).toString(),
          outcomes: views.map((view) => fleetEpochOf(view, seat, height)),
        })
      }
      return { network: network.networkId, week, epoch: current, height, nodes }
    },
  }
}

const hashOfStake = (chain: ChainName, stake: string): Uint8Array => {
  const hash = stakeOfAddress(chain, stake)
  if (hash !== null) return hash
  throw new SecnodeError('FLEET_STAKE', `${stake} is no P2PKH address of ${chain}`, {
    exitCode: 2,
    hint: 'Write the transparent addresses that hold the stakes, as the wallet shows them.',
  })
}

const fleetEpochOf = (view: JudgedView, seat: Seat | null, height: Height): FleetEpoch => {
  const index = seat === null ? -1 : indexOfSeat(view.snapshot, seat)
  return {
    epoch: view.epoch,
    outcome: outcomeAt(view, index) ?? null,
    isOpen: height < view.context.phases.closes,
    failedBy: index === -1 ? [] : failedBy(view, index),
  }
}

const failedBy = (view: JudgedView, index: number): FleetEpoch['failedBy'] =>
  wordsAbout(view, index)
    .filter(({ verdict }) => isInvalid(verdict))
    .map(({ challenger, at, verdict }) => ({
      seat: challenger,
      host: view.snapshot[at]!.host,
      word: wordOfVerdict(verdict),
    }))
