import {
  bitfieldOf,
  type Epoch,
  type HeldAttestation,
  type HeldRow,
  type Seat,
  type Week,
} from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { StoredProof } from '../week/ports.ts'
import type { NodeContext } from './context.ts'
import { createEpochRoots, type Standing } from './epoch-roots.ts'
import { createHeldEpochs, type EpochOfBranch, type HeldEpochs } from './held-epochs.ts'
import { createHeldProofs, type HeldProofs } from './held-proofs.ts'

/** What is held, and what of it stands. */
export interface Standings {
  /** Reads what is held of an epoch into memory, before its attestations may come. */
  open(context: EpochContext): Promise<void>
  /** Forgets epochs before this one; they stay in the store. */
  closeBefore(epoch: Epoch): void
  /** Forgets epochs whose beacon a reorganisation took away. */
  forgetAbove(height: number): void
  /** What stands in an epoch under its canonical beacon, in rising order of seat. */
  standing(context: EpochContext): AsyncIterable<HeldAttestation>
  /** How many stand. */
  countOf(context: EpochContext): Promise<number>
  /** R-SYNC-1: a bit for each index of the snapshot whose attestation stands. */
  bitsOf(context: EpochContext): Promise<Uint8Array>
  /** R-SYNC-1: count and root of what stands. */
  rootOf(context: EpochContext): Promise<Standing>
  /** The same for others who ask: of a large epoch in motion it may be some seconds old. */
  recentRootOf(context: EpochContext): Promise<Standing>
  /** The same if it is at hand, so that nothing need be read for an answer; null otherwise. */
  knownRootOf(epoch: EpochOfBranch): Promise<Standing> | null
  /** All that is held of an epoch, equivocators included, in rising order of seat (R-CP-3). */
  held(context: EpochContext): Promise<HeldRow[]>
  /** Of these seats what is held, whether it stands or not. */
  heldOf(epoch: EpochOfBranch, seats: readonly Seat[]): Promise<HeldAttestation[]>
  /** Another number whenever something of the epoch was taken in since the start: what was made of it before is old. */
  changeOf(epoch: Epoch): number
  /** Seats with a proof in a week, with one proof each. */
  equivocators(week: Week): Promise<ReadonlyMap<Seat, StoredProof>>
}

export interface Holding {
  standings: Standings
  epochs: HeldEpochs
  proofs: HeldProofs
  /** Something of the epoch was taken in. */
  changed(epoch: Epoch): void
}

export const createHolding = (node: NodeContext): Holding => {
  const epochs = createHeldEpochs(node)
  const proofs = createHeldProofs(node, (week) => roots.weekChanged(week))
  const roots = createEpochRoots(node, epochs, (week) => proofs.ofWeek(week))
  const lastChange = new Map<Epoch, number>()
  let changes = 0

  return {
    epochs,
    proofs,
    changed(epoch) {
      lastChange.set(epoch, ++changes)
      roots.epochChanged(epoch)
    },
    standings: {
      async open(context) {
        await proofs.ofWeek(context.week)
        await epochs.open(context)
      },
      closeBefore(epoch) {
        epochs.closeBefore(epoch)
        roots.closeBefore(epoch)
      },
      forgetAbove(height) {
        epochs.forgetAbove(height)
        proofs.forget()
        roots.forgetAbove(height)
      },
      async *standing(context) {
        const equivocators = await proofs.ofWeek(context.week)
        for await (const held of epochs.all(context)) if (!equivocators.has(held.seat)) yield held
      },
      async countOf(context) {
        const equivocators = await proofs.ofWeek(context.week)
        const held = await epochs.open(context)
        let count = held?.count ?? 0
        for (const seat of equivocators.keys()) if (held?.has(seat) === true) count--
        return count
      },
      async bitsOf(context) {
        const equivocators = await proofs.ofWeek(context.week)
        const held = await epochs.open(context)
        return bitfieldOf(context.snapshot.length, (index) => {
          const { seat } = context.snapshot[index]!
          return held?.has(seat) === true && !equivocators.has(seat)
        })
      },
      rootOf: (context) => roots.of(context),
      recentRootOf: (context) => roots.recent(context),
      knownRootOf: (epoch) => roots.atHand(epoch),
      held: async (context) => (await epochs.open(context))?.rows() ?? [],
      heldOf: (epoch, seats) => epochs.ofSeats(epoch, seats),
      changeOf: (epoch) => lastChange.get(epoch) ?? 0,
      equivocators: (week) => proofs.ofWeek(week),
    },
  }
}
