import { LRUCache } from 'lru-cache'
import { type Epoch, newestRuleset, type Seat } from '../../protocol/index.ts'

/** What a probed node said of its software (R-PROBE-1), and in which epoch. */
export interface SeenVersion {
  version: string
  /** The highest ruleset that it knows. */
  ruleset: number
  epoch: Epoch
}

/** What probed nodes said of their software: for pages, alerts and operators, never for a rule. */
export interface SeenVersions {
  note(seat: Seat, seen: SeenVersion): void
  of(seat: Seat): SeenVersion | undefined
  /** Of the seats that were probed lately, in no order. */
  all(): Iterable<SeenVersion>
  /** How many of these know each ruleset that this node or one of them knows, in rising order. */
  readiness(): Readiness[]
}

/** How far the seats that were probed are ready for a ruleset. */
export interface Readiness {
  ruleset: number
  /** Seats that know it, of those that were probed. */
  ready: number
  probed: number
}

/** A node probes eleven others an epoch: 4,096 are about two months of them. */
const maxSeats = 4_096

export const createSeenVersions = (): SeenVersions => {
  const seen = new LRUCache<Seat, SeenVersion>({ max: maxSeats })
  return {
    note: (seat, said) => void seen.set(seat, said),
    of: (seat) => seen.peek(seat),
    all: () => seen.values(),
    readiness() {
      const known = [...seen.values()].map(({ ruleset }) => ruleset)
      const named = new Set([newestRuleset, ...known])
      return [...named]
        .sort((a, b) => a - b)
        .map((ruleset) => ({
          ruleset,
          ready: known.filter((highest) => highest >= ruleset).length,
          probed: known.length,
        }))
    },
  }
}
