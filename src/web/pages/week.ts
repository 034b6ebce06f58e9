import { html } from 'hono/html'
import type { WeekDetail, WeekRow, WeekSeat } from '../resources/weeks/schemas.ts'
import type { Page } from '../view/parts.ts'
import {
  badge,
  blockLink,
  code,
  coins,
  count,
  facts,
  figure,
  type Markup,
  pager,
  payoutTone,
  plural,
  seatLink,
  table,
  weekLink,
  weekStateBadge,
} from './markup.ts'
import { outcomeChart } from './outcome-chart.ts'

export const weeksPage = (weeks: Page<WeekRow>): Markup => html`
  <h1>Weeks</h1>
  <div id="weeks" data-live>
    ${table(
      'Weeks, the newest first',
      ['Week', 'State', 'Epochs', 'Freezes at block', 'Anchor'],
      weeks.items.map(
        ({ week, state, first, last, freeze, anchor }) =>
          html`<tr>
            <th scope="row">${weekLink(week)}</th>
            <td>${weekStateBadge(state)}</td>
            <td>${first} – ${last ?? 'now'}</td>
            <td class="number">${freeze === null ? '–' : count(freeze)}</td>
            <td>${anchor === null ? '–' : html`block ${blockLink(anchor.height)}`}</td>
          </tr>`,
      ),
    )}
    ${pager('/weeks', weeks)}
  </div>
`

const stateWords: Readonly<Record<WeekRow['state'], string>> = {
  open: 'It runs: what is said of it now may still change.',
  frozen: 'It is over. Seats that were drawn are certifying which attestations count.',
  certified: 'It has a certificate, which waits for its anchor in the chain.',
  anchored: 'The chain fixes which attestations count. Whoever rebuilds its tally has the same digest.',
  pending: 'No anchor came in its window: the next week’s checkpoint covers it too.',
}

export const weekPage = (week: WeekDetail, seats: Page<WeekSeat>): Markup => html`
  <h1>Week ${week.week} ${weekStateBadge(week.state)}</h1>
  <p>${stateWords[week.state]}</p>
  <dl class="figures" id="figures" data-live>
    ${figure('Fund', coins(week.totals.fund), week.fundMissing ?? 'after the reserve for fees')}
    ${figure('To be paid', coins(week.totals.paid), `to ${plural(week.totals.paidSeats, 'seat')} of ${week.totals.seats}`)}
    ${figure('Payout', badge(payoutTone(week.payout.state), week.payout.state), week.payout.detail ?? plural(week.payout.txids.length, 'transaction'))}
    ${figure('Epochs', week.epochs.length, `${week.first} to ${week.last ?? 'now'}`)}
  </dl>
  ${fixedSection(week)} ${payoutSection(week)} ${tallySection(week, seats)}
  <section aria-labelledby="epochs-title" id="epochs" data-live>
    <h2 id="epochs-title">Epochs</h2>
    ${outcomeChart(week.epochs.toReversed())}
  </section>
`

const fixedSection = (week: WeekDetail): Markup => html`
  <section aria-labelledby="fixed-title" id="fixed" data-live>
    <h2 id="fixed-title">What fixes it</h2>
    ${facts([
      ['Freezes at block', week.freeze === null ? 'not over yet' : blockLink(week.freeze)],
      [
        'Certificate',
        week.certificate === null
          ? week.anchor === null
            ? 'none that this node knows'
            : html`in the anchor’s memo, view ${week.anchor.view}`
          : html`view ${week.certificate.view},
            ${plural(week.certificate.votes, 'vote')}${
              week.certificate.certifiers === null ? '' : ` of ${week.certificate.certifiers}`
            }`,
      ],
      [
        'Anchor',
        week.anchor === null
          ? 'none yet'
          : html`block ${blockLink(week.anchor.height)}, transaction
            ${week.anchor.index}${
              week.anchor.week === week.week ? '' : html`, with ${weekLink(week.anchor.week)}`
            }`,
      ],
      week.anchor === null ? null : ['Checkpoint', code(week.anchor.checkpoint)],
      [
        'Digest of the tally',
        week.digest === null ? 'none before the anchored set is complete here' : code(week.digest),
      ],
      week.equivocators.length === 0
        ? null
        : [
            'Signed twice, so score nothing',
            html`${week.equivocators.map((seat) => html`${seatLink(seat)} `)}`,
          ],
    ])}
    ${
      week.digest === null
        ? ''
        : html`<p class="muted">
            Rebuild it without this node:
            <code class="long">secnode tally --week ${week.week} --rpc URL --profile P --peers …</code>
          </p>`
    }
  </section>
`

const payoutSection = ({ payout }: WeekDetail): Markup => html`
  <section aria-labelledby="payout-title" id="payout" data-live>
    <h2 id="payout-title">Payout</h2>
    ${facts([
      ['State', html`${badge(payoutTone(payout.state), payout.state)} ${payout.detail ?? ''}`],
      ['Due', coins(payout.due)],
      ['On the chain', coins(payout.paid)],
      payout.difference === null || payout.difference === '0'
        ? null
        : ['Difference', coins(payout.difference)],
      [
        'Transactions',
        payout.txids.length === 0 ? 'none' : html`${payout.txids.map((txid) => html`<p>${code(txid)}</p>`)}`,
      ],
      payout.checkedAt === null ? null : ['Compared at block', count(payout.checkedAt)],
    ])}
    ${
      payout.faults.length === 0
        ? ''
        : html`<ul class="checks">
            ${payout.faults.map(
              (fault) =>
                html`<li class="bad">
                  <span class="sign" aria-hidden="true">✕</span>
                  <div>${fault}</div>
                </li>`,
            )}
          </ul>`
    }
    ${
      payout.state === 'paid'
        ? html`<p>
            Every seat was paid what its score is worth, to the base unit, and nobody else anything.
          </p>`
        : ''
    }
  </section>
`

const tallySection = ({ week }: WeekDetail, seats: Page<WeekSeat>): Markup => html`
  <section aria-labelledby="tally-title" id="tally" data-live>
    <h2 id="tally-title">Tally</h2>
    ${table(
      `Seats of ${week}`,
      ['Seat', 'Host', 'Credits', 'Amount', 'On the chain', 'Payment', 'What took credits'],
      seats.items.map(
        (seat) =>
          html`<tr>
            <th scope="row"><a href="/nodes/${seat.seat}?week=${week}">${seat.seat}</a></th>
            <td>${seat.host}</td>
            <td class="number">${seat.score} of ${seat.epochs}</td>
            <td class="number">${coins(seat.amount)}</td>
            <td class="number">${seat.paid === null ? '–' : coins(seat.paid)}</td>
            <td>${badge(payoutTone(seat.payment), seat.payment)}</td>
            <td>
              ${seat.equivocator ? badge('bad', 'signed twice') : ''}
              ${seat.reasons.map(({ outcome, epochs }) => html`<span class="reason">${epochs} × ${outcome}</span> `)}
            </td>
          </tr>`,
      ),
    )}
    ${pager(`/weeks/${week}`, seats)}
  </section>
`
