/**
 * The door for other programs (`secnode/week`): an anchored week's data becomes a tally. Nothing here needs Node; what
 * hashes, verifies and computes is handed in as a `VerifyEngine` (`secnode/week/native` has Node's).
 */
export { createLocalThread, type EpochThread } from './epoch-thread.ts'
export type { Sha256, WeekCrypto } from './ports.ts'
export { type BundlePart, readBundle } from './read-bundle.ts'
export { tallyBundle, type WeekFacts } from './tally-bundle.ts'
export {
  type VerifiedWeek,
  type VerifyEngine,
  type VerifyOptions,
  verifyWeek,
  type WeekChain,
} from './verify-week.ts'
