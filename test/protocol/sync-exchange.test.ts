import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bitfieldOf,
  type Epoch,
  type ExchangeEffect,
  type ExchangeEvent,
  hash,
  maxSyncAttestations,
  maxSyncEpochs,
  maxSyncProofs,
  startExchange,
  stepExchange,
  type SyncOutcome,
} from '../../protocol/index.ts'

const secret = hash('secret', 1)

/** One side: by epoch the payload that is held of each index; and the indexes with a proof in all epochs. */
interface Side {
  held: Map<Epoch, Map<number, string>>
  proved: Set<number>
  proofsPerEpoch: (epoch: Epoch) => number
}

const size = 20
const sideOf = (
  held: readonly [Epoch, readonly [number, string][]][],
  proved: readonly number[] = [],
): Side => ({
  held: new Map(held.map(([epoch, rows]) => [epoch, new Map(rows)])),
  proved: new Set(proved),
  proofsPerEpoch: () => 0,
})
const standing = ({ held, proved }: Side, epoch: Epoch): [number, string][] =>
  [...(held.get(epoch) ?? [])].filter(([index]) => !proved.has(index)).toSorted(([a], [b]) => a - b)
const rootOf = (side: Side, epoch: Epoch): string => JSON.stringify(standing(side, epoch))
const bitsOf = (side: Side, epoch: Epoch): Uint8Array => {
  const indexes = new Set(standing(side, epoch).map(([index]) => index))
  return bitfieldOf(size, (index) => indexes.has(index))
}

/** The smallest engine that carries out an exchange: both sides in one place, nothing lost. */
const exchange = (
  own: Side,
  theirs: Side,
  from: Epoch,
  to: Epoch,
  answer: (effect: ExchangeEffect, honest: () => ExchangeEvent) => ExchangeEvent = (_, honest) => honest(),
): { effects: ExchangeEffect[]; outcome: SyncOutcome | string } => {
  const effects: ExchangeEffect[] = []
  let { state, effect } = startExchange(from, to, secret)
  for (;;) {
    effects.push(effect)
    if (effect.is === 'end') return { effects, outcome: effect.outcome }
    if (effect.is === 'refuse') return { effects, outcome: effect.code }
    const asked = effect
    ;({ state, effect } = stepExchange(
      state,
      answer(asked, () => honestly(own, theirs, asked)),
    ))
  }
}

const honestly = (
  own: Side,
  theirs: Side,
  effect: Exclude<ExchangeEffect, { is: 'end' | 'refuse' }>,
): ExchangeEvent => {
  switch (effect.is) {
    case 'ask-proofs': {
      let count = 0
      for (let e = effect.from; e < effect.from + effect.count; e++) count += theirs.proofsPerEpoch(e)
      for (const index of theirs.proved) own.proved.add(index)
      return { is: 'proofs', count: Math.min(count, maxSyncProofs) }
    }
    case 'ask-roots':
      return {
        is: 'roots',
        epochs: [...theirs.held.keys()].filter((e) => e >= effect.from && e < effect.from + effect.count),
      }
    case 'compare': {
      const known = effect.epochs.filter((epoch) => own.held.has(epoch))
      const differing = known.filter((epoch) => rootOf(own, epoch) !== rootOf(theirs, epoch))
      return { is: 'compared', agreed: known.length - differing.length, differing }
    }
    case 'ask-bits':
      return {
        is: 'bits',
        theirs: bitsOf(theirs, effect.epoch),
        own: bitsOf(own, effect.epoch),
        proved: bitfieldOf(size, (index) => own.proved.has(index)),
        size,
        isSame: rootOf(own, effect.epoch) === rootOf(theirs, effect.epoch),
        hasMoved: false,
      }
    case 'fetch': {
      const held = own.held.get(effect.epoch)!
      let fresh = 0
      for (const index of effect.indexes) {
        const payload = theirs.held.get(effect.epoch)!.get(index)!
        const before = held.get(index)
        if (before === undefined) fresh++
        if (before === undefined) held.set(index, payload)
        else if (before !== payload) own.proved.add(index)
      }
      return { is: 'fetched', fresh, isWhole: true }
    }
  }
}

const kinds = (effects: readonly ExchangeEffect[]): string => effects.map(({ is }) => is).join(' ')
const empty = () => sideOf([[2, []]])

describe('R-SYNC-1 R-SYNC-2 what is asked, in which order, and when it ends', () => {
  test('proofs, then roots, then nothing more where all are alike', () => {
    const same = () => sideOf([2, 3].map((epoch) => [epoch, [[0, 'a']]]))
    const { effects, outcome } = exchange(same(), same(), 2, 3)
    expect(kinds(effects)).toBe('ask-proofs ask-roots compare end')
    expect(outcome).toEqual({ agreed: 2, differing: 0, fetched: 0 })
  })

  test('of an epoch that differs bits, then what is missing, then its root once more', () => {
    const own = sideOf([
      [2, [[0, 'a']]],
      [3, [[0, 'a']]],
    ])
    const theirs = sideOf([
      [
        2,
        [
          [0, 'a'],
          [4, 'b'],
          [9, 'c'],
        ],
      ],
      [3, [[0, 'a']]],
    ])
    const { effects, outcome } = exchange(own, theirs, 2, 3)
    expect(kinds(effects)).toBe('ask-proofs ask-roots compare ask-bits fetch compare end')
    expect(effects.find(({ is }) => is === 'fetch')).toEqual({ is: 'fetch', epoch: 2, indexes: [4, 9] })
    expect(outcome).toEqual({ agreed: 2, differing: 0, fetched: 2 })
  })

  test('who holds more fetches nothing; the other one comes for it', () => {
    const own = sideOf([
      [
        2,
        [
          [0, 'a'],
          [1, 'b'],
        ],
      ],
    ])
    const { effects, outcome } = exchange(own, sideOf([[2, [[0, 'a']]]]), 2, 2)
    expect(kinds(effects)).toBe('ask-proofs ask-roots compare ask-bits compare end')
    expect(outcome).toEqual({ agreed: 0, differing: 1, fetched: 0 })
  })

  test('R-ATT-3 the same seats under other roots: each of them is fetched, and a proof is made', () => {
    const own = sideOf([
      [
        2,
        [
          [0, 'a'],
          [1, 'b'],
        ],
      ],
    ])
    const { outcome } = exchange(
      own,
      sideOf([
        [
          2,
          [
            [0, 'a'],
            [1, 'other'],
          ],
        ],
      ]),
      2,
      2,
    )
    expect(own.proved).toEqual(new Set([1]))
    // The other one does not have the proof yet.
    expect(outcome).toEqual({ agreed: 0, differing: 1, fetched: 0 })
  })

  test.each(['isSame', 'hasMoved'])('what came since the roots were told is not fetched: %s', (what) => {
    const [own, theirs] = ['b', 'other'].map((payload) => sideOf([[2, [[1, payload]]]])) as [Side, Side]
    const { effects } = exchange(own, theirs, 2, 2, (_, honest) => {
      const event = honest()
      return event.is === 'bits' ? { ...event, [what]: true } : event
    })
    expect(kinds(effects)).toBe('ask-proofs ask-roots compare ask-bits compare end')
  })

  test('R-ATT-3 of a seat with a proof nothing is fetched', () => {
    const { effects } = exchange(sideOf([[2, []]], [4]), sideOf([[2, [[4, 'a']]]]), 2, 2)
    expect(kinds(effects)).toBe('ask-proofs ask-roots compare ask-bits compare end')
  })

  test('a question names as many epochs and attestations as it may', () => {
    const effects: ExchangeEffect[] = []
    let step = startExchange(0, maxSyncEpochs + 1, secret)
    const many = 2 * maxSyncAttestations + 1
    const answers: Record<string, ExchangeEvent> = {
      'ask-proofs': { is: 'proofs', count: 0 },
      'ask-roots': { is: 'roots', epochs: [] },
      compare: { is: 'compared', agreed: 0, differing: [] },
      'ask-bits': {
        is: 'bits',
        theirs: bitfieldOf(many, () => true),
        own: bitfieldOf(many, () => false),
        proved: new Uint8Array(0),
        size: many,
        isSame: false,
        hasMoved: false,
      },
      fetch: { is: 'fetched', fresh: 1, isWhole: true },
    }
    let isFirst = true
    while (step.effect.is !== 'end') {
      effects.push(step.effect)
      const event = answers[step.effect.is]!
      step = stepExchange(
        step.state,
        event.is === 'compared' && isFirst ? { ...event, differing: [7] } : event,
      )
      isFirst &&= event.is !== 'compared'
    }
    expect(effects.filter(({ is }) => is === 'ask-roots')).toEqual([
      { is: 'ask-roots', from: 0, count: maxSyncEpochs },
      { is: 'ask-roots', from: maxSyncEpochs, count: 2 },
    ])
    const fetched = effects.flatMap((effect) => (effect.is === 'fetch' ? [effect.indexes] : []))
    expect(fetched.map(({ length }) => length)).toEqual([maxSyncAttestations, maxSyncAttestations, 1])
    expect(fetched.flat()).toEqual(Array.from({ length: many }, (_, index) => index))
  })

  test('a full answer may leave proofs out: its epochs are halved, down to one', () => {
    const theirs = { ...empty(), proofsPerEpoch: (epoch: Epoch) => (epoch === 5 ? 2 * maxSyncProofs : 0) }
    const { effects } = exchange(empty(), theirs, 2, 9)
    const asked = effects.flatMap((effect) =>
      effect.is === 'ask-proofs' ? [`${effect.from}+${effect.count}`] : [],
    )
    expect(asked).toEqual(['2+8', '2+4', '2+2', '4+2', '4+1', '5+1', '6+4'])
  })

  test('where nobody can have signed twice, no proofs are asked for', () => {
    expect(startExchange(2, 4, secret, false).effect).toEqual({ is: 'ask-roots', from: 2, count: 3 })
  })

  test('of no epochs there is nothing to ask', () => {
    expect(startExchange(3, 2, secret).effect).toEqual({
      is: 'end',
      outcome: { agreed: 0, differing: 0, fetched: 0 },
    })
  })
})

describe('R-SYNC-2 an answer that is malformed or false ends the exchange', () => {
  const full = () =>
    sideOf([
      [
        2,
        [
          [0, 'a'],
          [1, 'b'],
        ],
      ],
    ])
  const answering = (is: ExchangeEvent['is'], event: ExchangeEvent) =>
    exchange(empty(), full(), 2, 4, (_, honest) => (honest().is === is ? event : honest())).outcome

  test.each<[string, Epoch[]]>([
    ['of an epoch before', [1]],
    ['of an epoch after', [5]],
    ['one epoch twice', [2, 2]],
    ['out of order', [3, 2]],
  ])('roots %s', (_, epochs) => {
    expect(answering('roots', { is: 'roots', epochs })).toBe('other-answer')
  })

  test('bits of another number of seats', () => {
    const none = { own: new Uint8Array(3), proved: new Uint8Array(3), isSame: false, hasMoved: false }
    const bits = { is: 'bits' as const, ...none, size }
    expect(answering('bits', { ...bits, theirs: new Uint8Array(4) })).toBe('other-answer')
    // On another branch it has none, and is no liar.
    expect(answering('bits', { ...bits, theirs: null })).toEqual({ agreed: 0, differing: 1, fetched: 0 })
  })

  test('attestations that it said it holds, withheld', () => {
    expect(answering('fetched', { is: 'fetched', fresh: 1, isWhole: false })).toBe('withheld')
  })
})

describe('R-SYNC-1 two sides', () => {
  const anySide = fc
    .array(
      fc.tuple(
        fc.constantFrom(2, 3, 4),
        fc.uniqueArray(fc.tuple(fc.nat(size - 1), fc.constantFrom('a', 'b')), {
          selector: ([index]) => index,
        }),
      ),
      { maxLength: 3 },
    )
    .map((rows) => sideOf([2, 3, 4].map((epoch) => [epoch, rows.find(([e]) => e === epoch)?.[1] ?? []])))

  test('whatever each holds: after an exchange in each direction, twice, both hold the same', () => {
    fc.assert(
      fc.property(anySide, anySide, (a, b) => {
        for (let round = 0; round < 2; round++) {
          exchange(a, b, 2, 4)
          exchange(b, a, 2, 4)
        }
        for (const epoch of [2, 3, 4]) expect(rootOf(a, epoch)).toBe(rootOf(b, epoch))
        expect(exchange(a, b, 2, 4).outcome).toEqual({ agreed: 3, differing: 0, fetched: 0 })
      }),
    )
  })

  test('whatever a peer answers: the exchange ends after a bounded number of questions', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(2 ** 16)), (chance) => {
        const next = (below: number): number => chance.next().value! % below
        const madeUp = (effect: ExchangeEffect): ExchangeEvent => {
          switch (effect.is) {
            case 'ask-proofs':
              return { is: 'proofs', count: next(maxSyncProofs + 1) }
            case 'ask-roots':
              return { is: 'roots', epochs: Array.from({ length: next(9) }, (_, i) => effect.from + i) }
            case 'compare':
              return { is: 'compared', agreed: 0, differing: effect.epochs }
            case 'ask-bits': {
              const theirs = next(5) === 0 ? null : bitfieldOf(size, () => next(2) === 0)
              return {
                is: 'bits',
                theirs,
                own: bitfieldOf(size, () => next(2) === 0),
                proved: new Uint8Array(3),
                size,
                isSame: next(2) === 0,
                hasMoved: next(2) === 0,
              }
            }
            default:
              return { is: 'fetched', fresh: next(2), isWhole: next(9) > 0 }
          }
        }
        const { effects } = exchange(empty(), empty(), 2, 9, (effect) => madeUp(effect))
        // Proofs of eight epochs and their halves, roots, and of each epoch bits and what is named in them.
        expect(effects.length).toBeLessThanOrEqual(15 + 2 + 8 * 3 + 1)
      }),
      { numRuns: 200 },
    )
  })
})
