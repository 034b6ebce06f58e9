import { isWellFormed } from '../attestation.ts'
import { type Committees, createCommittees } from '../committee.ts'
import type { Params } from '../params.ts'
import { finish, type Steps } from '../steps.ts'
import { Verdict } from '../verdict.ts'
import { createAddressNumbers } from './address-numbers.ts'
import {
  createFlatEpoch,
  type FlatEpoch,
  type FlatJudgement,
  type FlatPrefixes,
  ipv4Prefixes,
  undecided,
} from './flat-epoch.ts'
import type { AttestedVerdicts, JudgingParams, TallyEpoch, TallyInput, WeekTally } from './input.ts'
import { rulesetOf } from './rulesets.ts'

/** Judges an epoch attestation by attestation, so that no more than one of them is in memory as objects. */
export interface EpochJudging {
  /** What was added, along the ring. */
  readonly flat: FlatEpoch
  /** The address that a number in `flat.addresses` stands for: 4 or 16 bytes. */
  addressOf: (number: number) => Uint8Array
  /**
   * Adds the attestation of the seat at `index` of the snapshot: each seat at most once, and no equivocator (R-ATT-3).
   * One that is not well formed is absent (R-TALLY-0).
   */
  add(index: number, attestation: AttestedVerdicts): void
  /**
   * Judges what was added, under the ruleset of the parameters. `attestedInAll`: attestations that count in the whole
   * epoch, when only some of them were added; outcomes are then right for seats whose challengers, targets and
   * targets' challengers were.
   */
  judge(attestedInAll?: number): JudgedVerdicts
}

/** A judged epoch by indexes of its snapshot: the outcomes, who said what, and what was decided. */
export interface JudgedVerdicts {
  /** At each index, a code of `outcomeNames`. */
  readonly outcomes: Uint8Array
  /** Number of attestations that count. */
  readonly attested: number
  /** The i-th verdict of the seat at `index`; undefined if no attestation of it counts. */
  verdictOf(index: number, i: number): number | undefined
  /** The address beside a verdict 0 as a number: equal where R-TALLY-3 takes two addresses for one. */
  addressNumberOf(index: number, i: number): number | undefined
  /** Whether the verdict agrees with what was decided of the target (R-TALLY-2); null if it does not count. */
  agreementOf(index: number, i: number): boolean | null
  /** The verdict decided of the seat (R-TALLY-1); null if undecided. */
  decidedOf(index: number): Verdict | null
  /** How many challengers name the address that more than half of them name (R-TALLY-3); 0 without one. */
  namedByOf(index: number): number
  /** Indexes of the other valid seats with the same such address, rising (R-TALLY-3). */
  sharingWith(index: number): number[]
  /** Abstentions in the seat's own attestation. */
  abstentionsOf(index: number): number
}

/**
 * Starts judging an epoch of these committees under the parameters of its week. `judge` throws for a ruleset that this
 * version does not know.
 */
export const createEpochJudging = (committees: Committees, params: JudgingParams): EpochJudging => {
  const { k, positions } = committees
  const flat = createFlatEpoch(committees)
  const { numberOf, addressOf, prefixes } = createAddressNumbers()
  return {
    flat,
    addressOf,
    add(index, { verdicts, addresses }) {
      if (verdicts.length !== k || !isWellFormed({ verdicts, addresses })) return
      const position = positions[index]!
      flat.attests[position] = 1
      flat.verdicts.set(verdicts, position * k)
      let named = 0
      for (let i = 0; i < k; i++) {
        if (verdicts[i] === Verdict.valid) flat.addresses[position * k + i] = numberOf(addresses[named++]!)
      }
    },
    judge(attestedInAll) {
      const ruleset = rulesetOf(params)
      const judgement = ruleset.judgeEpoch(committees, flat, params, prefixes, attestedInAll)
      const agreementOf = (position: number, i: number): boolean | null =>
        ruleset.agreementOf(committees, flat, judgement, position, i)
      return verdictsOf(committees, flat, judgement, agreementOf)
    },
  }
}

const verdictsOf = (
  { k, ring, positions }: Committees,
  { verdicts, addresses }: FlatEpoch,
  { outcomes, attested, counted, abstentions, classes, named, namedBy }: FlatJudgement,
  agreementOf: (position: number, i: number) => boolean | null,
): JudgedVerdicts => {
  const verdictOf = (index: number, i: number): number | undefined => {
    const position = positions[index]!
    return counted[position] === 1 ? verdicts[position * k + i] : undefined
  }
  return {
    outcomes,
    attested,
    verdictOf,
    addressNumberOf: (index, i) =>
      verdictOf(index, i) === Verdict.valid ? addresses[positions[index]! * k + i] : undefined,
    agreementOf: (index, i) => (verdictOf(index, i) === undefined ? null : agreementOf(positions[index]!, i)),
    decidedOf(index) {
      const decided = classes[positions[index]!]!
      return decided === undecided ? null : (decided as Verdict)
    },
    namedByOf: (index) => namedBy[positions[index]!]!,
    sharingWith(index) {
      const own = positions[index]!
      if (namedBy[own] === 0) return []
      const isShared = (_: number, at: number): boolean =>
        at !== own && namedBy[at] !== 0 && named[at] === named[own]
      return Array.from(ring.filter(isShared)).sort((a, b) => a - b)
    },
    abstentionsOf: (index) => abstentions[positions[index]!]!,
  }
}

/** R-TALLY-0…4 for an epoch whose attestations are at hand, without those of equivocators (R-ATT-3). */
export const judgeEpoch = (
  { beacon, attestations }: Pick<TallyEpoch, 'beacon' | 'attestations'>,
  params: JudgingParams,
): JudgedVerdicts => {
  const judging = createEpochJudging(createCommittees(beacon, attestations.length, params.committee), params)
  for (const [index, attestation] of attestations.entries()) {
    if (attestation !== undefined) judging.add(index, attestation)
  }
  return judging.judge()
}

/** R-TALLY-0…4 for an epoch that is laid out already, under the ruleset of the parameters. */
export const judgeFlatEpoch = (
  committees: Committees,
  epoch: FlatEpoch,
  params: JudgingParams,
  prefixes: FlatPrefixes = ipv4Prefixes,
): FlatJudgement => rulesetOf(params).judgeEpoch(committees, epoch, params, prefixes)

/**
 * R-TALLY-1 for one seat with k challengers under the ruleset of the parameters, from the verdicts of those that have
 * spoken so far. Returns the verdict that is decided, or null.
 */
export const decidedBy = (
  verdicts: readonly number[],
  k: number,
  params: Pick<Params, 'ruleset'>,
): Verdict | null => {
  const decided = rulesetOf(params).classOf(verdicts, k)
  return decided === undecided ? null : (decided as Verdict)
}

/** R-TALLY-5…7 under the ruleset of the week. */
export const tallyWeek = (input: TallyInput): WeekTally => finish(tallyWeekInSteps(input))

/** The same with pauses of which the caller makes use. */
export const tallyWeekInSteps = (input: TallyInput): Steps<WeekTally> =>
  rulesetOf(input.params).tallyInSteps(input)

/**
 * R-TALLY-5, R-TALLY-6: the amount of each row in base units and in their order, from a fund after `feeReserve`, under
 * the ruleset of the parameters.
 */
export const shareFund = (
  rows: readonly { score: number; epochs: number }[],
  fund: bigint,
  params: Pick<Params, 'ruleset' | 'minAvailability'>,
): bigint[] => rulesetOf(params).shareFund(rows, fund, params)
