import { type ChainName, createTallyOfJudged, type DigestedTally, type Week } from '../../protocol/index.ts'
import { readBundle } from './read-bundle.ts'
import { type VerifyEngine, type VerifyOptions, verifyWeek, type WeekChain } from './verify-week.ts'

/** What the chain says of an anchored week: all that a tally needs beside the bundle. */
export interface WeekFacts extends WeekChain {
  chain: ChainName
  week: Week
  /** The block with the anchor; its hash in internal byte order. */
  anchor: { height: number; hash: Uint8Array }
  /** Base units that came in for the week (R-TALLY-6). */
  fund: bigint
}

/**
 * Verifies every byte of a bundle against the chain's facts and returns the week's tally with its digest. `bundle` is
 * read once, from its first byte on, in pieces of any size. Errors: BUNDLE_CUT, BUNDLE_DAMAGED, BUNDLE_FOREIGN,
 * BUNDLE_PADDED, those of `verifyWeek`. Source: R-CP-8, R-CP-1, R-TALLY-7.
 */
export const tallyBundle = async (
  bundle: AsyncIterable<Uint8Array>,
  facts: WeekFacts,
  engine: VerifyEngine,
  options: VerifyOptions = {},
): Promise<DigestedTally> => {
  const { anchored, anchor, chain, frame, fund, week } = facts
  const { sha256 } = engine
  const verified = await verifyWeek(readBundle(bundle, { sha256, anchored }), facts, engine, options)
  return createTallyOfJudged({
    networkId: frame.networkId,
    chain,
    week,
    state: 'anchored',
    params: facts.paramsOf(week),
    checkpoint: anchored,
    anchor,
    fund,
    ...verified.weeks.get(week)!,
  })
}
