import { standingAttestations, createCollectedEpoch } from '../../protocol/index.ts'
import { openChainState } from '../chain/follower/chain-state.ts'
import type { Network } from '../chain/profiles.ts'
import { SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import type { ChainView } from '../node/chain-view.ts'
import { createEpochBook } from '../node/epoch-book.ts'
import { equivocatorsOf } from '../node/equivocators.ts'
import { createAttestationStore } from '../store/attestations.ts'
import type { Store } from '../store/store.ts'
import { createFundBook } from './fund.ts'
import type { WeekSources } from './gather.ts'

/** The inputs of tallies from a store that no daemon has open. The chain is what the follower left in it. */
export const openStoredWeeks = async (
  network: Network,
  store: Store,
): Promise<WeekSources & { chain: ChainView }> => {
  const { genesis, schedule } = network.profile
  const state = await openChainState(store, network, createBls(), 0)
  const chain: ChainView = {
    confirmedHeight: state.cursor?.height ?? -1,
    hashAt: async (height) => (await state.index.headerAt(height))?.hash,
    medianTimeAt: async (height) => (await state.index.headerAt(height))?.medianTimePast ?? undefined,
    transactionCountAt: async (height) => (await state.index.headerAt(height))?.transactionCount,
    snapshotOf: (epoch) => state.snapshotOf(epoch),
    seatOfStake: (stake) => state.seatOfStake(stake),
    readTransaction: (height) =>
      Promise.reject(
        new SecnodeError('CHAIN_NOT_AT_HAND', `block ${height} is needed, and no chain node was named`, {
          exitCode: 3,
          hint: 'Let the daemon run until it has added up the week, or start it again.',
        }),
      ),
  }
  const epochs = createEpochBook(genesis, network.networkId, schedule, chain)
  const attestations = createAttestationStore(store)
  return {
    chain,
    genesis,
    networkId: network.networkId,
    epochs,
    fund: createFundBook(genesis, network.facts.family, chain, store),
    confirmedHeight: () => chain.confirmedHeight,
    async standing(context) {
      const collected = createCollectedEpoch(context.epoch, context.beacon)
      for await (const held of attestations.ofEpoch(context.epoch, context.beacon)) {
        collected.bySeat.set(held.seat, held)
      }
      return standingAttestations(
        collected,
        new Set((await equivocatorsOf(attestations, epochs, context.week)).keys()),
      )
    },
    equivocators: (week) => equivocatorsOf(attestations, epochs, week),
  }
}
