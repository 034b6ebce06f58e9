import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { concatBytes } from '../../protocol/index.ts'
import { SecnodeError } from '../../src/errors.ts'
import { maxWindowBytes } from '../../src/net/guards/guards.ts'
import { realWorld } from '../../src/world.ts'
import { processorMs } from '../fixtures/processor-time.ts'
import {
  data,
  dialFrames,
  dialRaw,
  emptyPacket,
  endless,
  fin,
  frame,
  goAway,
  header,
  type HostileConnection,
  listenFrames,
  lookup,
  listenRaw,
  ping,
  pour,
  proposals,
  rst,
  syn,
  update,
  varint,
} from './hostile-peer.ts'
import { type LocalHost, networkId, registerAll, startHost, until } from './local-hosts.ts'
import { protocolOf } from './raw-peer.ts'

const limits = {
  maxRequestBytes: 100_000,
  maxResponseBytes: 1_000_000,
  timeoutMs: 60_000,
  maxConcurrentPerPeer: 64,
  maxConcurrent: 64,
}
const asked = { timeoutMs: 60_000, maxResponseBytes: 1_000_000 }
const request = Uint8Array.of(1, 2, 3)
const echo = protocolOf('echo/1')
const dht = `/secnode/${networkId}/kad/1.0.0`
const identifyPush = '/ipfs/id/push/1.0.0'
const pinging = '/ipfs/ping/1.0.0'
const gossip = '/meshsub/1.2.0'

/** The node that is attacked, and one that has a right to its answers. */
let victim: LocalHost
let honest: LocalHost
/** No allowance grows while it stands still: what is counted is what was there, however long a machine takes. */
let clock: { nowMs: number }

beforeEach(async () => {
  clock = { nowMs: 1_000_000 }
  victim = await startHost('127.9.0.1', {
    limits: { maxNewPerSecondPerAddress: 1_000 },
    world: { ...realWorld(), monotonicMs: () => clock.nowMs },
  })
  honest = await startHost('127.9.0.2')
  registerAll(victim, honest)
  await victim.handle('echo/1', limits, async (bytes) => bytes)
})
afterEach(async () => {
  await Promise.all([victim.stop(), honest.stop()])
})

const victimAt = () => victim.target().address!
const attack = () => dialFrames(victimAt(), '127.9.0.3')
const counted = (name: string): number => victim.counts.get(name) ?? 0
const ask = () => honest.request(victim.target(), 'echo/1', request, asked)

const isOver = ({ raw }: Pick<HostileConnection, 'raw'>) => until(() => raw.status !== 'open')

/** Nothing was found against the honest one, and it is answered. */
const expectHonestWork = async () => {
  expect(await ask()).toEqual(request)
  for (const name of victim.counts.keys()) expect(name).not.toContain('registered')
}

/** A stream of the attacker's, its protocol proposed, with what it sends then. */
const onStream = (stream: number, protocol: string, ...bytes: readonly Uint8Array[]): Uint8Array =>
  frame(data, syn, stream, concatBytes(proposals(header, protocol), ...bytes))

const megabyte = 1_000_000

describe('a length that does not end', () => {
  test('over TCP, before anything else: a connection ends at its first bytes, and its processor time with it', async () => {
    const cpuMs = processorMs()
    for (let i = 0; i < 10; i++) {
      const raw = await dialRaw(victimAt(), `127.9.1.${i}`)
      expect(await pour(raw, endless(65_536), 4 * megabyte)).toBeLessThan(4 * megabyte)
      await isOver({ raw })
    }
    expect(counted('hostile_connections endless prefix, unknown')).toBe(10)
    // Those 10 MB that are sent by this thread, too; read byte by byte they would be minutes.
    expect(processorMs() - cpuMs).toBeLessThan(3_000)
    await expectHonestWork()
  })

  test('after Noise, where the muxer is agreed upon', async () => {
    const connection = await dialFrames(victimAt(), '127.9.0.3', { isAgreed: false })
    connection.frames.send(endless(65_536))
    await isOver(connection)
    expect(counted('hostile_connections endless prefix, unknown')).toBe(1)
  })

  test.each([
    ['where its protocol is agreed upon', concatBytes(proposals(header), endless(1_000)), 'endless prefix'],
    ['a request of ours', concatBytes(proposals(header, echo), endless(1_000)), 'endless prefix'],
    ['a message of the DHT', concatBytes(proposals(header, dht), endless(1_000)), 'endless prefix'],
    ['a message of identify', concatBytes(proposals(header, identifyPush), endless(1_000)), 'endless prefix'],
  ])('on a stream: %s', async (_, bytes, sign) => {
    const connection = await attack()
    connection.frames.send(frame(data, syn, 1, bytes))
    await isOver(connection)
    expect(counted(`hostile_connections ${sign}, stranger`)).toBe(1)
    expect(counted('penalties hostile-bytes')).toBe(1)
    await expectHonestWork()
  })

  test('on many streams at once is one fault', async () => {
    const connection = await attack()
    await until(() => victim.peers().length > 0)
    const opened = Array.from({ length: 50 }, (_, i) => frame(data, syn, 2 * i + 1, endless(16)))
    connection.frames.send(concatBytes(...opened))
    await isOver(connection)
    await expectHonestWork()
    expect(counted('hostile_connections endless prefix, stranger')).toBe(1)
    expect(counted('penalties hostile-bytes')).toBe(1)
  })

  test('on a stream of gossip', async () => {
    const connection = await attack()
    connection.frames.send(onStream(1, gossip, endless(1_000)))
    await until(() => counted('penalties malformed-exchange') > 0)
    expect(await ask()).toEqual(request)
  })

  test('of a peer that this node dials, before the handshake', async () => {
    await using target = await listenRaw('127.9.0.4', (raw) => raw.send(endless(1_000)))
    const { peerKey } = honest
    const asking = victim.request({ peerKey, address: target.address }, 'echo/1', request, asked)
    await expect(asking).rejects.toMatchObject({ code: 'NET_UNREACHABLE' })
    expect(counted('hostile_connections endless prefix, unknown')).toBe(1)
  })

  test.each([
    ['where the protocol is agreed upon', false],
    ['in the answer', true],
  ])('of a peer that this node asks, %s', async (_, isAgreed) => {
    await using target = await listenFrames('127.9.0.4', ({ frames }) => answerEndlessly(frames, isAgreed))
    const asking = victim.request(target, 'echo/1', request, asked)
    await expect(asking).rejects.toBeInstanceOf(SecnodeError)
    expect(counted('hostile_connections endless prefix, stranger')).toBe(1)
  })
})

/** With the protocol agreed upon first, or not. */
const answerEndlessly = (frames: HostileConnection['frames'], isAgreed: boolean): void =>
  answerStreams(frames, (protocol) =>
    concatBytes(isAgreed ? proposals(header, protocol) : new Uint8Array(), endless(1_000)),
  )

/** Every stream that the node opens, once. */
const answerStreams = (
  frames: HostileConnection['frames'],
  answer: (protocol: string) => Uint8Array,
): void => {
  const streams = new Set<number>()
  frames.addEventListener('message', (event) => {
    const bytes = event.data.subarray()
    const stream = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4)
    if (stream === 0 || bytes[1] !== data || streams.has(stream)) return
    streams.add(stream)
    frames.send(frame(data, 0, stream, answer(protocolIn(bytes))))
  })
}

/** The last line of what was proposed. */
const protocolIn = (bytes: Uint8Array): string =>
  new TextDecoder().decode(bytes).trimEnd().split('\n').at(-1)!.slice(1)

describe('negotiation', () => {
  test.each(['ls', header, '/none/1.0.0'])('that goes on with %s for ever is ended', async (text) => {
    const raw = await dialRaw(victimAt(), '127.9.0.3')
    raw.addEventListener('message', () => undefined)
    raw.send(proposals(header, ...Array.from({ length: 1_000 }, () => text)))
    await isOver({ raw })
    const connection = await attack()
    connection.frames.send(onStream(1, header, proposals(...Array.from({ length: 1_000 }, () => text))))
    await isOver(connection)
    expect(counted('hostile_connections long negotiation, unknown')).toBe(1)
    expect(counted('hostile_connections long negotiation, stranger')).toBe(1)
  })
})

describe('frames of the muxer', () => {
  test('a giant one ends the connection at its header', async () => {
    const connection = await attack()
    connection.frames.send(frame(data, 0, 7, 0xffff_ffff))
    const sent = await pour(connection.frames, new Uint8Array(65_536), 100 * megabyte)
    expect(sent).toBeLessThan(16 * megabyte)
    await isOver(connection)
    expect(counted('hostile_connections giant frame, stranger')).toBe(1)
    await expectHonestWork()
  })

  test('one as long as a window is none', async () => {
    const connection = await attack()
    connection.frames.send(frame(data, 0, 7, new Uint8Array(maxWindowBytes)))
    connection.frames.send(frame(ping, syn, 0, 5))
    let answered = 0
    connection.frames.addEventListener('message', ({ data: bytes }) => {
      if (bytes.subarray()[1] === ping) answered++
    })
    await until(() => answered > 0)
    expect(connection.raw.status).toBe('open')
  })

  test.each([
    ['pings', frame(ping, syn, 0, 1)],
    ['window updates of no stream', frame(update, 0, 99, 1)],
    ['resets of no stream', frame(update, rst, 99)],
    ['ends of no stream', frame(update, fin, 99)],
    ['goodbyes', frame(goAway, 0, 0)],
  ])('a storm of %s ends the connection within some hundred', async (_, bytes) => {
    const connection = await attack()
    const pongs = counting(connection, (type) => type === ping)
    await pour(connection.frames, repeated(bytes, 10), 100_000 * bytes.length)
    await isOver(connection)
    expect(counted('hostile_connections control storm, stranger')).toBe(1)
    expect(pongs.count).toBeLessThan(300)
    await expectHonestWork()
  })

  test('window updates that answer what was sent are no storm', async () => {
    await victim.handle('long/1', limits, async () => new Uint8Array(900_000))
    for (let i = 0; i < 60; i++) {
      const answer = await honest.request(victim.target(), 'long/1', request, asked)
      expect(answer).toHaveLength(900_000)
    }
    expect([...victim.counts.keys(), ...honest.counts.keys()].join()).not.toContain('hostile')
  })

  test('streams opened and reset end the connection within some hundred', async () => {
    const connection = await attack()
    let stream = 1
    while (connection.raw.status === 'open' && stream < 20_000) {
      stream += 2
      await pour(connection.frames, concatBytes(frame(update, syn, stream), frame(update, rst, stream)), 1)
    }
    await isOver(connection)
    expect(counted('hostile_connections reset storm, stranger')).toBe(1)
    await expectHonestWork()
  })

  test('streams that are only opened are taken while there is an allowance, and later when there is one again', async () => {
    const connection = await attack()
    // The node resets those above the 128 that one connection may have open.
    const refused = counting(connection, (_, flags) => (flags & rst) !== 0)
    const count = 1_000
    for (let i = 0; i < count; i++) connection.frames.send(frame(update, syn, 2 * i + 1))
    await until(() => counted('reading_slowed stranger') > 0)
    await expectHonestWork()
    // 64 of its own and 256 of the surplus; the honest one has spent its own.
    expect(refused.count).toBeLessThanOrEqual(64 + 256 + 1 - 128)
    await until(() => {
      clock.nowMs += 1_000
      return refused.count === count - 128
    })
    expect(connection.raw.status).toBe('open')
  })

  test('frames with a byte each are read while there is an allowance, and the rest later', async () => {
    const connection = await attack()
    // Each is answered by a window update.
    const read = counting(connection, (type) => type === update)
    const count = 20_000
    connection.frames.send(onStream(1, echo, varint(90_000)))
    connection.frames.send(repeated(frame(data, 0, 1, Uint8Array.of(0)), count))
    await until(() => counted('reading_slowed stranger') > 0)
    await expectHonestWork()
    expect(read.count).toBeLessThan(1_024 + 4_096 + 10)
    await until(() => {
      clock.nowMs += 1_000
      return read.count >= count
    })
    expect(connection.raw.status).toBe('open')
  })

  test('packets without any content are deciphered while there is an allowance', async () => {
    const connection = await attack()
    const pongs = counting(connection, (type) => type === ping)
    for (let i = 0; i < 40_000; i++) connection.raw.send(emptyPacket(connection.frames))
    connection.frames.send(frame(ping, syn, 0, 1))
    await until(() => counted('reading_slowed stranger') > 0)
    await expectHonestWork()
    expect(pongs.count).toBe(0)
    await until(() => {
      clock.nowMs += 1_000
      return pongs.count === 1
    })
    expect(connection.raw.status).toBe('open')
  })
})

/** Frames that come back, by their headers. */
const counting = ({ frames }: HostileConnection, isMeant: (type: number, flags: number) => boolean) => {
  const seen = { count: 0 }
  const header: number[] = []
  let payloadLeft = 0
  frames.addEventListener('message', (event) => {
    for (const byte of event.data.subarray()) {
      if (payloadLeft > 0) {
        payloadLeft--
        continue
      }
      if (header.push(byte) < 12) continue
      const [, type, high, flags, , , , , a, b, c, d] = header.splice(0) as [
        number,
        number,
        number,
        number,
        ...number[],
      ]
      if (type === data) payloadLeft = ((a! * 256 + b!) * 256 + c!) * 256 + d!
      if (isMeant(type, high * 256 + flags)) seen.count++
    }
  })
  return seen
}

const repeated = (bytes: Uint8Array, count: number): Uint8Array =>
  concatBytes(...Array.from({ length: count }, () => bytes))

describe("messages of libp2p's own protocols", () => {
  test.each([
    ['of the DHT', dht, varint(2_049)],
    ['of identify', identifyPush, varint(4_097)],
    ['to be echoed', pinging, new Uint8Array(4_097)],
  ])('a large one %s ends the connection before it is read', async (_, protocol, bytes) => {
    const connection = await attack()
    connection.frames.send(onStream(1, protocol, bytes))
    await isOver(connection)
    expect(counted('hostile_connections large message, stranger')).toBe(1)
    await expectHonestWork()
  })

  test('more messages of identify than there can be end the connection', async () => {
    const connection = await attack()
    connection.frames.send(onStream(1, identifyPush, new Uint8Array(3)))
    await isOver(connection)
    expect(counted('hostile_connections many messages, stranger')).toBe(1)
  })

  test('an answer to identify that is larger than any honest one ends the connection', async () => {
    const answer = (protocol: string) => concatBytes(proposals(header, protocol), varint(4_097))
    await using target = await listenFrames('127.9.0.4', ({ frames }) => answerStreams(frames, answer))
    await victim.dial(target)
    await until(() => counted('penalties hostile-bytes') > 0)
    expect(counted('hostile_connections large message, stranger')).toBe(1)
  })

  test('lookups in the DHT are answered while there is an allowance, and later when there is one again', async () => {
    const connection = await attack()
    const answers = counting(connection, (type) => type === data)
    const before = answers.count
    const count = 200
    connection.frames.send(onStream(1, dht, repeated(lookup, count)))
    await until(() => counted('reading_slowed stranger') > 0)
    await expectHonestWork()
    // Each is 40 units of the 5,120 that there are; some frames are of the negotiation, and of identify.
    expect(answers.count - before).toBeLessThan(5_120 / 37 + 10)
    const then = answers.count
    connection.frames.send(onStream(3, dht, lookup))
    await until(() => {
      clock.nowMs += 1_000
      return answers.count > then + 1
    })
    expect(connection.raw.status).toBe('open')
  })

  test('half messages of the DHT are few bytes each, and gone after ten seconds', async () => {
    const connection = await attack()
    for (let i = 0; i < 20; i++) {
      connection.frames.send(onStream(2 * i + 1, dht, varint(2_048), new Uint8Array(2_047)))
    }
    await until(() => victim.openStreams() >= 16)
    await until(() => victim.openStreams() < 8)
    await expectHonestWork()
    expect(connection.raw.status).toBe('open')
  })
})
