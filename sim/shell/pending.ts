import { Command } from 'commander'
import { createActorStream } from '../actor-stream.ts'
import { SimulationError } from '../errors.ts'
import { pendingWeeks, type PendingWeeks } from '../pending.ts'
import { type PlayedPlan, playWeeks } from '../pending-played.ts'
import { Scenario } from '../scenario.ts'
import { estimate, type Estimate, noneSeen } from '../statistics.ts'
import type { SimIo } from './io.ts'
import { numberFrom } from './math.ts'
import { estimateText, exampleText, numberText, tableText } from './text.ts'

interface PendingFlags {
  seats: number[]
  certifiers: number[]
  churn: number[]
  offline: number[]
  together: number[]
  tries: number
  minSeniors: number
  wait: number
  views: number
  states: number
  regions: number
  awayWeeks: number
  awayChurn: number
  simulate?: boolean
  weeks: number
  repeats: number
  seed: number
  json?: boolean
}

/** One rule at one point. Without repeats the figures are exact. */
interface RuleRow {
  /** Weeks in a row that may use a list; 0: each week uses its own seniors. */
  tries: number
  pending: Estimate
  run: Estimate | null
  ownList: Estimate
}
type Row = PlayedPlan & { isExact: boolean; rules: RuleRow[] }

const listOf =
  (parse: (text: string) => number) =>
  (text: string): number[] =>
    text.split(',').map(parse)

const { certifiers, viewBlocks, anchorBlocks, minSeniors } = Scenario.shape.protocol.parse({})
const maxSeats = 4_000
const whole = (least: number, most: number) => numberFrom(least, most, true)
const share = numberFrom(0, 0.99, false)

export const pendingCommand = (io: SimIo): Command =>
  new Command('pending')
    .description('how often a week stays pending, by the list that its certifiers are drawn from (R-CP-2)')
    .option('--seats <n,…>', 'seats of a list', listOf(whole(4, maxSeats)), [16, 128, 1_000])
    .option('--certifiers <c,…>', 'certifiers of a view, at most', listOf(whole(1, 1_024)), [certifiers])
    .option(
      '--churn <p,…>',
      'chance that a seat leaves or changes its key in a week',
      listOf(share),
      [0.05, 0.1],
    )
    .option('--offline <p,…>', 'chance that a seat is down in a window', listOf(share), [0.1, 0.2])
    .option('--together <s,…>', 'share of that in which its whole region is, for weeks', listOf(share), [0])
    .option('--regions <n>', 'regions, with as many seats each', whole(1, 100), 4)
    .option('--away-weeks <w>', 'mean weeks that a region is away', numberFrom(1, 52, false), 1)
    .option('--away-churn <f>', 'times as many leave in a region that is away', numberFrom(1, 100, false), 1)
    .option(
      '--wait <w>',
      'weeks before a newcomer is a senior: 2 by R-CP-2; 0: others stand ready',
      whole(0, 52),
      0,
    )
    .option('--min-seniors <n>', 'seats without which a list has no views', whole(1, maxSeats), minSeniors)
    .option('--tries <n>', 'weeks in a row that may use a list: 2 by R-CP-2', whole(1, 52), 2)
    .option('--views <n>', 'views of a window', whole(1, 1_000), Math.floor(anchorBlocks / viewBlocks) + 1)
    .option('--states <n>', 'times in a window that it is drawn anew who is down', whole(1, 1_000), 1)
    .option('--simulate', 'simulate what can be computed, too')
    .option('--weeks <n>', 'weeks of a repeat', whole(10, 100_000), 1_000)
    .option('--repeats <n>', 'repeats of what is simulated', whole(2, 1_000), 20)
    .option('--seed <n>', 'master seed', whole(0, Number.MAX_SAFE_INTEGER), 1)
    .option('--json', 'print JSON')
    .addHelpText('after', exampleText('sim pending --seats 16,128 --together 0.5 --away-churn 4'))
    .action((flags: PendingFlags) => {
      const rows: Row[] = []
      const plans = plansOf(flags)
      for (const [i, plan] of plans.entries()) {
        io.signal.throwIfAborted()
        rows.push(rowOf(plan, flags, io.signal))
        if (!rows.at(-1)!.isExact) io.stderr(`${i + 1} of ${plans.length} points\n`)
      }
      io.stdout(flags.json === true ? `${JSON.stringify(rows)}\n` : textOf(rows))
    })

const plansOf = (flags: PendingFlags): PlayedPlan[] => {
  const { minSeniors, wait, views, states, regions, awayWeeks, awayChurn } = flags
  if (states > views) {
    throw new SimulationError(
      'bad-states',
      `${states} states in ${views} views`,
      `write --states at most ${views}`,
    )
  }
  const common = { minSeniors, wait, views, states, regions, awayWeeks, awayChurn }
  return flags.certifiers.flatMap((certifiers) =>
    flags.seats.flatMap((seats) =>
      flags.together.flatMap((together) =>
        flags.churn.flatMap((churn) =>
          flags.offline.map((offline) => ({ ...common, seats, certifiers, churn, offline, together })),
        ),
      ),
    ),
  )
}

/** What has a closed form: seats that fail and leave independently, in lists that are always full and long enough. */
const isIndependent = ({ together, wait, seats, minSeniors }: PlayedPlan): boolean =>
  together === 0 && wait === 0 && seats >= minSeniors

const rowOf = (plan: PlayedPlan, flags: PendingFlags, signal: AbortSignal): Row => {
  const tries = [0, flags.tries]
  if (flags.simulate !== true && isIndependent(plan)) {
    const rules = tries.map((most) => exactRow(most, pendingWeeks(plan, most)))
    return { ...plan, isExact: true, rules }
  }
  const repeats = Array.from({ length: flags.repeats }, (_, repeat) => {
    signal.throwIfAborted()
    return playWeeks(plan, tries, flags.weeks, createActorStream(flags.seed, repeat, 'pending'))
  })
  const rules = tries.map((most, i) =>
    playedRow(
      most,
      repeats.map((played) => played[i]!),
      flags.weeks,
    ),
  )
  return { ...plan, isExact: false, rules }
}

const exactRow = (tries: number, { pending, run, ownList }: PendingWeeks): RuleRow => {
  const exact = (mean: number): Estimate => ({ mean, low: null, high: null, repeats: 0 })
  return { tries, pending: exact(pending), run: exact(run), ownList: exact(ownList) }
}

const playedRow = (tries: number, played: readonly PendingWeeks[], weeks: number): RuleRow => {
  const shareOf = (values: readonly number[]): Estimate =>
    values.every((value) => value === 0)
      ? noneSeen(weeks * values.length, values.length)
      : estimate(values, { least: 0, most: 1 })
  const runs = played.map(({ run }) => run).filter((run) => run > 0)
  return {
    tries,
    pending: shareOf(played.map(({ pending }) => pending)),
    run: runs.length === 0 ? null : estimate(runs, { least: 1, most: weeks }),
    ownList: shareOf(played.map(({ ownList }) => ownList)),
  }
}

const textOf = (rows: readonly Row[]): string => {
  const head = ['seats', 'certifiers', 'churn', 'offline', 'together']
  const rules = ['own list: pending', 'run', 'list before: pending', 'run', 'weeks of the way out']
  return (
    tableText([
      [...head, ...rules],
      ...rows.map(({ seats, certifiers, churn, offline, together, rules: [own, before] }) => [
        ...[seats, Math.min(seats, certifiers), churn, offline, together].map(numberText),
        estimateText(own!.pending),
        own!.run === null ? 'none' : estimateText(own!.run),
        estimateText(before!.pending),
        before!.run === null ? 'none' : estimateText(before!.run),
        estimateText(before!.ownList),
      ]),
    ]) +
    (rows.every(({ isExact }) => isExact) ? 'Exact.\n' : '95 % intervals in brackets; without one, exact.\n')
  )
}
