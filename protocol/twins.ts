import { type Finding, neverVisited } from './challenger.ts'
import type { Epoch } from './ids.ts'

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

/** What a challenger writes of a target that refused it because it had answered another nonce of its. */
export const secondNonceSeen = 'refused: second-nonce'

/**
 * R-ATT-7: of the targets that were visited, how many refused because they had answered another nonce of this challenger.
 * It has one for each, so another daemon asked with its key, or the target lies.
 */
export const secondNoncesIn = (findings: readonly Finding[]): { refused: number; visited: number } => {
  const seen = findings.map(({ evidence }) => ('seen' in evidence ? evidence.seen : null))
  return {
    refused: seen.filter((text) => text === secondNonceSeen).length,
    visited: seen.filter((text) => text !== neverVisited).length,
  }
}

/** R-ATT-7: whether the attestation waits to the end of its span, so that another daemon's comes first. */
export const isLikelyTwin = ({ refused, visited }: { refused: number; visited: number }): boolean =>
  2 * refused > visited
