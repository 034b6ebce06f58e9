import { array, assert, constantFrom, integer, nat, property, record } from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createCommittees,
  createFlatEpoch,
  outcomeNames,
  judgeFlatEpoch,
  Verdict,
} from '../../protocol/index.ts'
import { nameFalsely } from '../../sim/statistical/false-address.ts'
import { cellOf, challengerAt, type Ring } from '../../sim/statistical/ring.ts'
import type { Actor } from '../../sim/population.ts'

const actorOf = (name: string, index: number): Actor => ({
  name,
  index,
  isAttacker: index > 0,
  first: 0,
  nodes: 0,
  availability: 1,
  outageEpochs: 1,
  missRate: 0,
  lifetimeWeeks: undefined,
  strategies: new Map(),
  usdPerWeek: 0,
})
const honest = actorOf('honest', 0)
const liars = actorOf('liars', 1)

interface Made {
  seed: number
  size: number
  committee: number
  /** At each position: a liar, down, or neither. */
  roles: readonly number[]
}

const rings = record({
  seed: nat(255),
  size: integer({ min: 6, max: 40 }),
  committee: integer({ min: 3, max: 11 }),
  roles: array(constantFrom(0, 0, 0, 1, 1, 2), { minLength: 40, maxLength: 40 }),
}).map((made): Made => ({ ...made, committee: Math.min(made.committee, made.size - 1) }))

/** What all say before anybody lies: of those that are down, that they are unreachable. */
const ringOf = ({ seed, size, committee, roles }: Made): Ring => {
  const beacon = new Uint8Array(32).fill(seed)
  const committees = createCommittees(beacon, size, committee)
  const flat = createFlatEpoch(committees)
  const isUp = Uint8Array.from({ length: size }, (_, position) => (roles[position] === 2 ? 0 : 1))
  flat.attests.set(isUp)
  for (let position = 0; position < size; position++) {
    for (let i = 0; i < committees.k; i++) {
      const target = (position + 1 + i) % size
      const at = position * committees.k + i
      flat.verdicts[at] = isUp[target] === 1 ? Verdict.valid : Verdict.unreachable
      flat.addresses[at] = 0x0a00_0000 + target
    }
  }
  return {
    epoch: 2,
    beacon,
    committees,
    flat,
    nodeAt: Uint32Array.from({ length: size }, (_, position) => position),
    actorAt: Uint8Array.from({ length: size }, (_, position) => (roles[position] === 1 ? 1 : 0)),
    isUp,
    signs: isUp,
    sideAt: null,
    actors: [honest, liars],
  }
}

const liedOf = (made: Made, lie: 'always' | 'half' | 'where-it-wins') => {
  const ring = ringOf(made)
  const before = ring.flat.addresses.slice()
  nameFalsely(ring, liars, lie)
  return { ring, isLie: ring.flat.addresses.map((address, at) => (address === before[at] ? 0 : 1)) }
}

const isTrue = (ring: Ring, target: number, cell: number): boolean =>
  ring.flat.addresses[cell] === 0x0a00_0000 + target

describe('liars about addresses', () => {
  test('R-TALLY-2 R-TALLY-3 to lie only where it wins takes as much as to lie always, from the same nodes, and costs nothing', () => {
    assert(
      property(rings, (made) => {
        const [always, wins] = (['always', 'where-it-wins'] as const).map((lie) => {
          const { ring } = liedOf(made, lie)
          const { outcomes } = judgeFlatEpoch(ring.committees, ring.flat, {
            ruleset: 1,
            committee: ring.committees.k,
            maxPerPrefix: 0,
          })
          const alongRing = Array.from(ring.committees.ring, (index) => outcomeNames[outcomes[index]!]!)
          const of = (liars: boolean) => alongRing.filter((_, at) => (ring.actorAt[at] === 1) === liars)
          return { honest: of(false), liars: of(true) }
        })
        expect(wins!.honest).toEqual(always!.honest)
        expect(wins!.liars).not.toContain('valid: disagrees')
      }),
    )
  })

  test('R-TALLY-3 a lie that wins leaves its target without a majority address, and every such lie is told', () => {
    assert(
      property(rings, (made) => {
        const { ring, isLie } = liedOf(made, 'where-it-wins')
        const { size, k } = ring.committees
        for (let target = 0; target < size; target++) {
          const cells = Array.from({ length: k }, (_, i) => cellOf(ring, target, i))
          const named = cells.filter((cell) => ring.flat.verdicts[cell] === Verdict.valid)
          const attesting = named.filter((cell) => ring.flat.attests[Math.floor(cell / k)] === 1)
          const right = attesting.filter((cell) => isTrue(ring, target, cell))
          const isLiedOf = cells.some((cell) => isLie[cell] === 1)
          if (isLiedOf) expect(2 * right.length).toBeLessThanOrEqual(k)
          // Liars spare their own group.
          if (ring.actorAt[target] === 1) expect(isLiedOf).toBe(false)
        }
      }),
    )
  })

  test('R-TALLY-2 a half liar agrees', () => {
    assert(
      property(rings, (made) => {
        const { ring, isLie } = liedOf(made, 'half')
        const { size, k } = ring.committees
        for (let position = 0; position < size; position++) {
          if (ring.actorAt[position] !== 1) continue
          let counted = 0
          let same = 0
          for (let i = 0; i < k; i++) {
            const target = (position + 1 + i) % size
            const challengers = Array.from({ length: k }, (_, j) => challengerAt(ring, target, j))
            const said = challengers.flatMap((challenger, j) =>
              ring.flat.attests[challenger] === 1 ? [cellOf(ring, target, j)] : [],
            )
            const valid = said.filter((cell) => ring.flat.verdicts[cell] === Verdict.valid)
            const isNamed = 2 * valid.filter((cell) => isTrue(ring, target, cell)).length > k
            const isInvalid = 2 * (said.length - valid.length) > k
            if (!isNamed && !isInvalid) continue
            counted++
            if (isLie[position * k + i] === 0) same++
          }
          expect(2 * same).toBeGreaterThanOrEqual(counted)
        }
      }),
    )
  })
})
