import { createHash } from 'node:crypto'
import type { Alert } from './alert.ts'

/** Where alerts go. */
export interface AlertTarget {
  kind: 'webhook' | 'command'
  /** For people, without secrets: a host, a program. */
  name: string
  /** 8 bytes that stay the same as long as the target is configured the same: what waits for it is kept under them. */
  id: Uint8Array
  /** One try. Rejects with the reason if the target did not take it, or not in time. */
  deliver(alert: Alert, signal: AbortSignal): Promise<void>
}

/** A target's id, from all that says where it is. */
export const targetId = (...parts: readonly string[]): Uint8Array =>
  new Uint8Array(createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 8))
