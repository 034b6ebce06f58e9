import { type Committees, minCommitteeSeats } from '../committee.ts'
import { lastInvalidVerdict, Verdict } from '../verdict.ts'
import { undecided } from './classes.ts'
import { invalidOutcomes, type Outcome } from './outcome.ts'

/**
 * One epoch laid out along the ring in typed arrays: for whoever judges thousands of epochs of tens of thousands of
 * seats, or has to do with little memory. `judgeFlatEpoch` gives what `judgeEpoch` gives of the same attestations; a
 * property test holds them together. At most 2^21 seats.
 */
export interface FlatEpoch {
  /** 1 where the seat at this position of the ring has an attestation in the set. n bytes. */
  attests: Uint8Array
  /** n · k codes: at [p · k + i] what the seat at position p says of the one at p + 1 + i. */
  verdicts: Uint8Array
  /**
   * n · k addresses as numbers, laid out alike; read where the verdict is 0. With IPv4 alone the addresses themselves,
   * otherwise as `createAddressNumbers` numbers them.
   */
  addresses: Uint32Array
}

export const createFlatEpoch = ({ size, k }: Pick<Committees, 'size' | 'k'>): FlatEpoch => ({
  attests: new Uint8Array(size),
  verdicts: new Uint8Array(size * k),
  addresses: new Uint32Array(size * k),
})

/** What the codes of `judgeFlatEpoch` mean: 0 is `credited`, 1 … 9 invalid for the reason of that number. */
export const flatOutcomes: readonly Outcome[] = [
  'credited',
  ...invalidOutcomes.slice(1),
  'undecided',
  'undecided: no address',
  'invalid: address shared',
  'invalid: prefix full',
  'valid: too few seats',
  'valid: not attested',
  'valid: abstained',
  'valid: disagrees',
]

const credited = 0
const codeOf = (outcome: Outcome): number => flatOutcomes.indexOf(outcome)
const undecidedOutcome = codeOf('undecided')
const noAddress = codeOf('undecided: no address')
const addressShared = codeOf('invalid: address shared')
const prefixFull = codeOf('invalid: prefix full')
const tooFewSeats = codeOf('valid: too few seats')
const notAttested = codeOf('valid: not attested')
const abstained = codeOf('valid: abstained')
const disagrees = codeOf('valid: disagrees')

/**
 * Of an address the number of its prefix, below 2^24, or −1 if it has none of this length: one function for each length,
 * in the order in which R-TALLY-3 ranks them.
 */
export type FlatPrefixes = readonly ((address: number) => number)[]

/** /24 and /16. */
export const ipv4Prefixes: FlatPrefixes = [(address) => address >>> 8, (address) => address >>> 16]

/** R-TALLY-0…4 for one epoch: at each index of the snapshot a code of `flatOutcomes`, and how many attested. */
export const judgeFlatEpoch = (
  committees: Committees,
  epoch: FlatEpoch,
  maxPerPrefix: number,
  prefixes: FlatPrefixes = ipv4Prefixes,
): { outcomes: Uint8Array; attested: number } => {
  const { size, k, ring } = committees
  const { counted, abstentions, attested } = countAttestations(committees, epoch)
  const classes = classesAlongRing(committees, epoch, counted)
  const named = majoritiesAlongRing(committees, epoch, counted, classes)
  const faults = addressFaultsAlongRing(committees, classes, named, maxPerPrefix, prefixes)
  const validityIsEnough = 2 * attested < size
  const outcomes = new Uint8Array(size)
  for (let position = 0; position < size; position++) {
    const decided = classes[position]!
    let outcome: number
    if (decided === undecided) outcome = undecidedOutcome
    else if (decided !== Verdict.valid) outcome = decided
    else if (faults[position] !== 0) outcome = faults[position]!
    else if (size < minCommitteeSeats) outcome = tooFewSeats
    else if (validityIsEnough) outcome = credited
    else if (counted[position] === 0) outcome = notAttested
    else if (2 * abstentions[position]! > k) outcome = abstained
    else outcome = agreesAt(committees, epoch, classes, named, position) ? credited : disagrees
    outcomes[ring[position]!] = outcome
  }
  return { outcomes, attested }
}

/** R-TALLY-0. All arrays below run over positions of the ring. */
const countAttestations = (
  { size, k }: Committees,
  { attests, verdicts }: FlatEpoch,
): { counted: Uint8Array; abstentions: Uint8Array; attested: number } => {
  const counted = new Uint8Array(size)
  const abstentions = new Uint8Array(size)
  let attested = 0
  for (let position = 0; position < size; position++) {
    if (attests[position] !== 1) continue
    let abstains = 0
    let isWellFormed = 1
    for (let at = position * k, end = at + k; at < end; at++) {
      const verdict = verdicts[at]!
      if (verdict <= lastInvalidVerdict) continue
      if (verdict === Verdict.abstain) abstains++
      else isWellFormed = 0
    }
    counted[position] = isWellFormed
    abstentions[position] = abstains
    attested += isWellFormed
  }
  return { counted, abstentions, attested }
}

/** R-TALLY-1. */
const classesAlongRing = (
  { size, k }: Committees,
  { verdicts }: FlatEpoch,
  counted: Uint8Array,
): Uint8Array => {
  // Rows are read in order, so the counts run over the end of the ring and are folded afterwards.
  const valid = new Uint8Array(size + k)
  for (let position = 0; position < size; position++) {
    if (counted[position] === 0) continue
    const row = position * k
    for (let i = 0; i < k; i++) if (verdicts[row + i] === Verdict.valid) valid[position + 1 + i]!++
  }
  for (let i = 0; i < k; i++) valid[i]! += valid[size + i]!
  const classes = new Uint8Array(size)
  const counts = new Uint8Array(lastInvalidVerdict + 1)
  for (let position = 0; position < size; position++) {
    if (2 * valid[position]! > k) continue
    counts.fill(0)
    for (let i = 0; i < k; i++) {
      const challenger = (position + size - 1 - i) % size
      const verdict = verdicts[challenger * k + i]!
      if (counted[challenger] === 1 && verdict <= lastInvalidVerdict) counts[verdict]!++
    }
    classes[position] = reasonOf(counts, k)
  }
  return classes
}

const reasonOf = (counts: Uint8Array, k: number): number => {
  let invalid = 0
  let reason = 1
  for (let code = 1; code <= lastInvalidVerdict; code++) {
    invalid += counts[code]!
    if (counts[code]! > counts[reason]!) reason = code
  }
  return 2 * invalid > k ? reason : undecided
}

/** R-TALLY-2. */
const agreesAt = (
  { size, k }: Committees,
  { verdicts, addresses }: FlatEpoch,
  classes: Uint8Array,
  { named, namedBy }: FlatMajorities,
  position: number,
): boolean => {
  const row = position * k
  let judged = 0
  let same = 0
  let target = position + 1
  for (let i = 0; i < k; i++, target++) {
    if (target >= size) target -= size
    const decided = classes[target]!
    const verdict = verdicts[row + i]!
    if (decided === undecided || verdict === Verdict.abstain) continue
    if (decided !== Verdict.valid || verdict !== Verdict.valid) {
      judged++
      if ((verdict === Verdict.valid) === (decided === Verdict.valid)) same++
    } else if (namedBy[target] !== 0) {
      judged++
      if (addresses[row + i] === named[target]) same++
    }
  }
  return 2 * same >= judged
}

/** R-TALLY-3: at each position the address that more than half name, and how many: 0 without one. */
interface FlatMajorities {
  named: Uint32Array
  namedBy: Uint8Array
}

const majoritiesAlongRing = (
  { size, k }: Committees,
  { verdicts, addresses }: FlatEpoch,
  counted: Uint8Array,
  classes: Uint8Array,
): FlatMajorities => {
  const named = new Uint32Array(size)
  const namedBy = new Uint8Array(size)
  const candidates = new Uint32Array(k)
  for (let position = 0; position < size; position++) {
    if (classes[position] !== Verdict.valid) continue
    let length = 0
    let challenger = position
    for (let i = 0; i < k; i++) {
      challenger = challenger === 0 ? size - 1 : challenger - 1
      const at = challenger * k + i
      if (counted[challenger] === 1 && verdicts[at] === Verdict.valid) candidates[length++] = addresses[at]!
    }
    let winner = candidates[0]!
    let by = countOf(candidates, length, winner)
    if (2 * by <= k) {
      // Boyer and Moore: what more than half name outlives every pairing of different ones; a second look counts it.
      let lead = 0
      for (let i = 0; i < length; i++) {
        if (lead === 0) winner = candidates[i]!
        lead += candidates[i] === winner ? 1 : -1
      }
      by = countOf(candidates, length, winner)
    }
    if (2 * by <= k) continue
    named[position] = winner
    namedBy[position] = by
  }
  return { named, namedBy }
}

/** R-TALLY-3: at each position an outcome's code, 0 where nothing is wrong. */
const addressFaultsAlongRing = (
  { size, ring }: Committees,
  classes: Uint8Array,
  { named, namedBy }: FlatMajorities,
  maxPerPrefix: number,
  prefixes: FlatPrefixes,
): Uint8Array => {
  const faults = new Uint8Array(size)
  for (let position = 0; position < size; position++) {
    if (classes[position] === Verdict.valid && namedBy[position] === 0) faults[position] = noAddress
  }
  /** Whether the seat at position a stays before the one at b. */
  const ranksBefore = (a: number, b: number): boolean =>
    namedBy[a]! > namedBy[b]! || (namedBy[a] === namedBy[b] && ring[a]! < ring[b]!)
  keepOnePerAddress(named, namedBy, faults, ranksBefore)
  if (maxPerPrefix > 0) {
    for (const prefixOf of prefixes) keepPerPrefix(named, namedBy, ring, faults, prefixOf, maxPerPrefix)
  }
  return faults
}

const countOf = (values: Uint32Array, length: number, value: number): number => {
  let count = 0
  for (let i = 0; i < length; i++) if (values[i] === value) count++
  return count
}

/** A table of addresses by open addressing: a Map of 40,000 numbers an epoch would cost more than the judging. */
const keepOnePerAddress = (
  named: Uint32Array,
  namedBy: Uint8Array,
  faults: Uint8Array,
  ranksBefore: (a: number, b: number) => boolean,
): void => {
  const bits = 1 + Math.ceil(Math.log2(named.length + 1))
  const mask = 2 ** bits - 1
  const holders = new Uint32Array(mask + 1)
  for (let position = 0; position < named.length; position++) {
    if (namedBy[position] === 0) continue
    // Knuth's multiplicative hash: 2^32 over the golden ratio spreads neighbouring addresses.
    let slot = Math.imul(named[position]!, 0x9e3779b1) >>> (32 - bits)
    while (holders[slot] !== 0 && named[holders[slot]! - 1] !== named[position]) slot = (slot + 1) & mask
    const holder = holders[slot]! - 1
    if (holder === -1) holders[slot] = position + 1
    else if (ranksBefore(position, holder)) {
      holders[slot] = position + 1
      faults[holder] = addressShared
    } else faults[position] = addressShared
  }
}

/** At most `keep` of those without a fault stay in each prefix. */
const keepPerPrefix = (
  named: Uint32Array,
  namedBy: Uint8Array,
  ring: Uint32Array,
  faults: Uint8Array,
  prefixOf: FlatPrefixes[number],
  keep: number,
): void => {
  // Prefix, then rank, then index, in one number below 2^53: numbers sort faster than rows.
  const sorted = new Float64Array(named.length)
  const positionOfIndex = new Uint32Array(named.length)
  let length = 0
  for (let position = 0; position < named.length; position++) {
    if (namedBy[position] === 0 || faults[position] !== 0) continue
    const prefix = prefixOf(named[position]!)
    if (prefix === -1) continue
    positionOfIndex[ring[position]!] = position
    sorted[length++] = (prefix * 64 + (63 - namedBy[position]!)) * indexes + ring[position]!
  }
  const rows = sorted.subarray(0, length).sort()
  let previous = -1
  let inPrefix = 0
  for (const row of rows) {
    const prefix = Math.floor(row / (64 * indexes))
    inPrefix = prefix === previous ? inPrefix + 1 : 1
    previous = prefix
    if (inPrefix > keep) faults[positionOfIndex[row % indexes]!] = prefixFull
  }
}

/** 24 bits of prefix, 6 of rank (a committee has at most 48) and 21 of index make 51. */
const indexes = 2 ** 21
