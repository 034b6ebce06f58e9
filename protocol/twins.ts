import { compareBytes } from './bytes.ts'
import type { Finding } from './challenger.ts'
import type { Epoch } from './ids.ts'
import type { Question } from './question.ts'

/**
 * R-ATT-7: the first epoch of which the store holds everything that this machine signed. `current` is the epoch in which
 * three seats had told what they hold of its attestations (R-ATT-5), or in which the chain was followed to its end again;
 * `lastOwn` the newest epoch attested with its key, as far as it is known now. Where that is ahead of `current` the own
 * chain lags, and one more attestation may still be on its way to those who were asked.
 */
export const firstRemembered = (current: Epoch, lastOwn: Epoch | null): Epoch =>
  lastOwn !== null && lastOwn > current ? lastOwn + 2 : current + 1

/**
 * R-ATT-7: whether an attestation by the own key that the record lacks was signed by another daemon. Before the first
 * remembered epoch, or before that is known (null), the record may have been lost.
 */
export const isOfTwin = (epoch: Epoch, rememberedFrom: Epoch | null): boolean =>
  rememberedFrom !== null && epoch >= rememberedFrom

/**
 * R-ATT-7: what a second question by the own key says of another process. `stop`: it runs, and goes on, so this one does
 * not. `go-on`: it runs, and stops by this very rule once it is refused in its turn. `record-lost`: this machine may have
 * asked it itself and lost the record.
 */
export type SecondQuestionSays = 'stop' | 'go-on' | 'record-lost'

/** Of two processes that sign with one key, the one with the lower instance goes on: both reckon alike. */
export const secondQuestionSays = (
  ownInstance: Uint8Array,
  other: Pick<Question, 'epoch' | 'instance'>,
  rememberedFrom: Epoch | null,
): SecondQuestionSays => {
  if (!isOfTwin(other.epoch, rememberedFrom)) return 'record-lost'
  return compareBytes(ownInstance, other.instance) < 0 ? 'go-on' : 'stop'
}

/** What a challenger writes of a target that refused it because it had answered another nonce of its, and proved it. */
export const secondNonceSeen = 'refused: second-nonce'

/**
 * R-ATT-7: how many targets showed another question by this challenger's key. Then its attestation waits to the end of its
 * span: the other process may have come first to all and not have met a refusal yet.
 */
export const secondNoncesIn = (findings: readonly Finding[]): number =>
  findings.filter(({ evidence }) => 'seen' in evidence && evidence.seen === secondNonceSeen).length
