import type { CID } from 'multiformats/cid'
import {
  type AttestedVerdicts,
  createEpochJudging,
  decodeAttestation,
  type Epoch,
  type EpochJudging,
  type Genesis,
  type Height,
  type HeldAttestation,
  indexOfSeat,
  type NetworkId,
  newestRuleset,
  type Params,
  type Seat,
  type Week,
  type WeekState,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { EpochBook, EpochContext } from './epoch-book.ts'
import { freezeHeight } from './open-epochs.ts'
import type { WeekFund } from './ports.ts'

/** Where a week is read from: a daemon, or a store that no daemon has open. */
export interface WeekSources {
  genesis: Genesis
  networkId: NetworkId
  epochs: EpochBook
  fund: WeekFund
  confirmedHeight(): number
  /** What stands in an epoch, in rising order of seat (R-ATT-3 applied). */
  standing(context: EpochContext): AsyncIterable<HeldAttestation>
  equivocators(week: Week): Promise<ReadonlyMap<Seat, { proof: Uint8Array }>>
  /** Changes whenever an attestation of the epoch is taken in. */
  changeOf(epoch: Epoch): number
  /**
   * What an anchor fixes of a week; null if it has none. Errors: ANCHORED_MISSING, which names what, and
   * ANCHORED_INVALID: such a week has no digest (R-CP-5).
   */
  fixed(week: Week, signal: AbortSignal): Promise<FixedWeek | null>
  /** The same if all of it is at hand; asks nobody, and null otherwise. */
  fixedAtHand(week: Week): FixedWeek | null
  /** Where a week without an anchor stands; undefined if the chain says nothing of it. */
  stateOf(week: Week): WeekState | undefined
}

/** The set that counts, as an anchor fixes it. */
export interface FixedWeek {
  checkpoint: CID
  anchor: { height: Height; hash: Uint8Array }
  equivocators: ReadonlySet<Seat>
  /** In rising order of seat. Errors: ANCHORED_MISSING, at the end. */
  standing(context: EpochContext): AsyncIterable<HeldAttestation>
}

/** The epochs of a week that have begun. */
export interface WeekEpochs {
  week: Week
  params: Params
  first: Epoch
  last: Epoch
  /** The next week has begun. */
  isComplete: boolean
  /** At least one. */
  contexts: readonly EpochContext[]
}

/** Errors, with exit code 3: TALLY_NO_WEEK, TALLY_NO_EPOCH, RULESET_UNKNOWN. */
export const contextsOfWeek = async (
  sources: Pick<WeekSources, 'epochs'>,
  week: Week,
): Promise<WeekEpochs> => {
  const range = await sources.epochs.epochsOfWeek(week)
  if (range === null) {
    throw new SecnodeError('TALLY_NO_WEEK', `no epoch of week ${week} has begun on this chain`, {
      exitCode: 3,
      hint: 'Ask for `--week current` or `--week last`, or let the follower catch up first.',
    })
  }
  const ruleset = sources.epochs.unknownRulesetOf(week)
  if (ruleset !== null) throw rulesetUnknown(week, ruleset)
  const contexts: EpochContext[] = []
  for (let epoch = range.first; epoch <= range.last; epoch++) {
    const context = await sources.epochs.get(epoch)
    if (context === undefined) {
      throw new SecnodeError('TALLY_NO_EPOCH', `the snapshot of epoch ${epoch} is missing in this store`, {
        exitCode: 3,
        hint: 'Let the daemon or `secnode chain follow` read the chain from the activation height on.',
      })
    }
    contexts.push(context)
  }
  return { week, params: contexts[0]!.params, contexts, ...range }
}

/** R-NET-3: whoever judges such a week must know its rules. */
export const rulesetUnknown = (week: Week, ruleset: number): SecnodeError =>
  new SecnodeError(
    'RULESET_UNKNOWN',
    `week ${week} goes by ruleset ${ruleset}, and this version knows rulesets up to ${newestRuleset}`,
    {
      exitCode: 3,
      hint: 'Install a version of Secnode that knows it: the founders of the network say which.',
    },
  )

/** R-CP states that a store alone can tell: `open` until F = b(last + 2) is confirmed, then `frozen`. */
export const stateOfWeek = (
  genesis: Genesis,
  range: { last: Epoch; isComplete: boolean },
  confirmedHeight: number,
): WeekState => (range.isComplete && confirmedHeight >= freezeHeight(genesis, range.last) ? 'frozen' : 'open')

/** What an attestation says. Errors: STORE_DAMAGED. */
export const attestedOf = (held: HeldAttestation): AttestedVerdicts => {
  const attestation = decodeAttestation(held.signed.payload)
  if (attestation === null) {
    throw new SecnodeError(
      'STORE_DAMAGED',
      `the attestation of seat ${held.seat} in the store cannot be read`,
      {
        hint: 'Move the data directory away and let the node sync anew.',
      },
    )
  }
  return { verdicts: attestation.verdicts, addresses: attestation.addresses }
}

/** Reads an epoch attestation by attestation into what judges it. R-ATT-3: an equivocator stands under no root of the week. */
export const gatherJudging = async (
  sources: Pick<WeekSources, 'standing'>,
  context: EpochContext,
  equivocators: { has(seat: Seat): boolean },
): Promise<EpochJudging> => {
  const { snapshot, committees, params } = context
  const judging = createEpochJudging(committees, params)
  for await (const held of sources.standing(context)) {
    const index = indexOfSeat(snapshot, held.seat)
    if (index !== -1 && !equivocators.has(held.seat)) judging.add(index, attestedOf(held))
  }
  return judging
}
