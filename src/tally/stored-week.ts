import pino from 'pino'
import { createCollectedEpoch, epochStart, standingAttestations, weekStateOf } from '../../protocol/index.ts'
import { openChainState } from '../chain/follower/chain-state.ts'
import type { Network } from '../chain/profiles.ts'
import { SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import { createAnchoredWeeks } from '../node/anchored-weeks.ts'
import type { ChainView } from '../node/chain-view.ts'
import { createEpochBook } from '../node/epoch-book.ts'
import { equivocatorsOf } from '../node/equivocators.ts'
import { fixedWeekOf } from '../node/finality.ts'
import { createAttestationStore } from '../store/attestations.ts'
import { createCheckpointStore } from '../store/checkpoints.ts'
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
  const checkpoints = createCheckpointStore(store)
  const verifier = createEd25519Verifier({ maxKeys: 50_000 })
  const anchored = createAnchoredWeeks({
    genesis,
    networkId: network.networkId,
    schedule,
    epochs,
    weeks: () => state.weeks(),
    seatsAfter: (epoch) => state.seatsAfter(epochStart(genesis, epoch)),
    checkpoints,
    held: async (context) => await Array.fromAsync(attestations.ofEpoch(context.epoch, context.beacon)),
    verify: verifier.verify,
    peers: null,
    logger: pino({ level: 'silent' }),
  })
  return {
    chain,
    async fixed(week, signal) {
      const found = await anchored.read(week, signal)
      return found === undefined
        ? null
        : fixedWeekOf(checkpoints, found, (context, seats) =>
            attestations.ofSeats(context.epoch, context.beacon, seats),
          )
    },
    stateOf(week) {
      const record = state.weeks().records.findLast((one) => one.week === week)
      return record === undefined ? undefined : weekStateOf(record, false)
    },
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
