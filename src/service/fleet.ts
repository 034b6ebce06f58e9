import {
  bytesToHex,
  challengersOf,
  decodeAttestation,
  type Epoch,
  epochStart,
  indexOfSeat,
  type JudgedEpoch,
  lastInvalidVerdict,
  type Outcome,
  rulesetOf,
  type Seat,
  stakeOfAddress,
  type Verdict,
  verdictNames,
  type Week,
} from '../../protocol/index.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { contextsOfWeek, gatherJudged } from '../week/gather.ts'
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

/** Reports of fleets. Epochs that do not change are judged once, however often somebody looks. */
export interface Fleet {
  /** Errors: FLEET_STAKE (exit code 2), and those of `contextsOfWeek`. */
  report(stakes: readonly string[], signal: AbortSignal): Promise<FleetReport>
}

/** One wallet has ten, a hoster some hundreds. */
export const maxFleet = 1_000
const weekSeconds = 604_800

interface Judged {
  /** Changes whenever anything does that the judgement depends on. */
  key: string
  epoch: JudgedEpoch
}

export const createFleet = (node: AssembledNode): Fleet => {
  const { daemon, follower, network, weeks } = node
  const { genesis } = network.profile
  const judgedByEpoch = new Map<Epoch, Judged>()

  const judge = async (context: EpochContext): Promise<JudgedEpoch> => {
    const { count, root } = await daemon.collector.recentRootOf(context)
    const key = `${bytesToHex(context.beacon)} ${count} ${bytesToHex(root)}`
    const known = judgedByEpoch.get(context.epoch)
    if (known?.key === key) return known.epoch
    const epoch = await gatherJudged(weeks, context, await weeks.equivocators(context.week))
    judgedByEpoch.set(context.epoch, { key, epoch })
    return epoch
  }

  const failedBy = async (context: EpochContext, seat: Seat): Promise<FleetEpoch['failedBy']> => {
    const index = indexOfSeat(context.snapshot, seat)
    if (index === -1) return []
    const rows = challengersOf(context.committees, index).map((at) => context.snapshot[at]!)
    const seats = rows.map((row) => row.seat)
    const proofs = await daemon.collector.equivocators(context.week)
    const held = new Map((await daemon.collector.heldOf(context, seats)).map((one) => [one.seat, one]))
    return rows.flatMap((row, i) => {
      const one = proofs.has(row.seat) ? undefined : held.get(row.seat)
      const verdict = one === undefined ? undefined : decodeAttestation(one.signed.payload)?.verdicts[i]
      return verdict === undefined || verdict === 0 || verdict > lastInvalidVerdict
        ? []
        : [{ seat: row.seat, host: row.host, word: verdictNames[verdict as Verdict] }]
    })
  }

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
      const hashes = stakes.map((stake) => {
        const hash = stakeOfAddress(genesis.chain, stake)
        if (hash === null) {
          throw new SecnodeError('FLEET_STAKE', `${stake} is no P2PKH address of ${genesis.chain}`, {
            exitCode: 2,
            hint: 'Write the transparent addresses that hold the stakes, as the wallet shows them.',
          })
        }
        return hash
      })
      const current = daemon.epochs.current()
      const week = current === null ? undefined : await daemon.epochs.weekOf(current)
      if (current === null || week === undefined) {
        throw new SecnodeError('FLEET_NO_WEEK', 'no epoch has begun on this chain yet', {
          exitCode: 3,
          hint: 'Let the daemon follow the chain up to the activation height first.',
        })
      }
      const { contexts, isComplete } = await contextsOfWeek(weeks, week)
      for (const epoch of judgedByEpoch.keys()) if (epoch < contexts[0]!.epoch) judgedByEpoch.delete(epoch)
      const height = follower.confirmedHeight
      const judged: JudgedEpoch[] = []
      for (const context of contexts) {
        judged.push(await judge(context))
        signal.throwIfAborted()
      }
      const closed = contexts.filter(({ phases }) => height >= phases.closes)
      const fund = await expectedFund(closed, isComplete && closed.length === contexts.length, signal)
      const tallying = rulesetOf(contexts[0]!.params).tallyJudgedInSteps({
        networkId: network.networkId,
        chain: genesis.chain,
        week,
        state: 'open',
        params: contexts[0]!.params,
        checkpoint: null,
        anchor: null,
        equivocators: new Set((await weeks.equivocators(week)).keys()),
        fund: fund ?? 0n,
        epochs: judged.slice(0, closed.length),
      })
      const tally = await inSlices(tallying)
      const nodes: FleetNode[] = []
      for (const [i, stake] of stakes.entries()) {
        const standing = follower.standingOf(hashes[i]!)
        const seat = standing?.record.seat ?? null
        const row = tally.seats.find((one) => one.row.seat === seat)
        const outcomes: FleetEpoch[] = []
        for (const [at, context] of contexts.entries()) {
          const index = seat === null ? -1 : indexOfSeat(context.snapshot, seat)
          outcomes.push({
            epoch: context.epoch,
            outcome: index === -1 ? null : judged[at]!.outcomes[index]!,
            isOpen: height < context.phases.closes,
            failedBy: seat === null ? [] : await failedBy(context, seat),
          })
        }
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
          outcomes,
        })
      }
      return { network: network.networkId, week, epoch: current, height, nodes }
    },
  }
}
