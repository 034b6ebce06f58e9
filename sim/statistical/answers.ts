import { drawSamples, type NetworkId, Verdict } from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'
import { type FreePlaces, placesFound } from '../places.ts'
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
  for (const cell of unserved(asked, perBlock)) ring.flat.verdicts[cell] = Verdict.timeout
}

/** Those that get no answer if so many are answered at each block, and the rest come again at the next. */
const unserved = (askedByBlock: readonly (readonly number[])[], perBlock: number): number[] => {
  const waiting: number[] = []
  let served = 0
  for (const burst of askedByBlock) {
    waiting.push(...burst)
    served = Math.min(waiting.length, served + perBlock)
  }
  return waiting.slice(served)
}

/** Honest nodes whose places hogs hold: what finds none free is told "busy" and comes again at the next block. */
export const answerAmongHogs = (
  ring: Ring,
  free: FreePlaces,
  rules: ChallengeRules,
  stream: ActorStream,
): void => {
  if (free.challenge === Infinity) return
  const refuse = (cell: number): void => {
    if (ring.flat.verdicts[cell] === Verdict.valid) ring.flat.verdicts[cell] = Verdict.timeout
  }
  for (const target of ring.actors.filter(({ isAttacker }) => !isAttacker)) {
    const challengesByPosition = Map.groupBy(challengesOf(ring, target), ([position]) => position)
    for (const challenges of challengesByPosition.values()) {
      const asked: number[][] = Array.from({ length: rules.windowBlocks }, () => [])
      for (const [position, i] of challenges) {
        const asker = ring.actors[ring.actorAt[challengerAt(ring, position, i)]!]!
        const cell = cellOf(ring, position, i)
        if (placesFound(free, asker, 'challenge') === 0) refuse(cell)
        else asked[stream.below(rules.firstVisitBlocks)]!.push(cell)
      }
      for (const cell of unserved(asked, free.challenge)) refuse(cell)
    }
  }
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
