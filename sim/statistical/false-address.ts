import { Verdict } from '../../protocol/index.ts'
import type { Actor } from '../population.ts'
import type { Strategy } from '../scenario.ts'
import { cellOf, challengerAt, type Ring } from './ring.ts'

type Lie = Extract<Strategy, { kind: 'false-address' }>['lie']

/**
 * Writes false addresses beside verdicts 0 of honest targets. The group is taken to know what all others will say, and
 * acts as one: no group that only guesses takes more. Each liar names an address of its own, below all real ones: were
 * it the same for all, they would be the majority that their target needs.
 */
export const nameFalsely = (ring: Ring, actor: Actor, lie: Lie): void => {
  const { size, k } = ring.committees
  const { attests, verdicts, addresses } = ring.flat
  const targets = targetsOfGroup(ring, actor)
  for (let position = 0; position < size; position++) {
    if (ring.actorAt[position] !== actor.index || attests[position] === 0) continue
    const seen = Array.from({ length: k }, (_, i) => (position + 1 + i) % size)
    const canBeLiedOf = seen.filter(
      (target, i) => ring.actorAt[target] !== actor.index && verdicts[position * k + i] === Verdict.valid,
    )
    for (const target of chosen(lie, canBeLiedOf, seen, targets)) {
      const i = (target + size - position - 1) % size
      addresses[position * k + i] = 1 + ring.nodeAt[position]!
    }
  }
}

/** Which of the targets that a liar can lie of it does lie of. */
const chosen = (
  lie: Lie,
  canBeLiedOf: readonly number[],
  seen: readonly number[],
  targets: readonly JudgedTarget[],
): readonly number[] => {
  switch (lie) {
    case 'always':
      return canBeLiedOf
    case 'where-it-wins':
      return canBeLiedOf.filter((target) => targets[target]!.isWon)
    case 'half': {
      const decided = seen.filter((target) => targets[target]!.isDecided).length
      return canBeLiedOf
        .toSorted((a, b) => targets[a]!.truthful - targets[b]!.truthful)
        .slice(0, Math.floor(decided / 2))
    }
  }
}

/** What will be said of the seat at a position if the whole group lies of it. */
interface JudgedTarget {
  /** Challengers outside the group that call it valid under its own address. */
  truthful: number
  isDecided: boolean
  /** Its class is valid, and no majority names its address (R-TALLY-3). */
  isWon: boolean
}

const targetsOfGroup = (ring: Ring, actor: Actor): JudgedTarget[] => {
  const { size, k } = ring.committees
  const { attests, verdicts, addresses } = ring.flat
  return Array.from({ length: size }, (_, target): JudgedTarget => {
    let valid = 0
    let invalid = 0
    const named = new Map<number, number>()
    for (let i = 0; i < k; i++) {
      const challenger = challengerAt(ring, target, i)
      if (attests[challenger] === 0) continue
      const cell = cellOf(ring, target, i)
      if (verdicts[cell] === Verdict.valid) valid++
      else if (verdicts[cell] !== Verdict.abstain) invalid++
      if (verdicts[cell] !== Verdict.valid || ring.actorAt[challenger] === actor.index) continue
      named.set(addresses[cell]!, (named.get(addresses[cell]!) ?? 0) + 1)
    }
    // Other groups may lie of it as well, each of their seats under another address.
    const truthful = Math.max(0, ...named.values())
    return {
      truthful,
      isDecided: 2 * valid > k || 2 * invalid > k,
      isWon: 2 * valid > k && 2 * truthful <= k,
    }
  })
}
