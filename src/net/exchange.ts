import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { SecnodeError, messageOf } from '../errors.ts'
import { unlessAborted } from '../async/abort.ts'

/**
 * One message each way on a stream of its own, each with its length before it. Both sides have a deadline, both close,
 * and whoever sees a fault aborts: no stream outlives its exchange. A refusal with a reason is a message like any
 * other, since a reset carries none.
 */
export interface AskOptions {
  maxResponseBytes: number
  /** Ends the exchange; what it means, timeout or not, is the caller's. */
  signal: AbortSignal
}

// A peer that has got its answer closes at once; one that does not is cut off.
const lingerMs = 1_000

/** The asking side. Rejects with whatever broke the exchange; see `exchangeErrorOf`. */
export const ask = async (stream: Stream, request: Uint8Array, options: AskOptions): Promise<Uint8Array> => {
  try {
    const { signal } = options
    limitBuffers(stream, options.maxResponseBytes, request.length)
    const messages = lpStream(stream, limitsOf(options.maxResponseBytes))
    await messages.write(request, { signal })
    // Half-closed from here on: the other side's close ends the stream on both.
    await stream.close({ signal })
    const response = await messages.read({ signal })
    void linger(stream)
    return plainCopy(response.subarray())
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

export interface AnswerOptions {
  maxRequestBytes: number
  maxResponseBytes: number
  signal: AbortSignal
}

/** The answering side. Done when the answer is sent, or the stream aborted. */
export const answer = async (
  stream: Stream,
  options: AnswerOptions,
  handler: (request: Uint8Array) => Promise<Uint8Array>,
): Promise<void> => {
  try {
    const { signal } = options
    limitBuffers(stream, options.maxRequestBytes, options.maxResponseBytes)
    const messages = lpStream(stream, limitsOf(options.maxRequestBytes))
    const request = await messages.read({ signal })
    // A handler that does not heed the signal loses its place all the same.
    const response = await unlessAborted(handler(plainCopy(request.subarray())), signal, reasonOf)
    if (response.length > options.maxResponseBytes) {
      throw new Error(`an answer of ${response.length} bytes is over its own limit`)
    }
    await messages.write(response, { signal })
    await stream.close({ signal })
    // The place is free from here on: whoever has his answer may ask again.
    void linger(stream)
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
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
const kinds: Readonly<Record<string, readonly [code: string, what: string]>> = {
  UnsupportedProtocolError: ['NET_PROTOCOL_UNSUPPORTED', 'the other side does not speak this protocol'],
  InvalidDataLengthError: tooLarge,
  InvalidDataLengthLengthError: tooLarge,
  InvalidMessageLengthError: tooLarge,
  StreamBufferError: tooLarge,
  TimeoutError: timedOut,
  AbortError: timedOut,
}

const prefixBytes = 8

const limitsOf = (maxBytes: number) => ({
  maxDataLength: maxBytes,
  // All of the message may be there before it is read; more than that breaks the exchange.
  maxBufferSize: maxBytes + prefixBytes,
})

// Unset, writes are buffered without bound towards a peer that does not read.
const limitBuffers = (stream: Stream, maxReadBytes: number, maxWriteBytes: number): void => {
  stream.maxReadBufferLength = maxReadBytes + prefixBytes
  stream.maxWriteBufferLength = maxWriteBytes + prefixBytes
}

const reasonOf = (signal: AbortSignal): Error => signal.reason as Error

// What comes off the wire may be a view of a buffer that is shared with other messages.
const plainCopy = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes)

/** Waits for the other side's close, and aborts if it does not come. Never rejects. */
const linger = (stream: Stream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.status !== 'open' && stream.status !== 'closing') {
      resolve()
      return
    }
    const timer = setTimeout(() => {
      stream.abort(new Error('the other side did not close the stream'))
      resolve()
    }, lingerMs)
    timer.unref()
    stream.addEventListener(
      'close',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
