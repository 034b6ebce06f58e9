import { html } from 'hono/html'
import type { EpochRow } from '../resources/epochs/schemas.ts'
import { type Markup, percent, table } from './markup.ts'

const width = 720
const height = 188
const margin = { left: 74, right: 8, top: 16, bottom: 26 }

/** From the bottom up, with the hatching that tells them apart without colour. */
const layers = [
  ['credited', 'credited'],
  ['valid', 'valid, no credit'],
  ['undecided', 'undecided'],
  ['invalid', 'invalid'],
] as const

/**
 * Shares of the outcomes of each epoch, one bar an epoch, the oldest on the left. The table below it says the same in
 * numbers.
 */
export const outcomeChart = (rows: readonly EpochRow[]): Markup => {
  const epochs = rows.filter(({ seats }) => seats > 0).toReversed()
  if (epochs.length === 0) return html`<p class="muted">No epoch with seats is over yet.</p>`
  const step = (width - margin.left - margin.right) / Math.max(epochs.length, 6)
  const barWidth = Math.max(2, Math.min(step - 2, 48))
  const inner = height - margin.top - margin.bottom
  const y = (share: number): number => Number((margin.top + (1 - share) * inner).toFixed(2))
  const labelEvery = Math.ceil(epochs.length / 14)
  return html`
    <figure class="chart">
      <svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="chart-title">
        <title id="chart-title">Shares of outcomes in the last ${epochs.length} epochs</title>
        <defs>
          <pattern
            id="hatch"
            width="6"
            height="6"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <path d="M0 0V6" class="hatch" />
          </pattern>
        </defs>
        ${[0, 0.5, 1].map(
          (share) =>
            html`<path class="grid" d="M${margin.left} ${y(share)}H${width - margin.right}" />
              <text x="${margin.left - 8}" y="${y(share) + 4}" text-anchor="end">${100 * share} %</text>`,
        )}
        ${epochs.map((epoch, i) => bar(epoch, margin.left + i * step + (step - barWidth) / 2, barWidth, y))}
        ${epochs.map((epoch, i) =>
          i % labelEvery === 0
            ? html`<text
                x="${(margin.left + (i + 0.5) * step).toFixed(2)}"
                y="${height - 8}"
                text-anchor="middle"
              >
                ${epoch.epoch}
              </text>`
            : '',
        )}
      </svg>
      <figcaption>
        Outcomes by epoch:
        ${layers.map(([key, name]) => html`<span class="key"><span class="swatch ${key}"></span>${name}</span> `)}
      </figcaption>
    </figure>
    <details>
      <summary>The same in numbers</summary>
      ${table(
        'Outcomes by epoch',
        ['Epoch', 'Seats', 'Attested', 'Credited', 'Valid, no credit', 'Undecided', 'Invalid'],
        rows.map(
          ({ epoch, seats, attested, standings }) =>
            html`<tr>
              <th scope="row"><a href="/explorer/attestations?epoch=${epoch}">${epoch}</a></th>
              <td class="number">${seats}</td>
              <td class="number">${attested}</td>
              <td class="number">${standings.credited} (${percent(standings.credited, seats)})</td>
              <td class="number">${standings.valid}</td>
              <td class="number">${standings.undecided}</td>
              <td class="number">${standings.invalid}</td>
            </tr>`,
        ),
      )}
    </details>
  `
}

const bar = (epoch: EpochRow, x: number, barWidth: number, y: (share: number) => number): Markup => {
  let below = 0
  return html`${layers.map(([key]) => {
    const share = epoch.standings[key] / epoch.seats
    if (share === 0) return ''
    const [top, bottom] = [y(below + share), y(below)]
    below += share
    const box = html`x="${x.toFixed(2)}" y="${top}" width="${barWidth.toFixed(2)}"
    height="${(bottom - top).toFixed(2)}"`
    return html`<rect class="${key}" ${box}>
        <title>epoch ${epoch.epoch}: ${epoch.standings[key]} of ${epoch.seats} ${key}</title>
      </rect>
      ${key === 'invalid' ? html`<rect fill="url(#hatch)" ${box} />` : ''}`
  })}`
}
