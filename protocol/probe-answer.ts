import { z } from 'zod'
import { encodeCanonical } from './codec.ts'
import type { NetworkId } from './ids.ts'
import { signedBytes } from './signed.ts'

/** Number of a ruleset, as probes name the highest that a node knows. */
export const RulesetNumber = z.int().min(1).max(65_535)

/** What a node signs when it answers a probe (R-PROBE-1). */
export interface ProbeStatement {
  /** The announced host. */
  host: string
  /** 32 bytes, of whoever asks. */
  nonce: Uint8Array
  /** 32 bytes: `tls-exporter` of this connection (RFC 9266). */
  exporter: Uint8Array
  /** Drawn by the process at its start, 16 bytes. */
  instance: Uint8Array
  /** The highest ruleset that the node knows. */
  ruleset: number
  /** Whether this process signs attestations for its seat. */
  signs: boolean
}

/** R-PROBE-1: the bytes that the node's key signs. */
export const probeMessage = (networkId: NetworkId, statement: ProbeStatement): Uint8Array => {
  const { host, nonce, exporter, instance, ruleset, signs } = statement
  return signedBytes('probe', networkId, encodeCanonical([host, nonce, exporter, instance, ruleset, signs]))
}
