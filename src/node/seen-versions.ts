import type { Epoch, Seat } from '../../protocol/index.ts'

/** Versions of the software that probed nodes named (R-PROBE-1): for pages and alerts, never for a rule. */
export interface SeenVersions {
  note(seat: Seat, version: string, epoch: Epoch): void
  of(seat: Seat): { version: string; epoch: Epoch } | undefined
  /** Of the seats that were probed lately, in no order. */
  all(): Iterable<{ version: string; epoch: Epoch }>
}

/** A node probes eleven others an epoch: 4,096 are about two months of them. */
const maxSeats = 4_096

export const createSeenVersions = (): SeenVersions => {
  const seen = new Map<Seat, { version: string; epoch: Epoch }>()
  return {
    note(seat, version, epoch) {
      seen.delete(seat)
      seen.set(seat, { version, epoch })
      if (seen.size > maxSeats) seen.delete(seen.keys().next().value!)
    },
    of: (seat) => seen.get(seat),
    all: () => seen.values(),
  }
}
