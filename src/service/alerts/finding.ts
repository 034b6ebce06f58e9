import type { Epoch, Seat } from '../../../protocol/index.ts'

/** How much a finding costs: nothing yet, credits if it goes on, credits now. */
export const severities = ['info', 'warning', 'critical'] as const
export type Severity = (typeof severities)[number]

export const isAtLeast = (severity: Severity, from: Severity): boolean =>
  severities.indexOf(severity) >= severities.indexOf(from)

/** What a daemon found to be wrong with itself. JSON. `code` and `subject` together say that two are the same. */
export interface Finding {
  /** Stable; docs/monitoring.md has a row for each. */
  code: string
  /** What it is about: a seat, a port, a directory. */
  subject: string
  severity: Severity
  /** One line. */
  title: string
  /** What was seen and what it costs, in a few sentences. */
  detail: string
  /** What to do about it. */
  remedy: string
  evidence: readonly Evidence[]
}

export type Evidence = SignedVerdict | OutsideView

/** What a challenger attested of this node: whoever has the key of that seat can check it. Bytes are base64. */
export interface SignedVerdict {
  is: 'verdict'
  epoch: Epoch
  seat: Seat
  host: string
  /** R-VERD-1. */
  verdict: number
  word: string
  /** What it says that it saw; null while its evidence is not to be had. */
  saw: string | null
  attestation: { cid: string; payload: string; signature: string }
  /** CID of the evidence block that the attestation names. */
  evidence: string
}

/** What another seat saw when it was asked to dial back just now. */
export interface OutsideView {
  is: 'view'
  seat: Seat
  host: string
  port: 'p2p' | 'tls'
  verdict: number
  word: string
  saw: string
}

/** Two findings with the same key are the same one at two moments. */
export const findingKey = ({ code, subject }: Pick<Finding, 'code' | 'subject'>): string =>
  `${code} ${subject}`
