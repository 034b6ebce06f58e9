import { type Check, seatList } from '../week/explain/checks.ts'
import type { ChallengerExplanation, EpochExplanation, Explanation } from '../week/explain/explain.ts'
import type { CaseLine, VerifiedCase } from '../week/explain/verified-case.ts'
import { printable } from './printable.ts'
import { coins, formatTable } from './week-table.ts'

/** An explanation for people: the week in a table, then every epoch that was looked into. */
export const formatExplanation = (explanation: Explanation): string =>
  [
    ...headOf(explanation),
    '',
    weekTable(explanation),
    ...costLines(explanation),
    '',
    ...explanation.details.flatMap((epoch) => [formatEpoch(epoch, explanation), '']),
    ...(hasUnchecked(explanation) ? [digestsNote, ''] : []),
  ].join('\n')

const digestsNote =
  'Digests of epochs without a credit are recomputed where a chain node is at hand: name one with --rpc.'

const hasUnchecked = ({ details }: Explanation): boolean =>
  details.some(
    ({ outcome, challengers }) =>
      outcome !== 'credited' && challengers.some(({ checks }) => checks.some(({ is }) => is === 'unchecked')),
  )

const headOf = (explanation: Explanation): string[] => [
  `week ${explanation.week}  state ${explanation.state}  seat ${explanation.seat}  ${explanation.host}`,
  `stake ${explanation.stake}  peer ${explanation.peer}`,
  ...(explanation.checkpoint === null ? [] : [`fixed by checkpoint ${explanation.checkpoint}`]),
  ...(explanation.equivocator
    ? [
        'it signed two attestations of one epoch: none of its attestations counts, and it scores nothing this week',
      ]
    : []),
]

const weekTable = ({ outcomes, details }: Explanation): string =>
  formatTable(
    ['epoch', 'outcome', 'said by its challengers'],
    outcomes.map(({ epoch, outcome, isOpen, said }) => [
      String(epoch),
      `${outcome ?? 'not in the snapshot'}${isOpen ? ' (open)' : ''}`,
      said === null ? '' : countsText(said),
    ]),
    new Set([0]),
  ) + (details.length === 0 ? 'nothing to look into: see --all for the epochs that were credited\n' : '')

const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort((a, b) => b[1] - a[1])
    .map(([word, count]) => `${word} ×${count}`)
    .join(', ')

const costLines = ({ score, epochs, cost }: Explanation): string[] => {
  const lines = [
    `credited ${score} of ${epochs} epochs${cost.amount === null ? '' : `, earned ${coins(cost.amount)}`}`,
  ]
  if (cost.lost === null) lines.push(`what it cost cannot be said: ${cost.how}`)
  else if (cost.epochs.length > 0) {
    lines.push(
      `${cost.epochs.length === 1 ? 'epoch' : 'epochs'} ${cost.epochs.join(', ')} cost ${coins(cost.lost)}: with them it would have earned ${coins(cost.amountIfCredited!)}`,
      `  (${cost.how})`,
    )
  }
  return lines
}

const formatEpoch = (epoch: EpochExplanation, explanation: Explanation): string =>
  [
    `epoch ${epoch.epoch}  ${epoch.outcome}${epoch.isOpen ? ' (open: attestations may still come)' : ''}`,
    `  ${epoch.why}`,
    `  ${epoch.attested} of ${epoch.seats} seats attested, ${epoch.k} challengers each`,
    '',
    formatTable(
      ['seat', 'host', 'said', 'what it saw', 'checked'],
      epoch.challengers.map((challenger) => [
        String(challenger.seat),
        challenger.host,
        challenger.said,
        sawText(challenger),
        checksText(challenger.checks),
      ]),
      new Set([0]),
    ),
    ...remarks(epoch.challengers),
    ...dutyLines(epoch, explanation),
  ].join('\n')

const maxSawChars = 72

const sawText = ({ saw, said }: ChallengerExplanation): string => {
  if (saw === null) return said === 'silent' || said === 'struck' ? '' : 'no evidence'
  const text = printable(saw)
  return text.length <= maxSawChars ? text : `${text.slice(0, maxSawChars - 1)}…`
}

/** What holds in words, what does not by name; the details follow below the table. */
const checksText = (checks: readonly Check[]): string => {
  const named = (is: Check['is']): string[] =>
    checks.filter((check) => check.is === is).map(({ about }) => about)
  const parts = [
    ['', named('holds')],
    ['FAILS: ', named('fails')],
    ['missing: ', named('missing')],
    ['not checked: ', named('unchecked')],
  ] as const
  return parts
    .filter(([, names]) => names.length > 0)
    .map(([label, names]) => `${label}${names.join(', ')}`)
    .join('; ')
}

/** What does not fit into a table. */
const remarks = (challengers: readonly ChallengerExplanation[]): string[] => {
  const lines = challengers.flatMap(({ seat, saw, checks }) => [
    ...(saw !== null && printable(saw).length > maxSawChars ? [`  seat ${seat} saw: ${printable(saw)}`] : []),
    ...checks
      .filter(({ is }) => is === 'fails' || is === 'missing')
      .map(({ about, detail }) => `  seat ${seat}, ${about}: ${printable(detail)}`),
  ])
  const answered = challengers.filter(
    ({ gaveReceipt, said }) => gaveReceipt === true && said !== 'valid' && said !== 'silent',
  )
  if (answered.length > 0) {
    const seats = seatList(answered.map(({ seat }) => seat))
    lines.push(`  ${seats}: the own store holds a receipt that this node gave in this epoch`)
  }
  return lines
}

const dutyLines = ({ duty }: EpochExplanation, { seat }: Explanation): string[] => {
  const lines = [
    duty.attestation === null
      ? '  its own duty: no attestation of its own counts'
      : `  its own duty: attested; ${duty.agreeing} of ${duty.judged} counted verdicts agree, ${duty.abstentions} abstentions`,
  ]
  for (const { about, is, detail } of duty.checks) {
    if (is === 'fails' || is === 'missing') lines.push(`    ${about}: ${printable(detail)}`)
  }
  for (const verdict of duty.verdicts) {
    if (verdict.agrees !== false && verdict.said !== 'abstain') continue
    const saw = verdict.saw === null ? '' : ` (${printable(verdict.saw)})`
    const said = verdict.said + placed(verdict.at) + saw
    lines.push(
      `    of seat ${verdict.seat} ${verdict.host} it says ${said}, decided is ${verdict.decided}${placed(verdict.decidedAt)}`,
    )
  }
  if (duty.audit !== null) {
    const { epoch, check } = duty.audit
    const found = check.is === 'holds' ? 'finds nothing wrong' : `${check.is}: ${printable(check.detail)}`
    lines.push(`    the audit of seat ${seat}'s evidence of epoch ${epoch}, done again: ${found}`)
  }
  return lines
}

const placed = (ip: string | null): string => (ip === null ? '' : ` at ${ip}`)

/** The lines of a verification, then the sum of them. */
export const formatVerified = ({ result, lines }: VerifiedCase): string => {
  const rows = lines.map((line): string[] => [
    words[line.is],
    line.epoch === null ? '' : `epoch ${line.epoch}`,
    line.subject,
    printable(line.detail),
  ])
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)))
  const text = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return [...text, '', summaryOf(result, lines), ''].join('\n')
}

const words: Readonly<Record<CaseLine['is'], string>> = {
  holds: 'holds',
  fails: 'FAILS',
  missing: 'MISSING',
  assumed: 'ASSUMED',
  unchecked: 'not checked',
}

const summaryOf = (result: VerifiedCase['result'], lines: readonly CaseLine[]): string => {
  const count = (is: CaseLine['is']): number => lines.filter((line) => line.is === is).length
  const unchecked = count('unchecked')
  const rest = unchecked === 0 ? '' : `; ${unchecked} things were not checked`
  switch (result) {
    case 'holds':
      return `all ${count('holds')} lines hold${rest}`
    case 'follows':
      return `all of it follows from what is shown, but ${count('assumed')} lines are ASSUMED${rest}`
    case 'fails':
      return `${count('fails')} of ${lines.length} lines FAIL${rest}`
    case 'incomplete':
      return `nothing fails, but data is missing for ${count('missing')} lines${rest}`
  }
}
