import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ChallengerEffect,
  type ChallengerEvent,
  type ChallengerState,
  type Finding,
  bytesToHex,
  resumeChallenger,
  seenFault,
  startChallenger,
  stepChallenger,
  type TargetWork,
  Verdict,
  type VisitResult,
} from '../../protocol/index.ts'
import { nonceOf } from '../../protocol/challenger.ts'
import { uniformityTest } from '../../src/cli/chi-square.ts'
import { seedOf } from './fixture.ts'

const phases = { opens: 1_000, attests: 1_176 }
const receipt = { payload: Uint8Array.of(1), signature: new Uint8Array(64) }
const good: Finding = { evidence: { verdict: Verdict.valid, receipt }, address: Uint8Array.of(127, 0, 0, 1) }
const seen = (verdict: 1 | 2 | 3 | 6 | 7 | 9 | 255): Finding => ({
  evidence: seenFault(verdict, 'x'),
  address: null,
})

const start = (options: { secret?: Uint8Array; targets?: number; retries?: number } = {}): ChallengerState =>
  startChallenger(
    5,
    seedOf('beacon'),
    phases,
    options.secret ?? seedOf('secret'),
    options.targets ?? 11,
    options.retries ?? 2,
  )

/** Carries events out one after the other and notes all effects. */
const createRun = (initial: ChallengerState) => {
  const run = {
    state: initial,
    height: phases.opens - 1,
    effects: [] as ChallengerEffect[],
    step(event: ChallengerEvent): readonly ChallengerEffect[] {
      if (event.is === 'height') run.height = event.height
      const step = stepChallenger(run.state, event, run.height)
      run.state = step.state
      run.effects.push(...step.effects)
      return step.effects
    },
    to(height: number, answer: (target: number, height: number) => VisitResult | null): void {
      for (let h = run.height + 1; h <= height; h++) {
        const effects = run.step({ is: 'height', height: h })
        for (const effect of effects) {
          if (effect.is !== 'visit') continue
          const result = answer(effect.target, h)
          if (result !== null) run.step({ is: 'visited', target: effect.target, result })
        }
      }
    },
    attested: (): number[] | null => {
      const effect = run.effects.find((effect) => effect.is === 'attest')
      return effect?.is === 'attest' ? effect.findings.map((finding) => finding.evidence.verdict) : null
    },
  }
  return run
}

const each = (verdict: number) => Array.from({ length: 11 }, () => verdict)

describe('R-CHAL-1 visits', () => {
  test('R-CHAL-1 every target is visited once, in the first three quarters, and attested when the window ends', () => {
    const run = createRun(start())
    run.to(phases.attests - 1, () => ({ finding: good }))
    expect(run.attested()).toBe(null)
    const visits = run.effects.filter((effect) => effect.is === 'visit')
    expect(visits.map(({ target }) => target).toSorted((a, b) => a - b)).toEqual(each(0).map((_, i) => i))
    for (const work of start().targets) {
      if (work.is !== 'waiting') throw new Error(work.is)
      expect(work.at).toBeGreaterThanOrEqual(phases.opens)
      expect(work.at).toBeLessThan(phases.attests - 44)
    }
    run.to(phases.attests, () => null)
    expect(run.attested()).toEqual(each(0))
    expect(run.state.stage).toBe('done')
  })

  test('R-CHAL-1 moments are uniform over the heights of the first three quarters', () => {
    const counts = new Uint32Array(11)
    let drawn = 0
    for (let i = 0; i < 3_000; i++) {
      for (const work of start({ secret: seedOf('secret', i) }).targets) {
        if (work.is !== 'waiting') continue
        counts[Math.floor((work.at - phases.opens) / 12)]!++
        drawn++
      }
    }
    // 132 heights are eleven bins of twelve.
    expect(uniformityTest(counts, drawn).pValue).toBeGreaterThan(1e-3)
  })

  test('R-CHAL-1 "later" is asked again with the same nonce, within an eighth of what is left, without counting a try', () => {
    const run = createRun(start({ targets: 1, retries: 0 }))
    const heights: number[] = []
    run.to(phases.attests, (_, height) => {
      heights.push(height)
      return heights.length < 5 ? { later: 'behind' } : { finding: good }
    })
    expect(heights).toHaveLength(5)
    for (const [i, height] of heights.slice(1).entries()) {
      const before = heights[i]!
      expect(height - before).toBeGreaterThanOrEqual(1)
      expect(height - before).toBeLessThanOrEqual(Math.ceil((phases.attests - before) / 8))
    }
    const nonces = new Set(
      run.effects.flatMap((effect) => (effect.is === 'visit' ? [bytesToHex(effect.nonce)] : [])),
    )
    expect(nonces.size).toBe(1)
    expect(run.attested()).toEqual([0])
  })

  test('R-CHAL-1 eleven challengers that are told "later" at once do not come back at once', () => {
    const returns = Array.from({ length: 11 }, (_, i) => {
      const run = createRun(start({ targets: 1, secret: seedOf('secret', i) }))
      let returned = 0
      run.to(phases.opens - 1, () => null)
      const [work] = run.state.targets
      run.state = { ...run.state, targets: [{ ...work!, is: 'waiting', at: phases.opens } as TargetWork] }
      let asked = 0
      run.to(phases.attests, (_, height) => {
        if (asked++ === 1) returned = height
        return asked === 1 ? { later: 'behind' } : { finding: good }
      })
      return returned
    })
    expect(new Set(returns).size).toBeGreaterThan(5)
  })

  test('R-CHAL-1 a third "busy" counts as a try, and "behind" never does', () => {
    const busy = createRun(start({ targets: 3, retries: 0 }))
    const asked = [0, 0, 0]
    busy.to(phases.attests, (target) => {
      asked[target]!++
      if (target === 0) return { later: 'busy' }
      return target === 1 && asked[1]! < 4 ? { later: 'behind' } : { finding: good }
    })
    expect(asked).toEqual([3, 4, 1])
    expect(busy.attested()).toEqual([3, 0, 0])
  })

  test('R-CHAL-1 a visit that this side did not begin says nothing of the target', () => {
    const run = createRun(start({ targets: 3 }))
    run.to(phases.attests, (target) => (target < 2 ? { finding: good } : { notBegun: true }))
    expect(run.attested()).toEqual([0, 0, 255])
  })

  test('R-CHAL-1 "later" to the very end is a timeout, but an earlier fault stands', () => {
    const behind = createRun(start({ targets: 3 }))
    behind.to(phases.attests, (target) => (target < 2 ? { finding: good } : { later: 'behind' }))
    expect(behind.attested()).toEqual([0, 0, 3])
    const mixed = createRun(start({ targets: 3 }))
    let tries = 0
    mixed.to(phases.attests, (target) =>
      target < 2 ? { finding: good } : tries++ === 0 ? { finding: seen(2) } : { later: 'behind' },
    )
    expect(mixed.attested()).toEqual([0, 0, 2])
  })

  test('R-CHAL-1 nonces differ by target, beacon and secret', () => {
    const nonces = [0, 1].flatMap((target) =>
      ['a', 'b'].flatMap((secret) =>
        ['x', 'y'].map((beacon) =>
          bytesToHex(nonceOf({ secret: seedOf(secret), beacon: seedOf(beacon) }, target)),
        ),
      ),
    )
    expect(new Set(nonces).size).toBe(8)
  })
})

describe('R-VERD-1 retries', () => {
  test.each([
    [1, 3],
    [2, 3],
    [3, 3],
    [6, 3],
    [7, 1],
    [9, 1],
    [255, 1],
  ] as const)('R-VERD-1 code %i is visited %i times', (verdict, times) => {
    const run = createRun(start({ targets: 1 }))
    const heights: number[] = []
    run.to(phases.attests - 1, (_, height) => {
      heights.push(height)
      return { finding: seen(verdict) }
    })
    // Moments of tries are drawn: late first visits may leave no room, which this secret does.
    expect(heights).toHaveLength(times)
    expect(new Set(heights).size).toBe(times)
  })

  test('R-VERD-1 a good visit after bad ones is what counts, and of bad ones the last', () => {
    const answers = [seen(2), seen(3), good]
    const run = createRun(start({ targets: 1 }))
    run.to(phases.attests, () => ({ finding: answers.shift()! }))
    expect(run.attested()).toEqual([0])
    const bad = [seen(2), seen(1), seen(3)]
    const other = createRun(start({ targets: 1 }))
    other.to(phases.attests, () => ({ finding: bad.shift()! }))
    other.step({ is: 'self-checked', reached: 1 })
    expect(other.attested()).toEqual([3])
  })
})

describe('R-FAULT-1 abstention', () => {
  test('R-FAULT-1 reaching fewer than half, it checks itself, and abstains on all if it reaches nobody', () => {
    const outcomeOf = (goodTargets: number, reached: number) => {
      const run = createRun(start())
      run.to(phases.attests, (target) => ({ finding: target < goodTargets ? good : seen(2) }))
      const checks = run.effects.filter((effect) => effect.is === 'check-self').length
      if (checks > 0) run.step({ is: 'self-checked', reached })
      return { checks, attested: run.attested() }
    }
    expect(outcomeOf(6, 0)).toEqual({ checks: 0, attested: [...each(0).slice(0, 6), ...each(2).slice(0, 5)] })
    expect(outcomeOf(5, 0)).toEqual({ checks: 1, attested: each(255) })
    expect(outcomeOf(5, 1)).toEqual({ checks: 1, attested: [...each(0).slice(0, 5), ...each(2).slice(0, 6)] })
    expect(outcomeOf(0, 3)).toEqual({ checks: 1, attested: each(2) })
  })

  test('R-FAULT-1 exactly half is enough, and of no targets there is nothing to check', () => {
    const checksOf = (targets: number, goodTargets: number) => {
      const run = createRun(start({ targets }))
      run.to(phases.attests, (target) => ({ finding: target < goodTargets ? good : seen(2) }))
      return run.effects.filter((effect) => effect.is === 'check-self').length
    }
    expect([checksOf(4, 2), checksOf(4, 1), checksOf(0, 0)]).toEqual([0, 1, 0])
  })

  test('R-FAULT-1 its chain lost, it abstains on all at once', () => {
    const run = createRun(start())
    run.to(phases.opens + 50, () => ({ finding: good }))
    run.step({ is: 'chain-lost', why: 'connection refused' })
    expect(run.attested()).toEqual(each(255))
    run.to(phases.attests, () => ({ finding: good }))
    expect(run.effects.filter((effect) => effect.is === 'attest')).toHaveLength(1)
  })

  test('R-ATT-7 the record of its work lost, it attests nothing, also after a restart', () => {
    const run = createRun(start())
    run.to(phases.opens + 50, () => ({ finding: good }))
    run.step({ is: 'record-lost' })
    run.to(phases.attests, () => ({ finding: good }))
    expect(run.effects.filter((effect) => effect.is === 'attest')).toHaveLength(0)
    const again = createRun(resumeChallenger(run.state, phases.opens + 60))
    again.to(phases.attests, () => ({ finding: good }))
    expect(again.effects).toEqual([])
  })

  test('R-FAULT-1 a target that was never visited is abstained on', () => {
    const run = createRun(start())
    run.step({ is: 'height', height: phases.attests })
    run.step({ is: 'self-checked', reached: 3 })
    expect(run.attested()).toEqual(each(255))
  })
})

describe('R-CHAL-1 invariants over any course of events', () => {
  type Move =
    | { is: 'blocks'; count: number }
    | { is: 'answer'; which: number; how: number }
    | { is: 'crash' }
    | { is: 'stray'; target: number }
    | { is: 'self'; reached: number }
  const move: fc.Arbitrary<Move> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ is: fc.constant('blocks' as const), count: fc.integer({ min: 1, max: 30 }) }),
    },
    {
      weight: 6,
      arbitrary: fc.record({ is: fc.constant('answer' as const), which: fc.nat(10), how: fc.nat(6) }),
    },
    { weight: 1, arbitrary: fc.constant({ is: 'crash' as const }) },
    {
      weight: 1,
      arbitrary: fc.record({ is: fc.constant('stray' as const), target: fc.integer({ min: -1, max: 20 }) }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant('self' as const), reached: fc.nat(3) }) },
  )

  test('R-CHAL-1 one nonce per target, no visit once attesting begins, one attestation that judges every target', () => {
    fc.assert(
      fc.property(
        fc.array(move, { maxLength: 80 }),
        fc.integer({ min: 0, max: 12 }),
        fc.nat(3),
        (moves, targets, retries) => {
          const run = createRun(start({ targets, retries }))
          const nonces = new Map<number, string>()
          let pending: number[] = []
          const note = (effects: readonly ChallengerEffect[]) => {
            for (const effect of effects) {
              if (effect.is !== 'visit') continue
              expect(run.height).toBeGreaterThanOrEqual(phases.opens)
              expect(run.height).toBeLessThan(phases.attests)
              const nonce = bytesToHex(effect.nonce)
              expect(nonces.get(effect.target) ?? nonce).toBe(nonce)
              nonces.set(effect.target, nonce)
              expect(pending).not.toContain(effect.target)
              pending.push(effect.target)
            }
          }
          for (const move of moves) {
            switch (move.is) {
              case 'blocks':
                for (let i = 0; i < move.count; i++) note(run.step({ is: 'height', height: run.height + 1 }))
                break
              case 'answer': {
                const target = pending[move.which % Math.max(1, pending.length)]
                if (target === undefined) break
                pending = pending.filter((other) => other !== target)
                const results = [
                  { finding: good },
                  { finding: seen(2) },
                  { finding: seen(7) },
                  { later: 'busy' },
                  { notBegun: true as const },
                  { finding: seen(255) },
                  { finding: seen(3) },
                ]
                note(run.step({ is: 'visited', target, result: results[move.how]! }))
                break
              }
              case 'crash':
                // What is on disk is the state after the last step; answers under way are lost.
                run.state = resumeChallenger(structuredClone(run.state), run.height)
                pending = []
                break
              case 'stray':
                if (!pending.includes(move.target))
                  note(run.step({ is: 'visited', target: move.target, result: { finding: seen(9) } }))
                break
              case 'self':
                note(run.step({ is: 'self-checked', reached: move.reached }))
            }
          }
          note(run.step({ is: 'height', height: Math.max(run.height, phases.attests) }))
          note(run.step({ is: 'self-checked', reached: 1 }))
          expect(run.state.stage).toBe('done')
          const attests = run.effects.filter((effect) => effect.is === 'attest')
          expect(attests).toHaveLength(1)
          expect(run.attested()).toHaveLength(targets)
          expect(run.attested()).not.toContain(9) // a stray answer changes nothing
          for (const work of run.state.targets) expect(work.is).toBe('found')
        },
      ),
      { numRuns: 300 },
    )
  })

  test('R-CHAL-1 after a crash at any step the course is the same, visits under way being made again', () => {
    const answer = (target: number): { finding: Finding } => ({ finding: target % 3 === 0 ? seen(7) : good })
    for (let crashAt = phases.opens; crashAt < phases.attests; crashAt += 7) {
      const whole = createRun(start())
      whole.to(phases.attests, answer)
      const broken = createRun(start())
      broken.to(crashAt - 1, answer)
      broken.step({ is: 'height', height: crashAt }) // answers of this height are lost
      broken.state = resumeChallenger(structuredClone(broken.state), broken.height)
      broken.to(phases.attests, answer)
      expect(broken.attested()).toEqual(whole.attested())
    }
  })
})
