import {
  type Anchor,
  type ChainWeeks,
  createTallyOfJudged,
  type DigestedTally,
  type Week,
} from '../../protocol/index.ts'
import { anchorOfWeek } from './anchor-of.ts'
import { bundleParts, type WeekData } from './bundle.ts'
import { type CountedSet, incomeOf, tallyInputOf } from './counted-set.ts'
import { contextsOfWeek, type WeekSources } from './gather.ts'
import { type BundlePart, readBundle } from './read-bundle.ts'
import { type VerifyEngine, type VerifyOptions, verifyWeek, type WeekChain } from './verify-week.ts'

/** Where the data of an anchored week comes from. */
export type WeekFrom =
  | { is: 'bundle'; stream: AsyncIterable<Uint8Array> }
  /** The store, and whoever it asks for what it lacks. */
  | { is: 'store' }

/** Weeks of a followed chain, and the data that is at hand of them. */
export interface VerifiableWeeks extends Pick<WeekSources, 'genesis' | 'networkId' | 'epochs' | 'fund'> {
  weeks(): ChainWeeks
  /** What the chain says of the checkpoint that an anchor names. */
  chainOf(anchor: Anchor, signal: AbortSignal): Promise<WeekChain>
  data(signal: AbortSignal): WeekData
}

export interface VerifiedTally {
  tally: DigestedTally
  /** Under the roots of all weeks of the checkpoint. */
  attestations: number
  /** Signatures that had to be verified: links spare the others (R-ATT-4). */
  signatures: number
}

/**
 * The tally of an anchored week from data of which nothing is believed: the certificate was verified with the chain,
 * and now every root, proof and the authenticity of every attestation (R-CP-1, R-ATT-4). Errors: WEEK_NOT_ANCHORED
 * (exit code 3), those of `verifyWeek`, of the source, and of the fund.
 */
export const tallyOfAnchored = async (
  weeks: VerifiableWeeks,
  week: Week,
  from: WeekFrom,
  engine: VerifyEngine,
  options: VerifyOptions & { signal: AbortSignal },
): Promise<VerifiedTally> => {
  const anchor = anchorOfWeek(weeks.weeks(), week)
  const range = await contextsOfWeek(weeks, week)
  const parts: AsyncIterable<BundlePart> =
    from.is === 'bundle'
      ? readBundle(from.stream, {
          sha256: engine.sha256,
          anchored: anchor.checkpoint,
          signal: options.signal,
        })
      : bundleParts(weeks.data(options.signal), week, engine)
  const verified = await verifyWeek(parts, await weeks.chainOf(anchor, options.signal), engine, options)
  const { equivocators, epochs } = verified.weeks.get(week)!
  const set: CountedSet = {
    week,
    params: range.params,
    state: 'anchored',
    checkpoint: anchor.checkpoint,
    anchor: { height: anchor.height, hash: anchor.blockHash },
    equivocators,
  }
  const fund = await incomeOf(weeks, range, options.signal)
  const tally = createTallyOfJudged(tallyInputOf(weeks, set, fund, epochs))
  return { tally, attestations: verified.attestations, signatures: verified.signatures }
}
