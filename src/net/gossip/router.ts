import type { GossipSub } from '@libp2p/gossipsub'
import type { RPC } from '@libp2p/gossipsub/message'
import type { Connection, MessageStream, PeerId, Stream } from '@libp2p/interface'
import { SecnodeError } from '../../errors.ts'

/** The router has more than its published type says. */
export interface GossipRouter extends GossipSub {
  /** Peer ids of those that pass messages of the topic on to us, and we to them. */
  getMeshPeers(topic: string): string[]
  /** By peer id. */
  getScore(peerId: string): number
  /** Once a second by itself. */
  heartbeat(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** What the router remembers of a peer's conduct, by peer id. */
export interface PeerStats {
  connected: boolean
  expire: number
  behaviourPenalty: number
  knownIPs: Set<string>
  topics: Record<string, { invalidMessageDeliveries: number }>
}

/** What the guard (guard.ts) takes the place of, or reads. None of it is promised by the library: see rehearsal.ts. */
export interface RouterParts {
  readonly peers: ReadonlyMap<string, PeerId>
  readonly streamsInbound: Map<string, unknown>
  readonly streamsOutbound: Map<string, { rawStream: MessageStream }>
  readonly mesh: Map<string, Set<string>>
  readonly topics: Map<string, Set<string>>
  readonly backoff: Map<string, Map<string, number>>
  readonly control: Map<string, unknown>
  readonly gossip: Map<string, unknown>
  readonly outbound: Map<string, unknown>
  readonly peerTopicBytes: Map<string, unknown>
  readonly acceptFromWhitelist: Map<string, unknown>
  readonly idontwants: Map<string, ReadonlyMap<string, unknown>>
  readonly idontwantCounts: Map<string, unknown>
  readonly gossipTracer: { size: number }
  seenCache: {
    has(id: string): boolean
    put(id: string): boolean
    prune(): void
    clear(): void
    size: number
  }
  readonly mcache: {
    readonly size: number
    put(id: { msgIdStr: string }, message: RPC.Message, isValidated?: boolean): boolean
  }
  readonly score: {
    readonly peerStats: Map<string, PeerStats>
    readonly scoreCache: Map<string, unknown>
    readonly peerIPs: ReadonlyMap<string, ReadonlySet<string>>
    readonly deliveryRecords: DeliveryRecords
    addPeer(id: string): void
    removePeer(id: string): void
    removeIP(id: string, ip: string): void
  }
  readonly components: { connectionManager: { getConnections(peer: PeerId): Connection[] } }
  /** To the library's own log. */
  readonly log: (error: unknown) => void
  decodeRpc(bytes: Uint8Array): RPC
  pipePeerReadStream(peer: PeerId, packets: AsyncIterable<Packet>): Promise<void>
  handleReceivedRpc(from: PeerId, rpc: RPC): Promise<void>
  handlePeerReadStreamError(error: Error, peer: PeerId): void
  onIncomingStream(stream: Stream, connection: Connection): void
  createOutboundStream(peer: PeerId, connection: Connection): Promise<void>
  removePeer(peer: PeerId): void
  handleIHave(id: string, ihave: RPC.ControlIHave[]): RPC.ControlIWant[]
  handleIWant(id: string, iwant: RPC.ControlIWant[]): RPC.Message[]
  pushGossip(id: string, ihave: RPC.ControlIHave): void
  doAddBackoff(id: string, topic: string, ms: number): void
  sendRpc(id: string, rpc: RPC): boolean
}

export interface DeliveryRecords {
  readonly records: Map<string, unknown>
  readonly queue: { shift(): { msgId: string } | undefined }
  ensureRecord(id: string): unknown
}

/** The bytes of one RPC, a list of arrays. */
export interface Packet {
  byteLength: number
  subarray(): Uint8Array
}

const needed = {
  functions: [
    'log',
    'decodeRpc',
    'pipePeerReadStream',
    'handleReceivedRpc',
    'handlePeerReadStreamError',
    'onIncomingStream',
    'createOutboundStream',
    'removePeer',
    'handleIHave',
    'handleIWant',
    'pushGossip',
    'doAddBackoff',
    'sendRpc',
    'seenCache.has',
    'seenCache.put',
    'seenCache.prune',
    'seenCache.clear',
    'mcache.put',
    'score.addPeer',
    'score.removePeer',
    'score.removeIP',
    'score.deliveryRecords.ensureRecord',
    'score.deliveryRecords.queue.shift',
    'components.connectionManager.getConnections',
  ],
  maps: [
    'peers',
    'streamsInbound',
    'streamsOutbound',
    'mesh',
    'topics',
    'backoff',
    'control',
    'gossip',
    'outbound',
    'peerTopicBytes',
    'acceptFromWhitelist',
    'idontwants',
    'idontwantCounts',
    'score.peerStats',
    'score.scoreCache',
    'score.peerIPs',
    'score.deliveryRecords.records',
  ],
}

/** Errors: NET_UNGUARDED if one of the parts is not there. */
export const partsOf = (router: object): RouterParts => {
  const missing = [
    ...needed.functions.filter((path) => typeof partAt(router, path) !== 'function'),
    ...needed.maps.filter((path) => !(partAt(router, path) instanceof Map)),
  ]
  if (missing.length > 0) throw unguarded(`the router has no ${missing.join(', ')}`)
  return router as RouterParts
}

const partAt = (router: object, path: string): unknown =>
  path
    .split('.')
    .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], router)

export const unguarded = (reason: string, cause?: unknown): SecnodeError =>
  new SecnodeError('NET_UNGUARDED', `gossip is not guarded: ${reason}`, {
    hint: 'A library has another version than this program was made for. Install those of package-lock.json (npm ci).',
    ...(cause === undefined ? {} : { cause }),
  })
