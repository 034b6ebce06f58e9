import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AttestedVerdicts,
  createCommittees,
  createFlatEpoch,
  judgeFlatEpoch,
  type Outcome,
  outcomeNames,
  Verdict,
} from '../../../protocol/index.ts'
import { createAddressNumbers } from '../../../protocol/tally/address-numbers.ts'
import { seedOf } from '../fixture.ts'
import { judgeInWords } from '../oracle/judge-epoch.ts'

/** What one challenger says of one target; with a verdict 0 the host it names. */
interface Word {
  verdict: number
  host: number
}

const addressOf = (host: number, family: 4 | 6, interfaceId: number): Uint8Array =>
  family === 4
    ? Uint8Array.of(10, 0, host >> 8, host & 255)
    : Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, host >> 8, host & 255, 0, 0, 0, 0, 0, 0, 0, interfaceId)

/** Outcomes along the ring of an epoch in which position `from` says `wordOf(from, to)`, by both forms of the tally. */
const judged = (
  size: number,
  committee: number,
  family: 4 | 6,
  wordOf: (from: number, to: number) => Word,
): Outcome[] => {
  const beacon = seedOf('agreement', size)
  const committees = createCommittees(beacon, size, committee)
  const { k, ring } = committees
  const flat = createFlatEpoch(committees)
  flat.attests.fill(1)
  const { numberOf, prefixes } = createAddressNumbers()
  const attestations: AttestedVerdicts[] = Array.from({ length: size })
  for (let from = 0; from < size; from++) {
    const words = Array.from({ length: k }, (_, i) => wordOf(from, (from + 1 + i) % size))
    const addresses: Uint8Array[] = []
    for (const [i, { verdict, host }] of words.entries()) {
      flat.verdicts[from * k + i] = verdict
      if (verdict !== Verdict.valid) continue
      const address = addressOf(host, family, from)
      addresses.push(address)
      flat.addresses[from * k + i] = numberOf(address)
    }
    attestations[ring[from]!] = { verdicts: Uint8Array.from(words, ({ verdict }) => verdict), addresses }
  }
  const params = { ruleset: 1, committee, maxPerPrefix: 0 }
  const { outcomes } = judgeInWords({ beacon, attestations }, params)
  const flatly = judgeFlatEpoch(committees, flat, params, prefixes)
  expect(Array.from(flatly.outcomes, (code) => outcomeNames[code])).toEqual(outcomes)
  return Array.from(ring, (index) => outcomes[index]!)
}

describe('R-TALLY-2 classes × verdicts', () => {
  const code = fc.integer({ min: 1, max: 9 })
  const said = {
    'the right address': fc.constant({ verdict: 0, host: 1 }),
    'another address': fc.constant({ verdict: 0, host: 999 }),
    'a fault': code.map((verdict) => ({ verdict, host: 0 })),
    'nothing, it abstains': fc.constant({ verdict: 255, host: 0 }),
  }
  const targets = ['named', 'nameless', 'invalid', 'undecided'] as const

  /** What the other challengers, counted from 0, say of a target of this kind: it stays so whatever one more says. */
  const others = (kind: (typeof targets)[number], i: number, fault: number): Word => {
    switch (kind) {
      case 'named':
        return { verdict: 0, host: 1 }
      case 'nameless':
        return { verdict: 0, host: 100 + i }
      case 'invalid':
        return { verdict: fault, host: 0 }
      case 'undecided':
        return { verdict: i === 0 ? 0 : i === 1 ? fault : 255, host: 1 }
    }
  }

  /**
   * Position 0 speaks of position 1, a target of the kind, and of position 2, on which it is wrong if asked to; of its
   * other targets nothing is decided. All call position 0 valid at one address.
   */
  const outcomeOf = (
    k: number,
    family: 4 | 6,
    kind: (typeof targets)[number],
    fault: number,
    word: Word,
    isWrongOnce: boolean,
  ): Outcome => {
    const size = 2 * k + 2
    const wordOf = (from: number, to: number): Word => {
      if (to === 0) return { verdict: 0, host: 2 }
      if (to === 1) return from === 0 ? word : others(kind, size - 1 - from, fault)
      if (to === 2 && isWrongOnce) return { verdict: from === 0 ? fault : 0, host: 3 }
      return { verdict: from === 0 ? 0 : 255, host: 4 }
    }
    return judged(size, k, family, wordOf)[0]!
  }

  test.each<[(typeof targets)[number], keyof typeof said, 'agrees' | 'does not' | 'is not counted']>([
    ['named', 'the right address', 'agrees'],
    ['named', 'another address', 'does not'],
    ['named', 'a fault', 'does not'],
    ['named', 'nothing, it abstains', 'is not counted'],
    ['nameless', 'the right address', 'is not counted'],
    ['nameless', 'another address', 'is not counted'],
    ['nameless', 'a fault', 'does not'],
    ['nameless', 'nothing, it abstains', 'is not counted'],
    ['invalid', 'the right address', 'does not'],
    ['invalid', 'another address', 'does not'],
    ['invalid', 'a fault', 'agrees'],
    ['invalid', 'nothing, it abstains', 'is not counted'],
    ['undecided', 'the right address', 'is not counted'],
    ['undecided', 'another address', 'is not counted'],
    ['undecided', 'a fault', 'is not counted'],
    ['undecided', 'nothing, it abstains', 'is not counted'],
  ])('R-TALLY-2 target %s, said is %s: %s', (kind, what, counts) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 12 }),
        fc.constantFrom<(4 | 6)[]>(4, 6),
        code,
        said[what],
        (k, family, fault, word) => {
          const of = (isWrongOnce: boolean) => outcomeOf(k, family, kind, fault, word, isWrongOnce)
          // Alone 0 of 1 is too little; beside one wrong verdict only one that agrees makes half.
          expect(of(false)).toBe(counts === 'does not' ? 'valid: disagrees' : 'credited')
          expect(of(true)).toBe(counts === 'agrees' ? 'credited' : 'valid: disagrees')
        },
      ),
      { numRuns: 40, seed: 20261130 },
    )
  })
})

describe('R-TALLY-2 liars who call honest nodes valid at addresses of their own making', () => {
  const size = 200
  /** Share of epochs credited, of liars and of the others, when a fifth says this of all others. */
  const credits = (lieOf: (liar: number, target: number) => Word) => {
    const isLiar = (position: number): boolean => position % 5 === 0
    const outcomes = judged(size, 11, 4, (from, to) =>
      isLiar(from) && !isLiar(to) ? lieOf(from, to) : { verdict: 0, host: to },
    )
    const rate = (ofLiars: boolean): number => {
      const own = outcomes.filter((_, position) => isLiar(position) === ofLiars)
      return own.filter((outcome) => outcome === 'credited').length / own.length
    }
    return { liars: rate(true), others: rate(false) }
  }

  test('R-TALLY-2 lose the epoch as those do who call them unreachable; the others keep theirs', () => {
    const falseAddress = credits((liar) => ({ verdict: 0, host: 1_000 + liar }))
    expect(falseAddress).toEqual({ liars: 0, others: 1 })
    expect(credits(() => ({ verdict: Verdict.unreachable, host: 0 }))).toEqual(falseAddress)
    expect(credits((_, host) => ({ verdict: 0, host }))).toEqual({ liars: 1, others: 1 })
  })

  test('R-TALLY-2 whoever lies on half of its targets keeps the epoch, as with false verdicts', () => {
    // Of eleven targets at most three are liars; five lies leave six that agree.
    const onHalf = (lie: (liar: number) => Word) =>
      credits((liar, host) => ((host + size - liar) % size <= 5 ? lie(liar) : { verdict: 0, host }))
    expect(onHalf((liar) => ({ verdict: 0, host: 1_000 + liar })).liars).toBe(1)
    expect(onHalf(() => ({ verdict: Verdict.unreachable, host: 0 })).liars).toBe(1)
  })
})
