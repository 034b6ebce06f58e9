import type {
  Connection,
  ConnectionEncrypter,
  MessageStream,
  MultiaddrConnection,
  PeerId,
  Stream,
  StreamMuxer,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface'
import { handle as negotiate, type MultistreamSelectInit } from '@libp2p/multistream-select'
import type { Libp2pOptions } from 'libp2p'
import { bytesToHex, type NetworkId } from '../../../protocol/index.ts'
import { createAllowance } from '../../async/allowance.ts'
import { createDeadline } from '../../async/deadline.ts'
import type { World } from '../../world.ts'
import { peerKeyOf } from '../peer-address.ts'
import { createEnvelopeInspector } from './envelope.ts'
import { createFrameInspector, dataType } from './frames.ts'
import { HostileBytesError, type HostileSign } from './hostile.ts'
import { negotiationLengths } from './lengths.ts'
import { createStreamRules, inspectorOf } from './stream-rules.ts'
import { type Inspector, watch } from './watch.ts'
import { createWork } from './work.ts'

export interface GuardsOptions {
  networkId: NetworkId
  /** For the negotiation of a stream that another side opened. */
  negotiationTimeoutMs: number
  isRegistered: (peer: string) => boolean
  /**
   * A peer (hex of its key) sent what no honest one sends, and its connection is over. Null before it has proved who it is.
   */
  onHostile: (peer: string | null, sign: HostileSign, detail: { address: string; message: string }) => void
  /** A peer is read from more slowly for some moments. */
  onWait: (isRegistered: boolean) => void
  world: World
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
  /** Who is at the other end of which connection, and packets without content. */
  encrypter(make: Make<ConnectionEncrypter>): Make<ConnectionEncrypter>
  /** Frames, streams, their negotiation, and messages of libp2p's own protocols. */
  muxer(make: Make<StreamMuxerFactory>): Make<StreamMuxerFactory>
  /**
   * While it runs the allowances are new and tiny, only protocols with rules are negotiated, and what is found is reported to
   * the rehearsal alone.
   */
  rehearse(run: () => Promise<void>, onHostile: GuardsOptions['onHostile']): Promise<void>
}

/** So long data frames can be at most: one window. 2 MB a second and stream at a round trip of 250 ms. */
export const maxWindowBytes = 524_288

/**
 * By peer. Frames that answer nothing: a ping each half minute, and what races with the end of a stream. Streams that the
 * peer reset before their protocol was agreed upon: lookups that ended while their questions were under way.
 */
const createAllowances = (world: World, burst = 256) => {
  const limits = { burst, everyMs: 1_000 / 16, maxNames: 4_096 }
  return {
    work: createWork(world, burst / 256),
    unaskedFrames: createAllowance(limits, world),
    earlyResets: createAllowance(limits, world),
  }
}

/** What is at the other end of an encrypted connection, and what carries it. */
interface Secured {
  raw: MessageStream
  peer: string | null
  address: string
}

interface Sender {
  /** Hex of its key. */
  peer: string | null
  /** Of its allowances. */
  name: string
  address: string
  /** Ends the connection, and reports it once. */
  end: (error: HostileBytesError) => void
}

export const createGuards = (options: GuardsOptions): Guards => {
  const { isRegistered, world } = options
  const rules = createStreamRules(options.networkId)
  const secured = new WeakMap<MessageStream, Secured>()
  let allowances = createAllowances(world)
  let rehearsal: GuardsOptions['onHostile'] | null = null

  const createSender = (
    connection: Pick<MessageStream, 'abort'>,
    peer: string | null,
    address: string,
  ): Sender => {
    let hasEnded = false
    return {
      peer,
      name: peer ?? address,
      address,
      end: (error) => {
        if (hasEnded) return
        hasEnded = true
        connection.abort(error)
        const report = rehearsal ?? options.onHostile
        report(peer, error.sign, { address, message: error.message })
      },
    }
  }

  const watchFor = (sender: Sender, stream: MessageStream, inspect: Inspector): void =>
    watch(stream, {
      inspect,
      pay: (units) => pay(sender, units),
      onHostile: sender.end,
      onWait: () => rehearsal ?? options.onWait(isKnown(sender)),
      world,
    })
  const isKnown = ({ peer }: Sender): boolean => peer !== null && isRegistered(peer)
  const pay = (sender: Sender, units: number): boolean =>
    allowances.work.pay(sender.name, isKnown(sender), units)
  const chargeOf =
    (sender: Sender) =>
    (units: number): number =>
      pay(sender, units) ? 0 : units

  const guardStream = (stream: Stream, sender: Sender): void => {
    // Our own protocols find an endless length themselves (exchange.ts).
    stream.addEventListener('close', ({ error }) => {
      if (error instanceof HostileBytesError) sender.end(error)
    })
    const rule = rules.get(stream.protocol)?.[stream.direction]
    if (rule === undefined) return
    stream.maxReadBufferLength = rule.maxUnreadBytes
    const inspect = inspectorOf(rule, chargeOf(sender))
    if (inspect !== null) watchFor(sender, stream, inspect)
    if (rule.maxSentBytes !== undefined) boundSending(stream, rule.maxSentBytes)
  }

  /** libp2p negotiates no stream whose protocol its muxer knows already. */
  const negotiateStream = async (stream: Stream, sender: Sender, protocols: string[]): Promise<boolean> => {
    using deadline = createDeadline(world, options.negotiationTimeoutMs)
    try {
      stream.protocol = await negotiate<Stream>(stream, protocols, {
        signal: deadline.signal,
        lengthDecoder: negotiationLengths(sender.end),
      })
      guardStream(stream, sender)
      return true
    } catch (error) {
      if (stream.status === 'reset' && !allowances.earlyResets.take(sender.name)) {
        sender.end(new HostileBytesError('reset storm', 'streams opened only to be reset'))
      }
      stream.abort(error as Error)
      return false
    }
  }

  const guardFrames = (
    connection: MessageStream,
    sender: Sender,
    onContent: (bytes: number) => void,
  ): void => {
    const frames = createFrameInspector({
      maxDataBytes: maxWindowBytes,
      charge: chargeOf(sender),
      takeUnasked: () => allowances.unaskedFrames.take(sender.name),
    })
    watchFor(sender, connection, (bytes) => {
      const inspection = frames.inspect(bytes)
      onContent(inspection.passes)
      return inspection
    })
    const send = connection.send.bind(connection)
    connection.send = (bytes) => {
      // The muxer sends each frame by itself.
      const type = bytes instanceof Uint8Array ? bytes[1] : bytes.get(1)
      if (type === dataType) frames.sentData()
      return send(bytes)
    }
  }

  const guardStreams = (muxer: StreamMuxer, sender: Sender, protocols: () => string[]): void => {
    const deliver = muxer.dispatchEvent.bind(muxer)
    muxer.dispatchEvent = (event) => {
      if (event.type !== 'stream') return deliver(event)
      const { detail: stream } = event as CustomEvent<Stream>
      void negotiateStream(stream, sender, protocols()).then((isAgreed) => isAgreed && deliver(event))
      return true
    }
  }

  const guardOpening = (connection: Connection): void => {
    const { remotePeer, remoteAddr } = connection
    const sender = createSender(connection, hexOf(remotePeer), remoteAddr.toString())
    const open = connection.newStream.bind(connection)
    connection.newStream = async (protocols, given) => {
      const bounded: typeof given & MultistreamSelectInit = {
        ...given,
        lengthDecoder: negotiationLengths(sender.end),
      }
      const stream = await open(protocols, bounded)
      guardStream(stream, sender)
      return stream
    }
  }

  return {
    upgrader: (upgrader) => {
      type Upgrade = (connection: MultiaddrConnection, options: never) => Promise<never>
      for (const name of ['upgradeInbound', 'upgradeOutbound'] as const) {
        const upgrade = upgrader[name].bind(upgrader) as Upgrade
        upgrader[name] = async (connection: MultiaddrConnection, given: object) => {
          const sender = createSender(connection, null, connection.remoteAddr.toString())
          return await upgrade(connection, {
            ...given,
            lengthDecoder: negotiationLengths(sender.end),
          } as never)
        }
      }
    },
    encrypter: (make) => (components) => {
      const encrypter = make(components)
      for (const name of ['secureInbound', 'secureOutbound'] as const) {
        const secure = encrypter[name].bind(encrypter)
        encrypter[name] = async (connection, given) => {
          const result = await secure(connection, given)
          const address = 'remoteAddr' in connection ? String(connection.remoteAddr) : ''
          secured.set(result.connection, { raw: connection, peer: hexOf(result.remotePeer), address })
          return result
        }
      }
      return encrypter
    },
    muxer: (make) => (components) => {
      const factory = make(components)
      // Before any other part listens: identify opens a stream at once.
      components.events.addEventListener('connection:open', ({ detail }) => guardOpening(detail))
      const create = factory.createStreamMuxer.bind(factory)
      factory.createStreamMuxer = (connection) => {
        const { raw = null, peer = null, address = '' } = secured.get(connection) ?? {}
        const sender = createSender(connection, peer, address)
        const envelope = createEnvelopeInspector(chargeOf(sender))
        if (raw !== null) watchFor(sender, raw, envelope.inspect)
        guardFrames(connection, sender, envelope.contains)
        const muxer = create(connection)
        const protocols = () => (rehearsal !== null ? [...rules.keys()] : components.registrar.getProtocols())
        guardStreams(muxer, sender, protocols)
        return muxer
      }
      return factory
    },
    rehearse: async (run, onHostile) => {
      const real = allowances
      allowances = createAllowances(world, rehearsalBurst)
      rehearsal = onHostile
      try {
        await run()
      } finally {
        rehearsal = null
        allowances = real
      }
    },
  }
}

const hexOf = (peer: PeerId): string | null => {
  const key = peerKeyOf(peer)
  return key === null ? null : bytesToHex(key)
}

/** Used up by a few frames. */
const rehearsalBurst = 4

const boundSending = (stream: Stream, maxBytes: number): void => {
  const send = stream.send.bind(stream)
  stream.send = (bytes) => {
    if (bytes.byteLength > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`)
    return send(bytes)
  }
}
