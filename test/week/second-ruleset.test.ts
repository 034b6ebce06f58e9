import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  coin,
  formatTally,
  outcomeNames,
  outcomeOf,
  paramsHash,
  type Params,
  type Week,
  addressOfStake,
} from '../../protocol/index.ts'
import { runMessages } from '../../sim/messages/run.ts'
import { parseScenario } from '../../sim/scenario.ts'
import { runStatistical } from '../../sim/statistical/run.ts'
import { networkOf } from '../../src/chain/profiles.ts'
import { relaySeatsOf } from '../../src/node/relay-seats.ts'
import { verifyPayout } from '../../src/payout/verify.ts'
import { createFleet } from '../../src/service/fleet.ts'
import { standingOf } from '../../src/service/self-diagnosis/verdicts.ts'
import { createWeekViews } from '../../src/web/view/week-views.ts'
import { reportEpoch } from '../../src/week/answers.ts'
import { bundleParts } from '../../src/week/bundle.ts'
import { verifyWeek } from '../../src/week/verify-week.ts'
import { openStoredWeeks, type StoredWeeks } from '../../src/week-io/stored-week.ts'
import { verifierOfStore } from '../../src/week-io/case-verifier.ts'
import { answerVerify } from '../../src/week/explain/explain-answers.ts'
import { playSmallWeek, type SmallWeek, storeOf } from '../fixtures/small-week.ts'
import { startPayoutChain } from '../payout/payout-chain.ts'
import { madeUpRuleset, perCredit, withRuleset } from '../protocol/made-up-ruleset.ts'
import { words } from '../service/self-diagnosis/observed.ts'
import { createAnchoredSet, params as setParams, week as setWeek } from './anchored-set.ts'
import { caseOf, explanationOf, never, sourcesOf } from './explain/sources.ts'
import { sha256 } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'

const week = '2026-W47' as Week
const number = 2
const nodes = 6
/** Epochs 2 to 5 have a snapshot. */
const epochs = 6
const lastEpoch = epochs - 1

let taken: Disposable
beforeAll(() => {
  taken = withRuleset(madeUpRuleset(number))
})
afterAll(() => taken[Symbol.dispose]())

/** What a caller tells of seat 0 in the last epoch, and of what the first two seats are paid; undefined if it does not. */
interface Told {
  outcome?: string | null | undefined
  amounts?: readonly (bigint | string | null | undefined)[]
}

interface Played {
  small: SmallWeek
  weeks: StoredWeeks
}

/** The weeks as they stand in the last epoch of the played one. */
const asOfLastEpoch = ({ weeks }: Played): StoredWeeks => ({
  ...weeks,
  epochs: { ...weeks.epochs, current: () => lastEpoch },
})

const assembled = (played: Played) => {
  const weeks = asOfLastEpoch(played)
  const chain = weeks.weeks()
  const world = { monotonicMs: () => 0 }
  return {
    network: played.small.network,
    weeks,
    daemon: { epochs: weeks.epochs, node: { world, logger: {} } },
    follower: {
      confirmedHeight: weeks.confirmedHeight(),
      weeks: () => chain,
      standingOf: () => undefined,
    },
  } as never as Parameters<typeof createFleet>[0]
}

const setOf = (ruleset: number) => {
  const params: Params = { ...setParams, ruleset }
  return createAnchoredSet({ params, epochs: [[setWeek, [10, 11, 12]]] })
}

const callers: readonly [string, (played: Played, ruleset: number) => Promise<Told>][] = [
  [
    'tally of a week',
    async ({ weeks }) => {
      const { document } = await weeks.tally(week, never)
      const [first, second] = document.seats
      return { outcome: first!.outcomes.at(-1), amounts: [first!.amount, second!.amount] }
    },
  ],
  [
    'tally of an epoch',
    async ({ weeks }) => {
      const { seats } = await reportEpoch(weeks, lastEpoch)
      return { outcome: seats[0]!.outcome }
    },
  ],
  [
    'verification of an anchored set',
    async (_, ruleset) => {
      const set = setOf(ruleset)
      const { weeks } = await verifyWeek(
        bundleParts(set.source, setWeek, { sha256 }),
        set.chain,
        nativeEngine(0),
      )
      return { outcome: outcomeNames[weeks.get(setWeek)!.epochs.at(-1)!.outcomes[0]!] }
    },
  ],
  [
    'page and API',
    async (played) => {
      const views = createWeekViews(assembled(played))
      const { tally } = (await views.get(week, never))!
      const [first] = tally.seats
      // Of an epoch that runs the page tells nothing.
      expect(first!.outcomes).toHaveLength(lastEpoch)
      return { outcome: outcomeOf(first!.outcomes.at(-1)!) }
    },
  ],
  [
    'fleet',
    async (played) => {
      const node = assembled(played)
      const { snapshot } = (await played.weeks.epochs.get(lastEpoch))!
      const stakes = snapshot
        .slice(0, 2)
        .map(({ stake }) => addressOfStake(played.small.network.profile.genesis.chain, stake))
      node.follower.standingOf = (stake) =>
        ({ record: snapshot.find((row) => bytesToHex(row.stake) === bytesToHex(stake))! }) as never
      const report = await createFleet(node).report(stakes, never)
      return {
        outcome: report.nodes[0]!.outcomes.at(-1)!.outcome,
        amounts: report.nodes.map(({ expected }) => expected),
      }
    },
  ],
  [
    'explain',
    async ({ small }) => {
      const sources = await sourcesOf(small, await storeOf(small, { own: 0 }))
      const { outcomes, details, cost } = await explanationOf(sources, {})
      const { verdicts } = (await explanationOf(sources, { seat: { is: 'seat', seat: 1 } })).details.at(
        -1,
      )!.duty
      const ofFirst = verdicts.find(({ seat }) => seat === 0)!
      expect(details.at(-1)!.outcome).toBe(outcomes.at(-1)!.outcome)
      expect(ofFirst.agrees).toBe(ofFirst.decided === 'valid')
      // What it would have had with all credits.
      expect(cost.amountIfCredited).toBe((ofFirst.decided === 'valid' ? share : perCredit * 4n).toString())
      return { outcome: outcomes.at(-1)!.outcome }
    },
  ],
  [
    'case files',
    async ({ small }) => {
      const { text, file } = await caseOf(await sourcesOf(small, await storeOf(small)), {
        seat: { is: 'seat', seat: 0 },
      })
      const store = await storeOf(small)
      const { lines } = await answerVerify(
        verifierOfStore(small.network, store, await openStoredWeeks(small.network, store), null, never),
        text,
        never,
      )
      expect(lines.filter(({ is }) => is === 'fails')).toEqual([])
      // By what the file shows, and by what the store holds.
      const outcomes = lines.filter(({ is, subject }) => is === 'holds' && subject === 'outcome')
      expect(outcomes).toHaveLength(2 * file.epochs.length)
      return { outcome: file.epochs.at(-1)!.outcome }
    },
  ],
  [
    'seats of the relay',
    async (played) => {
      const hops = (await relaySeatsOf(asOfLastEpoch(played))).map(({ seat }) => seat)
      expect(hops.slice(-5)).toEqual([1, 2, 3, 4, 5])
      return { outcome: hops.includes(0) ? 'credited' : 'invalid: timeout' }
    },
  ],
  [
    'self-diagnosis',
    async (_, ruleset) => {
      // Ten of eleven say valid, and the first that it was too late.
      const { is } = standingOf({ ...words('TVVVVVVVVVV'), params: { ruleset } })
      return { outcome: is === 'valid' ? 'credited' : 'invalid: timeout' }
    },
  ],
]

const share = (100n * coin) / BigInt(nodes)

describe.each<[string, Week, number]>([
  ['from this week on', week, number],
  ['from a later week on', '2026-W48' as Week, 1],
])('R-NET-3 R-TALLY-7 another ruleset %s', (_, from, ruleset) => {
  let played: Played
  beforeAll(async () => {
    const small = await playSmallWeek({
      nodes,
      epochs,
      params: { feeReserve: 0n },
      later: { from, params: { ruleset: number } },
    })
    played = { small, weeks: await openStoredWeeks(small.network, await storeOf(small)) }
  })

  const expected =
    ruleset === number
      ? { outcome: 'invalid: timeout', amounts: [0n, perCredit * 4n] }
      : { outcome: 'credited', amounts: [share, share] }

  test.each(callers)('%s', async (_name, ask) => {
    const { outcome, amounts } = await ask(played, ruleset)
    expect(outcome).toBe(expected.outcome)
    if (amounts !== undefined) expect(amounts.map(String)).toEqual(expected.amounts.map(String))
  })

  test('R-TALLY-7 the document names it', async () => {
    const tally = await played.weeks.tally(week, never)
    expect(tally.document.ruleset).toBe(ruleset)
    expect(formatTally(tally)).toContain(`"ruleset":${ruleset}`)
  })
})

test('R-NET-3 R-PAY-1 R-PAY-4 payouts of such a week pay what its document says, and no other ruleset’s document', async () => {
  await using payout = await startPayoutChain()
  const { profile } = payout.network
  const [base] = profile.schedule
  const row = { from: week, params: { ...base!.params, ruleset: number } }
  const network = networkOf({ ...profile, schedule: [base!, row] })
  const node = { ...payout.node, network }
  const params = bytesToHex(paramsHash(row.params))
  const amounts = [2n * coin, 3n * coin]
  const tally = payout.tally(amounts, { params, changes: { ruleset: number } })
  const file = await payout.build(tally, { node })
  const paid = file.drafts[0]!.fields.outputs.map(({ value }) => value)
  expect(paid.slice(2, 4)).toEqual(amounts)
  const request = { network, tally, node, txids: [], raw: [] }
  expect((await verifyPayout(request)).plan.week).toBe(week)
  const other = payout.tally(amounts, { params })
  await expect(payout.build(other, { node })).rejects.toMatchObject({ code: 'PAYOUT_TALLY' })
  await expect(verifyPayout({ ...request, tally: other })).rejects.toMatchObject({ code: 'PAYOUT_TALLY' })
})

describe('R-NET-3 the simulator judges and pays by the ruleset of its parameters', () => {
  const scenario = {
    name: 'small',
    weeks: 1,
    protocol: { epochBlocks: 2_016, committee: 5, certifiers: 16 },
    population: [
      {
        name: 'honest',
        nodes: 20,
        availability: 1,
        missRate: 0,
        addresses: { prefixes24: 20, prefixes16: 20 },
      },
    ],
  }

  test.each([
    ['statistical', runStatistical],
    ['messages', runMessages],
  ] as const)('%s engine', (engine, run) => {
    const parsed = parseScenario({ ...scenario, engine }, 'small')
    const before = run(parsed, 0).measures
    using _ = withRuleset(madeUpRuleset(1))
    const after = run(parsed, 0).measures
    expect(before['creditRate.honest']).toBe(1)
    expect(after['creditRate.honest']).toBeCloseTo(19 / 20)
    // Seven base units a credit, and nothing else.
    expect(before['coinsPerWeek.honest']).toBeGreaterThan(1)
    expect(after['coinsPerWeek.honest']).toBeLessThan(0.001)
  })
})
