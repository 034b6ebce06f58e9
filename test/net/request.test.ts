import { connect } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { bytesToHex, concatBytes, utf8ToBytes } from '../../protocol/index.ts'
import type { Duty, HandlerLimits } from '../../src/net/service.ts'
import { registerAll, startHost, until, type LocalHost } from './local-hosts.ts'
import { startRawPeer, type RawPeer } from './raw-peer.ts'
import { startTcp } from './tls-world.ts'

const limits: HandlerLimits = {
  maxRequestBytes: 1_000,
  maxResponseBytes: 100_000,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 4,
  maxConcurrent: 6,
}
const asked = { timeoutMs: 60_000, maxResponseBytes: 100_000 }
const hello = utf8ToBytes('hello')

let alice: LocalHost
let bob: LocalHost
/** Resolvers of the requests that bob holds back. */
const held: (() => void)[] = []
const releaseAll = () => {
  for (const release of held.splice(0)) release()
}

beforeAll(async () => {
  alice = await startHost('127.3.0.1')
  bob = await startHost('127.3.0.2')
  await bob.handle('short/1', { ...limits, timeoutMs: 500 }, async (request) => request)
  await bob.handle('echo/1', limits, async (request) => request)
  await bob.handle(
    'size/1',
    limits,
    async (request) => new Uint8Array(new DataView(request.buffer).getUint32(0)),
  )
  await bob.handle('fail/1', limits, async () => {
    throw new Error('no answer')
  })
  await bob.handle(
    'hold/1',
    { ...limits, onBusy: utf8ToBytes('busy') },
    (request) => new Promise((resolve) => held.push(() => resolve(request))),
  )
  await bob.handle(
    'silent/1',
    limits,
    (request) => new Promise((resolve) => held.push(() => resolve(request))),
  )
  await bob.handle('never/1', { ...limits, timeoutMs: 500 }, () => new Promise(() => undefined))
})
afterAll(async () => {
  await alice.stop()
  await bob.stop()
})

const u32 = (n: number) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n)

/** Streams but those of gossip, identify, ping and DHT, which come and go by themselves. */
const noLeaks = async () => {
  await until(() => alice.openStreams('echo/1', 'size/1', 'fail/1', 'hold/1', 'silent/1', 'never/1') === 0)
  await until(() => bob.openStreams('echo/1', 'size/1', 'fail/1', 'hold/1', 'silent/1', 'never/1') === 0)
}

describe('a request', () => {
  test('is answered by the peer at that address, over a connection dialled to it', async () => {
    await using carol = await startHost('127.3.0.3')
    await carol.handle('who/1', limits, async (request, { peerKey }) => concatBytes(request, peerKey))
    const answer = await alice.request(carol.target(), 'who/1', hello, asked)
    expect(answer).toEqual(concatBytes(hello, alice.peerKey))
    expect(carol.peers()).toMatchObject([
      { peerKey: alice.peerKey, address: { ip: '127.3.0.1' }, direction: 'inbound' },
    ])
  })

  test('of nothing, answered with nothing, and of exactly the limits, passes', async () => {
    expect(await alice.request(bob.target(), 'echo/1', new Uint8Array(), asked)).toEqual(new Uint8Array())
    expect(await alice.request(bob.target(), 'echo/1', new Uint8Array(1_000), asked)).toHaveLength(1_000)
    expect(await alice.request(bob.target(), 'size/1', u32(100_000), asked)).toHaveLength(100_000)
    await noLeaks()
  })

  test('may be much larger than the window of a stream', async () => {
    const large = { ...limits, maxRequestBytes: 3_000_000, maxResponseBytes: 3_000_000 }
    await bob.handle('large/1', large, async (request) => request)
    const request = Uint8Array.from({ length: 3_000_000 }, (_, i) => i * 7)
    const answer = await alice.request(bob.target(), 'large/1', request, {
      ...asked,
      maxResponseBytes: 3_000_000,
    })
    expect(Buffer.compare(answer, request)).toBe(0)
  })

  test('without an address goes over whatever connection there is', async () => {
    await bob
      .request({ peerKey: alice.peerKey, address: null }, 'none/1', hello, asked)
      .catch(() => undefined)
    const target = { peerKey: bob.peerKey, address: null }
    expect(await alice.request(target, 'echo/1', hello, asked)).toEqual(hello)
  })

  test('forty at once, over a connection that is not there yet, are all answered', async () => {
    for (let round = 0; round < 5; round++) {
      await using fresh = await startHost('127.3.0.14')
      await fresh.handle(
        'many/1',
        { ...limits, maxConcurrentPerPeer: 40, maxConcurrent: 40 },
        async (bytes) => bytes,
      )
      const answers = await Promise.all(
        Array.from({ length: 40 }, (_, i) => alice.request(fresh.target(), 'many/1', u32(i), asked)),
      )
      expect(answers).toEqual(Array.from({ length: 40 }, (_, i) => u32(i)))
    }
  })

  test('hundreds of them, fifty at a time, leave no stream behind', async () => {
    const load = { ...limits, maxConcurrentPerPeer: 64, maxConcurrent: 64 }
    await bob.handle('load/1', load, async (request) => request)
    for (let round = 0; round < 8; round++) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => alice.request(bob.target(), 'load/1', u32(i), asked)),
      )
      expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => u32(i)))
    }
    await until(() => alice.openStreams('load/1') + bob.openStreams('load/1') === 0)
  })
})

describe('R-VERD-1 NET_UNREACHABLE', () => {
  test('nobody listens there', async () => {
    const gone = await startHost('127.3.0.4')
    const target = gone.target()
    await gone.stop()
    await expect(alice.request(target, 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNREACHABLE',
    })
  })

  test('another peer is there', async () => {
    await using other = await startHost('127.3.0.5')
    const target = { peerKey: bob.peerKey, address: other.target().address }
    await expect(alice.request(target, 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNREACHABLE',
    })
    // Although it is connected elsewhere: the address is what is asked about.
    expect(await alice.request(bob.target(), 'echo/1', hello, asked)).toEqual(hello)
  })

  test.each([
    ['says nothing', () => undefined],
    ['speaks something else', (socket: { end(text: string): void }) => socket.end('220 mail.test ESMTP\r\n')],
  ])('a server that %s', async (_what, onSocket) => {
    await using server = await startTcp(onSocket)
    const target = { peerKey: bob.peerKey, address: { ip: '127.0.0.1', port: server.port } }
    await expect(
      alice.request(target, 'echo/1', hello, { ...asked, dialTimeoutMs: 300 }),
    ).rejects.toMatchObject({ code: 'NET_UNREACHABLE' })
  })

  test('an address that the profile does not allow is not dialled at all', async () => {
    await using strict = await startHost('127.3.0.6', { allowLoopback: false })
    await expect(strict.request(bob.target(), 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNREACHABLE',
    })
    const inside = { peerKey: bob.peerKey, address: { ip: '10.0.0.1', port: 22 } }
    await expect(alice.request(inside, 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNREACHABLE',
    })
  })

  test('an incoming connection does not show that a peer can be reached', async () => {
    await using hidden = await startHost('127.3.0.7')
    const target = { peerKey: hidden.peerKey, address: { ip: '127.3.0.7', port: 9 } }
    await hidden.dial(alice.target())
    await until(() => alice.peers().some((peer) => peer.peerId === hidden.peerId))
    await expect(alice.request(target, 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNREACHABLE',
    })
  })
})

describe('R-FAULT-1 NET_UNABLE', () => {
  test('an own address that does not exist', async () => {
    await using lost = await startHost('127.3.0.8', { localAddress: '192.0.2.8' })
    await expect(lost.request(bob.target(), 'echo/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_UNABLE',
      hint: expect.stringContaining('this side'),
    })
  })
})

describe('R-VERD-1 NET_TIMEOUT and other faults of a connected peer', () => {
  test('a handler that does not answer in time', async () => {
    const request = alice.request(bob.target(), 'never/1', hello, { ...asked, timeoutMs: 200 })
    await expect(request).rejects.toMatchObject({ code: 'NET_TIMEOUT' })
    await noLeaks()
  })

  test('the answering side has a deadline of its own, and gives its place back', async () => {
    for (let i = 0; i < 5; i++) {
      await expect(alice.request(bob.target(), 'never/1', hello, asked)).rejects.toMatchObject({
        code: 'NET_CLOSED',
      })
    }
    expect(bob.counts.get('requests_served NET_TIMEOUT')).toBeGreaterThanOrEqual(5)
    await noLeaks()
  })

  test('a handler that fails closes the stream', async () => {
    await expect(alice.request(bob.target(), 'fail/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_CLOSED',
    })
    await noLeaks()
  })

  test('a protocol that the other does not speak', async () => {
    await expect(alice.request(bob.target(), 'nothing/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_PROTOCOL_UNSUPPORTED',
    })
  })

  test('an answer above the limit of the asker, and a request above that of the answerer', async () => {
    const small = { ...asked, maxResponseBytes: 500 }
    await expect(alice.request(bob.target(), 'size/1', u32(501), small)).rejects.toMatchObject({
      code: 'NET_TOO_LARGE',
    })
    expect(await alice.request(bob.target(), 'size/1', u32(500), small)).toHaveLength(500)
    await expect(alice.request(bob.target(), 'echo/1', new Uint8Array(1_001), asked)).rejects.toMatchObject({
      code: 'NET_CLOSED',
    })
    await expect(alice.request(bob.target(), 'size/1', u32(100_001), asked)).rejects.toMatchObject({
      code: 'NET_CLOSED',
    })
    await noLeaks()
  })

  test('an abort, before, while dialling and while waiting', async () => {
    const aborted = { ...asked, signal: AbortSignal.abort() }
    await expect(alice.request(bob.target(), 'echo/1', hello, aborted)).rejects.toMatchObject({
      code: 'NET_ABORTED',
    })

    await using silent = await startTcp(() => undefined)
    const dialling = new AbortController()
    const target = { peerKey: bob.peerKey, address: { ip: '127.0.0.1', port: silent.port } }
    const unanswered = alice.request(target, 'echo/1', hello, { ...asked, signal: dialling.signal })
    dialling.abort()
    await expect(unanswered).rejects.toMatchObject({ code: 'NET_ABORTED' })

    const waiting = new AbortController()
    const pending = alice.request(bob.target(), 'hold/1', hello, { ...asked, signal: waiting.signal })
    await until(() => held.length === 1)
    waiting.abort()
    await expect(pending).rejects.toMatchObject({ code: 'NET_ABORTED' })
    releaseAll()
    await noLeaks()
  })

  test('a stop ends requests under way, on both sides, and is an error of its own', async () => {
    const stopping = await startHost('127.3.0.9')
    const pending = stopping.request(bob.target(), 'hold/1', hello, asked)
    const outcome = pending.catch((error: { code: string }) => error.code)
    await until(() => held.length === 1)
    await stopping.stop()
    expect(await outcome).toBe('NET_STOPPED')
    await expect(stopping.request(bob.target(), 'hold/1', hello, asked)).rejects.toMatchObject({
      code: 'NET_STOPPED',
    })
    releaseAll()
    await noLeaks()
  })
})

describe('R-ADM-1 above the limits', () => {
  const busy = utf8ToBytes('busy')
  const countOf = (answers: readonly Uint8Array[], answer: Uint8Array) =>
    answers.filter((other) => Buffer.compare(other, answer) === 0).length
  const hold = (request: Uint8Array) =>
    new Promise<Uint8Array>((resolve) => held.push(() => resolve(request)))
  /** Lets go what bob holds, also what comes to be worked on meanwhile. */
  const releaseUntil = async <T>(answers: Promise<T>): Promise<T> => {
    let isDone = false
    void answers.finally(() => (isDone = true)).catch(() => undefined)
    await until(() => {
      releaseAll()
      return isDone
    })
    return await answers
  }
  const askTimes = (count: number, of: LocalHost, protocolName = 'hold/1') =>
    Array.from({ length: count }, () => of.request(bob.target(), protocolName, hello, asked))

  afterEach(async () => {
    for (const host of [alice, bob]) host.setRegistered(new Set())
    await noLeaks()
  })

  test('requests of one peer wait in turn, its newest displaces one that waits, and strangers are served', async () => {
    await using carol = await startHost('127.3.0.10')
    bob.setRegistered(new Set([bytesToHex(alice.peerKey)]))
    const first = askTimes(4, alice)
    await until(() => held.length === 1)
    const newest = askTimes(1, alice)
    // Told at once, while the others are still held.
    expect(await Promise.race(first)).toEqual(busy)
    const other = askTimes(1, carol)
    await until(() => held.length === 2)
    const answers = await releaseUntil(Promise.all([...first, ...newest, ...other]))
    expect(countOf(answers, busy)).toBe(1)
    expect(answers.slice(4)).toEqual([hello, hello])
  })

  test('registered peers share the places, one each', async () => {
    await using carol = await startHost('127.3.0.11')
    registerAll(alice, bob, carol)
    const ofAlice = askTimes(4, alice)
    await until(() => held.length === 1)
    const ofCarol = askTimes(1, carol)
    await until(() => held.length === 2)
    const answers = await releaseUntil(Promise.all([...ofAlice, ...ofCarol]))
    expect(countOf(answers, hello)).toBe(5)
  })

  test('a peer that is owed an answer is worked on, whatever seats hold', async () => {
    await using carol = await startHost('127.3.0.12')
    const owed = bytesToHex(carol.peerKey)
    const dutyOf = (peer: string): Duty => (peer === owed ? { is: 'owed', rank: 0 } : { is: 'none' })
    await bob.handle('owed/1', { ...limits, maxConcurrent: 1, dutyOf }, hold)
    registerAll(alice, bob, carol)
    const ofAlice = askTimes(4, alice, 'owed/1')
    await until(() => held.length === 1)
    const ofCarol = askTimes(2, carol, 'owed/1')
    await until(() => held.length === 3)
    const answers = await releaseUntil(Promise.all([...ofAlice, ...ofCarol]))
    expect(countOf(answers, hello)).toBe(6)
  })

  test('a peer that has no business on a protocol is refused unread, at no fault', async () => {
    await bob.handle('closed/1', { ...limits, dutyOf: () => ({ is: 'no-business' }) }, hold)
    await expect(askTimes(1, alice, 'closed/1')[0]).rejects.toMatchObject({ code: 'NET_CLOSED' })
    expect(bob.counts.get('streams_refused closed/1 no-business')).toBe(1)
    expect([...bob.counts.keys()].filter((name) => name.startsWith('penalties'))).toEqual([])
  })

  test('R-ADM-2 a stranger is refused unread where only seats have business, and a seat is served', async () => {
    await bob.handle('seats/1', { ...limits, isForSeats: true }, async (request) => request)
    await expect(askTimes(1, alice, 'seats/1')[0]).rejects.toMatchObject({ code: 'NET_CLOSED' })
    expect(bob.counts.get('streams_refused seats/1 no-business')).toBe(1)
    registerAll(alice, bob)
    expect(await askTimes(1, alice, 'seats/1')[0]).toEqual(hello)
  })

  test('requests being read share a bound in bytes: the rank decides, not who came first', async () => {
    await using carol = await startHost('127.3.0.13')
    await using slow = await startRawPeer('127.3.0.15')
    const rankByPeer = new Map([carol.peerKey, slow.peerKey].map((key, rank) => [bytesToHex(key), rank]))
    await bob.handle(
      'large-owed/1',
      {
        ...limits,
        maxRequestBytes: 3_000_000,
        maxReadingBytes: 4_000_000,
        onBusy: busy,
        dutyOf: (peer) => ({ is: 'owed', rank: rankByPeer.get(peer)! }),
      },
      async (bytes) => Uint8Array.of(bytes.length === 3_000_000 ? 1 : 0),
    )
    bob.setRegistered(new Set(rankByPeer.keys()))
    const stream = await slow.open(bob.target().address!, 'large-owed/1')
    const said: Uint8Array[] = []
    stream.addEventListener('message', ({ data }) => void said.push(data.subarray()))
    // The length of three million bytes, and the first of them.
    stream.send(Uint8Array.of(0xc0, 0x8d, 0xb7, 0x01, 7))
    await until(() => bob.held().some(({ readingBytes }) => readingBytes === 3_000_000))
    const large = new Uint8Array(3_000_000)
    expect(await carol.request(bob.target(), 'large-owed/1', large, asked)).toEqual(Uint8Array.of(1))
    await until(() => said.length > 0)
    expect(concatBytes(...said)).toEqual(concatBytes(Uint8Array.of(busy.length), busy))
    await until(() => bob.held().every(({ reading, working }) => reading + working === 0))
  })

  test('without a busy message the stream is reset', async () => {
    bob.setRegistered(new Set([bytesToHex(alice.peerKey)]))
    const first = askTimes(4, alice, 'silent/1')
    await until(() => held.length === 1)
    const newest = askTimes(1, alice, 'silent/1')
    await expect(Promise.race(first)).rejects.toMatchObject({ code: 'NET_CLOSED' })
    const outcomes = await releaseUntil(Promise.allSettled([...first, ...newest]))
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
  })
})

describe('a hostile asker', () => {
  let mallory: RawPeer
  beforeAll(async () => {
    mallory = await startRawPeer('127.3.0.20')
  })
  afterAll(() => mallory[Symbol.asyncDispose]())

  const hostile: [string, (stream: Stream) => void][] = [
    ['never sends anything', () => undefined],
    ['never ends its request', (stream) => void stream.send(Uint8Array.of(200, 1, 7))],
    [
      'names a length above the limit',
      (stream) => void stream.send(Uint8Array.of(0xff, 0xff, 0x03, 1, 2, 3)),
    ],
    ['names a length without end', (stream) => void stream.send(new Uint8Array(64).fill(0xff))],
    ['sends without end', (stream) => void stream.send(new Uint8Array(200_000).fill(1))],
    ['closes at once', (stream) => void stream.close().catch(() => undefined)],
    ['resets at once', (stream) => stream.abort(new Error('gone'))],
    ['never closes', (stream) => void stream.send(Uint8Array.of(1, 7))],
    [
      'never reads',
      (stream) => {
        stream.pause()
        stream.send(Uint8Array.of(1, 7))
      },
    ],
  ]

  test.each(hostile)('that %s costs a place for no longer than the deadline', async (_what, behave) => {
    const stream = await mallory.open(bob.target().address!, 'short/1')
    stream.addEventListener('message', () => undefined)
    behave(stream)
    await until(() => bob.openStreams('short/1') === 0)
    expect(await alice.request(bob.target(), 'echo/1', hello, asked)).toEqual(hello)
  })

  test('that opens more streams than agreed gets resets, and others are served', async () => {
    const streams = await Promise.allSettled(
      Array.from({ length: 40 }, () => mallory.open(bob.target().address!, 'short/1')),
    )
    expect(streams.length).toBe(40)
    expect(bob.openStreams('short/1')).toBeLessThanOrEqual(2 * limits.maxConcurrentPerPeer + 8)
    expect(await alice.request(bob.target(), 'echo/1', hello, asked)).toEqual(hello)
    await until(() => bob.openStreams('short/1') === 0)
  })

  test('that connects and says nothing is let go', async () => {
    await using strict = await startHost('127.3.0.13', { limits: { handshakeTimeoutMs: 300 } })
    const { ip, port } = strict.target().address!
    const closed = vi.fn<() => void>()
    const socket = connect(port, ip)
    socket.on('close', closed)
    socket.on('error', () => undefined)
    await until(() => closed.mock.calls.length === 1)
    expect(strict.peers()).toEqual([])
  })
})

describe('a hostile answerer', () => {
  let mallory: RawPeer
  beforeAll(async () => {
    mallory = await startRawPeer('127.3.0.21')
  })
  afterAll(() => mallory[Symbol.asyncDispose]())

  const hostile: [name: string, code: string, answer: (stream: Stream) => void][] = [
    ['says nothing', 'NET_TIMEOUT', () => undefined],
    ['never ends its answer', 'NET_TIMEOUT', (stream) => void stream.send(Uint8Array.of(200, 1, 7))],
    ['closes without an answer', 'NET_CLOSED', (stream) => void stream.close()],
    ['resets', 'NET_CLOSED', (stream) => stream.abort(new Error('gone'))],
    [
      'breaks its answer off',
      'NET_CLOSED',
      (stream) => {
        stream.send(Uint8Array.of(100, 1, 7))
        void stream.close()
      },
    ],
    [
      'names a length above the limit',
      'NET_TOO_LARGE',
      (stream) => void stream.send(Uint8Array.of(0xff, 0xff, 0x7f)),
    ],
    [
      'names a length without end',
      'NET_TOO_LARGE',
      (stream) => void stream.send(new Uint8Array(64).fill(0xff)),
    ],
    [
      'sends more than it may',
      'NET_TOO_LARGE',
      (stream) => void stream.send(new Uint8Array(1_000_000).fill(0xff)),
    ],
  ]

  test.each(hostile)('that %s gives %s and leaves nothing behind', async (what, code, behave) => {
    const protocolName = `evil/${code}/${what.replaceAll(' ', '-')}`
    await mallory.handle(protocolName, behave)
    const target = { peerKey: mallory.peerKey, address: mallory.address() }
    // Who is to be timed out is waited for; of the others the fault itself must be seen, however late.
    const timeoutMs = code === 'NET_TIMEOUT' ? 400 : 60_000
    await expect(
      alice.request(target, protocolName, hello, { timeoutMs, maxResponseBytes: 1_000 }),
    ).rejects.toMatchObject({ code })
    await until(() => alice.openStreams(protocolName) === 0)
  })

  test('that answers and never closes is cut off', async () => {
    await mallory.handle('open/1', (stream) => {
      stream.addEventListener('message', () => undefined)
      stream.send(Uint8Array.of(2, 5, 6))
    })
    const target = { peerKey: mallory.peerKey, address: mallory.address() }
    expect(await alice.request(target, 'open/1', hello, asked)).toEqual(Uint8Array.of(5, 6))
    await until(() => alice.openStreams('open/1') === 0)
  })
})

test('a connection that died unnoticed costs one request: the next one dials anew', async () => {
  await using dora = await startHost('127.3.0.12')
  await dora.handle('echo/1', limits, async (request) => request)
  // Between them stands something that stops passing bytes on, as a router does that forgot a connection.
  const { port } = dora.target().address!
  let isForgetful = false
  await using between = await startTcp((socket) => {
    const onward = connect({ host: '127.3.0.12', port })
    onward.on('error', () => socket.destroy())
    onward.on('data', (bytes) => (wasOpenedBefore(socket) ? undefined : socket.write(bytes)))
    socket.on('data', (bytes) => (wasOpenedBefore(socket) ? undefined : onward.write(bytes)))
    if (!isForgetful) opened.add(socket)
  })
  const opened = new Set<object>()
  const wasOpenedBefore = (socket: object) => isForgetful && opened.has(socket)
  const target = { peerKey: dora.peerKey, address: { ip: '127.0.0.1', port: between.port } }
  expect(await alice.request(target, 'echo/1', hello, asked)).toEqual(hello)
  isForgetful = true
  await expect(alice.request(target, 'echo/1', hello, { ...asked, timeoutMs: 300 })).rejects.toMatchObject({
    code: 'NET_TIMEOUT',
  })
  expect(await alice.request(target, 'echo/1', hello, asked)).toEqual(hello)
})
