import { html } from 'hono/html'
import { Verdict } from '../../../protocol/index.ts'
import type { Moment } from '../api/schemas.ts'
import type { NodeRow } from '../resources/nodes/schemas.ts'
import type { WeekRow } from '../resources/weeks/schemas.ts'
import type { Standing } from '../../week/judged-epoch.ts'

/** HTML in which every value is escaped. */
export type Markup = ReturnType<typeof html>

export type Tone = 'good' | 'warn' | 'bad' | 'none'

/** Told apart by shape as well as by colour. */
const signs: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✕', none: '–' }

/** A word with its colour and sign. */
export const badge = (tone: Tone, text: string): Markup =>
  html`<span class="badge ${tone}"><span class="sign" aria-hidden="true">${signs[tone]}</span>${text}</span>`

export const signOf = (tone: Tone): string => signs[tone]

export const toneOfStanding = (standing: Standing | null): Tone =>
  standing === null
    ? 'none'
    : ({ credited: 'good', valid: 'warn', undecided: 'warn', invalid: 'bad' } as const)[standing]

export const toneOfVerdict = (verdict: number | null): Tone => {
  if (verdict === null || verdict === Verdict.abstain) return 'none'
  return verdict === Verdict.valid ? 'good' : 'bad'
}

export const outcomeBadge = (outcome: string | null, standing: Standing | null): Markup =>
  badge(toneOfStanding(standing), outcome ?? 'not in the snapshot')

export const seatStateBadge = (state: NodeRow['state']): Markup =>
  badge(({ active: 'good', waiting: 'warn', retired: 'none' } as const)[state], state)

export const weekStateBadge = (state: WeekRow['state']): Markup =>
  badge(
    ({ open: 'none', frozen: 'none', certified: 'none', anchored: 'good', pending: 'warn' } as const)[state],
    state,
  )

export const payoutTone = (state: string): Tone => {
  if (state === 'paid' || state === 'exact') return 'good'
  if (['differs', 'short', 'over', 'duplicated'].includes(state)) return 'bad'
  return ['unpaid', 'missing'].includes(state) ? 'warn' : 'none'
}

/** Base units as coins, all digits that matter. */
export const coins = (amount: string | null): string => {
  if (amount === null) return 'not known'
  const isNegative = amount.startsWith('-')
  const digits = amount.replace('-', '').padStart(9, '0')
  const whole = digits.slice(0, -8).replaceAll(/\B(?=(?:[0-9]{3})+$)/g, '\u202F')
  const part = digits.slice(-8).replace(/0{1,6}$/, '')
  return `${isNegative ? '−' : ''}${whole}.${part}`
}

/** A number with thin spaces between thousands. */
export const count = (number: number): string => String(number).replaceAll(/\B(?=(?:[0-9]{3})+$)/g, '\u202F')

export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`

export const percent = (part: number, whole: number): string =>
  whole === 0 ? '–' : `${Math.round((1_000 * part) / whole) / 10} %`

export const timeOf = (iso: string | null): Markup =>
  iso === null
    ? html`<span class="muted">unknown</span>`
    : html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`

export const momentText = (moment: Moment): Markup =>
  html`${timeOf(moment.time)} <span class="muted">epoch ${moment.epoch}</span>`

export const seatLink = (seat: number, host?: string | null): Markup =>
  html`<a href="/nodes/${seat}"
    >seat ${seat}${host === undefined || host === null ? '' : html` · ${host}`}</a
  >`

export const blockLink = (height: number): Markup =>
  html`<a href="/explorer/blocks/${height}">${count(height)}</a>`

export const weekLink = (week: string): Markup => html`<a href="/weeks/${week}">${week}</a>`

/** A long word of hex or base64: in full for copying, broken where the line ends. */
export const code = (text: string): Markup => html`<code class="long">${text}</code>`

/** Table that scrolls by itself where it is wider than the window; then it can be reached by keyboard. */
export const table = (
  caption: string,
  head: readonly (string | Markup)[],
  rows: readonly Markup[],
): Markup => html`
  <div class="scroll" role="region" aria-label="${caption}" tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${head.map((cell) => html`<th scope="col">${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${
          rows.length === 0
            ? html`<tr>
                <td colspan="${head.length}" class="muted">nothing yet</td>
              </tr>`
            : rows
        }
      </tbody>
    </table>
  </div>
`

/** Terms and what they are. */
export const facts = (rows: readonly (readonly [string | Markup, unknown] | null)[]): Markup => html`
  <dl class="facts">
    ${rows.map((row) =>
      row === null
        ? ''
        : html`<div>
            <dt>${row[0]}</dt>
            <dd>${row[1]}</dd>
          </div>`,
    )}
  </dl>
`

/** One number that matters, with what it is. */
export const figure = (label: string, value: unknown, note: unknown = ''): Markup => html`
  <div class="figure">
    <dt>${label}</dt>
    <dd><span class="value">${value}</span><span class="note">${note}</span></dd>
  </div>
`

/** Links to the pages of a list before and after this one. */
export const pager = (
  path: string,
  { page, limit, total }: { page: number; limit: number; total: number },
  query: Readonly<Record<string, string | number | undefined>> = {},
): Markup => {
  const last = Math.max(1, Math.ceil(total / limit))
  const hrefOf = (to: number): string => {
    const params = new URLSearchParams()
    for (const [name, value] of Object.entries({ ...query, page: to })) {
      if (value !== undefined) params.set(name, String(value))
    }
    return `${path}?${params.toString()}`
  }
  if (last === 1) return html`<p class="pager muted">${plural(total, 'row')}</p>`
  return html`<nav class="pager" aria-label="Pages of this list">
    ${page > 1 ? html`<a rel="prev" href="${hrefOf(page - 1)}">← earlier page</a>` : ''}
    <span>page ${page} of ${last}, ${plural(total, 'row')}</span>
    ${page < last ? html`<a rel="next" href="${hrefOf(page + 1)}">next page →</a>` : ''}
  </nav>`
}
