import type {
  ConnectionEncrypter,
  MessageStream,
  MultiaddrConnection,
  PeerId,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { bytesToHex, type NetworkId } from '../../../protocol/index.ts'
import { peerKeyOf } from '../peer-address.ts'
import { sendWholePackets } from '../whole-packets.ts'
import { createEnvelopeInspector } from './envelope.ts'
import { createFrameInspector, dataType } from './frames.ts'
import { negotiationLengths } from './lengths.ts'
import { createSenders, type Sender, type Senders, type SendersOptions } from './senders.ts'
import { createStreamRules } from './stream-rules.ts'
import { createStreamGuard } from './streams.ts'

export interface GuardsOptions extends SendersOptions {
  networkId: NetworkId
  /** For the negotiation of a stream that another side opened. */
  negotiationTimeoutMs: number
}

/** What libp2p hands to the makers of its parts. */
export type Components = Parameters<NonNullable<Libp2pOptions['transports']>[number]>[0]

type Make<Part> = (components: Components) => Part

/**
 * Bounds for what libp2p itself does with bytes that come in, put around its parts: what each of them lacks stands in
 * docs/libraries.md, and that the bounds are there is tried before every start (rehearsal.ts).
 */
export interface Guards {
  /** The negotiation of protocols on connections, before anything is known of the other side. */
  upgrader(upgrader: Upgrader): void
  /** Who is at the other end of which connection; and its packets go out whole. */
  encrypter(make: Make<ConnectionEncrypter>): Make<ConnectionEncrypter>
  /** Packets and frames, streams, their negotiation, and messages of libp2p's own protocols. */
  muxer(make: Make<StreamMuxerFactory>): Make<StreamMuxerFactory>
  /** While it runs only protocols with rules are negotiated, and allowances and reports are the rehearsal's. */
  rehearse: Senders['rehearse']
}

/**
 * No data frame is longer than the window of its stream, which therefore stays what it is at first: 1 MB a second and stream
 * at a round trip of 250 ms.
 */
export const maxWindowBytes = 262_144

/** What carries an encrypted connection, and who is at the other end. */
interface Secured {
  raw: MessageStream
  /** Hex of its key. */
  peer: string | null
  address: string
}

export const createGuards = (options: GuardsOptions): Guards => {
  const senders = createSenders(options)
  const rules = createStreamRules(options.networkId)
  const streams = createStreamGuard({ ...options, rules })
  const secured = new WeakMap<MessageStream, Secured>()

  return {
    upgrader: (upgrader) => {
      // All options of an upgrade are handed on to the negotiation, which takes more than their type says.
      type Upgrade = (connection: MultiaddrConnection, options: never) => Promise<never>
      for (const name of ['upgradeInbound', 'upgradeOutbound'] as const) {
        const upgrade = upgrader[name].bind(upgrader) as Upgrade
        upgrader[name] = async (connection: MultiaddrConnection, given: object) => {
          const sender = senders.of(connection, null, connection.remoteAddr.toString())
          const bounded = { ...given, lengthDecoder: negotiationLengths(sender.end) }
          return await upgrade(connection, bounded as never)
        }
      }
    },
    encrypter: (make) => (components) => {
      const encrypter = make(components)
      for (const name of ['secureInbound', 'secureOutbound'] as const) {
        const secure = encrypter[name].bind(encrypter)
        encrypter[name] = async (raw, given) => {
          sendWholePackets(raw)
          const result = await secure(raw, given)
          const address = 'remoteAddr' in raw ? String(raw.remoteAddr) : ''
          secured.set(result.connection, { raw, peer: hexOf(result.remotePeer), address })
          return result
        }
      }
      return encrypter
    },
    muxer: (make) => (components) => {
      const factory = make(components)
      // Before any other part listens: identify opens a stream at once.
      components.events.addEventListener('connection:open', ({ detail: connection }) => {
        const { remotePeer, remoteAddr } = connection
        streams.ofConnection(connection, senders.of(connection, hexOf(remotePeer), remoteAddr.toString()))
      })
      const create = factory.createStreamMuxer.bind(factory)
      const protocols = () =>
        senders.isRehearsing() ? [...rules.keys()] : components.registrar.getProtocols()
      factory.createStreamMuxer = (connection) => {
        const { raw = null, peer = null, address = '' } = secured.get(connection) ?? {}
        const sender = senders.of(connection, peer, address)
        guardFrames(raw, connection, sender)
        const muxer = create(connection)
        streams.ofMuxer(muxer, sender, protocols)
        return muxer
      }
      return factory
    },
    rehearse: senders.rehearse,
  }
}

const guardFrames = (raw: MessageStream | null, connection: MessageStream, sender: Sender): void => {
  const envelope = createEnvelopeInspector(sender.charge)
  if (raw !== null) sender.watch(raw, envelope.inspect)
  const frames = createFrameInspector({ ...sender, maxDataBytes: maxWindowBytes })
  sender.watch(connection, (bytes) => {
    const held = frames.inspect(bytes)
    envelope.contains(held?.passes ?? bytes.byteLength)
    return held
  })
  const send = connection.send.bind(connection)
  connection.send = (bytes) => {
    // The muxer sends each frame by itself.
    const type = bytes instanceof Uint8Array ? bytes[1] : bytes.get(1)
    if (type === dataType) frames.sentData()
    return send(bytes)
  }
}

const hexOf = (peer: PeerId): string | null => {
  const key = peerKeyOf(peer)
  return key === null ? null : bytesToHex(key)
}
