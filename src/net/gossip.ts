import { createHash } from 'node:crypto'
import {
  gossipsub,
  type GossipSub,
  type GossipSubComponents,
  StrictNoSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Logger } from 'pino'
import { bytesToHex, type Validation } from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { defaultGossipLimits, type GossipLimits } from './gossip/budget.ts'
import {
  type GossipGuard,
  type GossipGuardOptions,
  guardRouter,
  maxMessagesPerRpc,
  maxRpcBytes,
} from './gossip/guard.ts'
import { defaultMemoryLimits, type MemoryLimits } from './gossip/memory.ts'
import type { GossipRouter } from './gossip/router.ts'
import { peerKeyOf } from './peer-address.ts'
import type { Reputation } from './reputation.ts'

/** A topic that this node takes part in; messages on any other are dropped unread. */
export interface GossipTopic {
  name: string
  maxMessageBytes: number
}

/** What a message is worth; runs once for each distinct message, before it is passed on. Own overload is `ignore`. */
export type GossipValidator = (
  message: Uint8Array,
  /** Key of the peer that passed it on, 32 bytes. */
  from: Uint8Array,
) => Promise<Validation<unknown>> | Validation<unknown>

const heartbeatMs = 1_000
// For one peer: 4,000 attestations at once, and what a slow link is behind.
const maxUnsentBytes = 2_097_152
// Validations that wait or run. Native verification does 6,000 a second, so this is well below a second of work.
const maxPendingValidations = 2_048

// Scores. Those of rejected messages and penalties come from our own memory (P5), which outlives the router's; its own
// invalid-message counter (P4) acts within the second. Delivery quotas (P3) are off: between two epochs there
// is nothing to deliver, and a quota would punish the quiet. The rest is the usual shape of gossipsub 1.1.
const decayOver = (ms: number): number => 0.1 ** (1_000 / ms)
const topicScore = {
  topicWeight: 1,
  timeInMeshWeight: 0.05,
  timeInMeshQuantum: 60_000,
  timeInMeshCap: 60,
  firstMessageDeliveriesWeight: 0.1,
  firstMessageDeliveriesDecay: decayOver(600_000),
  firstMessageDeliveriesCap: 50,
  meshMessageDeliveriesWeight: 0,
  meshFailurePenaltyWeight: 0,
  invalidMessageDeliveriesWeight: -5,
  invalidMessageDeliveriesDecay: decayOver(600_000),
}
/** At most this much good behaviour offsets bad: a fourth of what shuts a peer out. */
const topicScoreCap = 25
const thresholds = {
  gossipThreshold: -20,
  publishThreshold: -40,
  graylistThreshold: -80,
  acceptPXThreshold: 1_000_000,
  opportunisticGraftThreshold: 1,
}

// A stranger costs nothing to be: below 0 it has no place in the mesh, which is for those who owe this node gossip. No score
// of a peer outside of the mesh makes up for it (5 of each topic at most), and it is still told and sent what it asks for.
const strangerScore = -16

export interface GossipOptions {
  topics: readonly GossipTopic[]
  reputation: Reputation
  /** With loopback addresses, many nodes share one, and colocation means nothing. */
  allowLoopback: boolean
  /** Key in hex. Of a node that does not know the registry yet, everybody's is. */
  isRegistered: (peer: string) => boolean
  onFault: GossipGuardOptions['onFault']
  metrics: NetMetrics
  world: World
  limits?: GossipLimits
  memory?: MemoryLimits
}

/** The router, as a service of libp2p, and the guard around it once it was made. */
export interface Gossip {
  service: (components: GossipSubComponents) => GossipSub
  guard(): GossipGuard
}

export const createGossip = (options: GossipOptions, make = createRouter): Gossip => {
  const { isRegistered, onFault, metrics, world } = options
  let guard: GossipGuard | undefined
  return {
    service: (components) => {
      const router = make(options, components)
      guard = guardRouter(router, {
        limits: options.limits ?? defaultGossipLimits,
        memory: options.memory ?? defaultMemoryLimits,
        isRegistered,
        onDropped: (isKnown) => metrics.increment('gossip_dropped', isKnown ? 'registered' : 'stranger'),
        onFault,
        world,
      })
      return router
    },
    guard: () => {
      if (guard === undefined) throw new Error('the router was not made yet')
      return guard
    },
  }
}

/** The router without its guard. */
export const createRouter = (
  { topics, reputation, allowLoopback, isRegistered }: GossipOptions,
  components: GossipSubComponents,
): GossipRouter => {
  const scoreOf = (id: string): number => {
    const peer = bytesToHex(peerKeyOf(peerIdFromString(id)) ?? new Uint8Array())
    return (isRegistered(peer) ? 0 : strangerScore) - reputation.points(peer)
  }
  return gossipsub({
    // Messages carry their own signatures; the router's would tell who published and sign a second time.
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => createHash('sha256').update(message.data).digest(),
    msgIdToStrFn: (id) => Buffer.from(id.buffer, id.byteOffset, id.length).toString('latin1'),
    allowedTopics: topics.map((topic) => topic.name),
    fallbackToFloodsub: false,
    emitSelf: false,
    doPX: false,
    // A node's own message, once in four hours, goes to all its peers: no few of them can hold it back.
    floodPublish: true,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    D: 8,
    Dlo: 6,
    Dhi: 12,
    Dscore: 4,
    Dout: 2,
    heartbeatInterval: heartbeatMs,
    // A promise is broken when what was announced and asked for does not come: not by a slow link that is busy.
    gossipsubIWantFollowupMs: 15_000,
    idontwantMinDataSize: 1_024,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: maxRpcBytes,
    maxOutboundBufferSize: maxUnsentBytes,
    maxTopicBytesPerPeer: 16_384,
    decodeRpcLimits: {
      maxSubscriptions: 4 * topics.length,
      maxMessages: maxMessagesPerRpc,
      // As many as other routers announce and ask for. What they cost is paid by their number.
      maxIhaveMessageIDs: 5_000,
      maxIwantMessageIDs: 5_000,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 16,
      maxPeerInfos: 0,
    },
    scoreThresholds: thresholds,
    scoreParams: {
      topics: Object.fromEntries(
        topics.map((topic) => [topic.name, { ...defaultTopicScore, ...topicScore }]),
      ),
      topicScoreCap,
      appSpecificWeight: 1,
      appSpecificScore: scoreOf,
      IPColocationFactorWeight: allowLoopback ? 0 : -5,
      IPColocationFactorThreshold: 10,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: decayOver(600_000),
      decayInterval: 1_000,
      decayToZero: 0.01,
      retainScore: 3_600_000,
    },
  })(components) as GossipRouter
}

// Required by the type and unused with their weights at 0.
const defaultTopicScore = {
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 1_000,
  meshFailurePenaltyDecay: 0.5,
}

export interface ValidatorOptions {
  topic: GossipTopic
  validate: GossipValidator
  guard: GossipGuard
  metrics: NetMetrics
  logger: Logger
  /** Called with the key (hex) of a peer that passed on what no honest peer does. */
  onReject: (peer: string, code: 'invalid-message' | 'oversize-message') => void
}

/** Joins a topic: the verdicts of `validate` become the router's. */
export const joinTopic = (router: GossipRouter, options: ValidatorOptions): void => {
  const { topic, validate, guard, metrics, logger } = options
  let pending = 0

  const verdictOf = async (from: PeerId, message: Uint8Array): Promise<TopicValidatorResult> => {
    const key = peerKeyOf(from)
    if (key === null) return TopicValidatorResult.Ignore
    if (message.length > topic.maxMessageBytes) {
      metrics.increment('gossip_messages', 'reject too-long')
      options.onReject(bytesToHex(key), 'oversize-message')
      return TopicValidatorResult.Reject
    }
    if (pending >= maxPendingValidations) {
      metrics.increment('gossip_messages', 'ignore overloaded')
      return TopicValidatorResult.Ignore
    }
    pending++
    try {
      // A copy: the message is a view of its packet, which would live as long as whoever keeps the message.
      const verdict = await validate(Uint8Array.from(message), key)
      metrics.increment(
        'gossip_messages',
        verdict.is === 'accept' ? 'accept' : `${verdict.is} ${verdict.code}`,
      )
      if (verdict.is === 'accept') return TopicValidatorResult.Accept
      if (verdict.is === 'ignore') {
        if (verdict.isUnverified === true) guard.chargeUnjudged(bytesToHex(key))
        return TopicValidatorResult.Ignore
      }
      options.onReject(bytesToHex(key), 'invalid-message')
      return TopicValidatorResult.Reject
    } catch (error) {
      // A fault of ours is no fault of the sender.
      metrics.increment('gossip_messages', 'ignore failed')
      logger.error({ topic: topic.name, reason: messageOf(error) }, 'gossip validator failed')
      return TopicValidatorResult.Ignore
    } finally {
      pending--
    }
  }

  router.topicValidators.set(topic.name, (from, message) => verdictOf(from, message.data))
  router.subscribe(topic.name)
}
