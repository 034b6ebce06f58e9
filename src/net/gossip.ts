import { createHash } from 'node:crypto'
import { gossipsub, StrictNoSign, TopicValidatorResult, type GossipSub } from '@libp2p/gossipsub'
import type { PeerId } from '@libp2p/interface'
import type { Logger } from 'pino'
import { bytesToHex, type Validation } from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
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

// One set of 40,000 attestations, spread over five minutes, is 133 a second; an IHAVE names those of the last three
// heartbeats, 400, and an answer to it holds as many. 2,500 leave room for bursts. With 400 bytes each that is 1 MB.
const maxMessagesPerRpc = 2_500
export const maxRpcBytes = 1_048_576
const heartbeatMs = 1_000
// Validations that wait or run. Native verification does 6,000 a second, so this is well below a second of work.
const maxPendingValidations = 2_048

// What one peer may be the first to bring: three times what the whole network makes at its busiest, and at once some
// more than one answer to an IWANT holds. What is above is not judged at all; sync brings it later.
const maxPerSecondPerPeer = 400
const maxBurstPerPeer = 4_000

// Scores. Those of rejected messages and penalties come from our own memory (P5), which a reconnect does not wipe; the
// router's invalid-message counter (P4) acts within the second. Delivery quotas (P3) are off: between two epochs there
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

/** The router has more than its published type says. */
export interface GossipRouter extends GossipSub {
  /** Peer ids of those that pass messages of the topic on to us, and we to them. */
  getMeshPeers(topic: string): string[]
  /** By peer id. */
  getScore(peerId: string): number
}

export interface GossipOptions {
  topics: readonly GossipTopic[]
  reputation: Reputation
  /** With loopback addresses, many nodes share one, and colocation means nothing. */
  allowLoopback: boolean
}

/** The router, as a service of libp2p. */
export const createGossipService = ({ topics, reputation, allowLoopback }: GossipOptions) =>
  gossipsub({
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
    // Longer than an honest message travels; later copies are found to be known by the validator.
    seenTTL: 360_000,
    idontwantMinDataSize: 1_024,
    maxInboundStreams: 2,
    maxOutboundStreams: 2,
    maxInboundDataLength: maxRpcBytes,
    maxOutboundBufferSize: 4 * maxRpcBytes,
    maxTopicBytesPerPeer: 16_384,
    decodeRpcLimits: {
      maxSubscriptions: 4 * topics.length,
      maxMessages: maxMessagesPerRpc,
      maxIhaveMessageIDs: maxMessagesPerRpc,
      maxIwantMessageIDs: maxMessagesPerRpc,
      maxIdontwantMessageIDs: 512,
      maxControlMessages: 64,
      maxPeerInfos: 0,
    },
    scoreThresholds: thresholds,
    scoreParams: {
      topics: Object.fromEntries(
        topics.map((topic) => [topic.name, { ...defaultTopicScore, ...topicScore }]),
      ),
      topicScoreCap,
      appSpecificWeight: 1,
      appSpecificScore: (peerId) => -reputation.points(peerId),
      IPColocationFactorWeight: allowLoopback ? 0 : -5,
      IPColocationFactorThreshold: 10,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: decayOver(600_000),
      decayInterval: 1_000,
      decayToZero: 0.01,
      retainScore: 3_600_000,
    },
  })

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
  metrics: NetMetrics
  logger: Logger
  world: World
  /** Called with the key (hex) of a peer that passed on what no honest peer does. */
  onReject: (peer: string, code: 'invalid-message' | 'oversize-message') => void
}

/** Joins a topic: the verdicts of `validate` become the router's. */
export const joinTopic = (router: GossipRouter, options: ValidatorOptions): void => {
  const { topic, validate, metrics, logger } = options
  const budget = createBudget(options.world)
  let pending = 0

  const verdictOf = async (from: PeerId, message: Uint8Array): Promise<TopicValidatorResult> => {
    const key = peerKeyOf(from)
    if (key === null) return TopicValidatorResult.Ignore
    if (message.length > topic.maxMessageBytes) {
      metrics.increment('gossip_messages', 'reject too-long')
      options.onReject(bytesToHex(key), 'oversize-message')
      return TopicValidatorResult.Reject
    }
    if (!budget.spend(bytesToHex(key))) {
      metrics.increment('gossip_messages', 'ignore flood')
      return TopicValidatorResult.Ignore
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
      if (verdict.is === 'ignore') return TopicValidatorResult.Ignore
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

/** A bucket of tokens for each peer that has spent some lately. */
const createBudget = (world: World) => {
  const bucketsByPeer = new Map<string, { tokens: number; atMs: number }>()
  return {
    spend: (peer: string): boolean => {
      const nowMs = world.monotonicMs()
      const bucket = bucketsByPeer.get(peer) ?? { tokens: maxBurstPerPeer, atMs: nowMs }
      bucketsByPeer.set(peer, bucket)
      const earned = ((nowMs - bucket.atMs) / 1_000) * maxPerSecondPerPeer
      bucket.tokens = Math.min(maxBurstPerPeer, bucket.tokens + earned)
      bucket.atMs = nowMs
      // More peers than can be connected: those that have been silent for long have full buckets, and need none.
      if (bucketsByPeer.size > maxBuckets) {
        for (const [name, { atMs }] of bucketsByPeer) {
          if (nowMs - atMs > (1_000 * maxBurstPerPeer) / maxPerSecondPerPeer) bucketsByPeer.delete(name)
        }
      }
      if (bucket.tokens < 1) return false
      bucket.tokens--
      return true
    },
  }
}

const maxBuckets = 2_000
