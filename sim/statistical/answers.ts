import { drawSamples, type NetworkId, Verdict } from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'
import type { Actor } from '../population.ts'
import type { Strategy } from '../scenario.ts'
import { cellOf, challengerAt, type Ring } from './ring.ts'

/** What a challenge under these rules asks of a target, and when. */
export interface ChallengeRules {
  networkId: NetworkId
  samples: number
  responseMs: number
  /** b(e) of the epoch. */
  lastHeight: number
  /** Blocks of the window, and those of them in which first visits begin (R-CHAL-1). */
  windowBlocks: number
  firstVisitBlocks: number
}

type StrategyOf<Kind extends Strategy['kind']> = Extract<Strategy, { kind: Kind }>

/** Challenges of an actor's nodes by others that are up; its own challengers ask it too, and help if they vouch. */
const challengesOf = function* (ring: Ring, actor: Actor): Generator<[position: number, i: number]> {
  const { size, k } = ring.committees
  for (let position = 0; position < size; position++) {
    if (ring.actorAt[position] !== actor.index || ring.isUp[position] === 0) continue
    for (let i = 0; i < k; i++) {
      if (ring.isUp[challengerAt(ring, position, i)] === 1) yield [position, i]
    }
  }
}

/**
 * Many nodes before one full copy. Challengers ask when a block comes in, so questions come in bursts; of each burst
 * the copy answers what it can before the deadline, says "busy" to the rest, and is asked again at the next block
 * (R-CHAL-1). Who is not served when the window ends is a timeout.
 */
export const answerFromSharedCopy = (
  ring: Ring,
  actor: Actor,
  strategy: StrategyOf<'shared-copy'>,
  rules: ChallengeRules,
  stream: ActorStream,
): void => {
  const seconds =
    rules.samples / strategy.readsPerSecond +
    (strategy.exchangeBytes * 8) / (strategy.megabitsPerSecond * 1_000_000)
  const perBlock = Math.floor(rules.responseMs / 1_000 / seconds)
  const asked: number[][] = Array.from({ length: rules.windowBlocks }, () => [])
  for (const [position, i] of challengesOf(ring, actor)) {
    asked[stream.below(rules.firstVisitBlocks)]!.push(cellOf(ring, position, i))
  }
  const waiting: number[] = []
  let served = 0
  for (const burst of asked) {
    waiting.push(...burst)
    served = Math.min(waiting.length, served + perBlock)
  }
  for (const cell of waiting.slice(served)) ring.flat.verdicts[cell] = Verdict.timeout
}

/**
 * Who keeps the first part of the chain answers if every sample lies in it. Heights are drawn by the protocol's own
 * rule; they are uniform (R-CHAL-2), so it does not matter which blocks are kept. A wrong answer is a wrong digest.
 */
export const answerFromPartialChain = (
  ring: Ring,
  actor: Actor,
  strategy: StrategyOf<'partial-chain'>,
  rules: ChallengeRules,
  stream: ActorStream,
): void => {
  const { ring: indexes } = ring.committees
  const lastKept = Math.floor(strategy.kept * rules.lastHeight)
  const targetStake = new Uint8Array(20)
  for (const [position, i] of challengesOf(ring, actor)) {
    const terms = {
      networkId: rules.networkId,
      epoch: ring.epoch,
      beacon: ring.beacon,
      targetSeat: indexes[position]!,
      targetStake,
      challengerSeat: indexes[challengerAt(ring, position, i)]!,
      nonce: stream.bytes(),
    }
    const drawing = drawSamples(terms, rules.samples, rules.lastHeight)
    let step = drawing.next()
    // One transaction in each block: which of a kept block is asked for does not matter.
    while (step.done !== true && step.value <= lastKept) step = drawing.next(1)
    if (step.done !== true) ring.flat.verdicts[cellOf(ring, position, i)] = Verdict.wrongDigest
  }
}
