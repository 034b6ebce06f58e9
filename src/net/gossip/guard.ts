import type { RPC } from '@libp2p/gossipsub/message'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { bytesToHex } from '../../../protocol/index.ts'
import type { World } from '../../world.ts'
import { peerKeyOf } from '../peer-address.ts'
import { createGossipBudget, type GossipBudget, type GossipLimits } from './budget.ts'
import { boundMemory, type MemoryLimits, type RouterMemory } from './memory.ts'
import { type GossipRouter, type Packet, partsOf, type RouterParts } from './router.ts'
import { workOfBytes, workOfRpc } from './work.ts'

export interface GossipGuardOptions {
  limits: GossipLimits
  memory: MemoryLimits
  /** Key in hex. */
  isRegistered: (peer: string) => boolean
  /** Something of a peer was dropped unread. */
  onDropped: (isRegistered: boolean) => void
  /** What no honest peer does. */
  onFault: (peer: string, code: 'flood' | 'malformed-exchange') => void
  world: Pick<World, 'monotonicMs'>
}

/**
 * Bounds in front of the gossip router and around what it remembers; what it lacks by itself stands in docs/libraries.md.
 * That the bounds are there is tried before every start (rehearsal.ts).
 */
export interface GossipGuard extends Pick<GossipBudget, 'offenders'> {
  /** R-MSG-2: what the peer sent could not be judged. */
  chargeUnjudged(peer: string): void
  readonly memory: RouterMemory
}

/** The largest RPC that is read: 128 attestations of the largest kind, or 47 proofs. */
export const maxRpcBytes = 196_608
/** Messages of one RPC, and what is asked for at once so that the answer fits into one. */
export const maxMessagesPerRpc = 128
/** Ids of one topic announced at once: at the network's busiest three heartbeats have 400. */
const maxAnnounced = 512
/** Of an answer, so that what is said beside it has room. */
const maxAnswerBytes = 131_072
/** Beyond the one that each message costs (R-MSG-2). */
const unitsPerUnjudged = 9
/** An RPC that is above a limit of its form was decoded in vain. */
const unitsPerRefused = 64

export const guardRouter = (router: GossipRouter, options: GossipGuardOptions): GossipGuard => {
  const parts = partsOf(router)
  const budget = createGossipBudget({ ...options, onFlood: (peer) => options.onFault(peer, 'flood') })
  guardReading(parts, budget, options)
  guardSending(parts)
  guardAsking(parts, options.isRegistered)
  return {
    offenders: () => budget.offenders(),
    chargeUnjudged: (peer) => budget.charge(peer, unitsPerUnjudged),
    memory: boundMemory(router, parts, options.memory, options.world),
  }
}

const hexOf = (peer: PeerId): string => bytesToHex(peerKeyOf(peer) ?? new Uint8Array())

/** What is above a peer's budget is dropped before it is decoded, or before the router sees it. */
const guardReading = (parts: RouterParts, budget: GossipBudget, { onFault }: GossipGuardOptions): void => {
  const decode = (peer: string, bytes: Uint8Array): RPC | null => {
    try {
      return parts.decodeRpc(bytes)
    } catch (error) {
      // One more of something than is read may come from a version to come. What is no RPC at all does not.
      if (error instanceof Error && error.name === 'MaxLengthError') budget.charge(peer, unitsPerRefused)
      else onFault(peer, 'malformed-exchange')
      return null
    }
  }

  const admit = (peer: string, packet: Packet): RPC | null => {
    const ofBytes = workOfBytes(packet.byteLength)
    if (budget.spend(peer, ofBytes) < ofBytes) return null
    const rpc = decode(peer, packet.subarray())
    if (rpc === null) return null
    // Messages have no authors beside the ones that they name (R-MSG-1): whatever was put there would be passed on.
    for (const message of rpc.messages) if (message.from !== undefined) delete message.from
    const { messages, control } = workOfRpc(rpc)
    const owed = Math.max(messages + control - ofBytes, 0)
    const left = messages + control - owed + (owed > 0 ? budget.spend(peer, owed) : 0)
    if (left < control) return null
    return left - control < messages ? { ...rpc, messages: rpc.messages.slice(0, left - control) } : rpc
  }

  /** The one stream of each peer that is read. */
  const reading = new Map<string, Stream>()
  let incoming: Stream | null = null
  const onIncomingStream = parts.onIncomingStream.bind(parts)
  parts.onIncomingStream = (stream, connection) => {
    // The router would take in a peer whose end it was told of already.
    if (connection.status !== 'open') return stream.abort(new Error('the connection is closing'))
    incoming = stream
    onIncomingStream(stream, connection)
    incoming = null
  }

  // Called for a stream while it is being taken in.
  parts.pipePeerReadStream = async (peerId, packets) => {
    const id = peerId.toString()
    const peer = hexOf(peerId)
    const stream = incoming
    if (stream === null) throw new Error('a stream that did not come in')
    // The router would read on from both.
    reading.get(id)?.abort(new Error('another stream came'))
    reading.set(id, stream)
    try {
      for await (const packet of packets) {
        const rpc = admit(peer, packet)
        // Of a peer that left, the router would remember what came last for ever.
        if (rpc !== null && parts.peers.has(id)) parts.handleReceivedRpc(peerId, rpc).catch(parts.log)
      }
    } catch (error) {
      if (isHostileFrame(error)) onFault(peer, 'malformed-exchange')
      if (reading.get(id) === stream) parts.handlePeerReadStreamError(error as Error, peerId)
    } finally {
      if (reading.get(id) === stream) reading.delete(id)
      // What came on it from now on would be kept for nobody.
      stream.abort(new Error('no longer read'))
    }
  }
}

/** A length that is too long, or that is none; an end amid a packet is none of this. */
const isHostileFrame = (error: unknown): boolean =>
  error instanceof Error &&
  ['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError'].includes(error.name)

/** The router opens streams one after the other: a peer that does not answer would hold up those of all others. */
const guardSending = (parts: RouterParts): void => {
  const opening = new Set<string>()
  const createOutboundStream = parts.createOutboundStream.bind(parts)
  parts.createOutboundStream = (peer: PeerId, connection: Connection) => {
    const id = peer.toString()
    if (!opening.has(id)) {
      opening.add(id)
      void createOutboundStream(peer, connection).finally(() => opening.delete(id))
    }
    return Promise.resolve()
  }

  const pushGossip = parts.pushGossip.bind(parts)
  parts.pushGossip = (id, { topicID, messageIDs }) => {
    const surplus = messageIDs.length - maxAnnounced
    // Another part for each peer.
    const from = surplus > 0 ? Math.floor(Math.random() * (surplus + 1)) : 0
    pushGossip(id, { topicID: topicID!, messageIDs: messageIDs.slice(from, from + maxAnnounced) })
  }
}

/** What is asked for fits into an RPC that is read. Strangers are not asked: seats have all that there is. */
const guardAsking = (parts: RouterParts, isRegistered: (peer: string) => boolean): void => {
  const handleIHave = parts.handleIHave.bind(parts)
  parts.handleIHave = (id, ihave) => {
    const peer = parts.peers.get(id)
    if (peer === undefined || !isRegistered(hexOf(peer))) return []
    return handleIHave(id, ihave).map(({ messageIDs }) => ({
      messageIDs: messageIDs.slice(0, maxMessagesPerRpc),
    }))
  }

  const handleIWant = parts.handleIWant.bind(parts)
  parts.handleIWant = (id, iwant) => {
    const [last = [], ...others] = inAnswers(handleIWant(id, iwant)).reverse()
    for (const messages of others.reverse()) parts.sendRpc(id, { subscriptions: [], messages })
    return last
  }
}

const inAnswers = (messages: readonly RPC.Message[]): RPC.Message[][] => {
  const answers: RPC.Message[][] = []
  let bytes = 0
  for (const message of messages) {
    const length = message.data?.length ?? 0
    const answer = answers.at(-1)
    if (answer === undefined || answer.length >= maxMessagesPerRpc || bytes + length > maxAnswerBytes) {
      answers.push([message])
      bytes = length
    } else {
      answer.push(message)
      bytes += length
    }
  }
  return answers
}
