import {
  coin,
  type Epoch,
  Genesis,
  type NetworkId,
  networkIdOf,
  Params,
  startOfWeek,
  type Week,
  weekOfTime,
} from '../protocol/index.ts'
import chain from './data/chain.json' with { type: 'json' }
import type { Scenario } from './scenario.ts'

/** The network under test: its parameters as the protocol reads them, and its calendar. */
export interface SimulatedRules {
  genesis: Genesis
  params: Params
  networkId: NetworkId
  epochsPerWeek: number
  /** What the headers say of the time of block b(e), in seconds: a block comes every `blockSeconds` there. */
  secondsOf: (epoch: Epoch) => number
  weekOf: (epoch: Epoch) => Week
}

/** Any Monday does: only weeks and their length matter. */
const firstWeek = '2026-W01' as Week

export const rulesOf = ({ name, protocol }: Pick<Scenario, 'name' | 'protocol'>): SimulatedRules => {
  const genesis = Genesis.parse({
    chain: 'zcash-regtest',
    activationHeight: protocol.activationHeight,
    announceAddress: name,
    viewingKey: 'simulated',
    minStake: BigInt(protocol.minStakeCoins) * coin,
    minSeniors: protocol.minSeniors,
    epochBlocks: protocol.epochBlocks,
    confirmations: protocol.confirmations,
    announceBlocks: chain.announceBlocks,
  })
  const { committee, samples, responseMs, retries, attestBlocks, minAvailability, maxPerPrefix } = protocol
  const { certifiers, viewBlocks, anchorBlocks } = protocol
  const params = Params.parse({
    committee,
    samples,
    responseMs,
    retries,
    attestBlocks,
    minAvailability,
    maxPerPrefix,
    certifiers,
    viewBlocks,
    anchorBlocks,
    fund: { kind: 'fixed', amount: 0n },
  })
  const epochSeconds = protocol.epochBlocks * protocol.blockSeconds
  // Snapshots of the first two epochs are empty, so the first week begins with the third.
  const startSeconds = startOfWeek(firstWeek) - 2 * epochSeconds
  const secondsOf = (epoch: Epoch): number => startSeconds + epoch * epochSeconds
  return {
    genesis,
    params,
    networkId: networkIdOf(genesis),
    epochsPerWeek: (7 * 86_400) / epochSeconds,
    secondsOf,
    weekOf: (epoch) => weekOfTime(secondsOf(epoch)),
  }
}
