import { createPuzzleCheck, leastAskedEffort, maxEffort, type PuzzleParties } from '../../protocol/index.ts'
import type { World } from '../world.ts'
import type { NetMetrics } from './counters.ts'
import { createPuzzleCookies } from './puzzle-cookies.ts'
import { createPuzzlePrice } from './puzzle-price.ts'

export interface GateLimits {
  /** Entries inside at a time. */
  places: number
  /** Entries that wait for a place; the lightest make room for heavier ones. */
  maxWaiting: number
  /** After so long without a place an entry is refused as `late`. */
  waitMs: number
  /** Once somebody waits who did no less work, a place is taken back after so long. */
  holdMs: number
  /** Solutions remembered of one cookie; when there are so many, the next cookie comes early. */
  maxSpent: number
}

// A stranger's request takes some ten milliseconds, so a place serves about 100 a second, and 64 that wait before eight
// places are served within a tenth of one. 16,384 spent solutions take about 2 MB, and there are two such memories.
// Five seconds are enough for the largest answer of sync at 640 kbit/s; who reads more slowly gets it when nobody waits.
const defaultLimits: GateLimits = {
  places: 8,
  maxWaiting: 64,
  waitMs: 5_000,
  holdMs: 5_000,
  maxSpent: 16_384,
}

export interface PuzzleGateOptions extends Omit<PuzzleParties, 'client'> {
  limits?: Partial<GateLimits>
  /** False: nobody is ever asked for work; there are only places and a queue. */
  asksForWork?: boolean
  world: Pick<World, 'monotonicMs' | 'randomBytes' | 'setTimer'>
  metrics: NetMetrics
  /** A test's own; no test waits for minutes of work. */
  sha256?: (bytes: Uint8Array) => Uint8Array
}

export interface Entry {
  /** Ed25519, 32 bytes; proved by whoever lets it come here. */
  client: Uint8Array
  /** The solution that came with the request, if one did. */
  solution: Uint8Array | null
  /** Whoever has gone needs no place. */
  signal: AbortSignal
  /** Called when the place was taken back. Without it, a place is never taken back. */
  onTakenBack?: () => void
}

/**
 * Why nobody enters. Of the solution: `malformed`, `wrong-purpose`, `wrong-peer`, `stale`, `too-light`, `replayed`. Of the
 * load: `unpaid` (work is asked for), `outbid` (no room to wait beside heavier ones), `full` (no room at a gate that asks
 * for no work), `late` (no place in time), `gone` (the entry's signal was aborted).
 */
export type GateCode =
  | 'malformed'
  | 'wrong-purpose'
  | 'wrong-peer'
  | 'stale'
  | 'too-light'
  | 'replayed'
  | 'unpaid'
  | 'outbid'
  | 'full'
  | 'late'
  | 'gone'

export type GateOutcome =
  | {
      is: 'entered'
      /** Of the solution; 0 if none was asked for and none came. */
      effort: number
      /** Gives the place back; more than once does nothing. */
      leave: () => void
    }
  | {
      is: 'refused'
      code: GateCode
      /** True if no honest client sends this. */
      isFault: boolean
      /** What would be let in now; null at a gate that never asks for work. */
      puzzle: { cookie: Uint8Array; effort: number } | null
    }

export interface GateStatus {
  purpose: string
  /** Hashes that a stranger is asked for now; 0 for none. */
  effort: number
  inside: number
  waiting: number
  /** Solutions remembered as spent. */
  spent: number
}

/**
 * What strangers pass before a node works for them (R-PUZ-3 to R-PUZ-5): a few places, a queue in order of the work that
 * was done, and a price in work that follows the load, after the onion services of Tor (proposal 327). Registered peers
 * do not come here.
 */
export interface PuzzleGate {
  /** Resolves with a place, or why there is none; never rejects. One hash at most comes before anything is kept. */
  enter(entry: Entry): Promise<GateOutcome>
  status(): GateStatus
}

export const createPuzzleGate = (options: PuzzleGateOptions): PuzzleGate => {
  const { world, metrics, purpose, asksForWork = true } = options
  const limits = { ...defaultLimits, ...options.limits }
  const check = createPuzzleCheck(options, options.sha256)
  const price = createPuzzlePrice(world, limits.places)
  const cookies = createPuzzleCookies(world, limits.maxSpent)
  /** Heaviest first, of equals the earliest. */
  const waiting: Waiting[] = []
  /** The earliest first. */
  const inside = new Set<Place>()

  const refused = (code: GateCode, isFault = false): GateOutcome => {
    metrics.increment('gate_refusals', code)
    return { is: 'refused', code, isFault, puzzle: asksForWork ? offer() : null }
  }

  /** What to pay to get in: at least what is asked for, and more than the lightest of a full queue. */
  const offer = (): { cookie: Uint8Array; effort: number } => {
    const lightest = waiting.length < limits.maxWaiting ? 0 : waiting.at(-1)!.effort
    // The least also while nothing is asked for, or whoever has a cookie of then pays next to nothing under load.
    const least = Math.max(price.effort(), leastAskedEffort)
    const asked = Math.max(least, Math.ceil((lightest * 5) / 4))
    return { cookie: cookies.give(least), effort: Math.min(asked, maxEffort) }
  }

  const enter = (effort: number, onTakenBack: Entry['onTakenBack']): GateOutcome => {
    const place: Place = {
      effort,
      sinceMs: world.monotonicMs(),
      leave: () => {
        if (!inside.delete(place)) return
        cancelTimer()
        waiting.shift()?.enter()
      },
      onTakenBack,
    }
    const cancelTimer = world.setTimer(limits.holdMs, takeBack)
    inside.add(place)
    return { is: 'entered', effort, leave: place.leave }
  }

  /** Slow readers and endless work make room for the next one who did no less, one at a time, the lightest first. */
  const takeBack = (): void => {
    const [next] = waiting
    if (next === undefined) return
    const latestMs = world.monotonicMs() - limits.holdMs
    const held = [...inside].filter(
      ({ effort, sinceMs, onTakenBack }) =>
        sinceMs <= latestMs && effort <= next.effort && onTakenBack !== undefined,
    )
    const place = held.sort((a, b) => a.effort - b.effort)[0]
    place?.leave()
    place?.onTakenBack?.()
  }

  const turnAway = (effort: number, code: GateCode): GateOutcome => {
    price.turnedAway(effort)
    return refused(code)
  }

  const wait = (effort: number, { signal, onTakenBack }: Entry): Promise<GateOutcome> => {
    if (waiting.length >= limits.maxWaiting) {
      const lightest = waiting.at(-1)!
      if (lightest.effort >= effort) return Promise.resolve(turnAway(effort, codeOfNoRoom(effort)))
      waiting.pop()
      lightest.refuse(turnAway(lightest.effort, codeOfNoRoom(lightest.effort)))
    }
    price.waited()
    return new Promise((resolve) => {
      const settle = (outcome: GateOutcome): void => {
        cancelTimer()
        signal.removeEventListener('abort', onAbort)
        resolve(outcome)
      }
      const giveUp = (outcome: () => GateOutcome): void => {
        const index = waiting.indexOf(entry)
        if (index < 0) return
        waiting.splice(index, 1)
        settle(outcome())
      }
      const entry: Waiting = { effort, enter: () => settle(enter(effort, onTakenBack)), refuse: settle }
      const cancelTimer = world.setTimer(limits.waitMs, () => giveUp(() => turnAway(effort, 'late')))
      const onAbort = (): void => giveUp(() => refused('gone'))
      signal.addEventListener('abort', onAbort, { once: true })
      const lighter = waiting.findIndex((other) => other.effort < effort)
      waiting.splice(lighter < 0 ? waiting.length : lighter, 0, entry)
      takeBack()
    })
  }

  const codeOfNoRoom = (effort: number): GateCode => {
    if (!asksForWork) return 'full'
    return effort === 0 ? 'unpaid' : 'outbid'
  }

  return {
    async enter(entry) {
      const { client, solution } = entry
      if (entry.signal.aborted) return refused('gone')
      price.settle(waiting.length > 0)
      let effort = 0
      if (asksForWork && solution !== null) {
        const given = cookies.given()
        const checked = check(solution, client, given)
        if (checked.is !== 'accept') return refused(checked.code as GateCode, checked.is === 'reject')
        const { cookieIndex, id } = checked.value
        if (!cookies.spend(cookieIndex, id)) return refused('replayed')
        effort = checked.value.effort
      } else if (asksForWork && price.effort() > 0) {
        return turnAway(0, 'unpaid')
      }
      return inside.size < limits.places ? enter(effort, entry.onTakenBack) : await wait(effort, entry)
    },
    status: () => {
      price.settle(waiting.length > 0)
      return {
        purpose,
        effort: asksForWork ? price.effort() : 0,
        inside: inside.size,
        waiting: waiting.length,
        spent: cookies.spent(),
      }
    },
  }
}

interface Waiting {
  effort: number
  enter(): void
  refuse(outcome: GateOutcome): void
}

interface Place {
  effort: number
  sinceMs: number
  leave: () => void
  onTakenBack: Entry['onTakenBack']
}
