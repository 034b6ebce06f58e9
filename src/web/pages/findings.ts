import { html } from 'hono/html'
import type { Evidence, Finding } from '../../service/alerts/finding.ts'
import type { Diagnosed } from '../../service/self-diagnosis/diagnosis.ts'
import { badge, code, type Markup, type Tone } from './markup.ts'

const tones: Readonly<Record<Finding['severity'], Tone>> = { critical: 'bad', warning: 'warn', info: 'none' }

/** What the daemon finds to be wrong with itself, with who says so and what to do (docs/monitoring.md). */
export const findingsSection = (diagnosed: Diagnosed | null): Markup => html`
  <section aria-labelledby="findings-title" id="findings" data-live>
    <h2 id="findings-title">What this node finds of itself</h2>
    ${
      diagnosed === null || diagnosed.findings.length === 0
        ? html`<p>${diagnosed === null ? 'It has not looked yet.' : 'Nothing is wrong.'}</p>`
        : html`<ul class="accusations">
            ${diagnosed.findings.map((finding) => item(finding, diagnosed.observations.seat))}
          </ul>`
    }
  </section>
`

const item = (
  { severity, code: name, title, detail, evidence, remedy }: Finding,
  own: number | null,
): Markup =>
  html`<li>
    <h3>${title}</h3>
    <p>${badge(tones[severity], severity)} ${code(name)}</p>
    <p>${detail}</p>
    ${
      evidence.length === 0
        ? ''
        : html`<ul class="said">
            ${evidence.map((one) => html`<li>${witness(one, own)}</li>`)}
          </ul>`
    }
    <p class="advice">${remedy}</p>
  </li>`

/** A signed verdict leads to its evidence; what was seen just now was signed by nobody. */
const witness = (one: Evidence, own: number | null): Markup => {
  const saw = one.saw === null || one.saw === '' ? '' : `: ${one.saw}`
  if (one.is === 'view') return html`seat ${one.seat} dials ${one.port}: ${one.word}${saw}`
  const text = `seat ${one.seat}: ${one.word}${saw}`
  return own === null
    ? html`${text}`
    : html`<a href="/nodes/${own}/epochs/${one.epoch}/by/${one.seat}">${text}</a>`
}
