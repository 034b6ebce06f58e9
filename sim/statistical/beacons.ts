import { beaconOf, type Committees, createCommittees, hash, type NetworkId } from '../../protocol/index.ts'
import { type ActorStream, streamOfSeed } from '../actor-stream.ts'
import type { Population } from '../population.ts'
import { countChallengers } from './ring.ts'

export interface DrawnBeacon {
  /** Of block b(e), which the beacon follows from. */
  blockHash: Uint8Array
  beacon: Uint8Array
  committees: Committees
  /** Honest seats most of whose challengers are attackers. */
  captured: number
  /** Honest seats whose honest challengers are no majority: silence keeps them undecided. */
  stalled: number
  /** Whether the first block would have pleased the grinder: how often beacons do by nature. */
  isLikedAtFirst: boolean
  isLiked: boolean
  /** Blocks that the grinder threw away. */
  discarded: number
}

/**
 * Mines block b(e), again for as long as a grinding miner throws it away. Takes one block of the chain's stream, whoever
 * mines: what follows on that block has a stream of its own, so that one epoch's grinding does not shift the next beacon.
 */
export const drawBeacon = (
  networkId: NetworkId,
  epoch: number,
  committee: number,
  nodeOfIndex: Uint32Array,
  population: Population,
  chain: ActorStream,
): DrawnBeacon => {
  const grinder = population.actors.find(({ strategies }) => strategies.has('grind'))
  const grind = grinder?.strategies.get('grind')
  let first: boolean | null = null
  let discarded = 0
  let blockHash = chain.bytes()
  const mining = streamOfSeed(hash('simulated mining', blockHash))
  for (;;) {
    const beacon = beaconOf(networkId, epoch, blockHash)
    const committees = createCommittees(beacon, nodeOfIndex.length, committee)
    const { captured, stalled } = seatsLost(committees, nodeOfIndex, population)
    const isLiked = grind?.kind === 'grind' && captured >= grind.atLeast
    first ??= isLiked
    if (grind?.kind !== 'grind' || isLiked || mining.uniform() >= grind.minerShare) {
      return { blockHash, beacon, committees, captured, stalled, isLikedAtFirst: first, isLiked, discarded }
    }
    discarded++
    blockHash = mining.bytes()
  }
}

const seatsLost = (
  committees: Committees,
  nodeOfIndex: Uint32Array,
  { actors, actorOf }: Population,
): Pick<DrawnBeacon, 'captured' | 'stalled'> => {
  const { size, k, ring } = committees
  if (!actors.some(({ isAttacker, nodes }) => isAttacker && nodes > 0)) return { captured: 0, stalled: 0 }
  const isAttacker = new Uint8Array(size)
  for (let position = 0; position < size; position++) {
    isAttacker[position] = actors[actorOf[nodeOfIndex[ring[position]!]!]!]!.isAttacker ? 1 : 0
  }
  const colluders = countChallengers(committees, isAttacker)
  let captured = 0
  let stalled = 0
  for (let position = 0; position < size; position++) {
    if (isAttacker[position] === 1) continue
    if (2 * colluders[position]! > k) captured++
    if (2 * (k - colluders[position]!) <= k) stalled++
  }
  return { captured, stalled }
}
