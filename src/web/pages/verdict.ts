import { html } from 'hono/html'
import type { SeatEpoch } from '../resources/history/schemas.ts'
import type { VerdictDetail } from '../resources/verdicts/schemas.ts'
import { adviceFor } from './advice.ts'
import {
  badge,
  code,
  facts,
  type Markup,
  outcomeBadge,
  seatLink,
  signOf,
  table,
  timeOf,
  toneOfVerdict,
  weekLink,
} from './markup.ts'
import { saidIn } from './node.ts'

/** Who said what of a node in one epoch. */
export const epochPage = (seat: number, host: string, epoch: SeatEpoch): Markup => html`
  <nav class="crumbs" aria-label="Where this is"><a href="/nodes/${seat}">seat ${seat} · ${host}</a></nav>
  <h1>Epoch ${epoch.epoch} of seat ${seat}</h1>
  <p>${outcomeBadge(epoch.outcome, epoch.standing)} ${saidIn(epoch)}</p>
  ${facts([
    ['Week', weekLink(epoch.week)],
    ['Began', timeOf(epoch.start.time)],
    ['Attestations may still come', epoch.isOpen ? 'yes' : 'no'],
  ])}
  ${epoch.outcome !== null && adviceFor[epoch.outcome] !== undefined ? html`<p class="advice">${adviceFor[epoch.outcome]}</p>` : ''}
  ${table(
    'Its challengers, in the order in which they stand before it on the ring',
    ['Challenger', 'Said', 'Evidence'],
    epoch.words.map(
      ({ challenger, verdict, said }) =>
        html`<tr>
          <th scope="row">${seatLink(challenger)}</th>
          <td>${badge(toneOfVerdict(verdict), said)}</td>
          <td>
            ${
              verdict === null
                ? html`<span class="muted">none: it signed nothing that counts</span>`
                : html`<a href="/nodes/${seat}/epochs/${epoch.epoch}/by/${challenger}"
                    >what seat ${challenger} signed</a
                  >`
            }
          </td>
        </tr>`,
    ),
  )}
  <p>
    <a href="/explorer/attestations/${epoch.epoch}/${seat}"
      >What seat ${seat} attested itself in this epoch</a
    >
  </p>
`

const checkWords = {
  holds: 'good',
  fails: 'bad',
  missing: 'warn',
  unchecked: 'none',
} as const

/** One verdict, down to the signed attestation and the block of evidence. */
export const verdictPage = (verdict: VerdictDetail): Markup => html`
  <nav class="crumbs" aria-label="Where this is">
    <a href="/nodes/${verdict.seat}">seat ${verdict.seat} · ${verdict.host}</a> ›
    <a href="/nodes/${verdict.seat}/epochs/${verdict.epoch}">epoch ${verdict.epoch}</a>
  </nav>
  <h1>
    Seat ${verdict.challenger} says of seat ${verdict.seat}:
    ${badge(toneOfVerdict(verdict.verdict), verdict.said)}
  </h1>
  ${facts([
    ['Challenger', seatLink(verdict.challenger, verdict.challengerHost)],
    ['Node', seatLink(verdict.seat, verdict.host)],
    ['Week', weekLink(verdict.week)],
    verdict.saw === null ? null : ['What it saw', html`<q>${verdict.saw}</q>`],
    verdict.answerHash === null ? null : ['SHA-256 of the bad answer', code(verdict.answerHash)],
    verdict.gaveReceipt === null
      ? null
      : [
          'This node’s own record',
          verdict.gaveReceipt
            ? 'it gave that challenger a receipt in this epoch'
            : 'no receipt was given to that challenger in this epoch',
        ],
  ])}
  ${adviceFor[verdict.said] === undefined ? '' : html`<p class="advice">${adviceFor[verdict.said]}</p>`}
  <h2>Checked here</h2>
  ${
    verdict.checks.length === 0
      ? html`<p class="muted">
          There is nothing to check: this challenger signed nothing that this node holds.
        </p>`
      : html`<ul class="checks">
          ${verdict.checks.map(
            ({ about, is, detail }) =>
              html`<li class="${checkWords[is]}">
                <span class="sign" aria-hidden="true">${signOf(checkWords[is])}</span>
                <div><strong>${about}: ${is}</strong> ${detail}</div>
              </li>`,
          )}
        </ul>`
  }
  ${
    verdict.attestation === null
      ? ''
      : html`<section aria-labelledby="signed-title">
          <h2 id="signed-title">The signed attestation</h2>
          ${facts([
            ['CID', code(verdict.attestation.cid)],
            ['Signature', code(verdict.attestation.signature)],
            ['Payload', code(verdict.attestation.payload)],
          ])}
          <p>
            <a href="/explorer/attestations/${verdict.epoch}/${verdict.challenger}"
              >All that seat ${verdict.challenger} attested in this epoch</a
            >
          </p>
        </section>`
  }
  ${
    verdict.evidence === null
      ? ''
      : html`<section aria-labelledby="evidence-title">
          <h2 id="evidence-title">The block of evidence</h2>
          ${facts([
            ['CID', code(verdict.evidence.cid)],
            [
              'From',
              verdict.evidence.from === null
                ? 'nobody had it'
                : verdict.evidence.from === 'network'
                  ? 'asked of the challenger just now'
                  : 'this node’s store',
            ],
          ])}
          ${
            verdict.evidence.block === null
              ? ''
              : html`<details>
                    <summary>The block, base64</summary>
                    <p>${code(verdict.evidence.block)}</p>
                  </details>
                  <p><a href="/explorer/evidence/${verdict.evidence.cid}">All entries of the block</a></p>`
          }
        </section>`
  }
  <section aria-labelledby="strangers-title">
    <h2 id="strangers-title">For others to check</h2>
    <p>One file with everything of this epoch, which needs nothing beside the chain:</p>
    <p>
      <code class="long"
        >secnode explain --week ${verdict.week} --seat ${verdict.seat} --epoch ${verdict.epoch} --export
        seat-${verdict.seat}.json</code
      >
    </p>
  </section>
`
