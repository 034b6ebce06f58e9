import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { newestRuleset, type Week } from '../../protocol/index.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import { judge } from '../../src/service/self-diagnosis/judge.ts'
import { createHistoryStore } from '../../src/store/history.ts'
import { openWeeks } from '../../src/week/weeks.ts'
import { readyNodes } from '../fixtures/ready-nodes.ts'
import {
  askChallenge,
  attest,
  attestedBy,
  createTestNetwork,
  play,
  questionBy,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { observed } from '../service/self-diagnosis/observed.ts'

/** The first week has epochs 0 … 3. */
const lastKnown = 3
const next = '2026-W48' as Week
const ruleset = newestRuleset + 1
const never = new AbortController().signal

let network: TestNetwork

beforeEach(async () => {
  network = await createTestNetwork({
    nodes: 4,
    params: { committee: 3, attestBlocks: 2, retries: 1 },
    genesis: { epochBlocks: 8, confirmations: 2 },
    epochsPerWeek: 4,
    later: [{ from: next, params: { ruleset } }],
  })
})
afterEach(() => network.stop())

const signed = async (node: TestNode): Promise<{ attested: number[]; receipts: number; votes: number }> => {
  const { attestations, receipts, votes } = await createHistoryStore(node.store, 'memory').read()
  const attested = attestations.map(({ epoch }) => epoch)
  return { attested, receipts: receipts.length, votes: votes.length }
}

const findingsOf = async ({ daemon }: TestNode): Promise<unknown[]> => {
  const unknownRuleset = await daemon.unknownRuleset()
  const { findings } = judge(observed({ unknownRuleset }))
  return findings.map(({ code, severity, title }) => [code, severity, title])
}

describe('R-NET-3 a ruleset that this version does not know', () => {
  test('is warned of from the beginning; up to its first week the node works as ever', async () => {
    const nodes = await readyNodes(network)
    const [node] = nodes as [TestNode]
    expect(await node.daemon.unknownRuleset()).toEqual({ ruleset, from: next, isInForce: false })
    expect(await findingsOf(node)).toEqual([
      ['ruleset-unknown', 'warning', expect.stringMatching(`^from week ${next} on .* ruleset ${ruleset}, `)],
    ])
    await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
    await play(nodes, network.height(lastKnown + 1))
    await until(async () => (await attestedBy(node, lastKnown)) !== undefined)
  })

  test('from its first week on nothing is signed, judged or paid, and nobody is blamed', async () => {
    const nodes = await readyNodes(network)
    const [node] = nodes as [TestNode]
    await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
    await play(nodes, network.height(lastKnown + 1))
    await until(async () => (await signed(node)).attested.includes(lastKnown))
    const before = await signed(node)
    const known = await node.context(lastKnown)
    await play(nodes, network.height(lastKnown + 3, 3))
    expect((await signed(node)).attested).toEqual(before.attested)
    expect((await signed(node)).votes).toBe(0)
    expect(node.daemon.challenger.state()?.epoch ?? lastKnown).toBe(lastKnown)
    expect(await node.daemon.epochs.get(lastKnown + 2)).toBe(undefined)
    expect(await findingsOf(node)).toEqual([
      ['ruleset-unknown', 'critical', expect.stringContaining('this node signs nothing')],
    ])

    // One of a newer version asks and attests.
    const peer = await network.startPeer({ keys: network.keys[1]!, address: network.ip(30) })
    const epoch = lastKnown + 3
    const beacon = network.beacon(epoch)
    const question = questionBy(network, 1, 0, epoch)
    expect(await askChallenge(peer, node.target, question)).toEqual(['later', 'behind'])
    const attested = attest(network, { ...known, epoch, beacon }, 1)
    expect(await node.daemon.collector.take(attested.bytes, 'gossip')).toMatchObject({ is: 'ignore' })
    expect(await node.penalties()).toBe(0)
  })

  test('a week of it has no tally; those before have', async () => {
    const nodes = await readyNodes(network)
    const [node] = nodes as [TestNode]
    await play(nodes, network.height(lastKnown + 2))
    const { daemon } = node
    const weeks = openWeeks({
      genesis: network.genesis,
      networkId: network.networkId,
      epochs: daemon.epochs,
      fund: { ofWeek: () => Promise.resolve(0n) } as never,
      confirmedHeight: () => node.chain.view.confirmedHeight,
      standing: (context: EpochContext) => daemon.collector.standing(context),
      equivocators: (week: Week) => daemon.collector.equivocators(week),
      fixed: () => Promise.resolve(null),
      fixedAtHand: () => null,
      changeOf: (epoch) => daemon.collector.changeOf(epoch),
      stateOf: () => undefined,
    })
    expect((await weeks.input(network.blocks.week, never)).epochs).toHaveLength(lastKnown + 1)
    await expect(weeks.input(next, never)).rejects.toMatchObject({
      code: 'RULESET_UNKNOWN',
      exitCode: 3,
    })
  })
})
