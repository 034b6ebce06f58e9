import { randomBytes } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  type RelayAnswer,
  relayAnswerCodec,
  type RelayRequest,
  relayRequestCodec,
} from '../../protocol/index.ts'
import { CellStream, type LinkEnd } from '../../src/net/cell-stream.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { createSessionMaker, type Session } from '../../src/net/sessions.ts'
import { createTurns } from '../../src/net/turns.ts'
import { broadcastThroughRelay } from '../../src/relay/broadcast.ts'
import type { PathHop } from '../../src/relay/circuit.ts'
import type { RelaySeat } from '../../src/relay/seats.ts'
import { realWorld } from '../../src/world.ts'
import { type LocalHost, networkId, until } from '../net/local-hosts.ts'
import { type RawPeer, startRawPeer } from '../net/raw-peer.ts'
import { type RelayNetwork, startRelayNetwork } from './relay-network.ts'

const world = realWorld()
const forever = new AbortController().signal
const turns = createTurns()
const deviants: Deviant[] = []
let network: RelayNetwork
let client: LocalHost

/** A seat whose node the test plays, registered with all hops. */
interface Deviant extends PathHop {
  node: RawPeer
}

/** What a deviant does with a link that somebody opened to it, once it has read what is wanted of it. */
type Play = (circuit: {
  cells: CellStream
  session: Session
  request: RelayRequest
  openNext: (seat: number, onEnd: (end: LinkEnd) => void) => Promise<CellStream>
  /** Called at once when the link is over. */
  whenOver: (callback: (end: LinkEnd) => void) => void
}) => Promise<void>

const addDeviant = async (seat: number, host: string, play: Play) => {
  const privateKey = await generateKeyPair('Ed25519')
  const node = await startRawPeer(host, privateKey)
  const sessions = createSessionMaker({ networkId, privateKey, world })
  const serve = async (cells: CellStream, whenOver: Parameters<Play>[0]['whenOver']): Promise<void> => {
    cells.admit()
    const session = await sessions.inbound(cells, forever)
    const decoded = relayRequestCodec.decode(await session.read(forever))
    if (decoded.is === 'bad') throw new Error(decoded.code)
    const openNext = async (next: number, onNextEnd: (end: LinkEnd) => void): Promise<CellStream> => {
      const link = new CellStream(await node.open(network.addressOf(next), 'relay/1'), {
        turns,
        world,
        onEnd: onNextEnd,
      })
      link.open(new Uint8Array())
      return link
    }
    await play({ cells, session, request: decoded.value, openNext, whenOver })
  }
  await node.handle('relay/1', (stream) => {
    let onOver: (end: LinkEnd) => void = ignore
    const cells: CellStream = new CellStream(stream, {
      turns,
      world,
      onOpen: () => void serve(cells, (callback) => (onOver = callback)),
      onEnd: (end) => onOver(end),
    })
  })
  const deviant = { seat, peer: node.peerKey, host, node }
  network.addSeat({ ...deviant, address: node.address() })
  deviants.push(deviant)
  const registered = [...network.hops.map((hop) => hop.host.peerKey), ...deviants.map(({ peer }) => peer)]
  for (const hop of network.hops) hop.host.setRegistered(new Set(registered.map((key) => bytesToHex(key))))
  return deviant
}

const answer = (session: Session, words: RelayAnswer): Promise<void> =>
  session.write(relayAnswerCodec.encode(words), forever)

const ignore = (): void => undefined

beforeAll(async () => {
  network = await startRelayNetwork({
    hops: 6,
    block: 10,
    exit: (bytes) => Promise.resolve(['sent', bytes.slice(0, 32)]),
  })
  client = await network.client()
})
afterAll(async () => {
  await network[Symbol.asyncDispose]()
  for (const { node } of deviants) await node[Symbol.asyncDispose]()
})

const bytesOfIp = (ip: string): Uint8Array => Uint8Array.from(ip.split('.').map(Number))

describe('R-RELAY-2 a first hop that cuts where others seem to be at fault', () => {
  test('R-RELAY-2 it loses its own place with each circuit, wherever it cuts', async () => {
    /** Hop 2's handshake, its `extended`, hop 3's handshake: held back, and the circuit is over. */
    const cutAtLastLink: Play = async ({ cells, session, request, openNext }) => {
      if (request[0] !== 'extend') return await answer(session, ['sent', randomBytes(32)])
      const next = await openNext(request[1], ignore)
      let back = 0
      next.addEventListener('message', (event) => {
        if (++back !== 3) return
        event.stopImmediatePropagation()
        cells.end('unreachable')
        next.end('gone')
      })
      await answer(session, ['extended'])
      session.splice(next)
    }
    const deviant = await addDeviant(12, '127.41.10.211', cutAtLastLink)
    const seats: RelaySeat[] = [
      ...network.hops.map(({ seat, address }) => ({
        ...network.pathOf([seat])[0]!,
        p2p: network.addressOf(seat).port,
        address: bytesOfIp(address),
      })),
      { ...deviant, p2p: deviant.node.address().port, address: bytesOfIp(deviant.host) },
    ]
    let seen = 0
    for (let round = 0; round < 100 && seen < 2; round++) {
      const paths: number[][] = []
      const transaction = randomBytes(400)
      await broadcastThroughRelay({
        client,
        networkId,
        transaction,
        txid: transaction.subarray(0, 32),
        seats,
        ownSeat: null,
        hops: 3,
        prefixBits: { ipv4: 32, ipv6: 128 },
        addressOf: () => Promise.reject(new Error('nothing is looked up')),
        solver: createPuzzleSolver({ world, maxEffort: 2 ** 20 }),
        world,
        signal: AbortSignal.timeout(60_000),
        onProgress(progress) {
          if (progress.is === 'building') paths.push(progress.path.map(({ seat }) => seat))
        },
      })
      if (paths[0]![0] !== 12) continue
      seen++
      expect(paths).toHaveLength(2)
      // Nor do the two that it accused keep theirs: one of them may be its friend.
      for (const seat of paths[0]!) expect(paths[1]).not.toContain(seat)
    }
    expect(seen).toBe(2)
  })
})

describe('R-RELAY-3 codes at the end of a link are no channel', () => {
  test('R-RELAY-3 no tag of the first hop comes to the exit, and none of the exit to the first hop', async () => {
    const readByFirst: string[] = []
    const readByExit: string[] = []
    let isExitFirst = false
    let circuits = 0
    const first = await addDeviant(
      10,
      '127.41.10.201',
      async ({ cells, session, request, openNext, whenOver }) => {
        const tag = `circuit-${++circuits}-of-client-127-41-10-250`
        const next = await openNext(request[1] as number, ({ code }) => {
          readByFirst.push(code)
          cells.end('done')
        })
        // Whatever the client says at the end, the tag goes on in its place.
        whenOver(() => next.end(tag))
        await answer(session, ['extended'])
        session.splice(next)
      },
    )
    const exit = await addDeviant(11, '127.41.10.202', async ({ cells, session, request, whenOver }) => {
      whenOver(({ code }) => readByExit.push(code))
      const part = request[2] as Uint8Array
      if (isExitFirst) cells.end(`tx-${bytesToHex(part).slice(0, 44)}`)
      else await answer(session, ['sent', part.slice(0, 32)])
    })
    const send = async (): Promise<void> => {
      const circuit = await network.buildFrom(client, [first, 1, exit])
      await circuit.broadcast(randomBytes(400), forever).catch(ignore)
      circuit.end()
    }
    await send()
    await until(() => readByExit.length === 1)
    expect(readByExit).toEqual(['gone'])
    readByFirst.length = 0
    isExitFirst = true
    await send()
    await until(() => readByFirst.length === 1)
    expect(readByFirst).toEqual(['gone'])
  })
})

describe('R-RELAY-6 places held by silence', () => {
  test('R-RELAY-6 three seats that fill a hop with idle circuits keep none of the others from it', async () => {
    await using crowded = await startRelayNetwork({
      hops: 1,
      block: 11,
      limits: { maxRegistered: 12, maxPerPeer: 4 },
      exit: (bytes) => Promise.resolve(['sent', bytes.slice(0, 32)]),
    })
    const { host, hop } = crowded.hops[0]!
    const peers = await Promise.all([101, 102, 103, 104].map((last) => startRawPeer(`127.41.11.${last}`)))
    const [honest, ...hogs] = peers as [RawPeer, ...RawPeer[]]
    host.setRegistered(new Set(peers.map(({ peerKey }) => bytesToHex(peerKey))))
    const sessions = createSessionMaker({ networkId, privateKey: null as never, world })
    const open = async (peer: RawPeer) => {
      const ended = Promise.withResolvers<LinkEnd>()
      const stream = await peer.open(crowded.addressOf(0), 'relay/1')
      const cells = new CellStream(stream, { turns, world, onEnd: ended.resolve })
      cells.open(new Uint8Array())
      const session = await sessions.outbound(cells, host.peerKey, forever)
      return { cells, session, ended: ended.promise }
    }
    const ask = ({ session }: { session: Session }, bytes: number, part: Uint8Array) =>
      session.write(relayRequestCodec.encode(['broadcast', bytes, part]), forever)
    const over = new AbortController()
    /** One byte of a large transaction, and silence; anew whenever the hop has ended it. */
    const hold = async (peer: RawPeer): Promise<void> => {
      while (!over.signal.aborted) {
        try {
          const circuit = await open(peer)
          await ask(circuit, 100_000, Uint8Array.of(1))
          await circuit.ended
        } catch {
          // Displaced while it was opened: once more.
        }
      }
    }
    const holding = hogs.flatMap((peer) => Array.from({ length: 4 }, () => hold(peer)))
    await until(() => hop.status().circuits.registered === 12)
    // Three circuits at a time are a fourth of the places, for one neighbour of four.
    const answers: unknown[] = []
    const send = async (): Promise<void> => {
      for (let i = 0; i < 10; i++) {
        const circuit = await open(honest)
        await ask(circuit, 400, new Uint8Array(400))
        const read = relayAnswerCodec.decode(await circuit.session.read(forever))
        answers.push(read.is === 'ok' && read.value[0])
        circuit.cells.end('done')
        await circuit.ended
      }
    }
    await Promise.all([send(), send(), send()])
    expect(answers).toEqual(Array(30).fill('sent'))
    over.abort()
    for (const peer of peers) await peer[Symbol.asyncDispose]()
    await Promise.all(holding)
  })
})
