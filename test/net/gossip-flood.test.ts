import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { accept, bytesToHex, ignoreUnverified, reject } from '../../protocol/index.ts'
import { realWorld } from '../../src/world.ts'
import { type GossipPeer, junk, messagesOf, startGossipPeer, topic } from './gossip-peer.ts'
import { type LocalHost, startHost, until } from './local-hosts.ts'

/** What the validators of these tests make of a message, by its first byte. */
const good = 0
const madeUp = 1

let victim: LocalHost
/** A registered peer that does what it should. */
let honest: LocalHost
let clockMs = 0
const peers: GossipPeer[] = []
let nextAddress = 1

const startPeer = async (): Promise<GossipPeer> => {
  const peer = await startGossipPeer(`127.11.1.${nextAddress++}`)
  peers.push(peer)
  return peer
}
/** So many packets of a hundred messages; whoever is cut off stops. */
const flood = async (peer: GossipPeer, kind: number, packets: number): Promise<void> => {
  for (let i = 0; i < packets && peer.isConnected(); i++) {
    await peer.send({ messages: messagesOf(kind, 100, peer.peerId, i) }).catch(() => undefined)
  }
}
/** Packets without anything in them, one byte each. */
const floodWithNothing = async (peer: GossipPeer, packets: number): Promise<void> => {
  for (let sent = 0; sent < packets && peer.isConnected(); sent += 1_000) {
    try {
      peer.sendBytes(new Uint8Array(1_000))
    } catch {
      return
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}
/** Waits until what was sent has been dealt with. */
const settled = async (value: () => number): Promise<void> => {
  let last = NaN
  let same = 0
  await until(() => {
    same = value() === last ? same + 1 : 0
    last = value()
    return same === 10
  })
}
const counted = (label: string): number => victim.counts.get(label) ?? 0
const scoreOf = (peer: { peerId: string }): number | undefined =>
  victim.peers().find(({ peerId }) => peerId === peer.peerId)?.score

beforeEach(async () => {
  clockMs = 0
  nextAddress = 1
  const world = realWorld()
  victim = await startHost('127.11.0.1', {
    world: { ...world, monotonicMs: () => world.monotonicMs() + clockMs },
    limits: { maxNewPerSecondPerAddress: 100 },
  })
  honest = await startHost('127.11.0.2')
  victim.subscribe(topic, (message) => {
    if (message[0] === madeUp) return ignoreUnverified('early')
    return message[0] === good ? accept(undefined) : reject('bad')
  })
  honest.subscribe(topic, () => accept(undefined))
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all([victim, honest, ...peers.splice(0)].map((one) => one[Symbol.asyncDispose]()))
})

/** The registry of the victim; the honest peer has a place in it and is connected. */
const register = async (...seats: readonly GossipPeer[]): Promise<void> => {
  victim.setRegistered(new Set([honest, ...seats].map(({ peerKey }) => bytesToHex(peerKey))))
  await honest.dial(victim.target())
  await until(() => honest.gossipPeers(topic) === 1 && victim.gossipPeers(topic) === 1)
}

/** As many at once as the network makes in three seconds. */
const publishBurst = async (name: string, count = 400): Promise<void> => {
  for (let i = 0; i < count; i++) await honest.publish(topic, junk(good, 'honest', name, i))
}

describe('R-MSG-2 a flood of made-up messages', () => {
  test('of strangers: it is dropped unread, they are named and cut off, and honest gossip goes on', async () => {
    const strangers = await Promise.all([startPeer(), startPeer(), startPeer(), startPeer()])
    await register()
    for (const stranger of strangers) await stranger.join(victim)
    const attack = async (stranger: GossipPeer): Promise<void> => {
      await flood(stranger, madeUp, 60)
      await floodWithNothing(stranger, 12_000)
    }
    await Promise.all([...strangers.map(attack), publishBurst('beside strangers')])
    await until(() => counted('gossip_messages accept') === 400)
    // 4,000 are more than an honest one sends in an epoch, and 18 times 256 as many faults as shut it out.
    await until(() => counted('bans stranger') === 4)
    await until(() => strangers.every((stranger) => !stranger.isConnected()))
    const { entries, offenders } = victim.gossipStatus()!
    // At most the share of each, before it was known to be nothing; and a little that came back since.
    expect(counted('gossip_messages ignore early')).toBeLessThan(4 * 500)
    expect(entries.ids).toBeLessThan(400 + 4 * 500)
    expect(entries.deliveries).toBeLessThan(400 + 4 * 500)
    expect(entries['accepted ids']).toBe(400)
    expect(offenders.map(({ peer }) => peer).sort()).toEqual(
      strangers.map(({ peerKey }) => bytesToHex(peerKey)).sort(),
    )
    expect(counted('penalties flood')).toBeGreaterThanOrEqual(4 * 18)
    expect(scoreOf(honest)).toBeGreaterThanOrEqual(0)
  })

  test('of seats: each has its own share, and what it sends above an epoch of the largest network ends it', async () => {
    const seats = await Promise.all([startPeer(), startPeer()])
    await register(...seats)
    for (const seat of seats) await seat.join(victim)
    const attack = async (seat: GossipPeer): Promise<void> => {
      await flood(seat, madeUp, 60)
      await floodWithNothing(seat, 90_000)
    }
    await Promise.all([...seats.map(attack), publishBurst('beside seats')])
    await until(() => counted('gossip_messages accept') === 400)
    await until(() => counted('bans registered') === 2)
    const { entries, offenders } = victim.gossipStatus()!
    expect(entries.ids).toBeLessThan(400 + 2 * 4_000)
    expect(offenders).toHaveLength(2)
    expect(scoreOf(honest)).toBeGreaterThanOrEqual(0)
  })

  test('many strangers together have no more than one share', async () => {
    const strangers = await Promise.all(Array.from({ length: 16 }, startPeer))
    await register()
    const startedMs = performance.now()
    for (const stranger of strangers) await stranger.join(victim)
    // 400 of each are its own share: 6,400 in all.
    await Promise.all(strangers.map((stranger) => flood(stranger, good, 4)))
    const judged = () => counted('gossip_messages accept') + counted('gossip_messages ignore overloaded')
    await settled(judged)
    expect(counted('gossip_dropped stranger')).toBeGreaterThan(0)
    // The share of all, and what came back of it meanwhile.
    expect(judged()).toBeLessThanOrEqual(4_000 + (performance.now() - startedMs) / 2.5)
    expect(judged()).toBeGreaterThan(3_900)
  })

  test('is forgotten when it is over', async () => {
    const seat = await startPeer()
    await register(seat)
    await seat.join(victim)
    const before = victim.gossipStatus()!.entries
    await flood(seat, madeUp, 60)
    await settled(() => counted('gossip_dropped registered'))
    expect(counted('gossip_dropped registered')).toBeGreaterThan(0)
    const during = victim.gossipStatus()!.entries
    expect(during.ids).toBeGreaterThan(before.ids)
    expect(during.deliveries).toBeGreaterThan(before.deliveries)
    await seat.leave()
    // The router's own memory goes by the time of day.
    clockMs += 130_000
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 130_000 })
    await until(() => {
      const { ids, deliveries, peers: left } = victim.gossipStatus()!.entries
      return ids === before.ids && deliveries === before.deliveries && left === 1
    })
    expect(victim.gossipStatus()!.offenders).toHaveLength(1)
    clockMs += 600_000
    await until(() => victim.gossipStatus()!.offenders.length === 0)
  })
})

describe('R-MSG-2 nobody honest is penalised', () => {
  const untouched = () => {
    for (const counter of victim.counts.keys()) expect(counter).not.toMatch(/^(penalties|bans) /)
  }

  test('R-ATT-6 a peer hours ahead of this node, or behind: what it sends is of no use here, and no fault', async () => {
    const ahead = await startPeer()
    await register(ahead)
    await ahead.join(victim)
    // An epoch of the largest network.
    await flood(ahead, madeUp, 400)
    await settled(() => counted('gossip_dropped registered'))
    expect(counted('gossip_dropped registered')).toBeGreaterThan(0)
    untouched()
    expect(ahead.isConnected()).toBe(true)
    expect(scoreOf(ahead)).toBeGreaterThanOrEqual(0)
    // As soon as the chain goes on it is heard as ever.
    clockMs += 10_000
    await flood(ahead, good, 10)
    await until(() => counted('gossip_messages accept') === 1_000)
    untouched()
  })

  test('a slow link that was silent for minutes: what is above the share is dropped, and no fault', async () => {
    const slow = await startPeer()
    await register(slow)
    await slow.join(victim)
    await flood(slow, good, 200)
    await until(() => counted('gossip_dropped registered') > 0)
    const judged = () => counted('gossip_messages accept') + counted('gossip_messages ignore overloaded')
    await until(() => judged() >= 3_900)
    untouched()
    expect(slow.isConnected()).toBe(true)
    expect(scoreOf(slow)).toBeGreaterThanOrEqual(0)
  })

  test('a peer that reconnects and sends the same again: known, and no fault', async () => {
    const again = await startPeer()
    await register(again)
    for (let i = 0; i < 5; i++) {
      await again.join(victim)
      await again.send({ messages: messagesOf(good, 100) })
      await again.send({ messages: messagesOf(good, 1, 'marker', i) })
      await until(() => counted('gossip_messages accept') === 101 + i)
      await again.leave()
      await until(() => victim.peers().length === 1)
    }
    expect(victim.gossipStatus()!.entries.ids).toBe(105)
    untouched()
  })
})
