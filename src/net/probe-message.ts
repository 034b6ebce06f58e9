import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import { encodeCanonical, signedBytes, type NetworkId } from '../../protocol/index.ts'

/** The only thing that an endpoint answers: `GET /.well-known/secnode?nonce=<64 hex digits>` (R-PROBE-1). */
export const probePath = '/.well-known/secnode'

export const nonceBytes = 32

/** What an endpoint says of its node. The exporter in the signature, not these fields, is what binds it. */
export interface NodeIdentity {
  /** Peer id in base58btc. */
  peer: string
  seat: number
  /** hash160 of the stake, 40 hex digits (R-REG-3). */
  stake: string
  /** Version of the software, at most 64 characters of printable ASCII. */
  version: string
  /** Epoch of the last challenge that it answered, if any. */
  lastSolved: number | null
}

/** The JSON answer: the identity and the node key's signature over `probeMessage`. */
export const ProbeAnswer = z.object({
  peer: z.string().max(64),
  seat: z.int().min(0).max(0xffff_ffff),
  stake: z.string().regex(/^[0-9a-f]{40}$/),
  // It ends on pages, in the API and on terminals: nothing but what a line of text is made of.
  version: z.string().regex(/^[ -~]{0,64}$/),
  lastSolved: z.int().min(0).max(0xffff_ffff).nullable(),
  /** 64 bytes in canonical base64. */
  signature: z.string().regex(/^[A-Za-z0-9+/]{85}[AQgw]==$/),
})
export type ProbeAnswer = z.infer<typeof ProbeAnswer>

/** R-PROBE-1: what the node key signs: network, host, nonce (32 bytes) and exporter (32 bytes) of one connection. */
export const probeMessage = (
  networkId: NetworkId,
  host: string,
  nonce: Uint8Array,
  exporter: Uint8Array,
): Uint8Array => signedBytes('probe', networkId, encodeCanonical([host, nonce, exporter]))

/**
 * The `tls-exporter` channel binding of RFC 9266: 32 bytes that both ends of this connection, and nobody else, share.
 * Unique in TLS 1.3 only; throws on a connection that is not established.
 */
export const channelBinding = (socket: TLSSocket): Uint8Array =>
  new Uint8Array(socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0)))
