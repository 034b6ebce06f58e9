import { connect } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { describe, expect, test } from 'vitest'
import { bytesToHex } from '../../protocol/index.ts'
import { multiaddrOf } from '../../src/net/peer-address.ts'
import type { Duty } from '../../src/net/service.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, registerAll, startHost, until } from './local-hosts.ts'
import { protocolOf, type RawPeer, startRawPeer } from './raw-peer.ts'

const few = {
  maxStrangers: 3,
  maxStrangersPerAddress: 2,
  maxNewPerSecondPerAddress: 1_000,
  maxPendingPerAddress: 100,
}

const small = {
  maxRequestBytes: 10,
  maxResponseBytes: 10,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 9,
}

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.toSorted().join() === other.toSorted().join()

const totalOf = (host: LocalHost, start: string): number =>
  [...host.counts].reduce((sum, [name, count]) => (name.startsWith(start) ? sum + count : sum), 0)

/** What it serves under `hold/1` is answered when the test calls what was added here. */
const holdRequests = async (host: LocalHost): Promise<(() => void)[]> => {
  const held: (() => void)[] = []
  await host.handle('hold/1', small, (request) => {
    return new Promise((resolve) => held.push(() => resolve(request)))
  })
  return held
}

describe('who may connect', () => {
  test('strangers up to their number, the last that came, and a registered peer always', async () => {
    await using host = await startHost('127.5.0.1', { limits: few })
    const strangers = await Promise.all([1, 2, 3, 4, 5].map((n) => startRawPeer(`127.5.${n}.1`)))
    for (const stranger of strangers) await stranger.connect(host.target().address!)
    await until(() => host.counts.get('connections_displaced p2p stranger idle') === 2)
    const lastThree = strangers.slice(2).map(({ node }) => node.peerId.toString())
    await until(() =>
      isSame(
        host.peers().map(({ peerId }) => peerId),
        lastThree,
      ),
    )

    await using registered = await startRawPeer('127.5.2.1')
    host.setRegistered(new Map([[bytesToHex(registered.peerKey), { seat: 1 }]]))
    await registered.connect(host.target().address!)
    await until(() => host.peers().length === 4)
    expect(
      host
        .peers()
        .filter((peer) => peer.isRegistered)
        .map((peer) => peer.peerKey),
    ).toEqual([registered.peerKey])
    expect(host.counts.get('connections_displaced p2p stranger idle')).toBe(2)
    await Promise.all(strangers.map((stranger) => stranger[Symbol.asyncDispose]()))
  })

  test('R-PUZ-5 of strangers, one that is served keeps its place, whoever comes', async () => {
    await using host = await startHost('127.5.0.13', { limits: few })
    const held = await holdRequests(host)
    const strangers = await Promise.all([1, 2, 3, 4, 5].map((n) => startRawPeer(`127.5.5.${n}`)))
    const [served, silent] = strangers
    // The first is served, the second has opened a stream and says nothing.
    const stream = await served!.open(host.target().address!, 'hold/1')
    stream.send(Uint8Array.of(1, 7))
    await until(() => held.length === 1)
    await silent!.open(host.target().address!, 'hold/1')
    for (const stranger of strangers.slice(2)) {
      await stranger.connect(host.target().address!)
      const id = stranger.node.peerId.toString()
      await until(() => host.peers().some(({ peerId }) => peerId === id) && host.peers().length <= 3)
    }
    expect(host.counts.get('connections_displaced p2p stranger idle')).toBe(2)
    const names = host.peers().map(({ peerId }) => peerId)
    expect(names.toSorted()).toEqual(
      [served!, ...strangers.slice(3)].map(({ node }) => node.peerId.toString()).toSorted(),
    )
    for (const release of held) release()
    await Promise.all(strangers.map((stranger) => stranger[Symbol.asyncDispose]()))
  })

  test('a stranger who registers while connected leaves his place to others', async () => {
    await using host = await startHost('127.5.0.2', { limits: { ...few, maxStrangers: 1 } })
    await using first = await startRawPeer('127.5.1.10')
    await using second = await startRawPeer('127.5.1.11')
    await first.connect(host.target().address!)
    await until(() => host.peers().length === 1)
    host.setRegistered(new Set([bytesToHex(first.peerKey)]))
    await second.connect(host.target().address!)
    await until(() => host.peers().length === 2)
    expect(host.counts.get('connections_displaced p2p stranger idle')).toBeUndefined()
  })

  test('strangers of one address up to a smaller number', async () => {
    await using host = await startHost('127.5.0.3', { limits: few })
    await using elsewhere = await startRawPeer('127.5.1.21')
    await elsewhere.connect(host.target().address!)
    const strangers = await Promise.all([1, 2, 3].map(() => startRawPeer('127.5.2.20')))
    for (const stranger of strangers) await stranger.connect(host.target().address!)
    await until(() => host.counts.get('connections_displaced p2p stranger idle') === 1)
    // Though another one has been here for longer.
    const left = [elsewhere, ...strangers.slice(1)].map(({ node }) => node.peerId.toString())
    await until(() => host.peers().length === 3)
    const names = host.peers().map(({ peerId }) => peerId)
    expect(names.toSorted()).toEqual(left.toSorted())
    await Promise.all(strangers.map((stranger) => stranger[Symbol.asyncDispose]()))
  })

  test('one peer up to its number of connections, registered or not', async () => {
    await using host = await startHost('127.5.0.4', { limits: { ...few, maxConnectionsPerPeer: 2 } })
    const key = await generateKeyPair('Ed25519')
    host.setRegistered(new Set([bytesToHex(key.publicKey.raw)]))
    const copies = await Promise.all([1, 2, 3].map((n) => startRawPeer(`127.5.1.3${n}`, key)))
    for (const copy of copies) await copy.connect(host.target().address!).catch(() => undefined)
    await until(() => host.counts.get('connections_refused p2p peer full') === 1)
    expect(host.peers()).toMatchObject([{ connections: 2 }])
    await Promise.all(copies.map((copy) => copy[Symbol.asyncDispose]()))
  })

  test('peers with keys of another kind not at all', async () => {
    await using host = await startHost('127.5.0.5', { limits: few })
    await using stranger = await startRawPeer('127.5.1.40', await generateKeyPair('secp256k1'))
    await stranger.connect(host.target().address!).catch(() => undefined)
    await until(() => host.counts.get('connections_refused p2p key type') === 1)
    expect(host.peers()).toEqual([])
  })

  test('connections in their handshake up to a number for each address, which loses its own', async () => {
    await using host = await startHost('127.5.0.6', { limits: { ...few, maxPendingPerAddress: 2 } })
    const { ip, port } = host.target().address!
    const sockets = Array.from({ length: 4 }, () => connect({ host: ip, port, localAddress: '127.5.1.50' }))
    for (const socket of sockets) socket.on('error', () => undefined)
    await until(() => host.counts.get('connections_displaced p2p handshake silent') === 2)
    await using elsewhere = await startRawPeer('127.5.1.51')
    await elsewhere.connect(host.target().address!)
    await until(() => host.peers().length === 1)
    expect(host.counts.get('connections_displaced p2p handshake silent')).toBe(2)
    for (const socket of sockets) socket.destroy()
  })

  test('a registered peer from where it was before, however fast others of its network connect', async () => {
    // The clock stands, so nothing comes back of what an address or a network may have each second.
    const world = { ...realWorld(), monotonicMs: () => 0 }
    await using host = await startHost('127.5.0.7', { world, limits: { maxNewPerSecondPerAddress: 3 } })
    await using registered = await startRawPeer('127.5.1.60')
    host.setRegistered(new Map([[bytesToHex(registered.peerKey), { seat: 1 }]]))
    await registered.connect(host.target().address!)
    await until(() => host.peers().length === 1)
    const { ip, port } = host.target().address!
    const sockets = Array.from({ length: 24 }, (_, i) =>
      connect({ host: ip, port, localAddress: `127.5.1.${61 + (i % 12)}` }),
    )
    for (const socket of sockets) socket.on('error', () => undefined)
    await until(() => (host.counts.get('connections_refused p2p rate') ?? 0) > 0)
    await registered.node.hangUp(registered.node.getPeers()[0]!)
    await registered.connect(host.target().address!)
    await using stranger = await startRawPeer('127.5.1.90')
    await expect(stranger.connect(host.target().address!)).rejects.toThrow(/\w/)
    for (const socket of sockets) socket.destroy()
  })
})

describe('who may not', () => {
  test('a stranger shut out for what it did, until its time is over', async () => {
    let offsetMs = 0
    const real = realWorld()
    const world = { ...real, monotonicMs: () => real.monotonicMs() + offsetMs }
    await using host = await startHost('127.5.0.7', { limits: few, world })
    await using stranger = await startRawPeer('127.5.1.60')
    await stranger.connect(host.target().address!)
    await until(() => host.peers().length === 1)
    for (let i = 0; i < 5; i++) host.penalise(stranger.peerKey, 'false-data')
    await until(() => host.peers().length === 0)
    expect(host.counts.get('bans stranger')).toBe(1)

    await stranger.connect(host.target().address!).catch(() => undefined)
    await until(() => host.counts.get('connections_refused p2p banned') === 1)
    await expect(host.dial({ peerKey: stranger.peerKey, address: stranger.address() })).rejects.toMatchObject(
      {
        code: 'NET_UNREACHABLE',
      },
    )

    offsetMs = 61 * 60_000
    await stranger.connect(host.target().address!)
    await until(() => host.peers().length === 1)
    // An hour is six half-lives: little is left of the points, so one more fault does not shut it out again.
    host.penalise(stranger.peerKey, 'false-data')
    expect(host.counts.get('bans stranger')).toBe(1)
  })

  test('R-FAULT-1 a registered peer that is shut out can still be asked, and is back after five minutes', async () => {
    let offsetMs = 0
    const real = realWorld()
    const world = { ...real, monotonicMs: () => real.monotonicMs() + offsetMs }
    await using alice = await startHost('127.5.0.8', { limits: few, world })
    await using bob = await startHost('127.5.0.9')
    registerAll(alice, bob)
    for (const host of [alice, bob]) await host.handle('echo/1', small, async (request) => request)
    for (let i = 0; i < 5; i++) alice.penalise(bob.peerKey, 'false-data')
    const asked = { timeoutMs: 60_000, maxResponseBytes: 10 }
    const request = Uint8Array.of(1)
    await expect(bob.request(alice.target(), 'echo/1', request, asked)).rejects.toMatchObject({})
    expect(await alice.request(bob.target(), 'echo/1', request, asked)).toEqual(request)
    await alice.disconnect(bob.peerKey)
    await until(() => bob.peers().length === 0)
    offsetMs = 6 * 60_000
    expect(await bob.request(alice.target(), 'echo/1', request, asked)).toEqual(request)
  })

  test('R-ADM-1 a peer that is owed an answer can ask although it is shut out', async () => {
    await using alice = await startHost('127.5.0.21', { limits: few })
    await using bob = await startHost('127.5.0.22')
    registerAll(alice, bob)
    const owed = bytesToHex(bob.peerKey)
    const dutyOf = (peer: string): Duty => (peer === owed ? { is: 'owed', rank: 0 } : { is: 'none' })
    await alice.handle('owed/1', { ...small, dutyOf }, async (request) => request)
    for (let i = 0; i < 5; i++) alice.penalise(bob.peerKey, 'false-data')
    expect(alice.counts.get('bans registered')).toBe(1)
    const asked = { timeoutMs: 60_000, maxResponseBytes: 10 }
    const request = Uint8Array.of(1)
    expect(await bob.request(alice.target(), 'owed/1', request, asked)).toEqual(request)
  })
})

describe('room for new connections', () => {
  test('registered peers above their number: the oldest that nothing is asked of goes', async () => {
    await using host = await startHost('127.5.0.10', { limits: { ...few, maxRegistered: 2 } })
    const held = await holdRequests(host)
    await using stranger = await startRawPeer('127.5.3.1')
    const registered = await Promise.all([1, 2, 3].map((n) => startRawPeer(`127.5.4.${n}`)))
    host.setRegistered(new Set(registered.map((peer) => bytesToHex(peer.peerKey))))

    // The first is in the middle of a request.
    const stream = await registered[0]!.open(host.target().address!, 'hold/1')
    stream.send(Uint8Array.of(1, 7))
    await until(() => held.length === 1)
    await stranger.connect(host.target().address!)
    for (const peer of registered.slice(1)) await peer.connect(host.target().address!)

    const left = [stranger, registered[0]!, registered[2]!].map(({ node }) => node.peerId.toString())
    await until(() =>
      isSame(
        host.peers().map(({ peerId }) => peerId),
        left,
      ),
    )
    expect(host.counts.get('connections_displaced p2p registered idle')).toBe(1)
    for (const release of held) release()
    await Promise.all(registered.map((peer) => peer[Symbol.asyncDispose]()))
  })
})

describe('60 seats with four connections each, and open requests on all of them', () => {
  test('take no place of a challenger, nor of peers that have one connection each', async () => {
    await using host = await startHost('127.5.0.14', {
      limits: { ...few, maxPendingPerAddress: 1_000 },
    })
    const challengers = await Promise.all([1, 2].map((n) => startRawPeer(`127.5.6.${n}`)))
    const idle = await Promise.all([1, 2, 3].map((n) => startRawPeer(`127.5.7.${n}`)))
    const hogs = await Promise.all(Array.from({ length: 60 }, (_, n) => startRawPeer(`127.5.8.${n + 1}`)))
    host.setRegistered(new Set([...challengers, ...idle, ...hogs].map(({ peerKey }) => bytesToHex(peerKey))))
    const owed = new Set(challengers.map(({ peerKey }) => bytesToHex(peerKey)))
    const limits = { ...small, maxConcurrent: 1_000 }
    await host.handle(
      'hold/1',
      { ...limits, dutyOf: (peer) => (owed.has(peer) ? { is: 'owed', rank: 0 } : { is: 'none' }) },
      (request) => (request[0] === 2 ? Promise.resolve(request) : new Promise(() => undefined)),
    )
    const to = host.target().address!
    for (const peer of [...challengers, ...idle]) await peer.connect(to)
    await until(() => host.peers().length === 5)
    const hold = async ({ node }: RawPeer): Promise<void> => {
      const connection = await node.dial(multiaddrOf(to), { force: true })
      const stream = await connection.newStream(protocolOf('hold/1')).catch(() => null)
      stream?.send(Uint8Array.of(1, 7))
    }
    // A few at a time: a machine that is slow with handshakes refuses nobody.
    const atOnce = 6
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < hogs.length; i += atOnce) {
        await Promise.all(hogs.slice(i, i + atOnce).map(hold))
      }
    }
    await until(() => totalOf(host, 'connections_displaced p2p registered') >= 240 + 3 - 128)
    const left = new Set(host.peers().map(({ peerId }) => peerId))
    for (const { node } of [...challengers, ...idle]) expect(left).toContain(node.peerId.toString())
    for (const challenger of challengers) {
      const [connection] = challenger.node.getConnections()
      const stream = await connection!.newStream(protocolOf('hold/1'))
      stream.send(Uint8Array.of(1, 2))
      const answer = Promise.withResolvers<Uint8Array>()
      stream.addEventListener('message', ({ data }) => answer.resolve(data.subarray()))
      expect([...(await answer.promise)]).toEqual([1, 2])
    }
    expect(totalOf(host, 'penalties')).toBe(0)
    await Promise.all([...challengers, ...idle, ...hogs].map((peer) => peer[Symbol.asyncDispose]()))
  })
})

describe('connections beside another one', () => {
  test('a connection dialled for a challenge serves the next ones, then closes, and the one of gossip stays', async () => {
    await using alice = await startHost('127.5.0.11', { limits: { idleExtraMs: 1_500 } })
    await using bob = await startHost('127.5.0.12')
    registerAll(alice, bob)
    await bob.handle('echo/1', small, async (request) => request)
    for (const host of [alice, bob])
      host.subscribe('attestations', () => ({ is: 'accept', value: undefined }))
    await bob.dial(alice.target())
    await until(() => alice.gossipPeers('attestations') === 1 && bob.gossipPeers('attestations') === 1)
    const request = Uint8Array.of(1)
    for (let i = 0; i < 5; i++) {
      const answers = await Promise.all(
        [1, 2].map(() =>
          alice.request(bob.target(), 'echo/1', request, { timeoutMs: 60_000, maxResponseBytes: 10 }),
        ),
      )
      expect(answers).toEqual([request, request])
    }
    expect(alice.counts.get('dials ok')).toBeLessThan(5)
    await until(() => alice.peers()[0]!.connections === 1 && bob.peers()[0]!.connections === 1)
    expect(alice.peers()[0]!.direction).toBe('inbound')
    expect(await alice.publish('attestations', request)).toBe(1)
    await until(() => bob.counts.get('gossip_messages accept') === 1)
  })
})
