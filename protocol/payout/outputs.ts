import { bytesToHex } from '../bytes.ts'
import type { OutpointKey } from '../registry.ts'

/**
 * What an output's script says, apart from ZEN's replay protection: payments are compared by this and by amount, never
 * by whole scripts (R-PAY-4).
 */
export type OutputTemplate =
  | { kind: 'p2pkh' | 'p2sh'; hash160: Uint8Array }
  /** OP_RETURN with one push. */
  | { kind: 'nulldata'; data: Uint8Array }
  | { kind: 'other' }

/** Who owns the thread and all coins that payouts spend: P2PKH of one key, or P2SH of several coordinators. */
export type Payer = Extract<OutputTemplate, { hash160: Uint8Array }>

/** An output that a payout transaction has. */
export interface PayoutOutput {
  /** Base units. */
  value: bigint
  to: OutputTemplate
}

/** What the rules see of a transaction that pays, or is said to. */
export interface PayoutTransaction {
  /** Internal byte order. */
  txid: Uint8Array
  /** In the order of its inputs. */
  spends: readonly OutpointKey[]
  outputs: readonly PayoutOutput[]
}

/** Equal texts for equal owners; null for outputs that nobody owns by an address. */
export const ownerOf = (to: OutputTemplate): string | null =>
  to.kind === 'p2pkh' || to.kind === 'p2sh' ? `${to.kind}:${bytesToHex(to.hash160)}` : null
