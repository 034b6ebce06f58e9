import type { CID } from 'multiformats/cid'
import type { ChainWeeks, Week } from '../../protocol/index.ts'
import type { Follower } from '../chain-node/follower/follower.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { isSecnodeError } from '../errors.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { ChainView } from '../week/chain-view.ts'
import { createEpochBook, type EpochContext } from '../week/epoch-book.ts'
import type { Store } from '../store/store.ts'
import { weeksAt } from '../store/week-rows.ts'
import type { WeekSources } from '../week/gather.ts'
import { createNodeReader } from '../chain-node/transaction-reader.ts'
import { maxKeys, recomputeFrom } from './explain-sources.ts'
import type { OwnHolding, VerifierFacts } from '../week/explain/verified-case.ts'

/** What a store that no daemon has open knows, and a chain node if one was named. */
export const verifierOfStore = (
  network: Network,
  store: Store,
  weeks: WeekSources & { chain: ChainView },
  rpc: RpcClient | null,
  signal: AbortSignal,
): VerifierFacts => ({
  network,
  epochs: weeks.epochs,
  verify: createEd25519Verifier({ maxKeys }).verify,
  recompute: rpc === null ? null : recomputeWith(network, rpc, weeks.chain, signal),
  held: (context) => heldIn(weeks, context, signal),
  anchorOf: async (week) => anchorIn(await weeksAt(store, weeks.chain.confirmedHeight), week),
})

/** What a chain tells that was just followed. */
export const verifierOfChain = (
  network: Network,
  follower: Follower,
  rpc: RpcClient,
  signal: AbortSignal,
): VerifierFacts => {
  const { genesis, schedule } = network.profile
  return {
    network,
    epochs: createEpochBook(genesis, network.networkId, schedule, follower),
    verify: createEd25519Verifier({ maxKeys }).verify,
    recompute: recomputeWith(network, rpc, follower, signal),
    held: () => Promise.resolve({ rows: [], isFixed: false }),
    anchorOf: (week) => Promise.resolve(anchorIn(follower.weeks(), week)),
  }
}

const recomputeWith = (
  network: Network,
  rpc: RpcClient,
  chain: Pick<ChainView, 'hashAt'>,
  signal: AbortSignal,
): VerifierFacts['recompute'] => {
  const { family } = network.facts
  const followedHashAt: ChainView['hashAt'] = (height) => chain.hashAt(height)
  return recomputeFrom(network, createNodeReader({ rpc, family, followedHashAt, signal }), signal)
}

/** The anchored set, if all of it is at hand; else what the store holds. */
export const heldIn = async (
  weeks: WeekSources,
  context: EpochContext,
  signal: AbortSignal,
): Promise<OwnHolding> => {
  try {
    const fixed = await weeks.fixed(context.week, signal)
    if (fixed !== null) return { rows: await Array.fromAsync(fixed.standing(context)), isFixed: true }
  } catch (error) {
    if (!isSecnodeError(error, 'ANCHORED_MISSING')) throw error
  }
  return { rows: await Array.fromAsync(weeks.standing(context)), isFixed: false }
}

/** Of a week that has one. */
export const anchorIn = ({ records }: ChainWeeks, week: Week): CID | null =>
  records.find((record) => record.week === week)?.anchor?.checkpoint ?? null
