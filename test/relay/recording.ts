import { noise } from '@chainsafe/libp2p-noise'
import { AbstractMessageStream } from '@libp2p/utils'
import { vi } from 'vitest'
import { concatBytes } from '../../protocol/index.ts'
import { CellStream } from '../../src/net/cell-stream.ts'

/** Everything that one stream was told to send, and that came in on it. */
export interface Recorded {
  stream: AbstractMessageStream
  sent: Uint8Array[]
  received: Uint8Array[]
}

export interface Recording extends Disposable {
  /** Streams of libp2p on the relay's protocol, from the moment that it was agreed on; the pieces are writes and reads. */
  wire(): Recorded[]
  /** Links, in the order in which they were made. */
  links(): Recorded[]
  /** The session over this link, and what was said inside; undefined at a hop that has not got so far. */
  sessionOver(link: Recorded): Recorded | undefined
  /** What clients show hops in the handshakes of sessions: identity and static key, two for each handshake, in order. */
  clientKeys(): Uint8Array[]
}

interface Bytes {
  subarray(): Uint8Array
}

/**
 * Records every stream of this process at its roots, with nothing of it in the code under test: bytes on the wire below the
 * cells, payloads of cells, and plaintext above each Noise session.
 */
export const recordStreams = (): Recording => {
  const records = new Map<AbstractMessageStream, Recorded>()
  const recordOf = (stream: AbstractMessageStream): Recorded => {
    let found = records.get(stream)
    if (found === undefined) records.set(stream, (found = { stream, sent: [], received: [] }))
    return found
  }
  const isRelevant = (stream: AbstractMessageStream): boolean =>
    'protocol' in stream ? String(stream.protocol).endsWith('/relay/1') : rootOf(stream) !== null
  const note = (stream: AbstractMessageStream, what: 'sent' | 'received', data: Bytes): void => {
    if (isRelevant(stream)) recordOf(stream)[what].push(data.subarray().slice())
  }
  type Method = (this: AbstractMessageStream, data: Bytes) => unknown
  const send = Reflect.get(AbstractMessageStream.prototype, 'send') as Method
  const onData = Reflect.get(AbstractMessageStream.prototype, 'onData') as Method
  const clientKeys: Uint8Array[] = []
  const secureOutbound = Reflect.get(noisePrototype, 'secureOutbound') as Encrypter['secureOutbound']
  const spies = [
    vi.spyOn(noisePrototype, 'secureOutbound').mockImplementation(function (
      this: Encrypter,
      stream,
      options,
    ) {
      if (rootOf(stream) !== null) {
        clientKeys.push(this.components.privateKey.publicKey.raw, this.staticKey.publicKey)
      }
      return secureOutbound.call(this, stream, options)
    }),
    vi.spyOn(AbstractMessageStream.prototype, 'send').mockImplementation(function (
      this: AbstractMessageStream,
      data,
    ) {
      note(this, 'sent', data)
      return send.call(this, data) as boolean
    }),
    vi.spyOn(AbstractMessageStream.prototype, 'onData').mockImplementation(function (
      this: AbstractMessageStream,
      data,
    ) {
      note(this, 'received', data)
      onData.call(this, data)
    }),
  ]
  return {
    wire: () => [...records.values()].filter(({ stream }) => 'protocol' in stream),
    links: () => [...records.values()].filter(({ stream }) => stream instanceof CellStream),
    sessionOver: (link) => [...records.values()].find(({ stream }) => underOf(stream) === link.stream),
    clientKeys: () => [...clientKeys],
    [Symbol.dispose]: () => spies.forEach((spy) => spy.mockRestore()),
  }
}

/** As much of libp2p's Noise as is looked at. */
interface Encrypter {
  components: { privateKey: { publicKey: { raw: Uint8Array } } }
  staticKey: { publicKey: Uint8Array }
  secureOutbound(this: Encrypter, stream: AbstractMessageStream, options: unknown): Promise<unknown>
}
const noisePrototype = Object.getPrototypeOf(
  noise()({ logger: { forComponent: () => undefined } } as never),
) as Encrypter

/** What a session of Noise runs over. */
const underOf = (stream: object): unknown => ('stream' in stream ? stream.stream : undefined)

/** The link at the bottom of nested sessions; null for streams that are none of ours. */
const rootOf = (stream: AbstractMessageStream): CellStream | null => {
  let at: unknown = stream
  while (typeof at === 'object' && at !== null) {
    if (at instanceof CellStream) return at
    at = underOf(at)
  }
  return null
}

/** All bytes of some records, with something between them that joins no two. */
export const bytesOf = (...records: readonly (Recorded | undefined)[]): Buffer =>
  Buffer.concat(
    records
      .filter((record) => record !== undefined)
      .flatMap(({ sent, received }) => [concatBytes(...sent), Buffer.alloc(64), concatBytes(...received)]),
  )
