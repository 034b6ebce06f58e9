import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  certifiersOf,
  createStream,
  encodeCanonical,
  handedOnBy,
  hash,
  listOf,
  merklePath,
  type Senior,
  seniorLeaf,
  shuffledIndexes,
  verifyMerklePath,
} from '../../protocol/index.ts'
import { merkleRoot } from '../../protocol/merkle.ts'
import { commitmentOf, seniorListOf } from '../../protocol/seniors.ts'
import { genesis, seedOf } from './fixture.ts'
import { anchorOf, play, type PlayedWeek, seniorOf, type Voter } from './played-lists.ts'

const votersOf = (seniors: readonly Senior[]): string[] =>
  seniors.map(({ seat, bls }) => `${seat}:${Buffer.from(bls).toString('hex')}`)
const namesOf = (voters: readonly Voter[]): string[] => votersOf(voters.map(seniorOf))

const six: readonly Voter[] = [0, 1, 2, 3, 4, 5].map((seat) => [seat, 0])
const three = six.slice(0, 3)
const anchored = (own: readonly Voter[]): PlayedWeek => ({ own, isAnchored: true })
const pending = (own: readonly Voter[]): PlayedWeek => ({ own, isAnchored: false })
/** Of whom the certifiers of each week are drawn; null without views. */
const listsOf = (played: readonly PlayedWeek[]): (string[] | null)[] =>
  play(played).map(({ list }) => (list === null ? null : votersOf(list.seniors)))

describe('R-CP-2 the list of a week', () => {
  const grown: readonly Voter[] = [...six, [6, 0]]
  const renewed: readonly Voter[] = six.map(([seat]) => [seat, 1])

  test('is that of its own seniors until a checkpoint is anchored, and the one handed on from then on', () => {
    expect(listsOf([pending(six), anchored(grown), anchored(renewed), pending(six)])).toEqual([
      namesOf(six),
      namesOf(grown),
      // The seniors of the second week, with the keys that they had at its end.
      namesOf(grown),
      namesOf(renewed),
    ])
  })

  test('too short to be handed on: the older one is carried on, for as long as it takes', () => {
    const played = [anchored(six), anchored(three), anchored(three), anchored(three), anchored(renewed)]
    expect(listsOf([...played, pending(six)])).toEqual([...played.map(() => namesOf(six)), namesOf(renewed)])
  })

  test('too short by itself while none was handed on: no views, and the next week is another try', () => {
    expect(listsOf([pending(three), pending(three), anchored(six), pending(three)])).toEqual([
      null,
      null,
      namesOf(six),
      namesOf(six),
    ])
  })

  test('is its own again once two weeks lie between, and not before', () => {
    expect(
      listsOf([anchored(six), pending(grown), pending(renewed), pending(grown), anchored(grown)]),
    ).toEqual([namesOf(six), namesOf(six), namesOf(six), namesOf(grown), namesOf(grown)])
    // With too few of them there is none, and the week after that looks again.
    expect(listsOf([anchored(six), pending(six), pending(six), pending(three), pending(six)])).toEqual([
      namesOf(six),
      namesOf(six),
      namesOf(six),
      null,
      namesOf(six),
    ])
  })

  test('carried on until too many of it have left: two weeks are pending, then a week has its own', () => {
    const played = [anchored(six), anchored(three), pending(three), pending(renewed), anchored(renewed)]
    expect(listsOf([...played, pending(three)])).toEqual([
      ...[six, six, six, six].map(namesOf),
      namesOf(renewed),
      namesOf(renewed),
    ])
  })

  test('R-CP-1 is committed to: what the week hands on, and the checkpoint whose anchor came last', () => {
    const [first, second, third] = play([anchored(six), anchored(three), pending(grown)])
    const rootOf = (voters: readonly Voter[]): Uint8Array =>
      merkleRoot(voters.map(seniorOf).map(({ seat, bls }) => encodeCanonical([seat, bls])))
    expect(first!.commits).toEqual({ previous: null, handsOn: { count: 6, root: rootOf(six) } })
    expect(second!.commits).toEqual({
      previous: anchorOf(first!.week, first!.freeze!.height),
      handsOn: { count: 6, root: rootOf(six) },
    })
    expect(third!.commits).toEqual({
      previous: anchorOf(second!.week, second!.freeze!.height),
      handsOn: { count: 7, root: rootOf(grown) },
    })
    expect(seniorLeaf(seniorOf(six[2]!))).toEqual(encodeCanonical([2, seniorOf(six[2]!).bls]))
  })

  test('R-CP-1 number, root, and a leaf with its branch for each certifier are enough to check a draw', () => {
    const seniors = Array.from({ length: 50 }, (_, i) => seniorOf([3 * i, 0]))
    const { count, root } = commitmentOf(seniorListOf(seniors))
    const beacon = seedOf('beacon')
    const drawn = certifiersOf(seniors, beacon, 3, 6)
    const leaves = seniors.map(seniorLeaf)
    const indexes = [...shuffledIndexes(createStream(hash('certifiers', beacon, 3)), count)].slice(0, 6)
    for (const [position, index] of indexes.entries()) {
      const leaf = seniorLeaf(drawn[position]!)
      expect(verifyMerklePath(root, leaf, index, count, merklePath(leaves, index))).toBe(true)
      const other = seniorLeaf(drawn[(position + 1) % 6]!)
      expect(verifyMerklePath(root, other, index, count, merklePath(leaves, index))).toBe(false)
    }
  })

  const someWeek = fc.record({
    own: fc
      .uniqueArray(fc.nat(6), { maxLength: 7 })
      .chain((seats) =>
        fc.tuple(...[...seats].sort((a, b) => a - b).map((seat) => fc.tuple(fc.constant(seat), fc.nat(1)))),
      ),
    isAnchored: fc.boolean(),
  })

  test('whoever comes and goes: as the rule is read by hand, and never without views where seniors are enough', () => {
    fc.assert(
      fc.property(fc.array(someWeek, { minLength: 1, maxLength: 7 }), (played) => {
        const lists: (readonly Voter[])[] = []
        let last: number | null = null
        const frozen = play(played)
        for (const [w, record] of frozen.entries()) {
          const { own, isAnchored } = played[w]!
          const isOwn = last === null || w - last > 2
          const before = isOwn ? null : handed(last!)
          const list = before ?? own
          lists.push(list)
          const hasViews = list.length >= genesis.minSeniors
          expect(record.list === null ? null : votersOf(record.list.seniors)).toEqual(
            hasViews ? namesOf(list) : null,
          )
          expect(record.isPending).toBe(!hasViews)
          // No deadlock: whoever has seniors of its own, or a list of the last two weeks, can be certified.
          if (own.length >= genesis.minSeniors || !isOwn) expect(hasViews).toBe(true)
          expect(record.commits!.previous).toEqual(
            last === null ? null : anchorOf(frozen[last]!.week, frozen[last]!.freeze!.height),
          )
          if (hasViews) expect(record.commits!.handsOn.count).toBe(handed(w).length)
          if (hasViews && isAnchored) last = w
        }

        function handed(w: number): readonly Voter[] {
          return played[w]!.own.length >= genesis.minSeniors ? played[w]!.own : lists[w]!
        }
      }),
      { numRuns: 60 },
    )
  })

  test('what is handed on and what is taken over, by themselves', () => {
    const [own, other] = [seniorListOf(six.map(seniorOf)), seniorListOf(three.map(seniorOf))]
    expect(listOf(own, null)).toBe(own)
    expect(listOf(own, { list: other, weeksBetween: 0 })).toBe(other)
    expect(listOf(own, { list: other, weeksBetween: 1 })).toBe(other)
    expect(listOf(own, { list: other, weeksBetween: 2 })).toBe(own)
    expect(handedOnBy(other, own, 4)).toBe(own)
    expect(handedOnBy(other, own, 3)).toBe(other)
  })
})
