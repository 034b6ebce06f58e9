/** What a challenger says of a target (R-VERD-1): one byte in its attestation. */
export const Verdict = {
  valid: 0,
  unresolvable: 1,
  unreachable: 2,
  timeout: 3,
  wrongDigest: 4,
  badReceipt: 5,
  tlsUnreachable: 6,
  tlsInvalid: 7,
  tlsUnbound: 8,
  evidenceInvalid: 9,
  abstain: 255,
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

/** The words of SPEC.md for the codes. */
export const verdictNames: Readonly<Record<Verdict, string>> = {
  0: 'valid',
  1: 'unresolvable',
  2: 'unreachable',
  3: 'timeout',
  4: 'wrong digest',
  5: 'bad receipt',
  6: 'tls unreachable',
  7: 'tls invalid',
  8: 'tls unbound',
  9: 'evidence invalid',
  255: 'abstain',
}

/** The last code that says invalid. */
export const lastInvalidVerdict = Verdict.evidenceInvalid

export const isVerdict = (code: number): code is Verdict =>
  code <= lastInvalidVerdict || code === Verdict.abstain

/** What may be the way's fault is tried again at another moment; a wrong answer is an answer (R-VERD-1). */
export const isRetried = (verdict: Verdict): boolean =>
  verdict === Verdict.unresolvable ||
  verdict === Verdict.unreachable ||
  verdict === Verdict.timeout ||
  verdict === Verdict.tlsUnreachable
