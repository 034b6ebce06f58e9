import { describe, expect, test } from 'vitest'
import type { NodeDetail } from '../../src/web/resources/nodes/schemas.ts'
import { accusations, healthOf, heatMap, nodeFigures, type NodeView } from '../../src/web/pages/node.ts'

/** A node in its first hours: announced, and nobody has said anything of it. */
const viewOf = (state: NodeDetail['state']): NodeView => ({
  node: {
    seat: 7,
    host: 'n7.example.org',
    stake: 'tmStake',
    peer: '12D3KooW',
    state,
    outcome: null,
    standing: null,
    epoch: null,
    address: null,
    version: null,
    isOwn: true,
    p2p: 9734,
    tls: 9735,
    announced: { height: 100, index: 1, at: 98 },
    activeSince: 100,
    blsKey: '00'.repeat(48),
    week: null,
    certificate: null,
  },
  week: null,
  epochs: [],
  downtimes: { items: [], page: 1, limit: 20, total: 0 },
  earnings: [],
})

describe('the page of a node that was not challenged yet', () => {
  test('says what it waits for', () => {
    expect(healthOf(viewOf('waiting'), null)).toMatchObject({
      word: 'waiting',
      why: 'It is challenged from the third epoch after its announcement on.',
    })
    expect(healthOf(viewOf('active'), null)).toMatchObject({
      word: 'waiting',
      why: 'Its first epoch is under way; nothing was said of it yet.',
    })
    expect(healthOf(viewOf('retired'), null)).toMatchObject({ tone: 'bad', word: 'retired' })
  })

  test('shows no empty tables, and counts nothing that is not there', async () => {
    const view = viewOf('waiting')
    const page = (await Promise.all([nodeFigures(view), accusations(view), heatMap(view)])).join('')
    expect(page).not.toContain('<table')
    expect(page).not.toContain('last 0')
    expect(page).toContain('none is over yet')
    expect(page).toContain('no challenger has come yet')
    expect(page).toContain('it was not challenged yet')
  })
})
