import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  createProof,
  encodeAttestation,
  encodeProof,
  encodeSigned,
  type NetworkId,
  signPayload,
  topicsOf,
  Verdict,
} from '../../protocol/index.ts'
import type { Host } from '../../src/net/host.ts'
import { prefixes } from '../../src/store/keys.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import {
  attest,
  attestOtherwise,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

const own = 0
const epoch = 2

let network: TestNetwork
let node: TestNode
let store: Store

beforeEach(async () => {
  network = await createTestNetwork({ nodes: 5, params: { committee: 3 } })
  store = createMemoryStore()
  node = await network.start(own, { store })
})
afterEach(() => network.stop())

const rows = async (prefix: number): Promise<number> => {
  let count = 0
  for await (const _row of store.range({ gte: Uint8Array.of(prefix), lt: Uint8Array.of(prefix + 1) })) count++
  return count
}

const take = (bytes: Uint8Array, source: 'gossip' | 'sync' = 'gossip') =>
  node.daemon.collector.take(bytes, source)
const heldCount = async (): Promise<number> =>
  (await node.daemon.collector.held(await node.context(epoch))).length

describe('R-ATT-6 what a message is worth, check by check', () => {
  const spoilt = async (name: string): Promise<Uint8Array> => {
    const context = await node.context(epoch)
    const good = attest(network, context, 1)
    const change = (changes: Parameters<typeof attest>[3]) => attest(network, context, 1, changes).bytes
    switch (name) {
      case 'no CBOR':
        return Uint8Array.of(0xff, 1, 2, 3)
      case 'a payload that is none':
        return encodeSigned({ payload: seedOf('payload'), signature: good.signature })
      case 'bytes behind the message':
        return Uint8Array.of(...good.bytes, 0)
      case 'more than an attestation may hold':
        return encodeSigned({ payload: new Uint8Array(1_281), signature: good.signature })
      case 'another network': {
        const networkId = 'e'.repeat(32) as NetworkId
        const payload = encodeAttestation({ ...good.attestation, networkId })
        return encodeSigned(signPayload('att', networkId, payload, network.keys[1]!.sign))
      }
      case 'an epoch to come':
        return change({ epoch: 3 })
      case 'an epoch that is closed':
        return change({ epoch: 0 })
      case 'an epoch that no height can have':
        return change({ epoch: 0xffff_ffff })
      case 'another beacon':
        return change({ beacon: seedOf('beacon') })
      case 'a seat that nobody has':
        return change({ seat: 2 })
      case "another's stake (R-REG-4)":
        return change({ stake: network.rows[2]!.stake })
      case 'too few verdicts':
        return change({
          verdicts: new Uint8Array(2),
          addresses: [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(1, 2, 3, 4)],
        })
      case 'a code that does not exist':
        return change({ verdicts: Uint8Array.of(10, 255, 255), addresses: [] })
      case 'an address too few':
        return change({ addresses: good.attestation.addresses.slice(1) })
      case 'a mapped address':
        return change({
          addresses: [
            Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4),
            ...good.attestation.addresses.slice(1),
          ],
        })
      case 'a wrong signature':
        return encodeSigned({
          payload: good.payload,
          signature: attestOtherwise(network, context, 1).signature,
        })
      case "another seat's signature": {
        const { payload } = good
        return encodeSigned(signPayload('att', network.networkId, payload, network.keys[2]!.sign))
      }
      case 'a signature of another kind': {
        const { payload } = good
        return encodeSigned(signPayload('receipt', network.networkId, payload, network.keys[1]!.sign))
      }
      default:
        throw new Error(name)
    }
  }

  /** Ignored before a signature was verified: its sender is charged (R-MSG-2). */
  const unverified = new Set(['attestation-early', 'attestation-late', 'attestation-beacon'])
  const cases: [string, 'reject' | 'ignore', string][] = [
    ['no CBOR', 'reject', 'attestation-not-cbor'],
    ['a payload that is none', 'reject', 'attestation-form'],
    ['bytes behind the message', 'reject', 'attestation-not-cbor'],
    ['more than an attestation may hold', 'reject', 'attestation-wrong-shape'],
    ['another network', 'reject', 'attestation-network'],
    ['an epoch to come', 'ignore', 'attestation-early'],
    ['an epoch that is closed', 'ignore', 'attestation-late'],
    ['an epoch that no height can have', 'reject', 'attestation-impossible'],
    ['another beacon', 'ignore', 'attestation-beacon'],
    ['a seat that nobody has', 'reject', 'attestation-seat'],
    ["another's stake (R-REG-4)", 'reject', 'attestation-stake'],
    ['too few verdicts', 'reject', 'attestation-committee'],
    ['a code that does not exist', 'reject', 'attestation-verdicts'],
    ['an address too few', 'reject', 'attestation-verdicts'],
    ['a mapped address', 'reject', 'attestation-verdicts'],
    ['a wrong signature', 'reject', 'attestation-signature'],
    ["another seat's signature", 'reject', 'attestation-signature'],
    ['a signature of another kind', 'reject', 'attestation-signature'],
  ]
  test.each(cases)('%s: %s, %s', async (name, outcome, code) => {
    const marked = unverified.has(code) ? { isUnverified: true } : {}
    expect(await take(await spoilt(name))).toEqual({ is: outcome, code, ...marked })
    expect(await node.count('messages', { kind: 'attestation', outcome, code })).toBe(1)
    expect(await rows(prefixes.attestation)).toBe(0)
    // The next one is taken as ever.
    expect(await take(attest(network, await node.context(epoch), 1).bytes)).toMatchObject({ is: 'accept' })
    expect(await rows(prefixes.attestation)).toBe(1)
  })

  test('R-ATT-2 the same again is known; two at once are stored once', async () => {
    const { bytes } = attest(network, await node.context(epoch), 1)
    const outcomes = await Promise.all([take(bytes), take(bytes)])
    expect(outcomes.map(({ is }) => is).sort()).toEqual(['accept', 'ignore'])
    expect(await take(bytes)).toEqual({ is: 'ignore', code: 'attestation-known' })
    expect(await rows(prefixes.attestation)).toBe(1)
    expect(await heldCount()).toBe(1)
  })

  test('R-EPOCH-3 gossip takes from opens to closes, and the height it came at is kept', async () => {
    const context = await node.context(epoch)
    await node.chain.advance(context.phases.closes - 1)
    expect(await take(attest(network, context, 1).bytes)).toMatchObject({ is: 'accept' })
    await node.chain.advance(context.phases.closes)
    expect(await take(attest(network, context, 2).bytes)).toMatchObject({
      is: 'ignore',
      code: 'attestation-late',
    })
    // Sync goes on until the week's set is fixed.
    expect(await take(attest(network, context, 2).bytes, 'sync')).toMatchObject({ is: 'accept' })
    const held = await node.daemon.collector.held(context)
    expect(held.map(({ heldAt }) => heldAt)).toEqual([context.phases.closes - 1, context.phases.closes])
  })
})

describe('R-ATT-6 an epoch far ahead', () => {
  /** A node whose clock says that the tip is so old, by the chain's own spacing. */
  const startWithTipOfAge = async (spacings: number) => {
    const { genesis, blocks } = network
    const { view } = createTestChain(blocks, network.height(epoch))
    const [before, last] = await Promise.all(
      [network.height(epoch) - 1, network.height(epoch)].map((height) => view.medianTimeAt(height)),
    )
    const spacing = last! - before!
    const atTip = last! + (5 + genesis.confirmations) * spacing
    return await network.start(1, {
      world: { ...realWorld(), now: () => (atTip + spacings * spacing) * 1_000 },
    })
  }
  const ahead = async () => {
    const context = await node.context(epoch)
    const attestation = attest(network, context, 2, { epoch: epoch + 3 })
    const other = attest(network, context, 2, {
      epoch: epoch + 3,
      previous: attestation.attestation.evidence,
    })
    const proof = encodeProof(
      createProof(
        { payload: attestation.payload, signature: attestation.signature },
        { payload: other.payload, signature: other.signature },
      ),
    )
    return { attestation: attestation.bytes, proof }
  }

  test('R-ATT-6 with a young tip it is the sender who is wrong, in attestations and in proofs', async () => {
    const { collector } = (await startWithTipOfAge(1)).daemon
    const { attestation, proof } = await ahead()
    // The tip's times are read beside, at the first question.
    await until(async () => (await collector.take(attestation, 'gossip')).is === 'reject')
    expect(await collector.take(attestation, 'gossip')).toEqual({ is: 'reject', code: 'attestation-ahead' })
    expect(await collector.takeProof(proof, 'gossip')).toEqual({ is: 'reject', code: 'equivocation-ahead' })
    // What was asked for is another matter.
    expect(await collector.take(attestation, 'sync')).toMatchObject({ is: 'ignore' })
  })

  test('R-ATT-6 R-MSG-2 a node whose chain stands still rejects none of it, and marks it as unverified', async () => {
    const { collector } = (await startWithTipOfAge(3)).daemon
    const { attestation, proof } = await ahead()
    for (let i = 0; i < 3; i++) {
      expect(await collector.take(attestation, 'gossip')).toEqual({
        is: 'ignore',
        code: 'attestation-early',
        isUnverified: true,
      })
      expect(await collector.takeProof(proof, 'gossip')).toMatchObject({ is: 'ignore', isUnverified: true })
    }
  })
})

describe('R-ATT-3 equivocation', () => {
  test('a second payload makes a proof, clears the seat, and is told once', async () => {
    const context = await node.context(epoch)
    const first = attest(network, context, 1)
    const second = attestOtherwise(network, context, 1)
    await take(first.bytes)
    await take(attest(network, context, 2).bytes)
    const before = await node.daemon.collector.rootOf(context)
    expect(before.count).toBe(2)
    expect(await take(second.bytes)).toEqual({ is: 'ignore', code: 'attestation-equivocation' })
    expect(await node.count('equivocations')).toBe(1)
    const { collector } = node.daemon
    expect([...(await collector.equivocators(context.week)).keys()]).toEqual([network.rows[1]!.seat])
    const standing = await Array.fromAsync(collector.standing(context))
    expect(standing.map(({ seat }) => seat)).toEqual([network.rows[2]!.seat])
    expect(await collector.rootOf(context)).not.toEqual(before)
    expect(await collector.rootOf(context)).toMatchObject({ count: 1 })
    // What it signed first stays held: certifiers may ask for it.
    expect(await collector.held(context)).toHaveLength(2)

    // Further payloads are not even verified.
    const third = attest(network, context, 1, { evidence: attest(network, context, 2).attestation.evidence })
    expect(await take(third.bytes)).toEqual({
      is: 'ignore',
      code: 'attestation-of-equivocator',
      isUnverified: true,
    })
    expect(await node.count('equivocations')).toBe(1)
    expect(await rows(prefixes.equivocation)).toBe(1)
  })

  test('two payloads at the same moment: one is first, the other makes the proof', async () => {
    const context = await node.context(epoch)
    const outcomes = await Promise.all([
      take(attest(network, context, 1).bytes),
      take(attestOtherwise(network, context, 1).bytes),
    ])
    expect(outcomes.filter(({ is }) => is === 'accept')).toHaveLength(1)
    expect(await node.count('equivocations')).toBe(1)
    expect(await rows(prefixes.equivocation)).toBe(1)
  })

  test('of many payloads at once there is one proof', async () => {
    const context = await node.context(epoch)
    const payloads = Array.from({ length: 8 }, (_, i) =>
      attest(network, context, 1, {
        verdicts: new Uint8Array(3).fill(i + 1),
        addresses: [],
      }),
    )
    await Promise.all(payloads.map(({ bytes }) => take(bytes)))
    expect(await node.count('equivocations')).toBe(1)
    expect(await rows(prefixes.attestation)).toBe(1)
  })

  test('one proof of a seat and week, whatever epochs it cheats in', async () => {
    const context = await node.context(epoch)
    await node.chain.advance(network.height(3))
    const next = await node.context(3)
    for (const one of [context, next]) {
      await take(attest(network, one, 1).bytes)
      await take(attestOtherwise(network, one, 1).bytes)
    }
    expect(await node.count('equivocations')).toBe(1)
    expect(await Array.fromAsync(node.daemon.collector.standing(next))).toEqual([])
  })

  const proofBytes = async (): Promise<Uint8Array> => {
    const context = await node.context(epoch)
    return encodeProof(createProof(attest(network, context, 1), attestOtherwise(network, context, 1)))
  }

  test('a proof is taken, then known; without a first payload the seat stands nowhere', async () => {
    const { collector } = node.daemon
    const bytes = await proofBytes()
    expect(await collector.takeProof(bytes)).toMatchObject({ is: 'accept' })
    expect(await collector.takeProof(bytes)).toMatchObject({ is: 'ignore', code: 'equivocation-known' })
    // The first payload of a proved equivocator is still taken, and does not stand.
    const context = await node.context(epoch)
    expect(await take(attest(network, context, 1).bytes)).toMatchObject({ is: 'accept' })
    expect(await collector.rootOf(context)).toMatchObject({ count: 0 })
    expect(await collector.countOf(context)).toBe(0)
  })

  test('proofs that prove nothing are refused', async () => {
    const context = await node.context(epoch)
    const first = attest(network, context, 1)
    const second = attestOtherwise(network, context, 1)
    const other = attest(network, context, 2)
    const forged = { payload: second.payload, signature: first.signature }
    const { collector } = node.daemon
    const judged = async (a: typeof forged, b: typeof forged) =>
      await collector.takeProof(encodeProof(createProof(a, b)))
    expect(await judged(first, forged)).toEqual({ is: 'reject', code: 'equivocation-signature' })
    expect(await judged(first, other)).toEqual({ is: 'reject', code: 'equivocation-unrelated' })
    expect(await judged(first, first)).toEqual({ is: 'reject', code: 'equivocation-order' })
    expect(
      await collector.takeProof(
        encodeProof({ first: createProof(first, second).second, second: createProof(first, second).first }),
      ),
    ).toEqual({
      is: 'reject',
      code: 'equivocation-order',
    })
    expect(await collector.takeProof(Uint8Array.of(0x80))).toEqual({
      is: 'reject',
      code: 'equivocation-wrong-shape',
    })
    expect(await rows(prefixes.equivocation)).toBe(0)
    expect(await node.count('equivocations')).toBe(0)
  })

  test('R-CHAIN-2 a proof under another beacon accuses nobody', async () => {
    const context = await node.context(epoch)
    const beacon = seedOf('another branch')
    const proof = createProof(
      attest(network, context, 1, { beacon }),
      attest(network, context, 1, {
        beacon,
        verdicts: new Uint8Array(3).fill(Verdict.timeout),
        addresses: [],
      }),
    )
    expect(await node.daemon.collector.takeProof(encodeProof(proof))).toMatchObject({
      is: 'ignore',
      code: 'equivocation-unknown-seat',
    })
  })

  test('a restart knows attestations and proofs as before', async () => {
    const context = await node.context(epoch)
    await take(attest(network, context, 1).bytes)
    await take(attest(network, context, 2).bytes)
    await take(attestOtherwise(network, context, 1).bytes)
    const before = await node.daemon.collector.rootOf(context)
    await node.stop()
    node = await network.start(own, { store })
    expect(await node.daemon.collector.rootOf(await node.context(epoch))).toEqual(before)
    expect(await take(attest(network, context, 2).bytes)).toEqual({ is: 'ignore', code: 'attestation-known' })
  })
})

describe('R-CP-3 since when a proof is held', () => {
  const heldAt = async (): Promise<number | undefined> => {
    const { week } = await node.context(epoch)
    return (await node.daemon.collector.equivocators(week)).get(network.rows[1]!.seat)?.heldAt
  }
  const proofBytes = async (): Promise<Uint8Array> => {
    const context = await node.context(epoch)
    return encodeProof(createProof(attest(network, context, 1), attestOtherwise(network, context, 1)))
  }

  test('is the height at which it came first: after a restart, and after a reorganisation', async () => {
    const bytes = await proofBytes()
    const height = node.chain.view.confirmedHeight
    await node.daemon.collector.takeProof(bytes)
    await node.chain.advance(height + 3)
    expect(await heldAt()).toBe(height)
    await node.stop()
    node = await network.start(own, { store, height: height + 3 })
    expect(await heldAt()).toBe(height)
    await node.daemon.collector.takeProof(bytes)
    await node.chain.reorganise(height + 1, height + 5)
    await node.daemon.collector.takeProof(bytes)
    expect(await heldAt()).toBe(height)
  })
})

describe('R-ATT-5 what the own key signed', () => {
  test('comes back from others: it is recorded, so nothing else is signed', async () => {
    const context = await node.context(epoch)
    const elsewhere = attest(network, context, own)
    expect(await take(elsewhere.bytes)).toMatchObject({ is: 'accept' })
    const signed = await node.daemon.node.attestations.ownSigned(epoch, context.beacon)
    expect(signed?.payload).toEqual(elsewhere.payload)
  })
})

describe('gossip between real nodes', () => {
  const topic = () => topicsOf(network.networkId)

  /** Until a peer has told that it listens: what is published before that goes nowhere, and once only. */
  const untilHeard = async (host: Pick<Host, 'publish'>): Promise<void> => {
    let number = 0
    const context = await node.context(epoch)
    // Of another branch: ignored, and nobody's fault.
    const filler = () => attest(network, context, 4, { beacon: seedOf('filler', number++) }).bytes
    await until(async () => (await host.publish(topic().attestations.name, filler())) > 0)
  }

  /** Until the node and these pass on what they get to one another: what came before that is not sent again. */
  const untilMesh = (others: readonly TestNode[]): Promise<void> => {
    const { name } = topic().attestations
    return until(
      () =>
        node.daemon.host.gossipPeers(name) === others.length &&
        others.every(({ daemon }) => daemon.host.gossipPeers(name) > 0),
    )
  }

  test('R-ATT-6 an attestation reaches all, a wrong one nobody, and its sender pays for it', async () => {
    const others = [await network.start(1), await network.start(2)]
    for (const other of others) await other.daemon.host.dial(node.target)
    const liar = await network.startPeer({})
    await liar.dial(node.target)
    await untilMesh(others)
    const context = await node.context(epoch)
    const good = attest(network, context, 3)
    const bad = encodeSigned({
      payload: good.payload,
      signature: attestOtherwise(network, context, 3).signature,
    })
    const labels = { kind: 'attestation', outcome: 'reject', code: 'attestation-signature' }
    await untilHeard(liar)
    await liar.publish(topic().attestations.name, bad)
    await until(async () => (await node.count('messages', labels)) > 0)
    expect(await node.penalties('invalid-message')).toBe(1)
    await untilHeard(node.daemon.host)
    await liar.publish(topic().attestations.name, good.bytes)
    await until(async () => {
      const held = await Promise.all(
        [node, ...others].map(async ({ daemon }) => (await daemon.collector.held(context)).length),
      )
      return held.every((count) => count === 1)
    })
    for (const other of others) {
      expect(await other.count('messages', labels)).toBe(0)
      expect(await other.penalties()).toBe(0)
    }
  })

  test('R-ATT-3 a proof spreads to nodes that saw only one of the two payloads', async () => {
    const other = await network.start(1)
    await other.daemon.host.dial(node.target)
    const context = await node.context(epoch)
    const first = attest(network, context, 3)
    await take(first.bytes)
    await other.daemon.collector.take(first.bytes, 'gossip')
    await untilHeard(other.daemon.host)
    await other.daemon.collector.take(attestOtherwise(network, context, 3).bytes, 'gossip')
    await until(async () => (await node.count('equivocations')) === 1)
    expect(await node.daemon.collector.rootOf(context)).toEqual(await other.daemon.collector.rootOf(context))
    expect(await node.daemon.collector.rootOf(context)).toMatchObject({ count: 0 })
  })

  test('a message above the limit of its topic is refused unread', async () => {
    const liar = await network.startPeer({})
    await liar.dial(node.target)
    await expect(liar.publish(topic().attestations.name, new Uint8Array(2_000))).rejects.toThrow(/too long/)
  })
})
