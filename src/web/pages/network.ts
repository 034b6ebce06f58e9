import { html } from 'hono/html'
import type { FoundList } from '../resources/explorer/schemas.ts'
import type { NetworkDetail } from '../resources/network/schemas.ts'
import type { NodeRow } from '../resources/nodes/schemas.ts'
import type { Page } from '../view/parts.ts'
import {
  badge,
  code,
  count,
  facts,
  figure,
  type Markup,
  outcomeBadge,
  pager,
  percent,
  plural,
  seatStateBadge,
  table,
} from './markup.ts'
import { outcomeChart } from './outcome-chart.ts'

export const networkPage = (network: NetworkDetail): Markup => {
  const { status, epochs, concentration, versions } = network
  const [last] = epochs
  return html`
    <h1>Network</h1>
    <dl class="figures" id="figures" data-live>
      ${figure('Active seats', count(status.seats.active), html`${count(status.seats.waiting)} waiting, ${count(status.seats.retired)} retired`)}
      ${
        last === undefined
          ? ''
          : figure(
              'Credited',
              percent(last.standings.credited, last.seats),
              `${last.standings.credited} of ${last.seats} in epoch ${last.epoch}`,
            )
      }
      ${last === undefined ? '' : figure('Attested', percent(last.attested, last.seats), `${last.attested} of ${last.seats}`)}
      ${figure('Epoch', status.epoch ?? '–', html`week ${status.week ?? '–'}`)}
    </dl>
    <section aria-labelledby="outcomes-title" id="outcomes" data-live>
      <h2 id="outcomes-title">Outcomes</h2>
      ${outcomeChart(epochs)}
    </section>
    ${concentrationSection(concentration)} ${versionsSection(versions)}
    <section aria-labelledby="which-title">
      <h2 id="which-title">Which network</h2>
      ${facts([
        ['Network', code(network.id)],
        ['Profile', network.name],
        ['Chain', network.chain],
        ['Peers of this node', html`${status.peers.total}, of which ${status.peers.registered} are nodes`],
      ])}
    </section>
  `
}

const concentrationSection = (concentration: NetworkDetail['concentration']): Markup => html`
  <section aria-labelledby="concentration-title" id="concentration" data-live>
    <h2 id="concentration-title">Concentration of addresses</h2>
    ${
      concentration.seats === 0
        ? html`<p class="muted">No challenger has seen an address yet.</p>`
        : html`<p>
              Of ${plural(concentration.seats, 'seat')} whose address challengers name in epoch
              ${concentration.epoch}.
            </p>
            <div class="columns">
              ${concentration.prefixes.map(
                ({ length, distinct, top }) =>
                  html`<div>
                    ${table(
                      `The largest of ${plural(distinct, `distinct ${length}`, `distinct ${length}`)}`,
                      ['Prefix', 'Seats', 'Share'],
                      top.map(
                        ({ prefix, seats }) =>
                          html`<tr>
                            <th scope="row"><code>${prefix}</code></th>
                            <td class="number">${seats}</td>
                            <td class="number">
                              ${percent(seats, concentration.seats)}
                              <meter
                                min="0"
                                max="${concentration.seats}"
                                value="${seats}"
                                aria-hidden="true"
                              ></meter>
                            </td>
                          </tr>`,
                      ),
                    )}
                  </div>`,
              )}
            </div>`
    }
  </section>
`

const versionsSection = (versions: NetworkDetail['versions']): Markup => html`
  <section aria-labelledby="versions-title" id="versions" data-live>
    <h2 id="versions-title">Versions</h2>
    ${
      versions.probed === 0
        ? html`<p class="muted">This node has probed nobody since its start.</p>`
        : table(
            `Of ${plural(versions.probed, 'seat')} that this node has probed`,
            ['Version', 'Seats', 'Share'],
            versions.versions.map(
              ({ version, seats }) =>
                html`<tr>
                  <th scope="row">${version}</th>
                  <td class="number">${seats}</td>
                  <td class="number">${percent(seats, versions.probed)}</td>
                </tr>`,
            ),
          )
    }
    ${
      versions.probed === 0
        ? ''
        : table(
            'Seats that are ready for a ruleset',
            ['Ruleset', 'Seats', 'Share'],
            versions.rulesets.map(
              ({ ruleset, seats }) =>
                html`<tr>
                  <th scope="row">${ruleset}</th>
                  <td class="number">${seats}</td>
                  <td class="number">${percent(seats, versions.probed)}</td>
                </tr>`,
            ),
          )
    }
  </section>
`

/** What the list of nodes was narrowed to. */
export interface NodeListQuery {
  state: string | undefined
  standing: string | undefined
  host: string | undefined
}

export const nodesPage = (nodes: Page<NodeRow>, query: NodeListQuery): Markup => html`
  <h1>Nodes</h1>
  <form class="filter" action="/nodes">
    <p>
      <label for="state">State</label>
      <select id="state" name="state">
        ${options(['', 'active', 'waiting', 'retired'], query.state)}
      </select>
    </p>
    <p>
      <label for="standing">Last epoch</label>
      <select id="standing" name="standing">
        ${options(['', 'credited', 'valid', 'undecided', 'invalid'], query.standing)}
      </select>
    </p>
    <p>
      <label for="host">Host has</label>
      <input id="host" name="host" maxlength="71" value="${query.host ?? ''}" />
    </p>
    <p><button>Show</button></p>
  </form>
  <div id="nodes" data-live>
    ${table(
      'Nodes, by seat',
      ['Seat', 'Host', 'State', 'Last epoch', 'Seen at', 'Version'],
      nodes.items.map(
        (node) =>
          html`<tr>
            <th scope="row"><a href="/nodes/${node.seat}">${node.seat}</a></th>
            <td><a href="/nodes/${node.seat}">${node.host}</a></td>
            <td>${seatStateBadge(node.state)}</td>
            <td>${node.epoch === null ? '–' : outcomeBadge(node.outcome, node.standing)}</td>
            <td>${node.address === null ? '–' : html`<code>${node.address}</code>`}</td>
            <td>${node.version ?? '–'}</td>
          </tr>`,
      ),
    )}
    ${pager('/nodes', nodes, { ...query })}
  </div>
`

const options = (values: readonly string[], chosen = ''): Markup =>
  html`${values.map(
    (value) =>
      html`<option value="${value}" ${value === chosen ? html`selected` : ''}>
        ${value === '' ? 'all' : value}
      </option>`,
  )}`

export const searchPage = ({ query, items }: FoundList): Markup => html`
  <h1>Search</h1>
  <p>
    ${plural(items.length, 'match', 'matches')} for
    <q>${query}</q>${items.length === 50 ? ', the first of them' : ''}
  </p>
  ${
    items.length === 0
      ? html`<p class="muted">
          Search for the number of a seat, an epoch or a block, a host or part of it, the address of a stake,
          a peer id, a week such as 2026-W47, or the CID of a block of evidence.
        </p>`
      : html`<ul class="found">
          ${items.map(({ kind, title, path }) => html`<li>${badge('none', kind)} <a href="${path}">${title}</a></li>`)}
        </ul>`
  }
`
