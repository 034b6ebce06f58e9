import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { type ErrorCode, SecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import { lengthWithin, maxPrefixBytes } from './guards/lengths.ts'

/**
 * One message each way on a stream of its own, each with its length before it. Both sides have a deadline, both close,
 * and whoever sees a fault aborts: no stream outlives its exchange. A refusal with a reason is a message like any
 * other, since a reset carries none.
 */
export interface AskOptions {
  maxResponseBytes: number
  /** Ends the exchange; what it means, timeout or not, is the caller's. */
  signal: AbortSignal
  world: Pick<World, 'setTimer'>
}

// A peer that has got its answer closes at once; one that does not is cut off.
const lingerMs = 1_000

/** The asking side. Rejects with whatever broke the exchange; see `exchangeErrorOf`. */
export const ask = async (stream: Stream, request: Uint8Array, options: AskOptions): Promise<Uint8Array> => {
  try {
    const { signal, world } = options
    limitBuffers(stream, options.maxResponseBytes, request.length)
    const messages = lpStream(stream, limitsOf(options.maxResponseBytes))
    // The answer may come before the whole request was taken: a node that is busy does not read it.
    const answered = messages.read({ signal })
    void send(stream, messages, request, signal)
    const response = await answered
    void linger(stream, world)
    return plainCopy(response.subarray())
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

/** Sends the request and closes this side. What breaks it breaks the reading of the answer too, which tells. */
const send = async (
  stream: Stream,
  messages: LengthPrefixedStream,
  request: Uint8Array,
  signal: AbortSignal,
): Promise<void> => {
  try {
    await messages.write(request, { signal })
    // Half-closed from here on: the other side's close ends the stream on both.
    await stream.close({ signal })
  } catch {
    // The reader hears it.
  }
}

type LengthPrefixedStream = ReturnType<typeof lpStream>

export interface AnswerOptions {
  maxRequestBytes: number
  maxResponseBytes: number
  world: Pick<World, 'setTimer'>
}

/** The answering side of one stream. Both calls reject with whatever broke the exchange; the caller aborts the stream. */
export interface Answering {
  /** Reads the request. `onLength` hears its length in bytes before the rest is waited for. */
  request(signal: AbortSignal, onLength?: (bytes: number) => void): Promise<Uint8Array>
  /** Done when the answer is sent. The stream closes within a second. */
  respond(response: Uint8Array, signal: AbortSignal): Promise<void>
}

export const answering = (stream: Stream, options: AnswerOptions): Answering => {
  const { maxRequestBytes, maxResponseBytes } = options
  let hear: (bytes: number) => void = () => undefined
  limitBuffers(stream, maxRequestBytes, maxResponseBytes)
  const messages = lpStream(stream, {
    ...limitsOf(maxRequestBytes),
    lengthDecoder: (bytes) => {
      const length = decodeLength(bytes)
      if (length <= maxRequestBytes) hear(length)
      return length
    },
  })
  return {
    request: async (signal, onLength) => {
      hear = onLength ?? hear
      const request = await messages.read({ signal })
      return plainCopy(request.subarray())
    },
    respond: async (response, signal) => {
      if (response.length > maxResponseBytes) {
        throw new Error(`an answer of ${response.length} bytes is over its own limit`)
      }
      await messages.write(response, { signal })
      await stream.close({ signal })
      // The place is free from here on: a peer that has its answer may ask again.
      void linger(stream, options.world)
    },
  }
}

/** A stable code for what broke an exchange on an open connection. */
export const exchangeErrorOf = (error: unknown): SecnodeError => {
  if (error instanceof SecnodeError) return error
  const name = error instanceof Error ? error.name : ''
  const [code, what] = kinds[name] ?? ['NET_CLOSED', 'the other side closed the stream']
  return new SecnodeError(code, `${what}: ${messageOf(error)}`, { cause: error })
}

const tooLarge = ['NET_TOO_LARGE', 'the answer is too large'] as const
const timedOut = ['NET_TIMEOUT', 'no answer in time'] as const

// Names of libp2p's errors. What is not here (reset, end of file, wrong state) all means that the stream is gone.
const kinds: Readonly<Record<string, readonly [code: ErrorCode, what: string]>> = {
  UnsupportedProtocolError: ['NET_PROTOCOL_UNSUPPORTED', 'the other side does not speak this protocol'],
  InvalidDataLengthError: tooLarge,
  InvalidDataLengthLengthError: tooLarge,
  HostileBytesError: tooLarge,
  InvalidMessageLengthError: tooLarge,
  StreamBufferError: tooLarge,
  TimeoutError: timedOut,
  AbortError: timedOut,
}

const prefixBytes = 8

const decodeLength = lengthWithin(maxPrefixBytes)

const limitsOf = (maxBytes: number) => ({
  lengthDecoder: decodeLength,
  maxDataLength: maxBytes,
  // All of the message may be there before it is read; more than that breaks the exchange.
  maxBufferSize: maxBytes + prefixBytes,
})

// Unset, writes are buffered without bound towards a peer that does not read.
const limitBuffers = (stream: Stream, maxReadBytes: number, maxWriteBytes: number): void => {
  stream.maxReadBufferLength = maxReadBytes + prefixBytes
  stream.maxWriteBufferLength = maxWriteBytes + prefixBytes
}

// What comes off the wire may be a view of a buffer that is shared with other messages.
const plainCopy = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

/** Waits for the other side's close, and aborts if it does not come. Never rejects. */
const linger = (stream: Stream, world: AskOptions['world']): Promise<void> =>
  new Promise((resolve) => {
    if (stream.status !== 'open' && stream.status !== 'closing') {
      resolve()
      return
    }
    const cancel = world.setTimer(lingerMs, () => {
      stream.abort(new Error('the other side did not close the stream'))
      resolve()
    })
    stream.addEventListener(
      'close',
      () => {
        cancel()
        resolve()
      },
      { once: true },
    )
  })
