import { html } from 'hono/html'
import type {
  Announcement,
  AttestationDetail,
  AttestationRow,
  BlockRow,
  EvidenceDetail,
} from '../resources/explorer/schemas.ts'
import type { Page } from '../view/parts.ts'
import {
  badge,
  blockLink,
  code,
  count,
  facts,
  type Markup,
  pager,
  plural,
  seatLink,
  table,
  timeOf,
  toneOfVerdict,
  weekLink,
} from './markup.ts'

export const explorerPage = (
  blocks: Page<BlockRow>,
  announcements: Page<Announcement>,
  newest: { epoch: number; page: Page<AttestationRow> } | null,
): Markup => html`
  <h1>Explorer</h1>
  <section aria-labelledby="blocks-title" id="blocks" data-live>
    <h2 id="blocks-title"><a href="/explorer/blocks">Blocks</a></h2>
    ${blockTable(blocks.items)}
  </section>
  <section aria-labelledby="attestations-title" id="attestations" data-live>
    <h2 id="attestations-title"><a href="/explorer/attestations">Attestations</a></h2>
    ${newest === null ? html`<p class="muted">No epoch is over yet.</p>` : attestationTable(newest.epoch, newest.page.items)}
  </section>
  <section aria-labelledby="announcements-title" id="announcements" data-live>
    <h2 id="announcements-title"><a href="/explorer/announcements">Announcements</a></h2>
    ${announcementTable(announcements.items)}
  </section>
`

const blockTable = (blocks: readonly BlockRow[]): Markup =>
  table(
    'Confirmed blocks, the newest first',
    ['Height', 'Time', 'Transactions', 'Epoch', 'What is in it'],
    blocks.map(
      (block) =>
        html`<tr>
          <th scope="row">${blockLink(block.height)}</th>
          <td>${timeOf(block.time)}</td>
          <td class="number">${block.transactions}</td>
          <td class="number">${block.epoch ?? '–'}</td>
          <td>${contentOf(block)}</td>
        </tr>`,
    ),
  )

const contentOf = ({ isEpochStart, epoch, announcements, anchors }: BlockRow): Markup => html`
  ${isEpochStart ? badge('none', `epoch ${String(epoch)} begins`) : ''}
  ${anchors.map((week) => html`${badge('good', 'anchor')} ${weekLink(week)} `)}
  ${
    announcements.length === 0
      ? ''
      : html`${badge('none', plural(announcements.length, 'announcement'))}
        ${announcements.slice(0, 8).map((seat) => html`${seatLink(seat)} `)}`
  }
`

const announcementTable = (announcements: readonly Announcement[]): Markup =>
  table(
    'Announcements in force, the newest first',
    ['Block', 'Seat', 'Host', 'Ports', 'Stake'],
    announcements.map(
      (one) =>
        html`<tr>
          <th scope="row">${blockLink(one.height)}</th>
          <td><a href="/nodes/${one.seat}">${one.seat}</a></td>
          <td>${one.host}</td>
          <td>${one.p2p}, ${one.tls}</td>
          <td><code>${one.stake}</code></td>
        </tr>`,
    ),
  )

const attestationTable = (epoch: number, rows: readonly AttestationRow[]): Markup =>
  table(
    `Attestations of epoch ${epoch}`,
    ['Seat', 'Host', 'Says'],
    rows.map(
      ({ seat, host, said }) =>
        html`<tr>
          <th scope="row"><a href="/explorer/attestations/${epoch}/${seat}">${seat}</a></th>
          <td>${host}</td>
          <td>
            ${Object.entries(said).map(([word, number]) => html`<span class="reason">${number} × ${word}</span> `)}
          </td>
        </tr>`,
    ),
  )

export const blocksPage = (blocks: Page<BlockRow>): Markup => html`
  <h1>Blocks</h1>
  <div id="blocks" data-live>${blockTable(blocks.items)} ${pager('/explorer/blocks', blocks)}</div>
`

export const blockPage = (block: BlockRow): Markup => html`
  <nav class="crumbs" aria-label="Where this is"><a href="/explorer/blocks">Blocks</a></nav>
  <h1>Block ${count(block.height)}</h1>
  ${facts([
    ['Hash', code(block.hash)],
    ['Time', timeOf(block.time)],
    ['Median time past', timeOf(block.medianTimePast)],
    ['Transactions', count(block.transactions)],
    ['Epoch', block.epoch === null ? 'before the activation' : String(block.epoch)],
    ['What is in it', contentOf(block)],
  ])}
  <p>
    ${block.height > 0 ? html`<a rel="prev" href="/explorer/blocks/${block.height - 1}">← block ${block.height - 1}</a> · ` : ''}
    <a rel="next" href="/explorer/blocks/${block.height + 1}">block ${block.height + 1} →</a>
  </p>
`

export const announcementsPage = (announcements: Page<Announcement>): Markup => html`
  <h1>Announcements</h1>
  <div id="announcements" data-live>
    ${announcementTable(announcements.items)} ${pager('/explorer/announcements', announcements)}
  </div>
`

export const attestationsPage = (epoch: number, rows: Page<AttestationRow>): Markup => html`
  <h1>Attestations of epoch ${epoch}</h1>
  <p>
    ${epoch > 0 ? html`<a rel="prev" href="/explorer/attestations?epoch=${epoch - 1}">← epoch ${epoch - 1}</a>` : ''}
  </p>
  <div id="attestations" data-live>
    ${attestationTable(epoch, rows.items)} ${pager('/explorer/attestations', rows, { epoch })}
  </div>
`

export const attestationPage = (attestation: AttestationDetail): Markup => html`
  <nav class="crumbs" aria-label="Where this is">
    <a href="/explorer/attestations?epoch=${attestation.epoch}">Attestations of epoch ${attestation.epoch}</a>
  </nav>
  <h1>What seat ${attestation.seat} attested in epoch ${attestation.epoch}</h1>
  <ul class="checks">
    <li class="${attestation.signatureHolds ? 'good' : 'bad'}">
      <span class="sign" aria-hidden="true">${attestation.signatureHolds ? '✓' : '✕'}</span>
      <div>
        <strong>signature: ${attestation.signatureHolds ? 'holds' : 'fails'}</strong> by the key that the seat
        had in that epoch
      </div>
    </li>
    ${
      attestation.isAnchored === null
        ? ''
        : html`<li class="${attestation.isAnchored ? 'good' : 'warn'}">
            <span class="sign" aria-hidden="true">${attestation.isAnchored ? '✓' : '!'}</span>
            <div>
              <strong>${attestation.isAnchored ? 'anchored' : 'not anchored'}</strong>
              ${
                attestation.isAnchored
                  ? 'it stands under the root that the chain fixes'
                  : 'it does not stand under the anchored root, so it does not count'
              }
            </div>
          </li>`
    }
  </ul>
  ${facts([
    ['Seat', seatLink(attestation.seat, attestation.host)],
    ['Week', weekLink(attestation.week)],
    ['CID', code(attestation.cid)],
    ['Beacon', code(attestation.beacon)],
    ['The one before it', attestation.previous === null ? 'none' : code(attestation.previous)],
    [
      'Evidence',
      html`<a href="/explorer/evidence/${attestation.evidence}">${code(attestation.evidence)}</a>`,
    ],
    ['Held here since block', count(attestation.heldAt)],
    ['Signature', code(attestation.signature)],
    ['Payload', code(attestation.payload)],
  ])}
  ${table(
    'Its verdicts, in ring order',
    ['Node', 'Says', 'Seen at'],
    attestation.verdicts.map(
      ({ seat, host, verdict, said, address }) =>
        html`<tr>
          <th scope="row">${seatLink(seat, host)}</th>
          <td>
            <a href="/nodes/${seat}/epochs/${attestation.epoch}/by/${attestation.seat}"
              >${badge(toneOfVerdict(verdict), said)}</a
            >
          </td>
          <td>${address === null ? '–' : html`<code>${address}</code>`}</td>
        </tr>`,
    ),
  )}
`

export const evidencePage = (evidence: EvidenceDetail): Markup => html`
  <h1>Block of evidence</h1>
  ${facts([
    ['CID', code(evidence.cid)],
    ['Of', html`${seatLink(evidence.seat)}, epoch ${evidence.epoch}`],
    ['Bytes', count(evidence.bytes)],
  ])}
  ${table(
    'Entries, in ring order',
    ['Node', 'Verdict', 'What was seen'],
    evidence.entries.map(
      ({ seat, host, verdict, said, saw }) =>
        html`<tr>
          <th scope="row">${seat === null ? 'of another branch' : seatLink(seat, host)}</th>
          <td>${badge(toneOfVerdict(verdict), said)}</td>
          <td><q>${saw}</q></td>
        </tr>`,
    ),
  )}
  <details>
    <summary>The block, base64</summary>
    <p>${code(evidence.block)}</p>
  </details>
`
