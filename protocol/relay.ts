import type { Seat } from './ids.ts'
import { drawOrder, type RandomStream } from './random.ts'
import type { Outcome } from './tally/outcome.ts'

/** Hops of a circuit unless the client says otherwise: of two, the first would know the last. */
export const defaultHops = 3
/** Each more costs a round trip and 18 bytes of every cell, and gains nothing against the first and last together. */
export const maxHops = 8
/** Circuits tried for one transaction before the client gives up. */
export const maxCircuitAttempts = 4

/** What a client knows of a seat that may be a hop. */
export interface RelayCandidate {
  seat: Seat
  /** 4 bytes, or 16 that map no IPv4 (R-PROBE-2). */
  address: Uint8Array
}

/** Leading bits in which no two hops of a circuit may agree, by address family. A matter of the profile. */
export interface PrefixBits {
  ipv4: number
  ipv6: number
}

/** /16 as an old allocation of one network, /32 as what a registry gives to one provider (RFC 6177, RIPE-738). */
export const defaultPrefixBits: PrefixBits = { ipv4: 16, ipv6: 32 }

/** Class of a seat in a closed epoch (R-TALLY-1, R-TALLY-3); null where it was not in the snapshot or the client holds too little. */
export type LastClass = 'valid' | 'invalid' | 'undecided' | null

/** The class in an outcome: who shares his address is invalid, who attested nothing is valid all the same. */
export const lastClassOf = (outcome: Outcome): Exclude<LastClass, null> => {
  if (outcome.startsWith('invalid')) return 'invalid'
  return outcome.startsWith('undecided') ? 'undecided' : 'valid'
}

/** R-RELAY-1: whether a client that holds so many of an epoch's attestations learns anything of it. */
export const saysEnough = (attestations: number, seats: number): boolean => 2 * attestations >= seats

/** How many closed epochs a client looks back (R-RELAY-1). */
export const outcomeEpochs = 2

/** R-RELAY-1: an active seat may be a hop if all that is known of its last epochs is valid. */
export const mayBeHop = (lastClasses: readonly LastClass[]): boolean =>
  lastClasses.every((one) => one === null || one === 'valid')

export interface HopDraw<T extends RelayCandidate> {
  /** Seats that may be hops (`mayBeHop`), each once, in any order that does not depend on the stream. */
  candidates: readonly T[]
  /** Places of the path, from the client on: hops that stay where they are, and null for those to be drawn. */
  places: readonly (T | null)[]
  /** Seats that are not to be drawn: one's own, and the suspects of failed circuits (R-RELAY-2). */
  excluded: ReadonlySet<Seat>
  prefixBits: PrefixBits
}

/**
 * R-RELAY-1: fills the places, first to last, each with a uniform draw from the candidates that are neither excluded
 * nor in the path, and share no prefix with a hop of it. Null if the candidates have too few prefixes. Takes a few
 * words of the stream, however many candidates there are.
 */
export const drawHops = <T extends RelayCandidate>(
  { candidates, places, excluded, prefixBits }: HopDraw<T>,
  stream: Pick<RandomStream, 'below'>,
): T[] | null => {
  const path = [...places]
  const order = drawOrder(candidates.length, stream)
  for (const [place, kept] of places.entries()) {
    if (kept !== null) continue
    const hop = nextApart(candidates, order, path, excluded, prefixBits)
    if (hop === null) return null
    path[place] = hop
  }
  return path as T[]
}

/** Whether an address shares no prefix with any of the others; of two families it never does. */
export const isApart = (
  address: Uint8Array,
  others: readonly Uint8Array[],
  prefixBits: PrefixBits,
): boolean => {
  const bits = address.length === 4 ? prefixBits.ipv4 : prefixBits.ipv6
  return others.every((other) => other.length !== address.length || !agrees(address, other, bits))
}

/**
 * R-RELAY-2: who may be at fault when a circuit fails. `link` is the one that broke while the circuit was built (0 from
 * the client to the first hop), or null if it broke afterwards. All that was sent for a link passed every hop before it.
 */
export const suspectsOf = (path: readonly Seat[], link: number | null): readonly Seat[] =>
  link === null ? path : path.slice(0, link + 1)

/** A candidate that was passed over once fits no better later: its prefix stays taken. So the order goes on. */
const nextApart = <T extends RelayCandidate>(
  candidates: readonly T[],
  order: Iterator<number, undefined>,
  path: readonly (T | null)[],
  excluded: ReadonlySet<Seat>,
  prefixBits: PrefixBits,
): T | null => {
  const hops = path.filter((hop) => hop !== null)
  const addresses = hops.map(({ address }) => address)
  for (let next = order.next(); next.done !== true; next = order.next()) {
    const candidate = candidates[next.value]!
    const isTaken = excluded.has(candidate.seat) || hops.some(({ seat }) => seat === candidate.seat)
    if (!isTaken && isApart(candidate.address, addresses, prefixBits)) return candidate
  }
  return null
}

const agrees = (a: Uint8Array, b: Uint8Array, bits: number): boolean => {
  const whole = bits >>> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = bits & 7
  return rest === 0 || (a[whole]! ^ b[whole]!) >>> (8 - rest) === 0
}
