import { html } from 'hono/html'
import type { Week } from '../../../protocol/index.ts'
import type { Downtime, SeatEpoch } from '../resources/history/schemas.ts'
import type { Earning } from '../resources/money/schemas.ts'
import type { NodeDetail } from '../resources/nodes/schemas.ts'
import type { Status } from '../resources/server/schemas.ts'
import { isInvalid } from '../../week/seat-words.ts'
import type { Page, ViewParts } from '../view/parts.ts'
import { downtimesOf, epochsShown, seatEpoch } from '../resources/history/view.ts'
import { earningsOf } from '../resources/money/view.ts'
import { nodeDetail } from '../resources/nodes/view.ts'
import { adviceFor } from './advice.ts'
import {
  badge,
  blockLink,
  code,
  coins,
  facts,
  figure,
  type Markup,
  momentText,
  outcomeBadge,
  payoutTone,
  plural,
  seatLink,
  seatStateBadge,
  signOf,
  table,
  timeOf,
  type Tone,
  toneOfStanding,
  toneOfVerdict,
  weekLink,
  weekStateBadge,
} from './markup.ts'

/** Everything that the page of a node shows. */
export interface NodeView {
  node: NodeDetail
  /** The one that is asked for; null for the newest epochs, of whichever week. */
  week: Week | null
  /** Of which the seat was in the snapshot, oldest first. */
  epochs: readonly SeatEpoch[]
  downtimes: Page<Downtime>
  earnings: readonly Earning[]
}

export const nodeView = async (
  parts: ViewParts,
  seat: number,
  week: Week | undefined,
  signal: AbortSignal,
): Promise<NodeView> => {
  const node = await nodeDetail(parts, seat, signal)
  const judged = await epochsShown(parts, week, signal)
  const epochs = await Promise.all(judged.map((one) => seatEpoch(parts, one, seat)))
  return {
    node,
    week: week ?? null,
    epochs: epochs.filter(({ outcome }) => outcome !== null),
    downtimes: await downtimesOf(parts, judged, { page: 1, limit: 20 }, signal, seat),
    earnings: await earningsOf(parts, [seat], signal),
  }
}

/** How a node is, in one word and one sentence. */
export interface Health {
  tone: Tone
  word: string
  why: string
}

export const healthOf = ({ node, epochs }: NodeView, status: Status | null): Health => {
  if (status !== null && status.chain.state !== 'following') return chainHealth(status)
  const last = epochs.at(-1)
  if (node.state === 'retired') {
    return {
      tone: 'bad',
      word: 'retired',
      why: 'Its stake fell below what is asked for. Only a new announcement brings it back.',
    }
  }
  if (last === undefined) {
    const why =
      node.state === 'active'
        ? 'Its first epoch is under way; nothing was said of it yet.'
        : 'It is challenged from the third epoch after its announcement on.'
    return { tone: 'none', word: 'waiting', why }
  }
  const { tone, word } = {
    good: { tone: 'good', word: 'well' },
    warn: { tone: 'warn', word: 'without credit' },
    bad: { tone: 'bad', word: 'not well' },
    none: { tone: 'none', word: 'waiting' },
  }[toneOfStanding(last.standing)] as { tone: Tone; word: string }
  return { tone, word, why: saidIn(last) }
}

const chainHealth = ({ chain }: Status): Health => {
  if (chain.state === 'catching-up') {
    return {
      tone: 'warn',
      word: 'catching up',
      why: `It follows the chain; block ${chain.confirmedHeight} so far.`,
    }
  }
  return {
    tone: 'bad',
    word: 'without its chain',
    why: `Its chain node is of no use to it now (${chain.state}). The log says what happened.`,
  }
}

/** What the challengers of an epoch said, in one sentence. */
export const saidIn = ({ words, outcome, epoch, isOpen }: SeatEpoch): string => {
  const counts = new Map<string, number>()
  for (const { said } of words) counts.set(said, (counts.get(said) ?? 0) + 1)
  const parts = [...counts].sort((a, b) => b[1] - a[1]).map(([said, number]) => `${number} ${said}`)
  const soFar = isOpen ? ' so far' : ''
  const what = outcome === 'credited' ? 'credited' : (outcome ?? 'not in the snapshot')
  return `Epoch ${epoch}: ${what}${soFar}. ${plural(words.length, 'challenger')}: ${parts.join(', ')}.`
}

export const healthHero = (title: string, health: Health, view: NodeView): Markup => html`
  <section class="hero ${health.tone}" aria-labelledby="health" id="hero" data-live>
    <span class="mark" aria-hidden="true">${signOf(health.tone)}</span>
    <div>
      <h1 id="health">${title} <span class="word">${health.word}</span></h1>
      <p>${health.why}</p>
      <p class="muted">
        ${seatLink(view.node.seat, view.node.host)} · ${seatStateBadge(view.node.state)}
        ${view.node.address === null ? '' : html`· seen at <code>${view.node.address}</code>`}
      </p>
    </div>
  </section>
`

const amountOf = (amount: string | null): Markup =>
  amount === null ? html`–` : html`${coins(amount)} <small>coins</small>`

/** The numbers that an operator looks at first. */
export const nodeFigures = ({ node, earnings, epochs, week }: NodeView): Markup => {
  const credited = epochs.filter(({ standing }) => standing === 'credited').length
  const settled = earnings.find(({ state }) => state === 'anchored')
  const [newest] = earnings
  const { certificate } = node
  const isTlsKnown = certificate !== null && certificate.state !== 'unknown'
  return html`
    <dl class="figures" id="figures" data-live>
      ${figure(
        'Credited epochs',
        html`${credited} <small>of ${epochs.length}</small>`,
        week !== null
          ? html`week ${week}`
          : epochs.length === 0
            ? 'none is over yet'
            : `of the last ${plural(epochs.length, 'epoch')}`,
      )}
      ${
        newest === undefined || newest.week === settled?.week
          ? ''
          : figure('This week so far', amountOf(newest.amount), `${newest.week}, not yet fixed`)
      }
      ${
        settled === undefined
          ? figure('Last settled week', '–', 'no anchored week yet')
          : figure(
              'Last settled week',
              amountOf(settled.amount),
              html`${weekLink(settled.week)} ${badge(payoutTone(settled.payment), settled.payment)}`,
            )
      }
      ${figure(
        'TLS certificate',
        isTlsKnown ? certificate.state : '–',
        isTlsKnown
          ? `${plural(certificate.challengers, 'challenger')} of epoch ${certificate.epoch}`
          : epochs.length === 0
            ? 'no challenger has come yet'
            : 'no challenger came as far as that',
      )}
    </dl>
  `
}

/** Who says what against the node, the newest epoch first. */
export const accusations = ({ node, epochs }: NodeView): Markup => {
  const accused = epochs
    .toReversed()
    .map((epoch) => ({ epoch, words: epoch.words.filter(({ verdict }) => isInvalid(verdict ?? 255)) }))
    .filter(({ words }) => words.length > 0)
  const shown = accused.slice(0, accusationsShown)
  return html`
    <section aria-labelledby="who-title" id="who" data-live>
      <h2 id="who-title">Who says that it is not well</h2>
      ${
        shown.length === 0
          ? html`<p>
              ${
                epochs.length === 0
                  ? 'Nobody: it was not challenged yet.'
                  : `Nobody: in the last ${plural(epochs.length, 'epoch')} no challenger found fault with it.`
              }
            </p>`
          : html`<ul class="accusations">
                ${shown.map(
                  ({ epoch, words }) =>
                    html`<li>
                      <h3><a href="/nodes/${node.seat}/epochs/${epoch.epoch}">Epoch ${epoch.epoch}</a></h3>
                      <p>
                        ${outcomeBadge(epoch.outcome, epoch.standing)}
                        <span class="muted">${timeOf(epoch.start.time)}</span>
                      </p>
                      <ul class="said">
                        ${words.map(
                          ({ challenger, said }) =>
                            html`<li>
                              <a href="/nodes/${node.seat}/epochs/${epoch.epoch}/by/${challenger}"
                                >seat ${challenger}: ${said}</a
                              >
                            </li>`,
                        )}
                      </ul>
                    </li>`,
                )}
              </ul>
              ${adviceOf(shown.flatMap(({ words }) => words.map(({ said }) => said)))}
              ${
                accused.length > shown.length
                  ? html`<p class="muted">
                      And in ${plural(accused.length - shown.length, 'earlier epoch')}: see below.
                    </p>`
                  : ''
              }`
      }
    </section>
  `
}

const accusationsShown = 3

const adviceOf = (words: readonly string[]): Markup => {
  const advice = [...new Set(words)].flatMap((word) => adviceFor[word] ?? [])
  return html`${advice.map((text) => html`<p class="advice">${text}</p>`)}`
}

/** Epoch by challenger: a row for each epoch, the newest first. */
export const heatMap = ({ node, epochs, week }: NodeView): Markup => {
  if (epochs.length === 0) {
    return html`
      <section aria-labelledby="map-title" id="map" data-live>
        <h2 id="map-title">Epoch by epoch</h2>
        <p>No epoch in which it was challenged is over yet.</p>
      </section>
    `
  }
  const k = Math.max(0, ...epochs.map(({ words }) => words.length))
  const caption =
    week === null
      ? 'What the challengers said, the newest epoch first'
      : `What the challengers said in week ${week}`
  return html`
    <section aria-labelledby="map-title" id="map" data-live>
      <h2 id="map-title">Epoch by epoch</h2>
      <div class="scroll" role="region" aria-label="${caption}" tabindex="0">
        <table class="heat">
          <caption>
            ${caption}
          </caption>
          <thead>
            <tr>
              <th scope="col">Epoch</th>
              <th scope="col">Outcome</th>
              ${Array.from({ length: k }, (_, i) => html`<th scope="col"><span class="hidden">challenger </span>${i + 1}</th>`)}
              <th scope="col">Began</th>
            </tr>
          </thead>
          <tbody>
            ${epochs.toReversed().map((epoch) => heatRow(node.seat, epoch, k))}
          </tbody>
        </table>
      </div>
      <p class="legend muted">
        Each column is a place in the committee; who stands there is drawn anew each epoch.
      </p>
      <p class="legend">
        <span class="cell good" aria-hidden="true">✓</span> valid
        <span class="cell bad" aria-hidden="true">✕</span> invalid
        <span class="cell none" aria-hidden="true">–</span> abstains
        <span class="cell silent" aria-hidden="true">·</span> silent
      </p>
    </section>
  `
}

const heatRow = (seat: number, epoch: SeatEpoch, k: number): Markup =>
  html`<tr>
    <th scope="row"><a href="/nodes/${seat}/epochs/${epoch.epoch}">${epoch.epoch}</a></th>
    <td>
      ${outcomeBadge(epoch.outcome, epoch.standing)}${epoch.isOpen ? html` <span class="muted">open</span>` : ''}
    </td>
    ${Array.from({ length: k }, (_, i) => {
      const word = epoch.words[i]
      if (word === undefined) return html`<td class="cell"></td>`
      const tone = word.verdict === null ? 'silent' : toneOfVerdict(word.verdict)
      const sign = word.verdict === null ? '·' : signOf(tone as Tone)
      // By keyboard the epoch's own page leads to each of them: a week has hundreds.
      return html`<td class="cell ${tone}">
        <a
          tabindex="-1"
          href="/nodes/${seat}/epochs/${epoch.epoch}/by/${word.challenger}"
          title="seat ${word.challenger}: ${word.said}"
          ><span aria-hidden="true">${sign}</span
          ><span class="hidden">seat ${word.challenger}: ${word.said}</span></a
        >
      </td>`
    })}
    <td class="muted">${timeOf(epoch.start.time)}</td>
  </tr>`

export const earningsTable = (earnings: readonly Earning[]): Markup => html`
  <section aria-labelledby="earned-title" id="earned" data-live>
    <h2 id="earned-title">What it earned</h2>
    ${table(
      'Weeks, the newest first',
      ['Week', 'State', 'Credits', 'Amount', 'On the chain', 'Payment'],
      earnings.map(
        ({ week, state, score, epochs, amount, paid, payment }) =>
          html`<tr>
            <th scope="row">${weekLink(week)}</th>
            <td>${weekStateBadge(state)}</td>
            <td class="number">${score} of ${epochs}</td>
            <td class="number">${coins(amount)}</td>
            <td class="number">${paid === null ? '–' : coins(paid)}</td>
            <td>${badge(payoutTone(payment), payment)}</td>
          </tr>`,
      ),
    )}
  </section>
`

const downtimeTable = ({ downtimes }: NodeView): Markup => html`
  <section aria-labelledby="down-title" id="down" data-live>
    <h2 id="down-title">Downtimes</h2>
    ${
      downtimes.total === 0
        ? html`<p>None in the epochs shown.</p>`
        : table(
            'Downtimes, the newest first',
            ['Reason', 'From', 'Until', 'Epochs'],
            downtimes.items.map(
              ({ reason, start, end, epochs, isCutAtStart, isCutAtEnd }) =>
                html`<tr>
                  <td>${badge('bad', reason)}</td>
                  <td>${isCutAtStart ? 'before ' : ''}${momentText(start)}</td>
                  <td>
                    ${end === null ? html`<strong>it lasts</strong>` : html`${isCutAtEnd ? 'after ' : ''}${momentText(end)}`}
                  </td>
                  <td class="number">${epochs}</td>
                </tr>`,
            ),
          )
    }
  </section>
`

const announcedFacts = ({ node }: NodeView): Markup => html`
  <section aria-labelledby="facts-title">
    <h2 id="facts-title">Announced</h2>
    ${facts([
      ['Host', node.host],
      ['Ports', html`${node.p2p} (p2p), ${node.tls} (TLS)`],
      ['Stake', code(node.stake)],
      ['Peer', code(node.peer)],
      ['Voting key', code(node.blsKey)],
      ['Announced in block', html`${blockLink(node.announced.height)}, transaction ${node.announced.index}`],
      ['Active since block', node.activeSince === null ? 'not active' : blockLink(node.activeSince)],
      ['Version', node.version ?? 'not probed by this node'],
    ])}
  </section>
`

/** All that is known of a node, below what matters first. */
export const nodeSections = (view: NodeView): Markup => html`
  ${nodeFigures(view)} ${accusations(view)} ${heatMap(view)} ${earningsTable(view.earnings)}
  ${downtimeTable(view)} ${announcedFacts(view)}
`
