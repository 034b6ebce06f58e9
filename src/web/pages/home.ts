import { html } from 'hono/html'
import type { Diagnosed } from '../../service/self-diagnosis/diagnosis.ts'
import type { Status } from '../resources/server/schemas.ts'
import { findingsSection } from './findings.ts'
import { badge, code, facts, type Markup, plural, timeOf } from './markup.ts'
import {
  accusations,
  earningsTable,
  type Health,
  healthHero,
  healthOf,
  heatMap,
  nodeFigures,
  type NodeView,
} from './node.ts'

/** The page that an operator looks at every day: is my node well, who says it is not, what did it earn. */
export const homePage = (
  status: Status,
  view: NodeView | null,
  diagnosed: Diagnosed | null,
  alerts: Markup,
): Markup =>
  view === null
    ? html`${unannounced(status)} ${findingsSection(diagnosed)} ${alerts}`
    : html`
        ${healthHero('My node is', ownHealth(healthOf(view, status), diagnosed), view)} ${nodeFigures(view)}
        ${findingsSection(diagnosed)} ${accusations(view)} ${ownWork(status)} ${earningsTable(view.earnings)}
        ${heatMap(view)}
        <p><a href="/nodes/${view.node.seat}">Everything about this node</a></p>
        ${alerts}
      `

/** What challengers said comes first; what the node knows of itself may be worse, or be known sooner. */
const ownHealth = (health: Health, diagnosed: Diagnosed | null): Health => {
  const worst = diagnosed?.findings.find(({ severity }) => severity === 'critical')
  return health.tone === 'bad' || worst === undefined
    ? health
    : { tone: 'bad', word: 'in trouble', why: worst.title }
}

const unannounced = (status: Status): Markup => html`
  <section class="hero warn" aria-labelledby="health" id="hero" data-live>
    <span class="mark" aria-hidden="true">!</span>
    <div>
      <h1 id="health">
        My node <span class="word">${status.own.isStandby ? 'is a standby' : 'has no seat yet'}</span>
      </h1>
      <p>
        ${
          status.chain.state === 'following'
            ? status.own.isStandby
              ? 'It signs nothing, and takes the seat of its stake over by your word only.'
              : 'The chain shows no announcement of its stake. It is challenged from the third epoch after one on.'
            : `It follows the chain (${status.chain.state}): block ${Math.max(0, status.chain.confirmedHeight)} so far.`
        }
      </p>
      ${facts([
        ['Stake', code(status.own.stake)],
        ['Peer', code(status.own.peer)],
      ])}
    </div>
  </section>
`

const ownWork = ({ work, epoch, epochEnds, peers, chain, own }: Status): Markup => html`
  <section aria-labelledby="now-title" id="now" data-live>
    <h2 id="now-title">Now</h2>
    ${facts([
      [
        'Chain',
        html`${badge(chain.state === 'following' ? 'good' : 'warn', chain.state)} block
        ${chain.confirmedHeight} confirmed${chain.tip === null ? '' : `, the node is at ${chain.tip}`}`,
      ],
      [
        'Epoch',
        epoch === null
          ? 'before the activation'
          : html`${epoch}${epochEnds === null ? '' : `, the next in ${plural(epochEnds, 'block')}`}`,
      ],
      [
        'Its own challenges',
        work === null
          ? 'none in this epoch yet'
          : html`${work.done} of ${work.targets} done
              <progress
                max="${Math.max(1, work.targets)}"
                value="${work.done}"
                aria-label="Own challenges done"
              ></progress>`,
      ],
      ['TLS certificate until', timeOf(own.certificateUntil)],
      ['Peers', html`${peers.total}, of which ${peers.registered} are nodes`],
    ])}
  </section>
`
