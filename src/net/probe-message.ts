import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import {
  bytesToHex,
  type NetworkId,
  probeMessage,
  type ProbeStatement,
  RulesetNumber,
  type Sign,
} from '../../protocol/index.ts'

/** The only thing that an endpoint answers: `GET /.well-known/secnode?nonce=<64 hex digits>` (R-PROBE-1). */
export const probePath = '/.well-known/secnode'

export const nonceBytes = 32

/** What an endpoint says of its node. */
export interface NodeIdentity extends Pick<ProbeStatement, 'instance' | 'ruleset' | 'signs'> {
  /** Peer id in base58btc. */
  peer: string
  seat: number
  /** hash160 of the stake, 40 hex digits (R-REG-3). */
  stake: string
  /** Version of the software, at most 64 characters of printable ASCII. */
  version: string
}

/** The JSON answer: the identity and the node key's signature over `probeMessage`. */
export const ProbeAnswer = z.object({
  peer: z.string().max(64),
  seat: z.int().min(0).max(0xffff_ffff),
  stake: z.string().regex(/^[0-9a-f]{40}$/),
  // It ends on pages, in the API and on terminals: nothing but what a line of text is made of.
  version: z.string().regex(/^[ -~]{0,64}$/),
  instance: z.string().regex(/^[0-9a-f]{32}$/),
  ruleset: RulesetNumber,
  signs: z.boolean(),
  /** 64 bytes in canonical base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/),
})
export type ProbeAnswer = z.infer<typeof ProbeAnswer>

/** R-PROBE-1: the answer to `nonce` on the connection with this exporter. */
export const signAnswer = (
  networkId: NetworkId,
  identity: NodeIdentity,
  at: Pick<ProbeStatement, 'host' | 'nonce' | 'exporter'>,
  sign: Sign,
): ProbeAnswer => ({
  ...identity,
  instance: bytesToHex(identity.instance),
  signature: Buffer.from(sign(probeMessage(networkId, { ...identity, ...at }))).toString('base64'),
})

/**
 * The `tls-exporter` channel binding of RFC 9266: 32 bytes that both ends of this connection, and nobody else, share.
 * Unique in TLS 1.3 only; throws on a connection that is not established.
 */
export const channelBinding = (socket: TLSSocket): Uint8Array =>
  new Uint8Array(socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)))
