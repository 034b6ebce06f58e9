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
