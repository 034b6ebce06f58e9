import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type {
  ComponentLogger,
  Connection,
  Logger,
  MessageStream,
  MultiaddrConnection,
  Upgrader,
} from '@libp2p/interface'
import { handle, select } from '@libp2p/multistream-select'
import type { CID } from 'multiformats/cid'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { concatBytes, utf8ToBytes } from '../../protocol/index.ts'
import { addressOfMultiaddr, multiaddrOf, type PeerAddress } from '../../src/net/peer-address.ts'
import { until } from './local-hosts.ts'

/** A connection of which a test says every byte, in the form that it has reached. */
export interface HostileConnection {
  /** TCP. */
  raw: MultiaddrConnection
  /** What is sent on it is deciphered by the other side and read by its muxer. */
  frames: MessageStream
  peerKey: Uint8Array
}

const log: Logger = Object.assign(() => undefined, {
  error: () => undefined,
  trace: () => undefined,
  enabled: false,
  newScope: () => log,
})
const logger: ComponentLogger = { forComponent: () => log }

const muxerName = '/yamux/1.0.0'

/** TCP from a loopback address of one's own, and nothing else. */
export const dialRaw = async (to: PeerAddress, from: string): Promise<MultiaddrConnection> => {
  const transport = tcp({ dialOpts: { localAddress: from } as object })({ logger })
  const dialled = Promise.withResolvers<MultiaddrConnection>()
  const upgrader = upgraderWith((connection) => dialled.resolve(connection))
  await transport.dial(multiaddrOf(to), { upgrader, signal: AbortSignal.timeout(60_000) })
  return await dialled.promise
}

/** An endpoint that hands over every connection as it comes. */
export const listenRaw = async (address: string, onConnection: (connection: MultiaddrConnection) => void) => {
  const transport = tcp()({ logger })
  const listener = transport.createListener({ upgrader: upgraderWith(onConnection) })
  await listener.listen(multiaddrOf({ ip: address, port: 0 }))
  return {
    address: addressOfMultiaddr(listener.getAddrs()[0]!)!,
    [Symbol.asyncDispose]: () => listener.close(),
  }
}

const upgraderWith = (take: (connection: MultiaddrConnection) => void): Upgrader =>
  ({
    upgradeInbound: async (connection: MultiaddrConnection) => take(connection),
    upgradeOutbound: async (connection: MultiaddrConnection) => {
      take(connection)
      return connection as unknown as Connection
    },
  }) as unknown as Upgrader

const createIdentity = async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const encrypter = noise()({
    privateKey,
    peerId: peerIdFromPrivateKey(privateKey),
    logger,
    upgrader: { getStreamMuxers: () => new Map() } as unknown as Upgrader,
  })
  return { encrypter, peerKey: privateKey.publicKey.raw }
}

const options = { skipStreamMuxerNegotiation: true, signal: AbortSignal.timeout(3_600_000) }

/** As an honest peer up to the point where the muxer begins, or where it is agreed upon. */
export const dialFrames = async (
  to: PeerAddress,
  from: string,
  { isAgreed = true } = {},
): Promise<HostileConnection> => {
  const { encrypter, peerKey } = await createIdentity()
  const raw = await dialRaw(to, from)
  await select(raw, '/noise', options)
  const { connection: frames } = await encrypter.secureOutbound(raw, options)
  if (isAgreed) await select(frames as MultiaddrConnection, muxerName, options)
  // Unread, what comes in would be kept, and end the connection in the end.
  frames.addEventListener('message', () => undefined)
  return { raw, frames, peerKey }
}

/** Peers that are dialled, and behave until the muxer begins. */
export const listenFrames = async (
  address: string,
  onConnection: (connection: HostileConnection) => void,
) => {
  const { encrypter, peerKey } = await createIdentity()
  const take = async (raw: MultiaddrConnection): Promise<void> => {
    await handle(raw, ['/noise'], options)
    const { connection: frames } = await encrypter.secureInbound(raw, options)
    await handle(frames as MultiaddrConnection, [muxerName], options)
    onConnection({ raw, frames, peerKey })
  }
  const listener = await listenRaw(address, (raw) => void take(raw).catch((error: Error) => raw.abort(error)))
  return { ...listener, peerKey }
}

/** A packet of Noise that holds nothing; each is enciphered for itself, as they are counted. */
export const emptyPacket = (frames: MessageStream): Uint8Array => {
  const { handshake } = frames as unknown as {
    handshake: { encrypt(content: Uint8Array): { subarray(): Uint8Array } }
  }
  const tag = handshake.encrypt(new Uint8Array()).subarray()
  return concatBytes(Uint8Array.of(0, tag.length), tag)
}

/** As negotiations are written: texts with their length in front. */
export const proposals = (...texts: readonly string[]): Uint8Array =>
  concatBytes(...texts.map((text) => concatBytes(varint(text.length + 1), utf8ToBytes(`${text}\n`))))

export const header = '/multistream/1.0.0'

export const varint = (value: number): Uint8Array => {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  return Uint8Array.of(...bytes, rest)
}

/** A prefix that never ends. */
export const endless = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xff)

export const data = 0
export const update = 1
export const ping = 2
export const goAway = 3
export const syn = 1
export const fin = 4
export const rst = 8

/** A yamux frame with its payload; without one, `length` says what a header claims. */
export const frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array | number = 0,
): Uint8Array => {
  const head = new DataView(new ArrayBuffer(12))
  head.setUint8(1, type)
  head.setUint16(2, flags)
  head.setUint32(4, stream)
  head.setUint32(8, typeof payload === 'number' ? payload : payload.length)
  const bytes = new Uint8Array(head.buffer)
  return typeof payload === 'number' ? bytes : concatBytes(bytes, payload)
}

/**
 * Sends the same bytes until `most` of them are sent or the other side has ended the connection, never more than the sockets
 * take; gives how many were sent.
 */
export const pour = async (connection: MessageStream, bytes: Uint8Array, most: number): Promise<number> => {
  let sent = 0
  while (sent < most && connection.status === 'open') {
    try {
      const isFull = !connection.send(bytes)
      sent += bytes.length
      if (isFull) await until(() => !connection.writableNeedsDrain || connection.status !== 'open')
      else await new Promise((resolve) => setImmediate(resolve))
    } catch {
      break
    }
  }
  return sent
}

/** A field of protobuf that holds bytes. */
const field = (number: number, bytes: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(8 * number + 2), varint(bytes.length), bytes)
const withLength = (bytes: Uint8Array): Uint8Array => concatBytes(varint(bytes.length), bytes)
/** The multihash that a peer id of an Ed25519 key is. */
const peerIdBytes = (key: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(0, 36, 8, 1, 18, 32), key)

/** FIND_NODE for a key that nobody has. */
export const lookup = withLength(
  concatBytes(Uint8Array.of(0x08, 4), field(2, peerIdBytes(new Uint8Array(32).fill(7)))),
)

/** ADD_PROVIDER: this peer provides the content, at ports 1,000 and up of an address. */
export const provision = (content: CID, peerKey: Uint8Array, ip: string, addresses: number): Uint8Array => {
  const peer = [field(1, peerIdBytes(peerKey))]
  for (let i = 0; i < addresses; i++) peer.push(field(2, multiaddrOf({ ip, port: 1_000 + i }).bytes))
  return withLength(
    concatBytes(Uint8Array.of(0x08, 2), field(2, content.bytes), field(9, concatBytes(...peer))),
  )
}
