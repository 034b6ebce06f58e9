import { noise } from '@chainsafe/libp2p-noise'
import { gossipsub, StrictNoSign, StrictSign } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { accept, bytesToHex, ignore, reject, utf8ToBytes } from '../../protocol/index.ts'
import type { GossipValidator } from '../../src/net/gossip.ts'
import { multiaddrOf } from '../../src/net/peer-address.ts'
import { realWorld } from '../../src/world.ts'
import { registerAll, startHost, until, type LocalHost } from './local-hosts.ts'

const hosts: LocalHost[] = []
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()))
})

let nextAddress = 1
const start = async (
  ...options: Parameters<typeof startHost> extends [string, ...infer Rest] ? Rest : never
) => {
  const host = await startHost(`127.4.0.${nextAddress++}`, ...options)
  hosts.push(host)
  return host
}

/** Notes what it is asked, and answers as told by the first byte: 1 ignore, 2 reject, 3 throws, else accept. */
const noting = () => {
  const seen: { text: string; from: string }[] = []
  const validate: GossipValidator = async (message, from) => {
    seen.push({ text: Buffer.from(message.subarray(1)).toString(), from: bytesToHex(from) })
    if (message[0] === 1) return ignore('other-branch')
    if (message[0] === 2) return reject('bad-signature')
    if (message[0] === 3) throw new Error('our own fault')
    return accept(undefined)
  }
  return { seen, validate, texts: () => seen.map((entry) => entry.text) }
}

const message = (kind: number, text: string) => Uint8Array.of(kind, ...utf8ToBytes(text))

/** alice – bob – carol. The outer two have places for bob alone: so what carol gets has passed bob. */
const startChain = async () => {
  const none = { limits: { maxStrangers: 0 } }
  const [alice, bob, carol] = [await start(none), await start(), await start(none)]
  for (const host of [alice, carol]) host.setRegistered(new Set([bytesToHex(bob.peerKey)]))
  const notes = [noting(), noting(), noting()] as const
  for (const [i, host] of [alice, bob, carol].entries()) host.subscribe('attestations', notes[i]!.validate)
  await bob.dial(alice.target())
  await bob.dial(carol.target())
  await until(() => bob.gossipPeers('attestations') === 2)
  await until(() => alice.gossipPeers('attestations') === 1 && carol.gossipPeers('attestations') === 1)
  return { alice, bob, carol, notes }
}

describe('R-ATT-6 a verdict of the validator', () => {
  test('accept passes the message on, once, with the peer that passed it on', async () => {
    const { alice, bob, notes } = await startChain()
    expect(await alice.publish('attestations', message(0, 'good'))).toBe(1)
    await until(() => notes[2].seen.length === 1)
    expect(notes[1].seen).toEqual([{ text: 'good', from: bytesToHex(alice.peerKey) }])
    expect(notes[2].seen).toEqual([{ text: 'good', from: bytesToHex(bob.peerKey) }])
    expect(notes[0].seen).toEqual([])
    expect(bob.counts.get('gossip_messages accept')).toBe(1)
    expect(await alice.publish('attestations', message(0, 'good'))).toBe(0)
  })

  test('ignore stops the message and costs the sender nothing', async () => {
    const { alice, bob, notes } = await startChain()
    for (let i = 0; i < 10; i++) await alice.publish('attestations', message(1, `${i}`))
    await alice.publish('attestations', message(0, 'last'))
    await until(() => notes[2].texts().includes('last'))
    expect(notes[1].seen).toHaveLength(11)
    expect(notes[2].texts()).toEqual(['last'])
    expect(bob.counts.get('gossip_messages ignore other-branch')).toBe(10)
    expect(bob.peers().find((peer) => peer.peerId === alice.peerId)!.score).toBeGreaterThanOrEqual(0)
  })

  test('reject stops the message, lowers the score, and in the end shuts the sender out', async () => {
    const { alice, bob, notes } = await startChain()
    await alice.publish('attestations', message(2, 'bad'))
    await until(() => notes[1].seen.length === 1)
    const score = () => bob.peers().find((peer) => peer.peerId === alice.peerId)?.score
    await until(() => score()! < 0)
    for (let i = 0; i < 5; i++) await alice.publish('attestations', message(2, `bad ${i}`)).catch(() => 0)
    await until(() => bob.counts.get('bans stranger') === 1)
    await until(() => bob.peers().every((peer) => peer.peerId !== alice.peerId))
    expect(notes[2].seen).toEqual([])
    // The memory outlives the connection.
    await until(async () => {
      await alice.dial(bob.target()).catch(() => undefined)
      return bob.counts.get('connections_refused p2p banned')! >= 1
    })
    // Others are served as before.
    await bob.publish('attestations', message(0, 'after'))
    await until(() => notes[2].texts().includes('after'))
  })

  test('a validator that throws is our own fault: ignored, and the sender keeps his name', async () => {
    const { alice, bob, notes } = await startChain()
    await alice.publish('attestations', message(3, 'x'))
    await alice.publish('attestations', message(0, 'next'))
    await until(() => notes[2].texts().includes('next'))
    expect(bob.counts.get('gossip_messages ignore failed')).toBe(1)
    expect(bob.peers().find((peer) => peer.peerId === alice.peerId)!.score).toBeGreaterThanOrEqual(0)
  })
})

test('R-ATT-6 a registered peer that misbehaves loses its voice in gossip, and is let in again soon', async () => {
  const { alice, bob, carol, notes } = await startChain()
  registerAll(alice, bob, carol)
  for (let i = 0; i < 6; i++) await alice.publish('attestations', message(2, `bad ${i}`)).catch(() => 0)
  await until(() => bob.counts.get('bans registered') === 1)
  // We may still ask it: a verdict on it must not depend on what it did to us.
  await until(() => bob.peers().every((peer) => peer.peerId !== alice.peerId))
  await bob.dial(alice.target())
  await until(() => bob.peers().some((peer) => peer.peerId === alice.peerId))
  // Registered peers are free to find each other, so carol may have heard alice herself, but not through bob.
  expect(notes[2].seen.filter((entry) => entry.from === bytesToHex(bob.peerKey))).toEqual([])
})

describe('what is never even judged', () => {
  test('topics that were not declared are not subscribed, published or counted', async () => {
    const { alice, bob } = await startChain()
    expect(() => alice.subscribe('something', noting().validate)).toThrow('not declared')
    await expect(alice.publish('something', message(0, 'x'))).rejects.toThrow('not declared')
    expect(bob.gossipPeers('something')).toBe(0)
  })

  test('an own message that is too long is not sent', async () => {
    const { alice } = await startChain()
    await expect(alice.publish('attestations', new Uint8Array(1_025))).rejects.toThrow('too long')
    expect(await alice.publish('attestations', new Uint8Array(1_024))).toBe(1)
  })
})

describe('overload', () => {
  test('R-ATT-6 messages above what can be judged at a time are ignored, none is rejected', async () => {
    const alice = await start()
    const bob = await start()
    const waiting: (() => void)[] = []
    alice.subscribe('attestations', noting().validate)
    bob.subscribe(
      'attestations',
      () => new Promise((resolve) => waiting.push(() => resolve(accept(undefined)))),
    )
    await alice.dial(bob.target())
    await until(() => alice.gossipPeers('attestations') === 1)
    for (let i = 0; i < 2_100; i++) await alice.publish('attestations', message(0, `${i}`))
    await until(() => bob.counts.get('gossip_messages ignore overloaded') === 2_100 - 2_048)
    expect(waiting).toHaveLength(2_048)
    for (const release of waiting.splice(0)) release()
    await until(() => bob.counts.get('gossip_messages accept') === 2_048)
    expect(bob.peers()[0]!.score).toBeGreaterThanOrEqual(0)
  })
})

test('R-MSG-2 what one peer brings above its share is not judged, and costs it nothing', async () => {
  const alice = await start()
  // The share grows with time; for bob none passes, however long alice takes.
  const nowMs = realWorld().monotonicMs()
  const bob = await start({ world: { ...realWorld(), monotonicMs: () => nowMs } })
  alice.subscribe('attestations', noting().validate)
  const notes = noting()
  bob.subscribe('attestations', notes.validate)
  await alice.dial(bob.target())
  await until(() => alice.gossipPeers('attestations') === 1)
  // As long as real ones: frames that carry next to nothing have an allowance that grows with time, too.
  for (let i = 0; i < 6_000; i++) await alice.publish('attestations', message(0, `${i}`.padEnd(64)))
  const counted = (label: string) => bob.counts.get(label) ?? 0
  const judged = () => counted('gossip_messages accept') + counted('gossip_messages ignore overloaded')
  await until(() => judged() + counted('gossip_dropped registered') >= 6_000)
  // What was said beside the messages had its part of the share.
  expect(judged()).toBeLessThanOrEqual(4_000)
  expect(judged()).toBeGreaterThan(3_900)
  expect(bob.peers()[0]!.score).toBeGreaterThanOrEqual(0)
})

/** A gossip router of somebody else, with limits of its own. */
const startForeignRouter = async (
  address: string,
  policy: { globalSignaturePolicy?: typeof StrictSign } = {},
) => {
  const node = await createLibp2p({
    addresses: { listen: [`/ip4/${address}/tcp/0`] },
    transports: [tcp({ dialOpts: { localAddress: address } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: StrictNoSign,
        allowPublishToZeroTopicPeers: true,
        ...policy,
      }),
    },
  })
  return { node, [Symbol.asyncDispose]: async () => node.stop() }
}

describe('a foreign router', () => {
  test('that sends a message above the limit of its topic is penalised', async () => {
    const bob = await start()
    const notes = noting()
    bob.subscribe('attestations', notes.validate)
    await using mallory = await startForeignRouter('127.4.1.1')
    mallory.node.services.pubsub.subscribe('attestations')
    await mallory.node.dial(multiaddrOf(bob.target().address!))
    await until(() => mallory.node.services.pubsub.getSubscribers('attestations').length === 1)
    await mallory.node.services.pubsub.publish('attestations', new Uint8Array(1_025))
    await until(() => bob.counts.get('gossip_messages reject too-long') === 1)
    expect(bob.counts.get('penalties oversize-message')).toBe(1)
    expect(notes.seen).toEqual([])
  })

  test('that sends on topics that we do not know is not heard there, and heard where we do', async () => {
    const bob = await start()
    const notes = noting()
    bob.subscribe('attestations', notes.validate)
    await using mallory = await startForeignRouter('127.4.1.2')
    const { pubsub } = mallory.node.services
    for (const topic of ['spam', 'attestations']) pubsub.subscribe(topic)
    await mallory.node.dial(multiaddrOf(bob.target().address!))
    await until(() => pubsub.getSubscribers('attestations').length === 1)
    // It sends to us although we never said that we take part.
    ;(pubsub as unknown as { topics: Map<string, Set<string>> }).topics.set('spam', new Set([bob.peerId]))
    expect((await pubsub.publish('spam', message(0, 'spam'))).recipients).toHaveLength(1)
    await pubsub.publish('attestations', message(0, 'first'))
    await until(() => notes.seen.length === 1)
    expect(notes.texts()).toEqual(['first'])
    expect(bob.gossipPeers('spam')).toBe(0)
    expect(bob.gossipPeers('attestations')).toBe(1)
  })

  test('that names more topics at once than there are is not listened to', async () => {
    const bob = await start()
    bob.subscribe('attestations', noting().validate)
    await using mallory = await startForeignRouter('127.4.1.5')
    const { pubsub } = mallory.node.services
    for (let i = 0; i < 50; i++) pubsub.subscribe(`spam ${i}`)
    pubsub.subscribe('attestations')
    await mallory.node.dial(multiaddrOf(bob.target().address!))
    await until(() => pubsub.getSubscribers('attestations').length === 1)
    expect(bob.gossipPeers('attestations') + bob.gossipPeers('spam 1')).toBe(0)
    // A later subscription of agreed size is heard.
    pubsub.unsubscribe('attestations')
    pubsub.subscribe('attestations')
    await until(() => bob.gossipPeers('attestations') === 1)
  })

  test('that floods with messages that say nothing new is not passed on', async () => {
    const [bob, carol] = [await start(), await start()]
    const [atBob, atCarol] = [noting(), noting()]
    bob.subscribe('attestations', atBob.validate)
    carol.subscribe('attestations', atCarol.validate)
    await bob.dial(carol.target())
    await using mallory = await startForeignRouter('127.4.1.3')
    mallory.node.services.pubsub.subscribe('attestations')
    await mallory.node.dial(multiaddrOf(bob.target().address!))
    await until(() => mallory.node.services.pubsub.getSubscribers('attestations').length === 1)
    for (let i = 0; i < 200; i++)
      await mallory.node.services.pubsub.publish('attestations', message(1, `${i}`))
    await until(() => atBob.seen.length === 200)
    await bob.publish('attestations', message(0, 'end'))
    await until(() => atCarol.texts().includes('end'))
    expect(atCarol.texts()).toEqual(['end'])
  })
})

test('R-ATT-6 a router that signs for its publisher is refused: messages carry their own signatures', async () => {
  const bob = await start()
  const notes = noting()
  bob.subscribe('attestations', notes.validate)
  await using mallory = await startForeignRouter('127.4.1.4', { globalSignaturePolicy: StrictSign })
  mallory.node.services.pubsub.subscribe('attestations')
  await mallory.node.dial(multiaddrOf(bob.target().address!))
  await until(() => mallory.node.services.pubsub.getSubscribers('attestations').length === 1)
  await mallory.node.services.pubsub.publish('attestations', message(0, 'signed'))
  await until(() => bob.peers()[0]!.score < 0)
  expect(notes.seen).toEqual([])
})
