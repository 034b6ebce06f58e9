import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { lpStream } from '@libp2p/utils'
import {
  createStream,
  drawFrameBound,
  drawFrameBytes,
  encodeFrame,
  maxCellsForth,
  cellBytes,
  maxFrameBytes,
  messageOfFrame,
  type NetworkId,
  partBytesIn,
  utf8ToBytes,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'
import type { CellStream } from './cell-stream.ts'
import { exchangeErrorOf } from './exchange.ts'
import { peerIdOfPeerKey, peerKeyOf } from './peer-address.ts'

/**
 * A Noise session of a circuit (R-RELAY-4), between a client and one hop, over a link or inside the session with the hop
 * before. Errors of all that waits: NET_TIMEOUT, NET_CLOSED, NET_MALFORMED for a frame that is none, or the coded reason of
 * the signal. Whoever has the link ends it then.
 */
export interface Session {
  /** What the other side sends next. */
  read(signal: AbortSignal): Promise<Uint8Array>
  /** In a frame of its own, filled up to a size that is drawn. */
  write(message: Uint8Array, signal: AbortSignal): Promise<void>
  /** Cuts a long thing into parts that fill frames; each is written by itself. */
  drawPartBytes(): number
  /** A session with another peer inside of this one, which carries nothing else from now on. */
  nest(peerKey: Uint8Array, signal: AbortSignal): Promise<Session>
  /** What comes in goes out on the link to the next hop, and the other way round, until one of them ends. */
  splice(next: CellStream): void
}

export interface SessionMaker {
  /** As a client with keys of one use; the other side must prove this key (else NET_CLOSED). */
  outbound(over: MessageStream, peerKey: Uint8Array, signal: AbortSignal): Promise<Session>
  /** As a hop, with the node's own key. */
  inbound(over: CellStream, signal: AbortSignal): Promise<Session>
}

export interface SessionMakerOptions {
  networkId: NetworkId
  /** The node's own: what a hop proves. */
  privateKey: PrivateKey
  world: Pick<World, 'randomBytes'>
}

export const createSessionMaker = ({ networkId, privateKey, world }: SessionMakerOptions): SessionMaker => {
  // No handshake of these is one of a connection.
  const prologueBytes = utf8ToBytes(`secnode:relay:${networkId}`)
  const encrypter = (key: PrivateKey, over: MessageStream) =>
    noise({ prologueBytes })({
      privateKey: key,
      peerId: peerIdFromPrivateKey(key),
      logger: { forComponent: () => over.log },
      // Of the upgrader only this is used, and only to ask what is never negotiated here.
      upgrader: { getStreamMuxers: () => new Map() } as never,
    })

  /** A hop's static key tells nothing that its identity does not. */
  let responder: ReturnType<typeof encrypter> | null = null

  const sessionOf = (stream: MessageStream, link: CellStream | null): Session => {
    const chance = createStream(world.randomBytes(32))
    const bound = drawFrameBound(chance)
    const frames = lpStream(stream, {
      lengthEncoder: encodeLength,
      lengthDecoder: decodeLength,
      maxDataLength: maxFrameBytes,
      maxLengthLength: 2,
      maxBufferSize: maxCellsForth * cellBytes,
    })
    return {
      async read(signal) {
        try {
          const message = messageOfFrame((await frames.read({ signal })).subarray())
          if (message === null) throw new SecnodeError('NET_MALFORMED', 'a frame makes no sense')
          return message
        } catch (error) {
          throw codedError(error, signal)
        }
      },
      async write(message, signal) {
        try {
          const frame = encodeFrame(message, drawFrameBytes(message.length, bound, chance))
          await frames.write(frame.subarray(2), { signal })
        } catch (error) {
          throw codedError(error, signal)
        }
      },
      drawPartBytes: () => partBytesIn(drawFrameBytes(0, bound, chance)),
      nest: async (peerKey, signal) => await outbound(frames.unwrap(), peerKey, signal),
      splice: (next) => {
        if (link === null) throw new Error('only the session over a link can be spliced')
        pass(frames.unwrap(), next, link)
        pass(next, stream, next)
      },
    }
  }

  const outbound: SessionMaker['outbound'] = async (over, peerKey, signal) => {
    try {
      const secured = await encrypter(await generateKeyPair('Ed25519'), over).secureOutbound(over, {
        remotePeer: peerIdOfPeerKey(peerKey),
        skipStreamMuxerNegotiation: true,
        signal,
      })
      return sessionOf(secured.connection, null)
    } catch (error) {
      throw codedError(error, signal)
    }
  }

  return {
    outbound,
    async inbound(over, signal) {
      try {
        responder ??= encrypter(privateKey, over)
        const secured = await responder.secureInbound(over, {
          skipStreamMuxerNegotiation: true,
          signal,
        })
        // Whoever calls has a key of one use; of another kind there is no honest one.
        if (peerKeyOf(secured.remotePeer) === null) throw new Error('no Ed25519 key')
        return sessionOf(secured.connection, over)
      } catch (error) {
        const coded = codedError(error, signal)
        // The link stands and there was time: it is what came that was wrong.
        if (over.status !== 'open' || signal.aborted || coded.code === 'NET_TIMEOUT') throw coded
        throw new SecnodeError('NET_MALFORMED', `no handshake: ${coded.message}`, { cause: error })
      }
    },
  }
}

const codedError = (error: unknown, signal: AbortSignal): SecnodeError =>
  signal.aborted && signal.reason instanceof SecnodeError ? signal.reason : exchangeErrorOf(error)

/** One direction: what comes from `from` goes to `to`; `source` stops when `to` is full. */
const pass = (from: MessageStream, to: MessageStream, source: CellStream): void => {
  from.addEventListener('message', ({ data }) => {
    if (to.status !== 'open') return
    try {
      if (to.send(data)) return
      source.hold()
      to.addEventListener('drain', () => source.release(), { once: true })
    } catch (error) {
      // It closed in this very moment. What a listener throws would end the process.
      to.abort(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

const encodeLength = (length: number): Uint8Array => Uint8Array.of(length >>> 8, length & 0xff)

const decodeLength = (data: { byteLength: number; subarray(): Uint8Array }): number => {
  if (data.byteLength < 2) throw new RangeError('a length has two bytes')
  const bytes = data.subarray()
  return (bytes[0]! << 8) | bytes[1]!
}
encodeLength.bytes = 2
decodeLength.bytes = 2
