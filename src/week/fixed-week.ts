import type { HeldAttestation, Seat } from '../../protocol/index.ts'
import type { AnchoredWeek } from './anchored-data.ts'
import type { EpochContext } from './epoch-book.ts'
import { SecnodeError } from '../errors.ts'
import type { FixedWeek } from './gather.ts'
import type { CheckpointBlocks } from './ports.ts'

/** Attestations at a time: some milliseconds of the event loop. */
const seatsPerRead = 1_000

/** An anchored week as a tally reads it: the leaves under its roots, and nothing else. */
export const fixedWeekOf = (
  checkpoints: Pick<CheckpointBlocks, 'contents'>,
  week: AnchoredWeek,
  heldOf: (context: EpochContext, seats: readonly Seat[]) => Promise<HeldAttestation[]>,
): FixedWeek => ({
  checkpoint: week.anchor.checkpoint,
  anchor: { height: week.anchor.height, hash: week.anchor.blockHash },
  equivocators: week.equivocators,
  async *standing(context) {
    const leaves = (await checkpoints.contents(week.anchor.checkpoint, context.epoch)) ?? []
    let found = 0
    for (let i = 0; i < leaves.length; i += seatsPerRead) {
      const cids = new Map(leaves.slice(i, i + seatsPerRead).map(({ seat, cid }) => [seat, cid]))
      const held = await heldOf(context, [...cids.keys()])
      for (const one of held.sort((a, b) => a.seat - b.seat)) {
        if (cids.get(one.seat)?.equals(one.cid) !== true) continue
        found++
        yield one
      }
    }
    if (found !== leaves.length) {
      throw new SecnodeError(
        'ANCHORED_MISSING',
        `attestations of epoch ${context.epoch} are missing in this store`,
        {
          exitCode: 3,
          hint: 'Start the daemon, or let it run on: it asks other nodes until it has everything.',
        },
      )
    }
  },
})
