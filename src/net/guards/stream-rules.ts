import type { MessageStreamDirection } from '@libp2p/interface'
import type { NetworkId } from '../../../protocol/index.ts'
import { createByteInspector, createMessageInspector, type MessageRules } from './messages.ts'
import type { Inspector } from './watch.ts'

/** What may come on a stream of one of libp2p's own protocols. */
export interface StreamRules {
  /** In whole messages, each with its length in front. */
  messages?: MessageRules
  /** Of any form, in all. */
  maxBytes?: number
  /** Kept while nobody reads. */
  maxUnreadBytes: number
  /** Sent in answer; above it the stream is reset. */
  maxSentBytes?: number
}

export type RulesByProtocol = ReadonlyMap<string, Record<MessageStreamDirection, StreamRules>>

/** At most so many addresses of a peer are told to others: as many as libp2p dials. */
export const maxAddressesTold = 8
/** At most so many providers of one content are told; whoever looks for some stops at 20. */
export const maxProvidersTold = 64

// A lookup has a key of 38 bytes, a provider record that and the addresses of one peer.
const maxDhtRequestBytes = 2_048
// 20 peers that are closer and 64 providers, each with an id of 38 bytes and 8 addresses of at most 22, are 21 kB.
const maxDhtAnswerBytes = 32_768
// Honest ones have about 1 kB, and come in one message; libp2p itself reads up to ten of 8 kB.
const maxIdentifyBytes = 4_096
const maxIdentifyMessages = 2
// 32 bytes a ping, one after the other, until the 10 seconds are over that libp2p gives them.
const maxPingBytes = 4_096

const dhtSuffix = '/kad/1.0.0'
export const dhtProtocolOf = (networkId: NetworkId): string => `/secnode/${networkId}${dhtSuffix}`
/** Whether the protocol of a stream is that of the DHT. */
export const isDht = (protocol: string): boolean => protocol.endsWith(dhtSuffix)
export const identifyProtocol = '/ipfs/id/1.0.0'
export const identifyPushProtocol = '/ipfs/id/push/1.0.0'
export const pingProtocol = '/ipfs/ping/1.0.0'

/**
 * By protocol and by who opened the stream. Our own protocols read their messages themselves (exchange.ts), and gossip has a
 * guard of its own (gossip/guard.ts).
 */
export const createStreamRules = (networkId: NetworkId): RulesByProtocol => {
  const identity = {
    messages: { maxMessageBytes: maxIdentifyBytes, maxMessages: maxIdentifyMessages, isWork: true },
  }
  const ping = { maxBytes: maxPingBytes, maxUnreadBytes: maxPingBytes }
  return new Map<string, Record<MessageStreamDirection, StreamRules>>([
    [
      identifyProtocol,
      {
        // The side that was asked has nothing to read.
        inbound: { maxUnreadBytes: 1_024 },
        outbound: { ...identity, maxUnreadBytes: 2 * maxIdentifyBytes },
      },
    ],
    [
      identifyPushProtocol,
      {
        inbound: {
          ...identity,
          maxUnreadBytes: 2 * maxIdentifyBytes,
        },
        outbound: { maxUnreadBytes: 1_024 },
      },
    ],
    [pingProtocol, { inbound: ping, outbound: ping }],
    [
      dhtProtocolOf(networkId),
      {
        inbound: {
          messages: { maxMessageBytes: maxDhtRequestBytes, isWork: true },
          maxUnreadBytes: 4 * maxDhtRequestBytes,
          maxSentBytes: maxDhtAnswerBytes,
        },
        outbound: {
          messages: { maxMessageBytes: maxDhtAnswerBytes, maxMessages: 4 },
          maxUnreadBytes: 2 * maxDhtAnswerBytes,
        },
      },
    ],
  ])
}

export const inspectorOf = (
  { messages, maxBytes }: StreamRules,
  charge: (units: number) => number,
): Inspector | null => {
  if (messages !== undefined) return createMessageInspector(messages, charge)
  return maxBytes === undefined ? null : createByteInspector(maxBytes)
}
