import { type Epoch, epochStart, equalBytes, type HeldAttestation, type Seat } from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { NodeContext } from './context.ts'
import { createHeldEpoch, type HeldEpoch } from './held-epoch.ts'

/** An epoch and the branch of the chain that it is of. */
export type EpochOfBranch = Pick<EpochContext, 'epoch' | 'beacon'>

/** What is held of the epochs that attestations come of: a few are in memory, all are in the store. */
export interface HeldEpochs {
  /** Reads an epoch into memory. Undefined if a reorganisation took its beacon away (R-CHAIN-2). */
  open(context: EpochContext): Promise<HeldEpoch | undefined>
  /** An epoch that is in memory. */
  atHand(epoch: EpochOfBranch): HeldEpoch | undefined
  /** Of these seats what is held, what is on its way to the store included. */
  ofSeats(epoch: EpochOfBranch, seats: readonly Seat[]): Promise<HeldAttestation[]>
  /** All of an epoch in rising order of seat, what is on its way to the store included. */
  all(epoch: EpochOfBranch): AsyncIterable<HeldAttestation>
  closeBefore(epoch: Epoch): void
  forgetAbove(height: number): void
}

/** Running epochs, which stay, and those that sync or a checkpoint is about: 1.5 MB each at 40,000 seats. */
const maxOpenEpochs = 8

export const createHeldEpochs = ({ epochs, attestations, genesis }: NodeContext): HeldEpochs => {
  /** In the order in which they were asked for last. */
  const heldByEpoch = new Map<Epoch, HeldEpoch>()
  const reading = new Map<EpochContext, Promise<HeldEpoch | undefined>>()

  const atHand = ({ epoch, beacon }: EpochOfBranch): HeldEpoch | undefined => {
    const held = heldByEpoch.get(epoch)
    return held !== undefined && equalBytes(held.context.beacon, beacon) ? held : undefined
  }

  const read = async (context: EpochContext): Promise<HeldEpoch | undefined> => {
    const held = createHeldEpoch(context)
    for await (const row of attestations.ofEpoch(context.epoch, context.beacon)) held.add(row)
    if (!epochs.isCanonical(context)) return undefined
    heldByEpoch.set(context.epoch, held)
    for (const [epoch, { underway }] of heldByEpoch) {
      if (heldByEpoch.size <= maxOpenEpochs) break
      const isNeeded = epoch === context.epoch || underway.size > 0 || epochs.isRunning(epoch)
      if (!isNeeded) heldByEpoch.delete(epoch)
    }
    return held
  }

  const underwayOf = (epoch: EpochOfBranch): HeldAttestation[] =>
    [...(atHand(epoch)?.underway.values() ?? [])].sort((a, b) => a.seat - b.seat)

  return {
    atHand,
    async open(context) {
      const known = atHand(context)
      if (known !== undefined) {
        heldByEpoch.delete(context.epoch)
        heldByEpoch.set(context.epoch, known)
        return known
      }
      let work = reading.get(context)
      if (work === undefined) {
        work = read(context).finally(() => reading.delete(context))
        reading.set(context, work)
      }
      return await work
    },
    async ofSeats(epoch, seats) {
      const underway = atHand(epoch)?.underway
      const early = seats.flatMap((seat) => underway?.get(seat) ?? [])
      const stored = await attestations.ofSeats(epoch.epoch, epoch.beacon, seats)
      return [...new Map([...early, ...stored].map((held) => [held.seat, held])).values()]
    },
    async *all(epoch) {
      const underway = underwayOf(epoch)
      let next = 0
      for await (const held of attestations.ofEpoch(epoch.epoch, epoch.beacon)) {
        while (next < underway.length && underway[next]!.seat < held.seat) yield underway[next++]!
        if (underway[next]?.seat === held.seat) next++
        yield held
      }
      yield* underway.slice(next)
    },
    closeBefore(epoch) {
      for (const held of heldByEpoch.keys()) if (held < epoch) heldByEpoch.delete(held)
    },
    forgetAbove(height) {
      for (const e of heldByEpoch.keys()) if (epochStart(genesis, e) > height) heldByEpoch.delete(e)
    },
  }
}
