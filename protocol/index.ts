/** The only door to the rules. */
export * from './anchor.ts'
export * from './announcement.ts'
export * from './attendance.ts'
export * from './attestation.ts'
export * from './authenticity.ts'
export * from './beacon.ts'
export * from './bitfield.ts'
export * from './bls.ts'
export * from './bytes.ts'
export * from './canonical-reader.ts'
export * from './certificate.ts'
export * from './certifier.ts'
export * from './certifier-state.ts'
export * from './challenge.ts'
export * from './challenger.ts'
export * from './checkpoint.ts'
export * from './checkpoint-messages.ts'
export * from './codec.ts'
export * from './collecting.ts'
export * from './committee.ts'
export * from './contents.ts'
export * from './dial-back.ts'
export * from './epoch.ts'
export * from './equivocation.ts'
export * from './evidence.ts'
export * from './ids.ts'
export * from './inclusion.ts'
export * from './listing.ts'
export * from './merkle.ts'
export * from './message-signature.ts'
export * from './messages.ts'
export * from './observed-address.ts'
export * from './params.ts'
export * from './payout/comparison.ts'
export * from './payout/fee.ts'
export * from './payout/marker.ts'
export * from './payout/outputs.ts'
export * from './payout/plan.ts'
export * from './payout/thread.ts'
export * from './peer-id.ts'
export * from './presence.ts'
export * from './probe-answer.ts'
export * from './proof-page.ts'
export * from './proposing.ts'
export * from './puzzle.ts'
export * from './question.ts'
export * from './random.ts'
export * from './registry.ts'
export * from './relay.ts'
export * from './relay-cells.ts'
export * from './relay-messages.ts'
export * from './review.ts'
export * from './seniors.ts'
export * from './sending.ts'
export * from './signed.ts'
export * from './stake-address.ts'
export * from './steps.ts'
export * from './sync-exchange.ts'
export * from './sync-turn.ts'
export * from './takeover.ts'
export { createAddressNumbers } from './tally/address-numbers.ts'
export { canonicalJson, type CanonicalJson } from './tally/canonical-json.ts'
export {
  createTallyOfJudged,
  type DigestedTally,
  formatTally,
  readTally,
  tallyBytes,
  tallyDigest,
  TallyDocument,
} from './tally/document.ts'
export { createFlatEpoch, type FlatEpoch } from './tally/flat-epoch.ts'
export type {
  AttestedVerdicts,
  JudgedEpoch,
  JudgingParams,
  SeatTally,
  TallyEpoch,
  TallyInput,
  WeekState,
  WeekTally,
} from './tally/input.ts'
export {
  createEpochJudging,
  decidedBy,
  type EpochJudging,
  judgeEpoch,
  type JudgedVerdicts,
  judgeFlatEpoch,
  shareFund,
  tallyWeek,
  tallyWeekInSteps,
} from './tally/judging.ts'
export {
  credited,
  notInSnapshot,
  type Outcome,
  outcomeCode,
  outcomeNames,
  outcomeOf,
} from './tally/outcome.ts'
export { newestRuleset, nextUnknownRuleset, type UnknownRuleset, unknownRulesetOf } from './tally/rulesets.ts'
export * from './twins.ts'
export * from './validation.ts'
export * from './verdict.ts'
export * from './voided.ts'
export * from './week.ts'
export * from './weeks.ts'
