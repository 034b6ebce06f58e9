import { type Committees, minCommitteeSeats } from '../../committee.ts'
import type { Params } from '../../params.ts'
import { lastInvalidVerdict, Verdict } from '../../verdict.ts'
import { type FlatEpoch, type FlatJudgement, type FlatPrefixes, undecided } from '../flat-epoch.ts'
import { credited, outcomeCode } from '../outcome.ts'

const undecidedOutcome = outcomeCode('undecided')
const noAddress = outcomeCode('undecided: no address')
const addressShared = outcomeCode('invalid: address shared')
const prefixFull = outcomeCode('invalid: prefix full')
const tooFewSeats = outcomeCode('valid: too few seats')
const notAttested = outcomeCode('valid: not attested')
const abstained = outcomeCode('valid: abstained')
const disagrees = outcomeCode('valid: disagrees')

/**
 * Ruleset 1, R-TALLY-0…4. `attestedInAll` is the number of attestations that count in the whole epoch, when `epoch`
 * holds only a part of them: outcomes are then right for seats whose challengers, targets and targets' challengers are
 * in it.
 */
export const judgeFlatEpoch = (
  committees: Committees,
  epoch: FlatEpoch,
  { maxPerPrefix }: Pick<Params, 'maxPerPrefix'>,
  prefixes: FlatPrefixes,
  attestedInAll?: number,
): FlatJudgement => {
  const { size, k, ring } = committees
  const { counted, abstentions, attested } = countAttestations(committees, epoch)
  const classes = classesAlongRing(committees, epoch, counted)
  const majorities = majoritiesAlongRing(committees, epoch, counted, classes)
  const faults = addressFaultsAlongRing(committees, classes, majorities, maxPerPrefix, prefixes)
  const validityIsEnough = 2 * (attestedInAll ?? attested) < size
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
    else outcome = agreesAt(committees, epoch, classes, majorities, position) ? credited : disagrees
    outcomes[ring[position]!] = outcome
  }
  return { outcomes, attested, counted, abstentions, classes, ...majorities }
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

/** Ruleset 1, R-TALLY-1 for one seat: 0 valid, 1…9 invalid with this reason, or `undecided`. */
export const classOf = (verdicts: readonly number[], k: number): number => {
  const counts = new Uint8Array(lastInvalidVerdict + 1)
  for (const verdict of verdicts) if (verdict <= lastInvalidVerdict) counts[verdict]!++
  return 2 * counts[Verdict.valid]! > k ? Verdict.valid : reasonOf(counts, k)
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
  committees: Committees,
  epoch: FlatEpoch,
  classes: Uint8Array,
  majorities: FlatMajorities,
  position: number,
): boolean => {
  const { size, k } = committees
  const { verdicts, addresses } = epoch
  const { named, namedBy } = majorities
  const row = position * k
  let judged = 0
  let same = 0
  let target = position + 1
  for (let i = 0; i < k; i++, target++) {
    if (target >= size) target -= size
    const isNamed = addresses[row + i] === named[target]
    const agreement = agreementWith(verdicts[row + i]!, isNamed, classes[target]!, namedBy[target]!)
    if (agreement === uncounted) continue
    judged++
    same += agreement
  }
  return 2 * same >= judged
}

/** Of a verdict that does not count (R-TALLY-2). */
const uncounted = -1

/**
 * R-TALLY-2: 1 if a verdict agrees with what was decided of its target, the class and the address that most name; 0 if
 * not. `isNamed`: the address beside the verdict is that one, which `namedBy` challengers name.
 */
const agreementWith = (verdict: number, isNamed: boolean, decided: number, namedBy: number): number => {
  if (decided === undecided || verdict === Verdict.abstain) return uncounted
  if (decided !== Verdict.valid || verdict !== Verdict.valid) {
    return (verdict === Verdict.valid) === (decided === Verdict.valid) ? 1 : 0
  }
  return namedBy === 0 ? uncounted : isNamed ? 1 : 0
}

/** Ruleset 1, R-TALLY-2 for one verdict of an epoch that was judged: the i-th of the seat at `position`. */
export const agreementOf = (
  { size, k }: Committees,
  { verdicts, addresses }: FlatEpoch,
  { classes, named, namedBy }: FlatJudgement,
  position: number,
  i: number,
): boolean | null => {
  const at = position * k + i
  const target = (position + 1 + i) % size
  const isNamed = addresses[at] === named[target]
  const agreement = agreementWith(verdicts[at]!, isNamed, classes[target]!, namedBy[target]!)
  return agreement === uncounted ? null : agreement === 1
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
