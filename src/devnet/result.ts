import type { DigestedTally, Epoch, TallyDocument, Week, WeekState } from '../../protocol/index.ts'
import type { DeviantKind } from './plan.ts'
import type { PreparedDevnet, PreparedNode } from './prepare.ts'
import type { PayoutOutcome } from './settle.ts'

/** What `devnet --json` prints. Amounts are base units in decimal. */
export interface DevnetResult {
  week: Week
  /** Of the week, as the tally has it. */
  state: WeekState
  agree: boolean
  /** By seat; that of a twin by its name. */
  digests: Record<string, string>
  /** Without those that have a twin. */
  honest: { seat: number; amount: string }[]
  /** A twin's row is about the seat that it shares with its owner. */
  deviants: { kind: DeviantKind; seat: number | null; amount: string; reasons: string[] }[]
  /** Every epoch in which one of `honest` was not credited. */
  uncredited: Uncredited[]
  /** Of the payout transactions on the chain; null if the week was not anchored. */
  payout: PayoutOutcome | null
  /** Whether a node that began from an empty disk has the same digest; null if the week was not anchored. */
  rebuilt: boolean | null
  seconds: number
}

export interface Uncredited {
  /** Its name in the devnet. */
  node: string
  seat: number | null
  epoch: Epoch
  reason: string
}

/** Whether honest nodes got what is theirs: all epochs, an anchor in its window, one digest, the whole payout. */
export const isGood = (result: DevnetResult): boolean =>
  result.agree &&
  result.uncredited.length === 0 &&
  result.state === 'anchored' &&
  result.payout === 'exact' &&
  result.rebuilt === true

export const mostCommon = (tallies: readonly DigestedTally[]): DigestedTally => {
  const byDigest = Map.groupBy(tallies, ({ digest }) => digest)
  const groups = [...byDigest.values()].sort((a, b) => b.length - a.length)
  return groups[0]![0]!
}

/** Before anything is paid or rebuilt. `refusals` has the error codes of twins that would not run. */
export const resultOf = (
  { nodes }: Pick<PreparedDevnet, 'nodes'>,
  tallies: ReadonlyMap<PreparedNode, DigestedTally>,
  { document }: DigestedTally,
  refusals: ReadonlyMap<PreparedNode, string>,
): DevnetResult => {
  const rowByStake = new Map(document.seats.map((row) => [row.stake, row]))
  const seatOf = (node: PreparedNode): number | null => rowByStake.get(node.address)?.seat ?? null
  const digests: Record<string, string> = {}
  for (const [node, { digest }] of tallies) {
    const seat = node.kind === 'twin' ? null : seatOf(node)
    digests[seat === null ? node.name : String(seat)] = digest
  }
  const owners = new Set(nodes.map(({ twinOf }) => twinOf))
  const honest = nodes.filter(({ kind, name }) => kind === 'honest' && !owners.has(name))
  return {
    week: document.week,
    state: document.state,
    agree: new Set(Object.values(digests)).size === 1,
    digests,
    honest: honest.map((node) => ({
      seat: seatOf(node) ?? -1,
      amount: rowByStake.get(node.address)?.amount ?? '0',
    })),
    deviants: nodes.flatMap((node) => {
      if (node.kind === 'honest') return []
      const row = rowByStake.get(node.address)
      const refusal = refusals.get(node)
      const reasons = [...(refusal === undefined ? [] : [`did not run: ${refusal}`]), ...reasonsOf(row)]
      return [{ kind: node.kind, seat: seatOf(node), amount: row?.amount ?? '0', reasons }]
    }),
    uncredited: honest.flatMap((node) =>
      document.epochs.flatMap(({ epoch }, i): Uncredited[] => {
        const outcome = rowByStake.get(node.address)?.outcomes[i] ?? 'not in the snapshot'
        return outcome === 'credited' ? [] : [{ node: node.name, seat: seatOf(node), epoch, reason: outcome }]
      }),
    ),
    payout: null,
    rebuilt: null,
    seconds: 0,
  }
}

/** Everything but `credited` that was said of a seat, in the order in which it came. */
const reasonsOf = (row: TallyDocument['seats'][number] | undefined): string[] => {
  if (row === undefined) return ['never announced in time']
  const reasons = new Set(row.equivocator ? ['equivocator'] : [])
  for (const outcome of row.outcomes) if (outcome !== null && outcome !== 'credited') reasons.add(outcome)
  return [...reasons]
}
