import { type Epoch, epochStart, type Genesis } from '../../protocol/index.ts'
import type { EpochBook } from './epoch-book.ts'

/**
 * The first epoch whose attestations sync still takes: that of the current week, or of the week before until half an
 * epoch after its freeze F = b(last + 2). Until then whoever holds an attestation can pass it on; later nothing moves.
 */
export const firstOpenEpoch = async (
  genesis: Genesis,
  epochs: EpochBook,
  confirmedHeight: number,
): Promise<Epoch> => {
  const current = epochs.current()
  if (current === null) return 0
  const week = await epochs.weekOf(current)
  if (week === undefined) return current
  const first = (await epochs.epochsOfWeek(week))?.first ?? current
  if (first === 0) return 0
  const previous = await epochs.weekOf(first - 1)
  const closes = epochStart(genesis, first + 1) + Math.floor(genesis.epochBlocks / 2)
  if (previous === undefined || confirmedHeight >= closes) return first
  return (await epochs.epochsOfWeek(previous))?.first ?? first
}

/** F of a week whose last epoch is `last`: the height at which its set is frozen (R-CP-1). */
export const freezeHeight = (genesis: Genesis, last: Epoch): number => epochStart(genesis, last + 2)
