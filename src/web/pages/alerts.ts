import { html } from 'hono/html'
import type { AlertTest } from '../../service/alerts/alerter.ts'
import type { DeliveryState } from '../../service/alerts/delivery.ts'
import { testAlertsPath } from '../guard.ts'
import { badge, type Markup, plural, table, timeOf } from './markup.ts'

/** Where alerts go, whether they get there, and a button to try it (docs/monitoring.md). */
export const alertsSection = (targets: readonly DeliveryState[], lastTest: AlertTest | null): Markup => html`
  <section aria-labelledby="alerts-title" id="alerts" data-live>
    <h2 id="alerts-title">Alerts</h2>
    ${
      targets.length === 0
        ? html`<p>Nobody is told of what this node finds.</p>
            <p class="advice">
              Name a webhook or a program under <code>alerts</code> in the configuration, and load it again.
            </p>`
        : html`${table('Who is told', ['Target', 'Now', 'Last test'], rowsOf(targets, lastTest))}
            <form method="post" action="${testAlertsPath}">
              <button>Send a test to all of them</button>
            </form>`
    }
  </section>
`

const rowsOf = (targets: readonly DeliveryState[], lastTest: AlertTest | null): Markup[] =>
  targets.map(
    ({ kind, name, waiting, lastError }, i) => html`
      <tr>
        <th scope="row">${kind} ${name}</th>
        <td>
          ${waiting === 0 ? badge('good', 'nothing waits') : badge('warn', `${plural(waiting, 'alert')} waiting`)}
          ${lastError ?? ''}
        </td>
        <td>${testedCell(lastTest, i)}</td>
      </tr>
    `,
  )

/** Targets are tested in the order in which they are configured. */
const testedCell = (lastTest: AlertTest | null, index: number): Markup => {
  const tested = lastTest?.targets[index]
  if (lastTest === null || tested === undefined) return html`<span class="muted">none since the start</span>`
  const at = timeOf(new Date(lastTest.atMs).toISOString())
  return tested.error === null
    ? html`${badge('good', 'taken')} ${at}`
    : html`${badge('bad', 'failed')} ${at} ${tested.error}`
}
