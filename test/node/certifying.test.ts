import { afterEach, describe, expect, test } from 'vitest'
import {
  beaconOf,
  certifiersOf,
  checkpointAnswerCodec,
  checkpointRequestCodec,
  cidOf,
  createProof,
  decodeCheckpoint,
  encodeProof,
  type Epoch,
  maxLeaves,
  parseAnchor,
  type ProposalAnswer,
  proposalAnswerCodec,
  protocols,
  type SyncRequest,
  syncRequestCodec,
  topicsOf,
  type Week,
} from '../../protocol/index.ts'
import { decodeProofPage } from '../../protocol/proof-page.ts'
import { blsPublicKeyOf, blsSecretKeyOf } from '../../src/keys/bls.ts'
import { createCertifierPeers } from '../../src/node/certifier-peers.ts'
import { certificateOf, createWeeks, registryOf, seniorCount, weeksAt } from '../fixtures/frozen-weeks.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import { attest, attestOtherwise, type TestNetwork, type TestNode } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const handlerLimits = {
  maxRequestBytes: 2_000_000,
  maxResponseBytes: 2_000_000,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 16,
}

let network: TestNetwork
afterEach(() => network.stop())

interface FrozenWeek {
  week: Week
  nodes: TestNode[]
  /** Opens view 0 for all, last of all for the one that proposes first, and `meanwhile` happens before that. */
  freeze: (meanwhile?: () => Promise<void>) => Promise<void>
}

/** All nodes two blocks before block F of the week whose last epoch is `last`, or at another height before that. */
const startBeforeFreeze = async (
  last: Epoch,
  at = network.height(last + 2) - 2,
  started: readonly number[] = [...Array(seniorCount).keys()],
): Promise<FrozenWeek> => {
  const freezeHeight = network.height(last + 2)
  const frozen = await weeksAt(network, freezeHeight)
  const nodes: TestNode[] = []
  for (const index of started) {
    const chain = createTestChain(network.blocks, at)
    chain.registry = registryOf(network)
    // Without a freeze, and yet with the weeks whose data must be kept.
    const records = frozen.records.map((record) => ({ ...record, freeze: null, own: null, list: null }))
    chain.weeks = { ...frozen, records }
    nodes.push(await network.start(index, { chain }))
  }
  const stateOf = ({ daemon }: TestNode) => daemon.finality.certifier.state()
  return {
    week: frozen.records.findLast(({ freeze }) => freeze !== null && freeze.hash !== null)!.week,
    nodes,
    async freeze(meanwhile) {
      for (const { chain } of nodes) chain.weeks = frozen
      await Promise.all(nodes.map(({ chain }) => chain.advance(freezeHeight - 1)))
      const { duty } = stateOf(nodes[0]!)!
      const [first] = certifiersOf(duty.seniors, duty.beacon, 0, duty.params.certifiers)
      const others = nodes.filter(({ row }) => row.seat !== first!.seat)
      await Promise.all(others.map(({ chain }) => chain.advance(freezeHeight)))
      const signing = others.filter(({ daemon }) => daemon.node.signing.isOn())
      await until(() => signing.every((node) => stateOf(node)?.height === freezeHeight))
      await meanwhile?.()
      await Promise.all(nodes.map(({ chain }) => chain.advance(freezeHeight)))
    },
  }
}

/** Lets every node hold a proof that the seat at `index` signed twice in an epoch. */
const equivocate = async (nodes: readonly TestNode[], index: number, epoch: Epoch): Promise<void> => {
  for (const node of nodes) {
    const context = await node.context(epoch)
    const proof = createProof(attest(network, context, index), attestOtherwise(network, context, index))
    const taken = await node.daemon.collector.takeProof(encodeProof(proof), 'certifier')
    expect(taken).toMatchObject({ is: 'accept' })
  }
}

/** The checkpoint that a node knows a certificate of. */
const certifiedBy = async ({ daemon }: TestNode, week: Week) => {
  const certified = daemon.finality.certifier.certified()
  if (certified?.week !== week) return undefined
  const anchor = parseAnchor(certified.memo)
  const payload = anchor.is === 'accept' ? await daemon.checkpoints.get(anchor.value.checkpoint) : undefined
  const decoded = payload && decodeCheckpoint(payload)
  return decoded?.is === 'ok' ? decoded.value : undefined
}

/** Until there is a certificate; who comes to hear of it is the matter of gossip. No block comes meanwhile. */
const untilCertified = async (nodes: readonly TestNode[], week: Week) => {
  let found: Awaited<ReturnType<typeof certifiedBy>>
  await until(async () => {
    found = (await Promise.all(nodes.map((node) => certifiedBy(node, week)))).find((one) => one !== undefined)
    return found !== undefined
  })
  return found!
}

/** Indexes of the certifiers of view 0 by position, where `last` is the week's last epoch. */
const positions = async (last: Epoch): Promise<number[]> => {
  const { records } = await weeksAt(network, network.height(last + 2))
  const { list, freeze } = records.findLast((record) => record.list !== null)!
  const beacon = beaconOf(network.networkId, last + 2, freeze!.hash!)
  const drawn = certifiersOf(list!.seniors, beacon, 0, network.params.certifiers)
  return drawn.map(({ seat }) => network.rows.findIndex((row) => row.seat === seat))
}

describe('R-CP-1 R-CP-3 proofs of equivocation of old epochs', () => {
  test.each([
    ['two weeks', 2, 42],
    ['ten weeks', 10, 42],
    ['a week of more epochs than are kept in memory', 1, 100],
  ])('a checkpoint of %s with equivocators in the oldest epochs is certified', async (_, weeks, perWeek) => {
    network = await createWeeks(perWeek)
    const { week, nodes, freeze } = await startBeforeFreeze(weeks * perWeek - 1)
    await equivocate(nodes, 1, 3)
    await equivocate(nodes, 2, 30)
    await freeze()
    const checkpoint = await untilCertified(nodes, week)
    expect(checkpoint.weeks.map(({ epochs }) => epochs.length)).toEqual(Array(weeks).fill(perWeek))
    expect(checkpoint.weeks.map(({ proofPages }) => proofPages.length)).toEqual([
      1,
      ...Array(weeks - 1).fill(0),
    ])
  })
})

test('R-MSG-1 a stranger who asks for bits of everything keeps no week from being certified', async () => {
  network = await createWeeks(42)
  const { week, nodes, freeze } = await startBeforeFreeze(2 * 42 - 1)
  await equivocate(nodes, 1, 3)
  const stranger = await network.startPeer({})
  const ending = new AbortController()
  const asking = (async () => {
    for (let epoch = 0; !ending.signal.aborted; epoch = (epoch + 1) % 84) {
      const request = checkpointRequestCodec.encode(['bits', cidOf(seedOf('nothing')), epoch])
      const target = nodes[epoch % seniorCount]!.target
      await stranger.request(target, protocols.checkpoint, request, {
        timeoutMs: 60_000,
        maxResponseBytes: 2_000_000,
      })
    }
  })()
  await freeze()
  expect((await untilCertified(nodes, week)).weeks).toHaveLength(2)
  ending.abort()
  await asking
})

describe('R-CP-3 what a certifier demands', () => {
  const last = 41

  test('is gathered from all at once, though one names what nobody has and gives nothing', async () => {
    network = await createWeeks(42)
    const order = await positions(last)
    const liar = order.at(-1)!
    const { week, nodes, freeze } = await startBeforeFreeze(last, undefined, order.slice(0, -1))
    const informed = nodes.filter(({ index }) => index !== order[0])
    await equivocate(informed, liar, 3)
    await equivocate(informed, order[1]!, 30)
    const lying = await network.startPeer({ index: liar })
    const asked: SyncRequest[] = []
    let proposals = 0
    await lying.handle(protocols.propose, handlerLimits, () => {
      proposals++
      const row = (epoch: Epoch): [number, number, Uint8Array] => [epoch, liar, seedOf('nothing', epoch)]
      // The first is of the week that runs.
      const wants: ProposalAnswer = ['wants', [row(last + 1), row(3)], [], [[5, 1]]]
      return Promise.resolve(proposalAnswerCodec.encode(wants))
    })
    await lying.handle(protocols.sync, handlerLimits, (bytes) => {
      const request = syncRequestCodec.decode(bytes)
      if (request.is === 'ok') asked.push(request.value)
      return Promise.reject(new Error('gives nothing'))
    })
    await freeze()
    const checkpoint = await untilCertified(nodes, week)
    const page = decodeProofPage(
      (await nodes[0]!.daemon.checkpoints.get(checkpoint.weeks[0]!.proofPages[0]!))!,
    )
    expect(page.is === 'ok' && page.value.proofs).toHaveLength(2)
    expect(proposals).toBe(2)
    const fetched = asked.filter(([kind]) => kind === 'fetch' || kind === 'proofs')
    expect(fetched.map(([, epoch]) => epoch)).toContain(3)
    expect(asked.filter(([kind, epoch]) => kind === 'fetch' && epoch > last)).toEqual([])
  })

  test('R-CP-2 a daemon whose voting key is not the one in the list does not vote; the others do', async () => {
    network = await createWeeks(42)
    const order = await positions(last)
    const replaced = order.at(-1)!
    network.rows[replaced]!.bls = blsPublicKeyOf(blsSecretKeyOf(seedOf('the key before')))
    const { week, nodes, freeze } = await startBeforeFreeze(last)
    await freeze()
    await untilCertified(nodes, week)
    const votes = await Promise.all(nodes.map(({ daemon }) => daemon.checkpoints.votes(week)))
    expect(votes[replaced]).toEqual([])
    expect(votes.filter((one) => one.length > 0)).toHaveLength(3)
  })

  test('who was away while an epoch closed calls nothing late that the others held in time', async () => {
    network = await createWeeks(42, seniorCount + 1)
    const { week, nodes, freeze } = await startBeforeFreeze(last, network.height(last))
    const { bytes } = attest(network, await nodes[0]!.context(last), seniorCount)
    const [present, away] = [nodes.slice(0, 2), nodes.slice(2)]
    for (const { daemon } of present) {
      expect(await daemon.collector.take(bytes, 'gossip')).toMatchObject({ is: 'accept' })
    }
    const before = network.height(last + 2) - 2
    for (const { chain, daemon } of present) {
      for (let height = chain.view.confirmedHeight + 1; height <= before; height++) {
        // In touch with the others (R-SYNC-3).
        daemon.contact.onSyncTurn(true)
        await chain.advance(height)
      }
    }
    await Promise.all(away.map(({ chain }) => chain.jump(before)))
    for (const { daemon } of away) {
      expect(await daemon.collector.take(bytes, 'sync')).toMatchObject({ is: 'accept' })
    }
    await freeze()
    const { weeks } = await untilCertified(nodes, week)
    expect(weeks.at(-1)!.epochs.at(-1)).toMatchObject({ epoch: last, count: 1 })
  })
})

describe('R-ATT-7 a certifier that meets an attestation by its key that it did not sign', () => {
  const last = 41

  /** All nodes two blocks before block F; what no other node has signed reaches `twin`, who votes last, by `hear`. */
  const startWithTwin = async () => {
    network = await createWeeks(42)
    const order = await positions(last)
    const frozen = await startBeforeFreeze(last, network.height(last + 1) - 2)
    const { nodes } = frozen
    await until(() => nodes.every(({ daemon }) => !daemon.isRecovering()))
    const before = network.height(last + 2) - 2
    await Promise.all(nodes.map(({ chain }) => chain.advance(before)))
    const place = nodes.findIndex(({ index }) => index === order.at(-1))
    const twin = nodes[place]!
    const hear = async (): Promise<void> => {
      const { bytes } = attest(network, await twin.context(last + 1), twin.index)
      await twin.daemon.collector.take(bytes, 'gossip')
      expect(twin.daemon.node.signing.isOn()).toBe(false)
    }
    return { ...frozen, before, place, twin, hear }
  }

  const votesOf = async (nodes: readonly TestNode[], week: Week): Promise<number[]> =>
    await Promise.all(nodes.map(async ({ daemon }) => (await daemon.checkpoints.votes(week)).length))

  test('votes no more in the week at hand, though it has nothing against the payload', async () => {
    const { week, nodes, freeze, twin, hear } = await startWithTwin()
    await freeze(hear)
    await until(() => twin.daemon.finality.certifier.state()?.agreed.size === 1)
    await untilCertified(nodes, week)
    expect(await votesOf(nodes, week)).toEqual(nodes.map((node) => (node === twin ? 0 : 1)))
  })

  test('takes no part in a later one, also after a restart', async () => {
    const { week, nodes, freeze, before, place, twin, hear } = await startWithTwin()
    await hear()
    await twin.stop()
    const chain = createTestChain(network.blocks, before)
    Object.assign(chain, { registry: twin.chain.registry, weeks: twin.chain.weeks })
    const again = await network.start(twin.index, { store: twin.store, chain })
    nodes[place] = again
    await freeze()
    await untilCertified(nodes, week)
    expect(again.daemon.finality.certifier.state()).toBe(null)
    expect(await votesOf(nodes, week)).toEqual(nodes.map((node) => (node === again ? 0 : 1)))
  })
})

test('R-CP-3 a proposer that tells of leaves without end is asked for no more than the snapshot has', async () => {
  network = await createWeeks(42)
  const node = await network.start(0, { height: network.height(5) })
  const { daemon } = node
  const lying = await network.startPeer({ index: 1 })
  let asked = 0
  const leaves = Array.from({ length: maxLeaves }, (_, seat): [number, Uint8Array] => [
    seat,
    seedOf('leaf', seat),
  ])
  await lying.handle(protocols.checkpoint, handlerLimits, () => {
    asked++
    return Promise.resolve(checkpointAnswerCodec.encode(['leaves', leaves]))
  })
  const peers = createCertifierPeers(daemon.node, daemon.collector, daemon.checkpoints)
  const liar = registryOf(network)[network.rows[1]!.seat]!
  const asking = peers.askLeaves(liar, cidOf(seedOf('checkpoint')), 4, AbortSignal.timeout(60_000))
  await expect(asking).rejects.toMatchObject({ code: 'CHECKPOINT_ANSWER' })
  expect(asked).toBeLessThanOrEqual(2)
})

describe('R-CP-4 certificates in gossip', () => {
  const last = 41
  const topic = () => topicsOf(network.networkId).certificates.name

  /** One node whose week is frozen, and a peer that it hears. */
  const startListening = async () => {
    network = await createWeeks(42)
    const { week, nodes, freeze } = await startBeforeFreeze(last, undefined, [0])
    await freeze()
    const node = nodes[0]!
    await until(() => node.daemon.finality.certifier.state()?.views.length === 1)
    const sender = await network.startPeer({ index: 3 })
    sender.subscribe(topic(), () => ({ is: 'accept', value: undefined }))
    await sender.dial(node.target)
    await until(() => sender.gossipPeers(topic()) > 0)
    const state = node.daemon.finality.certifier.state()!
    const certificate = (freezeHash: Uint8Array, number: number): Uint8Array =>
      certificateOf(network, state, freezeHash, number)
    const heard = async (verdict: string): Promise<number> => {
      const { values } = await node.daemon.metrics.registry
        .getSingleMetric('secnode_net_gossip_messages_total')!
        .get()
      return values
        .filter(({ labels }) => Object.values(labels).includes(verdict))
        .reduce((sum, { value }) => sum + value, 0)
    }
    return { node, week, sender, certificate, heard, freezeHash: state.duty.frame.freezeHash }
  }

  test('one of another branch is ignored, and its sender heard as before', async () => {
    const { node, week, sender, certificate, heard, freezeHash } = await startListening()
    await sender.publish(topic(), certificate(seedOf('another block F'), 1))
    await until(async () => (await heard('ignore certificate-signature')) === 1)
    await sender.publish(topic(), certificate(freezeHash, 2))
    await until(() => node.daemon.finality.certifier.certified()?.week === week)
    expect(await node.penalties()).toBe(0)
  })

  test('who sends more of them than there can be is shut out before all are checked', async () => {
    const { node, sender, certificate, heard } = await startListening()
    for (let number = 0; number < 17; number++) {
      await sender.publish(topic(), certificate(seedOf('another block F'), number))
    }
    await until(async () => (await heard('reject certificate-flood')) === 1)
    expect(await heard('ignore certificate-signature')).toBe(16)
    expect(await node.penalties('invalid-message')).toBe(1)
  })
})
