import type { Connection, Stream, StreamMuxer } from '@libp2p/interface'
import { handle as negotiate, type MultistreamSelectInit } from '@libp2p/multistream-select'
import { createDeadline } from '../../async/deadline.ts'
import type { World } from '../../world.ts'
import { HostileBytesError } from './hostile.ts'
import { negotiationLengths } from './lengths.ts'
import type { Sender } from './senders.ts'
import { inspectorOf, type RulesByProtocol } from './stream-rules.ts'

export interface StreamGuardOptions {
  rules: RulesByProtocol
  negotiationTimeoutMs: number
  world: World
}

export interface StreamGuard {
  /** Of streams that the other side opens: their negotiation, then what their protocols bring. */
  ofMuxer(muxer: StreamMuxer, sender: Sender, protocols: () => string[]): void
  /** Of streams that this side opens. */
  ofConnection(connection: Connection, sender: Sender): void
}

export const createStreamGuard = (options: StreamGuardOptions): StreamGuard => {
  const { rules, negotiationTimeoutMs, world } = options

  const guard = (stream: Stream, sender: Sender): void => {
    // Our own protocols find an endless length themselves (exchange.ts).
    stream.addEventListener('close', ({ error }) => {
      if (error instanceof HostileBytesError) sender.end(error)
    })
    const rule = rules.get(stream.protocol)?.[stream.direction]
    if (rule === undefined) return
    stream.maxReadBufferLength = rule.maxUnreadBytes
    const inspect = inspectorOf(rule, sender.charge)
    if (inspect !== null) sender.watch(stream, inspect)
    if (rule.maxSentBytes !== undefined) boundSending(stream, rule.maxSentBytes)
  }

  /** Whether a protocol was agreed upon. libp2p negotiates no stream whose protocol its muxer knows already. */
  const isAgreed = async (stream: Stream, sender: Sender, protocols: string[]): Promise<boolean> => {
    using deadline = createDeadline(world, negotiationTimeoutMs)
    try {
      stream.protocol = await negotiate<Stream>(stream, protocols, {
        signal: deadline.signal,
        lengthDecoder: negotiationLengths(sender.end),
      })
      guard(stream, sender)
      return true
    } catch (error) {
      if (stream.status === 'reset' && !sender.takeReset()) {
        sender.end(new HostileBytesError('reset storm', 'streams opened only to be reset'))
      }
      stream.abort(error as Error)
      return false
    }
  }

  return {
    ofMuxer: (muxer, sender, protocols) => {
      const deliver = muxer.dispatchEvent.bind(muxer)
      const deliverAgreed = async (event: CustomEvent<Stream>): Promise<void> => {
        if (await isAgreed(event.detail, sender, protocols())) deliver(event)
      }
      muxer.dispatchEvent = (event) => {
        if (event.type !== 'stream') return deliver(event)
        void deliverAgreed(event as CustomEvent<Stream>)
        return true
      }
    },
    ofConnection: (connection, sender) => {
      const open = connection.newStream.bind(connection)
      connection.newStream = async (protocols, given) => {
        const bounded: typeof given & MultistreamSelectInit = {
          ...given,
          lengthDecoder: negotiationLengths(sender.end),
        }
        const stream = await open(protocols, bounded)
        guard(stream, sender)
        return stream
      }
    },
  }
}

const boundSending = (stream: Stream, maxBytes: number): void => {
  const send = stream.send.bind(stream)
  stream.send = (bytes) => {
    if (bytes.byteLength > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`)
    return send(bytes)
  }
}
