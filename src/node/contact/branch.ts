import type { Epoch, Seat } from '../../../protocol/index.ts'

/** Under which beacon other seats work, as far as it is known of those that are looked at. */
export interface BranchState {
  /** The two newest epochs, the newest last. */
  epochs: readonly EpochBranch[]
}

export interface EpochBranch {
  epoch: Epoch
  seats: ReadonlyMap<Seat, SeenBranch>
}

export type SeenBranch = 'unknown' | 'ours' | 'other'

export const noBranch: BranchState = { epochs: [] }

export type BranchEvent =
  /** Seats of the epoch that were drawn by this node's own chance: nobody else knows whose beacons are looked at. */
  | { is: 'epoch'; epoch: Epoch; drawn: readonly Seat[] }
  /**
   * A seat, known by its signature or by the key of its connection. `isDrawn`: this node drew it just now to ask it, so that
   * it is one more of the drawn.
   */
  | { is: 'saw'; epoch: Epoch; seat: Seat; isOurs: boolean; isDrawn: boolean }
  /** These epochs have other beacons now. */
  | { is: 'reorganised'; from: Epoch }

/**
 * Where a third of all seats are hostile and sign under another beacon, more than half of 256 drawn ones are hostile with
 * probability 1.4·10^-8. Fewer are drawn only where there are fewer.
 */
export const drawnSeats = 256
/** One seat that says otherwise is not a network. */
const minOther = 2

export const stepBranch = (state: BranchState, event: BranchEvent): BranchState => {
  switch (event.is) {
    case 'epoch': {
      if (state.epochs.some(({ epoch }) => epoch === event.epoch)) return state
      const seats = new Map<Seat, SeenBranch>(event.drawn.map((seat) => [seat, 'unknown']))
      const epochs = [...state.epochs, { epoch: event.epoch, seats }].sort((a, b) => a.epoch - b.epoch)
      return { epochs: epochs.slice(-2) }
    }
    case 'saw': {
      const { epoch, seat, isOurs, isDrawn } = event
      return {
        epochs: state.epochs.map((one) =>
          one.epoch === epoch && (isDrawn || one.seats.has(seat))
            ? { epoch, seats: new Map(one.seats).set(seat, isOurs ? 'ours' : 'other') }
            : one,
        ),
      }
    }
    case 'reorganised':
      return { epochs: state.epochs.filter(({ epoch }) => epoch < event.from) }
  }
}

/** What is known of the newest epoch of which enough is known. */
export interface BranchVerdict {
  epoch: Epoch
  is: 'ours' | 'other'
  /** Of so many that are looked at, so many work under another beacon. */
  other: number
  seats: number
}

/** Null while nothing can be said. */
export const branchVerdict = ({ epochs }: BranchState): BranchVerdict | null => {
  for (const { epoch, seats } of epochs.toReversed()) {
    const count = (is: SeenBranch): number => [...seats.values()].filter((seen) => seen === is).length
    const other = count('other')
    const verdict = { epoch, other, seats: seats.size }
    if (other >= minOther && 2 * other > seats.size) return { ...verdict, is: 'other' }
    if (2 * count('ours') > seats.size) return { ...verdict, is: 'ours' }
  }
  return null
}

/** Whether the beacon of this seat is looked for and was not seen to be another one yet. */
export const isLookedAt = ({ epochs }: BranchState, epoch: Epoch, seat: Seat): boolean => {
  const seen = epochs.find((one) => one.epoch === epoch)?.seats.get(seat)
  return seen !== undefined && seen !== 'other'
}
