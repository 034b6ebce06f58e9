import { RPC } from '@libp2p/gossipsub/message'
import type { Connection, PrivateKey, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddrOf, type PeerAddress } from '../../src/net/peer-address.ts'
import { type LocalHost, topics } from './local-hosts.ts'
import { type RawPeer, startRawPeer } from './raw-peer.ts'

export const gossipProtocol = '/meshsub/1.2.0'
export const topic = topics[0]!.name

/** A peer that speaks gossip without a router: it sends whatever RPCs a test likes. */
export interface GossipPeer extends AsyncDisposable, Pick<RawPeer, 'node' | 'peerKey'> {
  peerId: string
  /** Connects and opens a stream; again, if it was cut off. */
  join(victim: LocalHost): Promise<void>
  send(rpc: Partial<RPC>): Promise<void>
  /** One packet, whatever is in it. */
  sendPacket(bytes: Uint8Array): Promise<void>
  sendBytes(bytes: Uint8Array): void
  isConnected(): boolean
  /** Of the stream that it sends on. */
  isStreamOpen(): boolean
  leave(): Promise<void>
  /** What the other side sent, in order. */
  received: RPC[]
  /** Stops or goes on reading what comes. */
  setReading(isReading: boolean): void
}

export const startGossipPeer = async (address: string, privateKey?: PrivateKey): Promise<GossipPeer> => {
  const raw = await startRawPeer(address, privateKey)
  const received: RPC[] = []
  const incoming = new Set<Stream>()
  let isReading = true
  let connection: Connection | null = null
  let stream: Stream | null = null
  let packets: ReturnType<typeof lpStream> | null = null

  const read = async (from: Stream): Promise<void> => {
    const incomingPackets = lpStream(from, { maxDataLength: 1_048_576 })
    for (;;) received.push(RPC.decode(await incomingPackets.read()))
  }
  await raw.node.handle(gossipProtocol, (opened) => {
    incoming.add(opened)
    if (!isReading) opened.pause()
    read(opened).catch(() => incoming.delete(opened))
  })

  const isConnected = (): boolean => connection?.status === 'open'
  return {
    node: raw.node,
    peerKey: raw.peerKey,
    peerId: raw.node.peerId.toString(),
    received,
    isConnected,
    isStreamOpen: () => stream?.status === 'open',
    join: async (victim) => {
      const target: PeerAddress = victim.target().address!
      if (connection?.status !== 'open') connection = await raw.node.dial(multiaddrOf(target))
      stream = await connection.newStream(gossipProtocol)
      packets = lpStream(stream)
    },
    send: async (rpc) => packets!.write(RPC.encode({ subscriptions: [], messages: [], ...rpc })),
    sendPacket: async (bytes) => packets!.write(bytes),
    sendBytes: (bytes) => void stream!.send(bytes),
    leave: async () => {
      await connection?.close()
    },
    setReading: (reads) => {
      isReading = reads
      for (const opened of incoming) {
        if (reads) opened.resume()
        else opened.pause()
      }
    },
    [Symbol.asyncDispose]: () => raw[Symbol.asyncDispose](),
  }
}

const encoder = new TextEncoder()
/** Bytes that begin with the name; distinct for distinct names of at most so many bytes. */
const bytesOf = (length: number, ...name: readonly (string | number)[]): Uint8Array => {
  const bytes = new Uint8Array(length)
  encoder.encodeInto(name.join('/'), bytes)
  return bytes
}

/** As long as an attestation; the first byte says what the validators of these tests make of it. */
export const junk = (kind: number, ...name: readonly (string | number)[]): Uint8Array => {
  const data = bytesOf(215, '-', ...name)
  data[0] = kind
  return data
}

export const messagesOf = (
  kind: number,
  count: number,
  ...name: readonly (string | number)[]
): RPC.Message[] => Array.from({ length: count }, (_, i) => ({ topic, data: junk(kind, ...name, i) }))

export const control = (what: Partial<RPC.ControlMessage>): Partial<RPC> => ({
  control: { ihave: [], iwant: [], graft: [], prune: [], idontwant: [], ...what },
})

export const idsOf = (count: number, name: string | number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => bytesOf(32, name, i))

export const subscribed: Partial<RPC> = { subscriptions: [{ topic, subscribe: true }] }
