import type { Facts } from './facts.ts'
import type { Finding } from './findings.ts'

/** One thing that the doctor looks at. */
export interface Check {
  /** Part of the interface, like the codes. */
  name: string
  /** For everything together. */
  timeoutMs: number
  /** False for what opens ports or asks others. */
  isInside: boolean
  run(facts: Facts, signal: AbortSignal): Promise<CheckOutcome>
}

export interface CheckOutcome {
  findings: readonly Finding[]
  /** What was seen, in a few words, where nothing is wrong. */
  detail: string
}
