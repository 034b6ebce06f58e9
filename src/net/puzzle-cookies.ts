import { createHmac } from 'node:crypto'
import { cookieBytes, type GivenCookie } from '../../protocol/index.ts'
import type { World } from '../world.ts'

/** The cookies of one gate, and what was spent under them. */
export interface PuzzleCookies {
  /** The cookie of now, given to somebody who is asked for `effort` or more. */
  give(effort: number): Uint8Array
  /** Those that are good, the newest first. */
  given(): readonly GivenCookie[]
  /** False if it was spent before. `index` is that of `given`, asked for in the same step; `id` is a SHA-256. */
  spend(index: number, id: Uint8Array): boolean
  /** How many are remembered. */
  spent(): number
}

const minuteMs = 60_000

/**
 * R-PUZ-3: cookies that no memory of clients stands behind: the first 16 bytes of HMAC-SHA-256 under a secret of this
 * process over the cookie's number. A new one each minute, and the one before it is good for a minute more. What was
 * spent is remembered as long as its cookie is good; a memory that is full brings the next cookie early, so that it is
 * bounded and nothing is ever forgotten that could be used again.
 */
export const createPuzzleCookies = (
  world: Pick<World, 'monotonicMs' | 'randomBytes'>,
  maxSpent: number,
): PuzzleCookies => {
  const secret = world.randomBytes(32)
  const create = (number: number, sinceMs: number): Cookie => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(BigInt(number))
    const cookie = createHmac('sha256', secret).update(bytes).digest().subarray(0, cookieBytes)
    return { number, sinceMs, cookie, leastEffort: Infinity, spent: new Set() }
  }
  let current = create(0, world.monotonicMs())
  let previous: Cookie | null = null

  const next = (sinceMs: number): void => {
    previous = current
    current = create(current.number + 1, sinceMs)
  }
  const turn = (): void => {
    const nowMs = world.monotonicMs()
    const minutes = Math.floor((nowMs - current.sinceMs) / minuteMs)
    if (minutes < 1) return
    const sinceMs = current.sinceMs + minutes * minuteMs
    next(sinceMs)
    if (minutes > 1) previous = null
  }
  const good = (): Cookie[] => (previous === null ? [current] : [current, previous])

  return {
    give: (effort) => {
      turn()
      current.leastEffort = Math.min(current.leastEffort, effort)
      return current.cookie
    },
    given: () => {
      turn()
      return good()
    },
    spend: (index, id) => {
      const { spent } = good()[index]!
      const name = Buffer.from(id.buffer, id.byteOffset, 16).toString('latin1')
      if (spent.has(name)) return false
      spent.add(name)
      if (spent.size >= maxSpent) next(world.monotonicMs())
      return true
    },
    spent: () => good().reduce((sum, { spent }) => sum + spent.size, 0),
  }
}

interface Cookie extends GivenCookie {
  number: number
  sinceMs: number
  /** First 16 bytes of the hashes of spent solutions: nobody finds two solutions alike in 128 bits. */
  spent: Set<string>
}
