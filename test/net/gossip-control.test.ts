import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { accept, bytesToHex, ignore } from '../../protocol/index.ts'
import type { RememberedKind } from '../../src/net/gossip/memory.ts'
import {
  control,
  type GossipPeer,
  idsOf,
  junk,
  messagesOf,
  startGossipPeer,
  subscribed,
  topic,
} from './gossip-peer.ts'
import { type LocalHost, startHost, until } from './local-hosts.ts'

let victim: LocalHost
let honest: LocalHost
let nextAddress = 1
const peers: GossipPeer[] = []

const startPeer = async (): Promise<GossipPeer> => {
  const peer = await startGossipPeer(`127.12.1.${nextAddress++}`)
  peers.push(peer)
  return peer
}
const register = (...seats: readonly { peerKey: Uint8Array }[]): void =>
  victim.setRegistered(new Set([honest, ...seats].map(({ peerKey }) => bytesToHex(peerKey))))
const counted = (label: string): number => victim.counts.get(label) ?? 0
const entries = (): Record<RememberedKind, number> => victim.gossipStatus()!.entries
const scoreOf = (peer: GossipPeer): number | undefined =>
  victim.peers().find(({ peerId }) => peerId === peer.peerId)?.score

beforeEach(async () => {
  nextAddress = 1
  victim = await startHost('127.12.0.1', { limits: { maxNewPerSecondPerAddress: 100 } })
  honest = await startHost('127.12.0.2')
  victim.subscribe(topic, (message) => (message[0] === 0 ? accept(undefined) : ignore('nothing')))
  honest.subscribe(topic, () => accept(undefined))
  register()
  await honest.dial(victim.target())
  await until(() => honest.gossipPeers(topic) === 1 && victim.gossipPeers(topic) === 1)
})
afterEach(async () => {
  await Promise.all([victim, honest, ...peers.splice(0)].map((one) => one[Symbol.asyncDispose]()))
})

/** Honest gossip passes in both directions. */
const goesOn = async (name: string): Promise<void> => {
  const before = counted('gossip_messages accept')
  expect(await honest.publish(topic, junk(0, 'honest', name))).toBe(1)
  await until(() => counted('gossip_messages accept') === before + 1)
  expect(await victim.publish(topic, junk(0, 'victim', name))).toBeGreaterThanOrEqual(1)
  await until(() => honest.counts.get('gossip_messages accept') !== undefined)
}

describe('R-MSG-2 a storm of control messages', () => {
  const graft = [{ topicID: topic }]
  const prune = [{ topicID: topic, peers: [], backoff: 4_000_000_000 }]
  /** One packet of each; it is sent again and again. Every one of them costs at least one unit. */
  const storms: [string, (i: number) => Parameters<GossipPeer['send']>[0]][] = [
    ['announcements', (i) => control({ ihave: [{ topicID: topic, messageIDs: idsOf(64, i) }] })],
    ['demands', (i) => control({ iwant: [{ messageIDs: idsOf(64, i % 10) }] })],
    ['what is not wanted', (i) => control({ idontwant: [{ messageIDs: idsOf(64, i) }] })],
    ['grafts and prunes', () => control({ graft, prune })],
    ['subscriptions', (i) => ({ subscriptions: [{ topic, subscribe: i % 2 === 0 }] })],
    ['topics that do not exist', (i) => ({ subscriptions: [{ topic: `spam ${i}`, subscribe: true }] })],
    [
      'messages on topics that do not exist',
      (i) => ({ messages: [{ topic: `spam ${i}`, data: junk(0, i) }] }),
    ],
    ['nothing', () => ({})],
  ]

  test.each(storms)(
    '%s of a stranger: dropped, named, cut off; nothing of it stays',
    async (name, packet) => {
      const stranger = await startPeer()
      await stranger.join(victim)
      await stranger.send(subscribed)
      for (let i = 0; i < 12_000 && stranger.isConnected(); i++) {
        await stranger.send(packet(i)).catch(() => undefined)
      }
      await until(() => counted('bans stranger') === 1)
      expect(counted('penalties flood')).toBeGreaterThanOrEqual(18)
      expect(counted('gossip_dropped stranger')).toBeGreaterThan(1_000)
      expect(victim.gossipStatus()!.offenders).toMatchObject([{ peer: bytesToHex(stranger.peerKey) }])
      await until(() => entries().peers === 1)
      const { scores, ...left } = entries()
      // Its faults in the mesh are remembered, if it had any.
      expect(scores).toBeLessThanOrEqual(2)
      expect(left).toMatchObject({ addresses: 1, subscriptions: 1, 'back-offs': 0, 'unwanted ids': 0 })
      expect(left.promises).toBe(0)
      await goesOn(name)
      expect(counted('bans registered')).toBe(0)
    },
  )

  test.each(storms)('%s of a seat: no more of it is dealt with than its share', async (name, packet) => {
    const seat = await startPeer()
    register(seat)
    await seat.join(victim)
    for (let i = 0; i < 6_000; i++) await seat.send(packet(i))
    await until(() => counted('gossip_dropped registered') > 0)
    const bounded = entries()
    // Ten answers a heartbeat, of which one id each is waited for, for fifteen seconds.
    expect(bounded.promises).toBeLessThanOrEqual(150)
    // 512 a heartbeat, for five of them.
    expect(bounded['unwanted ids']).toBeLessThanOrEqual(2_560)
    expect(bounded['back-offs']).toBeLessThanOrEqual(1)
    expect(bounded.subscriptions).toBeLessThanOrEqual(2)
    expect(bounded.ids).toBeLessThanOrEqual(10)
    await goesOn(name)
    await seat.leave()
    await until(() => entries().peers === 1)
    expect(entries()).toMatchObject({ 'back-offs': 0, 'unwanted ids': 0, subscriptions: 1, addresses: 1 })
  })
})

describe('R-MSG-2 bytes that are no gossip', () => {
  test('packets that cannot be read shut their sender out, seat or stranger', async () => {
    const [stranger, seat] = [await startPeer(), await startPeer()]
    register(seat)
    for (const peer of [stranger, seat]) {
      await peer.join(victim)
      for (let i = 0; i < 12; i++) await peer.sendPacket(Uint8Array.of(0x0a, 0xff)).catch(() => undefined)
    }
    await until(() => counted('bans stranger') === 1 && counted('bans registered') === 1)
    expect(counted('penalties malformed-exchange')).toBeGreaterThanOrEqual(18)
    await goesOn('garbage')
  })

  test.each([
    ['a length above the limit', Uint8Array.of(0x81, 0x80, 0x0c)],
    ['a length without an end', new Uint8Array(64).fill(0xff)],
  ])('%s ends the stream, and some of them the connection', async (_, bytes) => {
    const stranger = await startPeer()
    // 10 of 90 points each; they halve in ten minutes.
    for (let i = 0; i < 12 && counted('bans stranger') === 0; i++) {
      await stranger.join(victim)
      stranger.sendBytes(bytes)
      await until(() => counted('penalties malformed-exchange') === i + 1)
      // Nothing is kept of what would come on it.
      await until(() => !stranger.isStreamOpen())
    }
    expect(counted('bans stranger')).toBe(1)
    await goesOn('lengths')
  })

  test('a second stream takes the place of the first', async () => {
    const seat = await startPeer()
    register(seat)
    for (let i = 0; i < 5; i++) {
      await seat.join(victim)
      await seat.send({ messages: messagesOf(0, 1, 'stream', i) })
      await until(() => counted('gossip_messages accept') === i + 1)
    }
    const streams = seat.node.getConnections()[0]!.streams.filter(({ direction }) => direction === 'outbound')
    await until(() => streams.filter(({ status }) => status === 'open').length === 1)
    expect(entries().peers).toBe(2)
  })

  test('an end amid a packet, or a reset, is no fault', async () => {
    const stranger = await startPeer()
    for (let i = 0; i < 3; i++) {
      await stranger.join(victim)
      stranger.sendBytes(Uint8Array.of(200, 1, 2))
      await stranger.leave()
      await until(() => entries().peers === 1)
    }
    expect(counted('penalties malformed-exchange')).toBe(0)
  })

  test('an RPC above a limit of its form is not dealt with, and no fault', async () => {
    const seat = await startPeer()
    register(seat)
    await seat.join(victim)
    await seat.send({ messages: messagesOf(0, 129, 'too many') })
    await seat.send({ messages: messagesOf(0, 128, 'enough') })
    await until(() => counted('gossip_messages accept') === 128)
    expect(counted('penalties malformed-exchange')).toBe(0)
    expect(scoreOf(seat)).toBeGreaterThanOrEqual(0)
  })

  test('what is put beside the data of a message is not passed on', async () => {
    const [seat, neighbour] = [await startPeer(), await startPeer()]
    register(seat, neighbour)
    for (const peer of [seat, neighbour]) {
      await peer.join(victim)
      await peer.send({ ...subscribed, ...control({ graft: [{ topicID: topic }] }) })
    }
    await until(() => victim.gossipPeers(topic) === 3)
    const data = junk(0, 'with more')
    await seat.send({ messages: [{ topic, data, from: new Uint8Array(50_000) }] })
    const came = () => neighbour.received.flatMap(({ messages }) => messages)
    await until(() => came().length > 0)
    expect(came()).toHaveLength(1)
    expect(came()[0]!.from).toBeUndefined()
    expect(Uint8Array.from(came()[0]!.data!)).toEqual(data)
  })
})

describe('R-MSG-2 the mesh', () => {
  test('has no place for strangers once the registry is known, and they are sent what they ask for', async () => {
    const [stranger, seat] = [await startPeer(), await startPeer()]
    register(seat)
    for (const peer of [stranger, seat]) {
      await peer.join(victim)
      await until(() => peer.received.some(({ subscriptions }) => subscriptions.length > 0))
      await peer.send({ ...subscribed, ...control({ graft: [{ topicID: topic }] }) })
    }
    const prunes = ({ received }: GossipPeer) => received.flatMap((rpc) => rpc.control?.prune ?? [])
    await until(() => prunes(stranger).length === 1)
    expect(prunes(seat)).toEqual([])
    expect(scoreOf(stranger)).toBe(-16)
    expect(scoreOf(seat)).toBeGreaterThanOrEqual(0)

    // From another neighbour: passed on in the mesh, and announced to the others.
    const data = junk(0, 'announced')
    await honest.publish(topic, data)
    const messages = ({ received }: GossipPeer) => received.flatMap((rpc) => rpc.messages)
    await until(() => messages(seat).length === 1)
    const announced = () =>
      stranger.received.flatMap((rpc) => rpc.control?.ihave.flatMap(({ messageIDs }) => messageIDs) ?? [])
    await until(() => announced().length > 0)
    expect(messages(stranger)).toEqual([])
    await stranger.send(control({ iwant: [{ messageIDs: announced() }] }))
    await until(() => messages(stranger).length === 1)
    expect(Uint8Array.from(messages(stranger)[0]!.data!)).toEqual(data)
  })

  test('R-ATT-6 what a peer did elsewhere counts in it, too', async () => {
    const seat = await startPeer()
    register(seat)
    await seat.join(victim)
    await until(() => scoreOf(seat) === 0)
    victim.penalise(seat.peerKey, 'false-data')
    await until(() => scoreOf(seat)! < -19)
    await seat.send(control({ graft: [{ topicID: topic }] }))
    const prunes = () => seat.received.flatMap((rpc) => rpc.control?.prune ?? [])
    await until(() => prunes().length > 0)
    expect(prunes()).toMatchObject([{ topicID: topic }])
  })

  test('faults outlive the connection of their peer', async () => {
    const seat = await startPeer()
    register(seat)
    await seat.join(victim)
    // Grafts in a back-off that this node asked for.
    victim.penalise(seat.peerKey, 'malformed-exchange')
    await until(() => scoreOf(seat)! < 0)
    for (let i = 0; i < 40; i++) await seat.send(control({ graft: [{ topicID: topic }] }))
    await until(() => scoreOf(seat)! < -1_000)
    await seat.leave()
    await until(() => entries().peers === 1)
    expect(entries()).toMatchObject({ scores: 2, addresses: 1, 'back-offs': 0 })
    await seat.join(victim)
    await until(() => scoreOf(seat) !== undefined && scoreOf(seat)! < -1_000)
  })
})

describe('R-MSG-2 peers that come and go', () => {
  test('leave nothing behind, whatever they said', async () => {
    const before = entries()
    for (let i = 0; i < 60; i++) {
      const peer = await startPeer()
      await peer.join(victim)
      await peer.send({
        ...subscribed,
        ...control({
          graft: [{ topicID: topic }],
          prune: [{ topicID: topic, peers: [], backoff: 4_000_000_000 }],
          ihave: [{ topicID: topic, messageIDs: idsOf(10, i) }],
          idontwant: [{ messageIDs: idsOf(10, i) }],
        }),
      })
      await until(() => entries().subscriptions === 2)
      await peer.leave()
      await until(() => entries().peers === 1)
    }
    // The score of the one that stays may have been asked for since.
    expect(entries()).toEqual({ ...before, 'cached scores': expect.any(Number) as number })
    expect(entries()['cached scores']).toBeLessThanOrEqual(1)
  })
})

describe('R-MSG-2 peers that do not read', () => {
  test('keep 2 MB each and 32 MB together at most, and are served again when they read', async () => {
    const seats = await Promise.all(Array.from({ length: 18 }, startPeer))
    register(...seats)
    for (const seat of seats) {
      seat.setReading(false)
      await seat.join(victim)
      await seat.send(subscribed)
    }
    await until(() => victim.gossipPeers(topic) === 19)
    let most = 0
    for (let i = 0; i < 3_000; i++) {
      await victim.publish(topic, Uint8Array.of(...junk(0, 'long', i), ...new Uint8Array(800)))
      // Whoever reads is given time to do so.
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
      most = Math.max(most, entries()['unsent bytes'])
    }
    expect(most).toBeLessThan(40_000_000)
    for (const seat of seats) seat.setReading(true)
    await until(() => entries()['unsent bytes'] === 0)
    let tries = 0
    await until(async () => (await victim.publish(topic, junk(0, 'again', tries++))) === 19)
    await goesOn('after')
  })
})
