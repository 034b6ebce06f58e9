/** The only door to the rules: what code outside `protocol/` may use of them. */
export {
  anchorWindowEnd,
  formatAnchor,
  isAnchorCandidate,
  lastView,
  parseAnchor,
  viewOpening,
} from './anchor.ts'
export {
  type Announcement,
  announcementMessage,
  checkAnnouncement,
  formatMemo,
  formatUnsignedMemo,
  isAnnouncementMemo,
  isHost,
  memoPrefix,
  parseMemo,
  stakeKey,
} from './announcement.ts'
export {
  type AttendanceEffect,
  type AttendanceEvent,
  type AttendanceState,
  isHeldBack,
  mayAttest,
  nextWork,
  type OwnAnswers,
  startAttendance,
  stepAttendance,
} from './attendance.ts'
export {
  type Attestation,
  attestationMessage,
  type AttestingEpoch,
  type ClosedEpoch,
  decodeAttestation,
  encodeAttestation,
  maxAttestationBytes,
  readAttestation,
  type SignedAttestation,
  validateAttestation,
} from './attestation.ts'
export { authenticAttestations } from './authenticity.ts'
export { beaconOf } from './beacon.ts'
export { bitfieldOf, countBits, hasBit } from './bitfield.ts'
export { type BlsVerifier, nobleBls, type PossessionClaim, possessionMessage } from './bls.ts'
export {
  bytesToHex,
  compareBytes,
  concatBytes,
  equalBytes,
  hexToBytes,
  reversedHex,
  utf8ToBytes,
} from './bytes.ts'
export {
  createCanonicalReader,
  isAtEnd,
  majorType,
  readBytes,
  readBytesOf,
  readHead,
} from './canonical-reader.ts'
export {
  type Certificate,
  checkCertificate,
  decodeCertificate,
  encodeCertificate,
  isEnough,
  signersOf,
  voteMessage,
} from './certificate.ts'
export type {
  CertifierDuty,
  CertifierEffect,
  CertifierEvent,
  CertifierState,
  HeldProof,
  RecordedVote,
} from './certifier-state.ts'
export { judgeCertificate, nextCertifiers, startCertifier, stepCertifier } from './certifier.ts'
export {
  type ChallengeTerms,
  checkReceipt,
  createDigest,
  decodeReceipt,
  drawSamples,
  encodeReceipt,
  maxReceiptBytes,
  type Sample,
  samplesOf,
} from './challenge.ts'
export {
  type ChallengerEffect,
  type ChallengerEvent,
  type ChallengerState,
  type Finding,
  firstVisitsEnd,
  maxBusyAnswers,
  reachesEnough,
  resumeChallenger,
  standstill,
  startChallenger,
  stepChallenger,
  type TargetWork,
  type VisitResult,
} from './challenger.ts'
export {
  CheckpointAnswer,
  checkpointAnswerCodec,
  CheckpointRequest,
  checkpointRequestCodec,
  maxLeaves,
  maxRegistryRows,
  ProposalAnswer,
  proposalAnswerCodec,
  proposalRequestCodec,
  registryRowOf,
  registryTupleOf,
  type Wants,
  wantsAnswer,
} from './checkpoint-messages.ts'
export {
  checkFrame,
  type Checkpoint,
  type CheckpointFrame,
  decodeCheckpoint,
  encodeCheckpoint,
  type EpochContents,
  fillFrame,
  type FramedEpoch,
  type LeafHashes,
  type ListedEpoch,
  type ListedWeek,
  maxCheckpointBytes,
  type NamedAnchor,
  registryRootInSteps,
  registryRootOf,
  type RegistryRow,
  type SnapshotLeaf,
  snapshotRootInSteps,
  snapshotRootOf,
} from './checkpoint.ts'
export {
  type Canonical,
  cidOf,
  cidOfDigest,
  decodeCanonical,
  encodeCanonical,
  hash,
  PayloadCid,
} from './codec.ts'
export {
  type CollectedSeat,
  type CollectingChain,
  type CollectingEvent,
  type CollectingSource,
  type HeldAttestation,
  keptMeanwhile,
  stepCollecting,
  stepProof,
  unknownEpoch,
  whyNoProofTaken,
  whyNotTaken,
} from './collecting.ts'
export {
  challengersOf,
  type Committees,
  createCommittees,
  indexOfSeat,
  minCommitteeSeats,
  targetsOf,
} from './committee.ts'
export {
  chooseContents,
  chooseContentsInSteps,
  type ChosenContents,
  compareContents,
  compareContentsInSteps,
  type Comparison,
  type EpochHolding,
  type HeldRow,
  listedAgain,
  type ProposedSet,
  type Stance,
  stancesOf,
} from './contents.ts'
export {
  DialBackAnswer,
  dialBackAnswerCodec,
  DialBackRequest,
  dialBackRequestCodec,
  unseated,
} from './dial-back.ts'
export {
  type ChainTip,
  epochOfHeight,
  type EpochPhases,
  epochPhases,
  epochStart,
  firstEpochOfAnnouncement,
  whyClosed,
} from './epoch.ts'
export {
  createProof,
  encodeProof,
  type EquivocationProof,
  maxProofBytes,
  readProof,
  validateProof,
  verifyProof,
} from './equivocation.ts'
export {
  answeredFault,
  answerHeadBytes,
  type AuditedTarget,
  auditEvidence,
  checkEntry,
  decodeEvidence,
  type DigestCheck,
  encodeEvidence,
  type EvidenceEntry,
  hasReceipts,
  maxEvidenceBytes,
  readEvidence,
  receiptResponse,
  seenFault,
  seenText,
} from './evidence.ts'
export {
  bytesOf,
  bytesUpTo,
  type Epoch,
  EpochNumber,
  type Height,
  HeightNumber,
  NetworkId,
  type Seat,
  SeatNumber,
  Week,
} from './ids.ts'
export { createEpochProofs, type Leaf, verifyAbsence, verifyLeaf } from './inclusion.ts'
export { chooseListing, type Listing, rowKey, spokenOf } from './listing.ts'
export { epochRoot, epochRootInSteps, merklePath, verifyMerklePath } from './merkle.ts'
export { hash160, messageDigest, recoverHash160 } from './message-signature.ts'
export {
  ChallengeAnswer,
  challengeAnswerCodec,
  ChallengeRequest,
  challengeRequestCodec,
  EvidenceAnswer,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  maxSyncAttestations,
  maxSyncEpochs,
  maxSyncProofs,
  protocols,
  SyncAnswer,
  syncAnswerCodec,
  SyncRequest,
  syncRequestCodec,
  topicsOf,
} from './messages.ts'
export { addressText } from './observed-address.ts'
export {
  ChainName,
  chains,
  coin,
  Fund,
  Genesis,
  maxCommittee,
  networkIdOf,
  Params,
  paramsHash,
  paramsOfWeek,
  ParamsSchedule,
} from './params.ts'
export { comparePayout, type PaymentState, type PayoutComparison } from './payout/comparison.ts'
export { type PayerSpend, payoutFee, signedInputBytes } from './payout/fee.ts'
export { markerDigest, type PayoutMarker } from './payout/marker.ts'
export {
  type OutputTemplate,
  ownerOf,
  type Payer,
  type PayoutOutput,
  type PayoutTransaction,
} from './payout/outputs.ts'
export {
  dustLimit,
  maxPayoutInputs,
  type PayoutPlan,
  plannedOutputs,
  type PlannedPayout,
  planPayout,
  type PlanResult,
  threadValue,
} from './payout/plan.ts'
export {
  followThread,
  isHandedOn,
  markerOf,
  outpointText,
  remainingOf,
  stepsOfWeek,
  type Thread,
  threadOfWeek,
  type ThreadStep,
} from './payout/thread.ts'
export { keyOfPeerId, peerIdOfKey } from './peer-id.ts'
export { absent, hasRunThrough, interrupted, type Presence, presentAt } from './presence.ts'
export { probeMessage, type ProbeStatement, RulesetNumber } from './probe-answer.ts'
export {
  type ListedProofs,
  listedProofs,
  parseProofPages,
  proofPagesOf,
  readProofPages,
} from './proof-page.ts'
export type { ProposingEffect } from './proposing.ts'
export {
  cookieBytes,
  createPuzzleCheck,
  encodePaidRequest,
  type GivenCookie,
  leastAskedEffort,
  maxEffort,
  mostAskedEffort,
  nonceBytes,
  paidProtocols,
  paidRequestOverhead,
  type Puzzle,
  PuzzleAnswer,
  puzzleAnswerCodec,
  type PuzzleParties,
  readPaidRequest,
  searchSolution,
} from './puzzle.ts'
export {
  checkSecondQuestion,
  decodeQuestion,
  instanceBytes,
  isQuestionSigned,
  type Question,
  signQuestion,
} from './question.ts'
export { createStream, drawOrder, drawSome, type RandomStream, shuffledIndexes } from './random.ts'
export {
  applyChange,
  type ChainBlock,
  type ChainPayment,
  type ChainTransaction,
  createRegistry,
  isAnnouncementCandidate,
  judgeBlock,
  type OutpointKey,
  outpointKey,
  type Registry,
  type RegistryChange,
  revertChange,
  type SeatRecord,
  type Snapshot,
  type SnapshotRow,
  type StakeOutput,
  takeSnapshot,
} from './registry.ts'
export {
  type Cell,
  cellBytes,
  cellPayloadBytes,
  decodeCell,
  drawFrameBound,
  drawFrameBytes,
  encodeCell,
  encodeEnd,
  encodeFrame,
  endCodeBack,
  endCodeForth,
  endCodeOf,
  maxCellsBack,
  maxCellsForth,
  maxFrameBytes,
  messageOfFrame,
  relayProtocol,
} from './relay-cells.ts'
export {
  maxTransactionBytes,
  partBytesIn,
  refusalText,
  RelayAnswer,
  relayAnswerCodec,
  RelayRequest,
  relayRequestCodec,
} from './relay-messages.ts'
export {
  defaultHops,
  defaultPrefixBits,
  drawHops,
  type LastClass,
  lastClassOf,
  maxCircuitAttempts,
  maxHops,
  mayBeHop,
  outcomeEpochs,
  type PrefixBits,
  type RelayCandidate,
  saysEnough,
  suspectsOf,
} from './relay.ts'
export type { ReviewEffect, ReviewEvent } from './review.ts'
export {
  againOf,
  type SendingEffect,
  type SendingEvent,
  type SendingState,
  startSending,
  stepSending,
} from './sending.ts'
export {
  certifiersOf,
  handedOnBy,
  listOf,
  type Senior,
  seniorityStart,
  seniorLeaf,
  type SeniorList,
  takeSeniors,
} from './seniors.ts'
export {
  decodeSigned,
  encodeSigned,
  isAcceptablePublicKey,
  isIdentityEncoding,
  type Sign,
  type Signed,
  signedBytes,
  signPayload,
  type VerifyEd25519,
  verifyEd25519,
} from './signed.ts'
export { addressOfStake, stakeOfAddress } from './stake-address.ts'
export type { Steps } from './steps.ts'
export {
  type ExchangeEffect,
  type ExchangeEvent,
  type ExchangeStep,
  startExchange,
  stepExchange,
  type SyncOutcome,
} from './sync-exchange.ts'
export {
  drawUnasked,
  isTurnAnswered,
  maxLookedUp,
  neighboursToDial,
  startAsking,
  startTurn,
  stepAsking,
  stepTurn,
  syncTurnMs,
  type TurnEffect,
  type TurnEvent,
  type TurnState,
} from './sync-turn.ts'
export { standingOfTakeover, type TakeoverStanding, type WatchedEpoch } from './takeover.ts'
export { type CanonicalJson, canonicalJson } from './tally/canonical-json.ts'
export {
  createTallyOfJudged,
  type DigestedTally,
  formatTally,
  readTally,
  tallyDigest,
  TallyDocument,
} from './tally/document.ts'
export { createFlatEpoch, type FlatEpoch } from './tally/flat-epoch.ts'
export type {
  AttestedVerdicts,
  JudgedEpoch,
  JudgingParams,
  SeatTally,
  TallyInput,
  WeekState,
  WeekTally,
} from './tally/input.ts'
export {
  createEpochJudging,
  decidedBy,
  type EpochJudging,
  type JudgedVerdicts,
  judgeEpoch,
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
export {
  firstRemembered,
  isOfTwin,
  secondNonceSeen,
  secondNoncesIn,
  type SecondQuestionSays,
  secondQuestionSays,
} from './twins.ts'
export { accept, ignore, ignoreUnverified, reject, type Validation } from './validation.ts'
export { isRetried, lastInvalidVerdict, Verdict, verdictNames } from './verdict.ts'
export { differingVoids, VoidedAnchor, VoidedAnchors } from './voided.ts'
export { isWeek, medianTimePast, startOfWeek, weekAfter, weekBefore, weekOfTime } from './week.ts'
export {
  type Anchor,
  type AnchorCandidate,
  anchorWindowAt,
  certifiersOfView,
  type ChainWeeks,
  frameOf,
  noWeeks,
  stepWeeks,
  stepWeeksInSteps,
  type WeekRecord,
  weeksListedBy,
  weekStateOf,
} from './weeks.ts'
