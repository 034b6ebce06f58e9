import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cidOf, type Height, type ProposingEffect, type Seat, type Wants } from '../../protocol/index.ts'
import { maxRevisions, type ProposingState, startProposing, stepProposing } from '../../protocol/proposing.ts'

const nothing: Wants = { missing: [], late: [], proofs: [] }

/** A proposer at one height, and certifiers who answer at once: null is silence. It goes on until it rests. */
const runHeight = (
  begin: { state: ProposingState; effects: readonly ProposingEffect[] },
  height: Height,
  others: readonly Seat[],
  answer: (seat: Seat, round: number) => Wants | null,
  build: (built: number) => Uint8Array,
) => {
  let { state } = begin
  const queue = [...begin.effects]
  const gathered: Extract<ProposingEffect, { is: 'gather' }>[] = []
  let rounds = 0
  let built = 0
  const take = (event: Parameters<typeof stepProposing>[1]): void => {
    const step = stepProposing(state, event, others, height)
    state = step.state
    queue.push(...step.effects)
  }
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    if (built > 1_000) throw new Error('it does not come to rest')
    switch (effect.is) {
      case 'build': {
        const bytes = build(built++)
        take({ is: 'built', cid: cidOf(bytes), bytes, listing: new Map() })
        break
      }
      case 'propose': {
        rounds++
        for (const from of effect.to) {
          const wants = answer(from, rounds)
          take(wants === null ? { is: 'nothing', from } : { is: 'wants', from, wants })
        }
        break
      }
      case 'gather':
        gathered.push(effect)
        take({ is: 'gathered', lacked: [] })
    }
  }
  return { state, rounds, gathered }
}

const wantsOf = fc.record({
  missing: fc.array(
    fc.record({
      epoch: fc.nat(200),
      seat: fc.nat(200),
      digest: fc.constant(new Uint8Array(32)),
    }),
    { maxLength: 4 },
  ),
  late: fc.array(fc.record({ epoch: fc.nat(200), seat: fc.nat(200) }), { maxLength: 4 }),
  proofs: fc.array(fc.record({ epoch: fc.nat(200), seat: fc.nat(200) }), { maxLength: 4 }),
})

describe('R-CP-3 a payload is proposed once at each confirmed height', () => {
  const others = Array.from({ length: 15 }, (_, i) => i + 1)
  const same = new Uint8Array(10)

  test('a certifier that misses a proof which does not exist has it sent no more often than one that is silent', () => {
    const silent = runHeight(
      startProposing(0, others, 100),
      100,
      others,
      () => null,
      () => same,
    )
    const lying = runHeight(
      startProposing(0, others, 100),
      100,
      others,
      (seat) => (seat === 15 ? { ...nothing, proofs: [{ epoch: 4, seat: 99 }] } : null),
      () => same,
    )
    expect(lying.rounds).toBe(silent.rounds)
    expect(lying.state).toMatchObject({ stage: 'resting', restsUntil: 101, revision: 1 })
  })

  test('whatever certifiers want, and however new it is each time', () => {
    fc.assert(
      fc.property(
        fc.infiniteStream(fc.option(wantsOf)),
        fc.integer({ min: 1, max: 6 }),
        (answers, heights) => {
          let step: Parameters<typeof runHeight>[0] = startProposing(0, others, 100)
          for (let height = 100; height < 100 + heights; height++) {
            const { state, rounds } = runHeight(
              step,
              height,
              others,
              () => answers.next().value ?? null,
              () => same,
            )
            expect(rounds).toBeLessThanOrEqual(1)
            expect(state.stage).toBe('resting')
            step = stepProposing(state, { is: 'height', height: height + 1 }, others, height + 1)
          }
        },
      ),
    )
  })

  test('a payload that was mended goes out at once, but no more than 16 of them', () => {
    const mended = runHeight(
      startProposing(0, others, 100),
      100,
      others,
      () => ({ ...nothing, late: [{ epoch: 4, seat: 7 }] }),
      (built) => Uint8Array.of(built),
    )
    expect(mended).toMatchObject({ rounds: maxRevisions, state: { stage: 'done' } })
  })

  test('what could not be fetched is fetched again with the next block', () => {
    const proofs = [{ epoch: 4, seat: 7 }]
    const answer = () => ({ ...nothing, proofs })
    const first = runHeight(startProposing(0, [1], 100), 100, [1], answer, () => same)
    const next = stepProposing(first.state, { is: 'height', height: 101 }, [1], 101)
    const second = runHeight(next, 101, [1], answer, () => same)
    for (const { gathered } of [first, second]) {
      expect(gathered).toEqual([{ is: 'gather', wants: [{ from: 1, wants: { ...nothing, proofs } }] }])
    }
  })
})
