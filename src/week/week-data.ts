import {
  cidOf,
  type HeldAttestation,
  type ListedEpoch,
  type Seat,
  type Signed,
  type Week,
} from '../../protocol/index.ts'
import type { AnchoredWeeks } from './anchored-weeks.ts'
import type { EpochBook, EpochContext } from './epoch-book.ts'
import { rowsPerBlock } from './attestation-block.ts'
import type { WeekData } from './bundle.ts'
import type { CheckpointBlocks } from './ports.ts'

/** Where a store, or a running daemon, keeps what a checkpoint fixes. */
export interface WeekDataParts {
  anchored: Pick<AnchoredWeeks, 'read'>
  epochs: Pick<EpochBook, 'get'>
  checkpoints: Pick<CheckpointBlocks, 'get' | 'contents'>
  /** Blocks of evidence. */
  evidence: Pick<CheckpointBlocks, 'get'>
  heldOf(context: EpochContext, seats: readonly Seat[]): Promise<readonly HeldAttestation[]>
}

/**
 * The data of anchored weeks from a store. `checkpointOf` brings together everything that the checkpoint fixes, of all
 * the weeks that it lists, before anything is given out; its errors are those of `AnchoredWeeks.read`.
 */
export const weekDataOf = (parts: WeekDataParts, signal: AbortSignal): WeekData => {
  const { anchored, checkpoints } = parts

  async function* attestations(week: Week, listed: ListedEpoch): AsyncGenerator<Signed, void, undefined> {
    const found = await anchored.read(week, signal)
    const context = await parts.epochs.get(listed.epoch)
    if (found === undefined || context === undefined) return
    const leaves = (await checkpoints.contents(found.anchor.checkpoint, listed.epoch)) ?? []
    for (let i = 0; i < leaves.length; i += rowsPerBlock) {
      signal.throwIfAborted()
      const wanted = leaves.slice(i, i + rowsPerBlock)
      const cids = new Map(wanted.map(({ seat, cid }) => [seat, cid]))
      const held = await parts.heldOf(context, [...cids.keys()])
      yield* held
        .filter(({ seat, signed }) => cids.get(seat)?.equals(cidOf(signed.payload)) === true)
        .sort((a, b) => a.seat - b.seat)
        .map(({ signed }) => signed)
    }
  }

  return {
    async checkpointOf(week) {
      const found = await anchored.read(week, signal)
      if (found === undefined) return undefined
      for (const { week: listed } of found.checkpoint.weeks) await anchored.read(listed, signal)
      return await checkpoints.get(found.anchor.checkpoint)
    },
    block: async (cid) => (await checkpoints.get(cid)) ?? (await parts.evidence.get(cid)),
    attestations,
  }
}
