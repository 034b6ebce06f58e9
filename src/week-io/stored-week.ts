import { type Anchor, paramsOfWeek, weekStateOf } from '../../protocol/index.ts'
import { latestBirthday, openChainState } from '../chain-node/follower/chain-state.ts'
import { followedChainOf } from '../chain-node/follower/followed-chain.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import { type FrameParts, frameOfWeek, notFollowed } from '../week/anchored-frame.ts'
import type { AnchoredParts, AnchoredWeek } from '../week/anchored-data.ts'
import { createAnchoredWeeks } from '../week/anchored-weeks.ts'
import type { Log, Provider } from '../week/ports.ts'
import type { ChainView } from '../week/chain-view.ts'
import { createEpochBook, type EpochBook } from '../week/epoch-book.ts'
import { equivocatorsOf } from '../week/equivocators.ts'
import { fixedWeekOf } from '../week/fixed-week.ts'
import { createAttestationStore } from '../store/attestations.ts'
import { type CheckpointStore, createCheckpointStore } from '../store/checkpoints.ts'
import { createEvidenceStore, type EvidenceStore } from '../store/evidence.ts'
import type { Store } from '../store/store.ts'
import { type Admit, createAdmission } from '../week/admission.ts'
import { createNodeReader } from '../chain-node/transaction-reader.ts'
import { createFundBook } from './fund.ts'
import { type FixedWeek, rulesetUnknown, type WeekSources } from '../week/gather.ts'
import { openWeeks, type Weeks } from '../week/weeks.ts'
import type { VerifiableWeeks } from '../week/verified-tally.ts'
import type { WeekChain } from '../week/verify-week.ts'
import { weekDataOf } from '../week/week-data.ts'

export interface StoredWeeksOptions {
  /** A chain node from which coinbases are read (R-TALLY-6) that nobody has added up yet. */
  rpc?: { client: RpcClient; signal: AbortSignal }
  /** Who is asked for what the store lacks of an anchored week; without it, nobody. */
  draw?: (checkpoint: Anchor['checkpoint'], signal: AbortSignal) => AsyncIterable<Provider>
  missingHint?: string
  onEpoch?: NonNullable<AnchoredParts['onEpoch']>
}

/** A store that no daemon has open. The chain is what the follower left in it. */
interface StoredSources extends WeekSources, VerifiableWeeks {
  chain: ChainView
  checkpoints: CheckpointStore
  evidence: EvidenceStore
  admit: Admit
}

/** The weeks of such a store. */
export type StoredWeeks = StoredSources & Weeks

const ignore = (): void => undefined
const silent: Log = { debug: ignore, info: ignore, warn: ignore }

export const openStoredWeeks = async (
  network: Network,
  store: Store,
  options: StoredWeeksOptions = {},
): Promise<StoredWeeks> => {
  const { genesis, schedule } = network.profile
  const state = await openChainState(store, network, createBls(), latestBirthday(genesis))
  const followed = followedChainOf(state, genesis)
  const blocks =
    options.rpc === undefined
      ? null
      : createNodeReader({
          rpc: options.rpc.client,
          family: network.facts.family,
          followedHashAt: (height) => followed.hashAt(height),
          signal: options.rpc.signal,
        })
  const chain: ChainView = {
    ...followed,
    confirmedHeight: state.cursor?.height ?? -1,
    readTransaction: (height, index, signal) =>
      blocks?.readTransaction(height, index, signal) ??
      Promise.reject(
        new SecnodeError('CHAIN_NOT_AT_HAND', `block ${height} is needed, and no chain node was named`, {
          exitCode: 3,
          hint: 'Name one with --rpc, or let the daemon run until it has added up the week.',
        }),
      ),
  }
  const epochs = createEpochBook(genesis, network.networkId, schedule, chain)
  const attestations = createAttestationStore(store)
  const checkpoints = createCheckpointStore(store)
  const verifier = createEd25519Verifier({ maxKeys: 50_000 })
  const evidence = createEvidenceStore(store)
  const admitInto = createAdmission(network.networkId, attestations, verifier, () => chain.confirmedHeight)
  let admitted = 0
  const admit: Admit = async (context, bytes) => {
    const taken = await admitInto(context, bytes)
    admitted++
    return taken
  }
  const fund = createFundBook(genesis, network.facts.family, chain, store)
  const frameParts: FrameParts = {
    genesis,
    networkId: network.networkId,
    schedule,
    epochs,
    weeks: () => state.weeks(),
    seatsAfter: (epoch) => followed.registryAt(epoch),
    snapshotSummaryOf: (epoch) => followed.snapshotSummaryOf(epoch),
    incomeOf: (week, { first, last }, signal) =>
      fund.ofWeek(paramsOfWeek(schedule, week).fund, first, last, signal),
  }
  const { draw, missingHint, onEpoch } = options
  const anchored = createAnchoredWeeks({
    ...frameParts,
    epochs,
    checkpoints,
    held: async (context) => await Array.fromAsync(attestations.ofEpoch(context.epoch, context.beacon)),
    verify: verifier.verify,
    peers: draw === undefined ? null : { draw, take: admit },
    ...(missingHint === undefined ? {} : { missingHint }),
    ...(onEpoch === undefined ? {} : { onEpoch }),
    logger: silent,
  })
  const ofSeats: Parameters<typeof fixedWeekOf>[2] = (context, seats) =>
    attestations.ofSeats(context.epoch, context.beacon, seats)
  const fixedOf = (week: AnchoredWeek | undefined): FixedWeek | null =>
    week === undefined ? null : fixedWeekOf(checkpoints, week, ofSeats)
  return openWeeks<StoredSources>({
    chain,
    weeks: () => state.weeks(),
    chainOf: (anchor, signal) => weekChainOf(frameParts, epochs, anchor, signal),
    data: (signal) => weekDataOf({ anchored, epochs, checkpoints, evidence, heldOf: ofSeats }, signal),
    checkpoints,
    evidence,
    admit,
    fixed: async (week, signal) => fixedOf(await anchored.read(week, signal)),
    fixedAtHand: (week) => fixedOf(anchored.get(week)),
    changeOf: () => admitted,
    stateOf(week) {
      const record = state.weeks().records.findLast((one) => one.week === week)
      return record === undefined ? undefined : weekStateOf(record, false)
    },
    genesis,
    networkId: network.networkId,
    epochs,
    fund,
    confirmedHeight: () => chain.confirmedHeight,
    async *standing(context) {
      const equivocators = await equivocatorsOf(attestations, epochs, context.week)
      for await (const held of attestations.ofEpoch(context.epoch, context.beacon)) {
        if (!equivocators.has(held.seat)) yield held
      }
    },
    equivocators: (week) => equivocatorsOf(attestations, epochs, week),
  })
}

/** What the chain says of the checkpoint that an anchor names. */
const weekChainOf = async (
  frameParts: FrameParts,
  epochs: EpochBook,
  anchor: Anchor,
  signal: AbortSignal,
): Promise<WeekChain> => {
  const framed = await frameOfWeek(frameParts, anchor.week, signal)
  if (framed === undefined) throw notFollowed(anchor.week)
  return {
    anchored: anchor.checkpoint,
    frame: framed.frame,
    async snapshotOf(epoch) {
      const context = await epochs.get(epoch)
      if (context !== undefined) return context.snapshot
      const week = (await epochs.weekOf(epoch))!
      throw rulesetUnknown(week, epochs.unknownRulesetOf(week)!)
    },
    paramsOf: (week) => paramsOfWeek(frameParts.schedule, week),
  }
}
