import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesToHex, cellBytes, encodeCell, encodeEnd, relayAnswerCodec } from '../../protocol/index.ts'
import { CellStream, type LinkEnd } from '../../src/net/cell-stream.ts'
import { createSessionMaker, type Session } from '../../src/net/sessions.ts'
import { createTurns } from '../../src/net/turns.ts'
import type { PathHop, RelayBroken } from '../../src/relay/circuit.ts'
import { circuitMs } from '../../src/relay/deadlines.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, networkId, until } from '../net/local-hosts.ts'
import { type RawPeer, startRawPeer } from '../net/raw-peer.ts'
import { type RelayNetwork, startRelayNetwork, withinIdleMs } from './relay-network.ts'

const forever = new AbortController().signal
const nothing = new Uint8Array()
const opening = encodeCell({ kind: 'open', payload: nothing })
const dataCell = (payload: Uint8Array): Uint8Array => encodeCell({ kind: 'data', payload })
const changed = (cell: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = cell.slice()
  copy[at] = value
  return copy
}

let network: RelayNetwork
let client: LocalHost

beforeAll(async () => {
  network = await startRelayNetwork({
    hops: 3,
    block: 2,
    exit: (bytes) => Promise.resolve(['sent', bytes.slice(0, 32)]),
  })
  client = await network.client()
})
afterAll(() => network[Symbol.asyncDispose]())

const penaltiesOf = (seat: number): number =>
  network.hops[seat]!.host.counts.get('penalties malformed-exchange') ?? 0
const addressOf = (seat: number) => network.hops[seat]!.host.target().address!

/** A peer that sends to hop 0 whatever it likes; shut out after a few faults, so each test has its own. */
const withPeer = async (use: (peer: RawPeer) => Promise<void>): Promise<void> => {
  await using peer = await startRawPeer('127.41.2.251')
  await use(peer)
}

/** The far side has ended the stream; then this side does, as it need not be waited for. */
const closed = async (stream: Stream): Promise<void> => {
  await until(() => stream.remoteWriteStatus === 'closed' || stream.status !== 'open')
  stream.abort(new Error('seen'))
}

/** Sends this on a stream of its own: hop 0 must close it and count a fault. */
const isPunished = async (peer: RawPeer, ...chunks: readonly Uint8Array[]): Promise<void> => {
  const before = penaltiesOf(0)
  const stream = await peer.open(addressOf(0), 'relay/1')
  for (const chunk of chunks) stream.send(chunk)
  await until(() => penaltiesOf(0) > before)
  await closed(stream)
}

const stillServes = async (): Promise<void> => {
  const circuit = await network.build(client, [0, 1, 2])
  expect(await circuit.broadcast(randomBytes(400), forever)).toMatchObject(['sent', expect.anything()])
  await until(() => network.openStreams() === 0, withinIdleMs)
}

/** A link to hop 0 as a client has it, that its owner may use as he likes. */
const openLink = async (peer: RawPeer): Promise<{ cells: CellStream; ended: Promise<LinkEnd> }> => {
  const ended = Promise.withResolvers<LinkEnd>()
  const stream = await peer.open(addressOf(0), 'relay/1')
  const cells = new CellStream(stream, { turns: createTurns(), world: realWorld(), onEnd: ended.resolve })
  cells.open(nothing)
  return { cells, ended: ended.promise }
}

const openSession = async (peer: RawPeer): Promise<{ session: Session; ended: Promise<LinkEnd> }> => {
  const { cells, ended } = await openLink(peer)
  const sessions = createSessionMaker({ networkId, privateKey: null as never, world: realWorld() })
  return { session: await sessions.outbound(cells, network.hops[0]!.host.peerKey, forever), ended }
}

describe('R-RELAY-3 hostile cells', () => {
  test('R-RELAY-3 whatever is no cell in its place ends the link and is counted', async () => {
    const data = dataCell(Uint8Array.of(1, 2, 3))
    const before = penaltiesOf(0)
    await withPeer(async (peer) => {
      await isPunished(peer, new Uint8Array(randomBytes(3 * cellBytes)).fill(0xff, 0, 2))
      await isPunished(peer, data)
      await isPunished(peer, opening, opening)
      await isPunished(peer, encodeCell({ kind: 'toll', payload: nothing }))
      await isPunished(peer, changed(opening, 1_023, 1))
      await isPunished(peer, opening, changed(data, 1_000, 9))
      await isPunished(peer, opening, encodeEnd('NO CODE'))
    })
    await withPeer(async (peer) => {
      // In one piece, before anybody has looked at the first.
      await isPunished(peer, Buffer.concat([opening, data, data, data]))
      await isPunished(peer, Buffer.concat([opening, ...Array.from({ length: 520 }, () => data)]))
    })
    expect(penaltiesOf(0)).toBe(before + 9)
    await stillServes()
  })

  test('R-RELAY-3 halves of cells, silence and early ends harm nobody', async () => {
    await withPeer(async (peer) => {
      const before = penaltiesOf(0)
      const streams: Stream[] = []
      for (const chunks of [[opening.subarray(0, 500)], [], [opening], [opening, encodeEnd('done')]]) {
        const stream = await peer.open(addressOf(0), 'relay/1')
        for (const chunk of chunks) stream.send(chunk)
        streams.push(stream)
      }
      const reset = await peer.open(addressOf(0), 'relay/1')
      reset.send(opening)
      reset.abort(new Error('off'))
      await Promise.all(streams.map(closed))
      expect(penaltiesOf(0)).toBe(before)
    })
    await stillServes()
  })
})

describe('R-RELAY-4 hostile sessions', () => {
  test('R-RELAY-4 what is no handshake ends the link and is counted against a stranger', async () => {
    const before = penaltiesOf(0)
    await withPeer(async (peer) => {
      // A first message that is too short, one that is too long, and a third that cannot be deciphered.
      await isPunished(peer, opening, dataCell(Uint8Array.of(0, 5, ...randomBytes(5))))
      await isPunished(peer, opening, dataCell(Uint8Array.of(0, 0)))
      const first = Uint8Array.of(0, 32, ...randomBytes(32))
      await isPunished(peer, opening, dataCell(first), dataCell(Uint8Array.of(0, 200, ...randomBytes(200))))
    })
    expect(penaltiesOf(0)).toBe(before + 3)
    await stillServes()
  })

  test('R-RELAY-4 a handshake of another network is none', async () => {
    await withPeer(async (peer) => {
      const { cells } = await openLink(peer)
      const elsewhere = 'cd'.repeat(16) as typeof networkId
      const sessions = createSessionMaker({
        networkId: elsewhere,
        privateKey: null as never,
        world: realWorld(),
      })
      await expect(sessions.outbound(cells, network.hops[0]!.host.peerKey, forever)).rejects.toMatchObject({
        code: 'NET_CLOSED',
      })
      cells.end('done')
    })
    await stillServes()
  })

  test('R-RELAY-4 a registered neighbour only passes on what it cannot read, and is not blamed for it', async () => {
    await withPeer(async (peer) => {
      const { host } = network.hops[0]!
      const all = network.hops.map((hop) => bytesToHex(hop.host.peerKey))
      host.setRegistered(new Set([...all, bytesToHex(peer.peerKey)]))
      const before = penaltiesOf(0)
      const stream = await peer.open(addressOf(0), 'relay/1')
      stream.send(opening)
      stream.send(dataCell(Uint8Array.of(0, 5, ...randomBytes(5))))
      await closed(stream)
      expect(penaltiesOf(0)).toBe(before)
      // But cells are its own.
      await isPunished(peer, opening, changed(opening, 1_023, 1))
      host.setRegistered(new Set(all))
    })
  })

  test('R-RELAY-4 frames and messages that make no sense end the circuit and are counted', async () => {
    const key = network.hops[1]!.host.peerKey
    const encoded = (...message: unknown[]) => relayAnswerCodec.encode(message as never)
    const messages = [
      randomBytes(300),
      nothing,
      encoded('extended'),
      encoded('extend', 1, key, 1),
      encoded('extend', 1, key.subarray(1)),
      encoded('broadcast', 0, Uint8Array.of(1)),
      encoded('broadcast', 100_001, Uint8Array.of(1)),
    ]
    await withPeer(async (peer) => {
      for (const message of messages) {
        const before = penaltiesOf(0)
        const { session, ended } = await openSession(peer)
        await session.write(message, forever)
        expect((await ended).code).toBe('malformed')
        expect(penaltiesOf(0)).toBe(before + 1)
      }
    })
    await withPeer(async (peer) => {
      // Right messages out of place are refused.
      const { session, ended } = await openSession(peer)
      await session.write(encoded('part', Uint8Array.of(1)), forever)
      expect((await ended).code).toBe('out-of-place')
      const late = await openSession(peer)
      await late.session.write(encoded('broadcast', 10, Uint8Array.of(1)), forever)
      await late.session.write(encoded('extend', 1, key), forever)
      expect((await late.ended).code).toBe('out-of-place')
      const long = await openSession(peer)
      await long.session.write(encoded('broadcast', 2, Uint8Array.of(1, 2, 3)), forever)
      expect(relayAnswerCodec.decode(await long.session.read(forever))).toMatchObject({
        value: ['refused', 'malformed-transaction'],
      })
      // A session whose ciphertext is tampered with.
      const before = penaltiesOf(0)
      const { cells, ended: tampered } = await openLink(peer)
      const sessions = createSessionMaker({ networkId, privateKey: null as never, world: realWorld() })
      await sessions.outbound(cells, network.hops[0]!.host.peerKey, forever)
      cells.send(Uint8Array.of(0, 40, ...randomBytes(40)))
      expect((await tampered).code).toBe('undecipherable')
      expect(penaltiesOf(0)).toBe(before + 1)
    })
    await stillServes()
  })

  test('R-RELAY-4 any bytes instead of any message: no crash, and the circuit is over', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 800 }), { minLength: 1, maxLength: 3 }),
        async (messages) => {
          await withPeer(async (peer) => {
            const { session, ended } = await openSession(peer)
            for (const message of messages) await session.write(message, forever).catch(() => undefined)
            expect((await ended).code).not.toBe('done')
          })
        },
      ),
      { numRuns: 15 },
    )
    await stillServes()
  })
})

describe('R-RELAY-2 hostile hops', () => {
  test('R-RELAY-4 a hop that leads elsewhere is found out: who is there must prove the key that was announced', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    await using peer = await startRawPeer('127.41.2.253', privateKey)
    const liar = { seat: 8, peer: peer.peerKey, host: '127.41.2.253', address: peer.address() }
    network.addSeat(liar)
    const sessions = createSessionMaker({ networkId, privateKey, world: realWorld() })
    const turns = createTurns()
    const onEnd = (): void => undefined
    /** Whoever is asked for, it extends to hop 2. */
    const extend = async (cells: CellStream): Promise<void> => {
      cells.admit()
      const session = await sessions.inbound(cells, forever)
      await session.read(forever)
      const next = new CellStream(await peer.open(addressOf(2), 'relay/1'), {
        turns,
        world: realWorld(),
        onEnd,
      })
      next.open(nothing)
      await session.write(relayAnswerCodec.encode(['extended']), forever)
      session.splice(next)
    }
    await peer.handle('relay/1', (stream) => {
      const cells: CellStream = new CellStream(stream, {
        turns,
        world: realWorld(),
        onOpen: () => void extend(cells),
        onEnd,
      })
    })
    const circuit = await network.build(client, [liar, network.pathOf([2])[0]!])
    expect(circuit.hops.map(({ seat }) => seat)).toEqual([8, 2])
    circuit.end()
    await expect(network.build(client, [liar, network.pathOf([1])[0]!])).rejects.toMatchObject({
      code: 'RELAY_BROKEN',
      link: 1,
    })
  })

  test('R-RELAY-2 a hop that answers with nonsense breaks the circuit at its link, and the one before counts it', async () => {
    await using peer = await startRawPeer('127.41.2.252')
    const hop = { seat: 9, peer: peer.peerKey, host: '127.41.2.252', address: peer.address() }
    network.addSeat(hop)
    for (const [answer, isFault] of [
      [(stream: Stream) => stream.send(dataCell(Uint8Array.of(0, 200, ...randomBytes(200)))), false],
      [(stream: Stream) => stream.send(randomBytes(2 * cellBytes).fill(0xff, 0, 2)), true],
      [(stream: Stream) => stream.abort(new Error('off')), false],
      [(stream: Stream) => stream.send(encodeCell({ kind: 'toll', payload: randomBytes(10) })), false],
      [(stream: Stream) => stream.send(encodeEnd('busy')), false],
    ] as const) {
      await peer.node.unhandle(`/secnode/${networkId}/relay/1`)
      await peer.handle('relay/1', (stream) => {
        stream.addEventListener('message', () => answer(stream), { once: true })
      })
      const before = penaltiesOf(0)
      // As the second hop, and as the first.
      for (const [path, link] of [
        [[network.pathOf([0])[0]!, hop], 1],
        [[hop, network.pathOf([0])[0]!], 0],
      ] as const) {
        const error: unknown = await network.build(client, path).catch((broken: unknown) => broken)
        expect(error).toMatchObject({ code: 'RELAY_BROKEN' })
        expect((error as RelayBroken).link).toBe(link)
      }
      expect(penaltiesOf(0) - before).toBe(isFault ? 1 : 0)
    }
    await stillServes()
  })

  test('R-RELAY-2 a hop that takes the link and keeps silent is given up while there is time for other circuits, at every place', async () => {
    await using peer = await startRawPeer('127.41.2.249')
    await peer.handle('relay/1', () => undefined)
    const silent = { seat: 10, peer: peer.peerKey, host: '127.41.2.249', address: peer.address() }
    network.addSeat(silent)
    const deadline = AbortSignal.timeout(circuitMs)
    const [first, second] = network.pathOf([0, 1]) as [PathHop, PathHop]
    const paths = [
      [silent, first, second],
      [first, silent, second],
      [first, second, silent],
    ]
    const broken = await Promise.all(
      paths.map((path) => network.build(client, path, deadline).catch((error: unknown) => error)),
    )
    expect(deadline.aborted).toBe(false)
    expect(broken.map((error) => (error as RelayBroken).code)).toEqual(Array(3).fill('RELAY_BROKEN'))
    expect(broken.map((error) => (error as RelayBroken).link)).toEqual([0, 1, 2])
    await stillServes()
  })
})
