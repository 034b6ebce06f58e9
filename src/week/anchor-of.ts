import type { CID } from 'multiformats/cid'
import {
  type Anchor,
  type ChainWeeks,
  type Checkpoint,
  type NetworkId,
  type Week,
  weekStateOf,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { bundleError } from './bundle-error.ts'
import type { Sha256 } from './ports.ts'
import { readBundle } from './read-bundle.ts'

/** The anchor that fixes a week (R-CP-5). Errors, with exit code 3: WEEK_NOT_ANCHORED, which says how it stands. */
export const anchorOfWeek = (weeks: ChainWeeks, week: Week): Anchor => {
  const record = weeks.records.findLast((one) => one.week === week)
  if (record?.anchor !== null && record !== undefined) return record.anchor
  const state = record === undefined ? 'unknown to this chain' : weekStateOf(record, false)
  throw new SecnodeError('WEEK_NOT_ANCHORED', `week ${week} is ${state}: no anchor fixes it`, {
    exitCode: 3,
    hint: 'Wait for its anchor, or let the chain be followed further: until then nobody can say which set counts.',
  })
}

/** The checkpoint at the head of a bundle. Errors: those of `readBundle`. */
export const headOfBundle = async (
  stream: AsyncIterable<Uint8Array>,
  sha256: Sha256,
): Promise<{ cid: CID; checkpoint: Checkpoint }> => {
  for await (const part of readBundle(stream, { sha256 })) {
    if (part.is === 'checkpoint') return part
  }
  throw bundleError('cut', null, 'it has no checkpoint')
}

/** The anchor that names the checkpoint of a bundle. Errors: BUNDLE_FOREIGN, WEEK_NOT_ANCHORED (exit code 3). */
export const anchorOfBundle = (
  networkId: NetworkId,
  weeks: ChainWeeks,
  { cid, checkpoint }: { cid: CID; checkpoint: Checkpoint },
): Anchor => {
  if (checkpoint.networkId !== networkId) {
    throw bundleError('foreign', null, `it is of network ${checkpoint.networkId}, not of ${networkId}`)
  }
  const anchor = anchorOfWeek(weeks, checkpoint.week)
  const [held, wanted] = [cid.toString(), anchor.checkpoint.toString()]
  if (held !== wanted) {
    throw bundleError(
      'foreign',
      null,
      `it holds checkpoint ${held}; week ${checkpoint.week} is fixed by ${wanted}`,
    )
  }
  return anchor
}
