import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AttendanceState,
  firstRemembered,
  isHeldBack,
  mayAttest,
  nextWork,
  type OwnAnswers,
  startAttendance,
  stepAttendance,
} from '../../protocol/index.ts'
import type { AttendanceEvent } from '../../protocol/attendance.ts'
import { createLife, type Life } from './attendance-model.ts'

const height = (epoch: number, isSeated = true): AttendanceEvent => ({ is: 'height', epoch, isSeated })
const asked = (answers: Partial<OwnAnswers>): AttendanceEvent => ({
  is: 'asked',
  answers: { began: 7, ended: 7, answered: 3, isEnough: true, learned: 0, lastOwn: 6, ...answers },
})

/** The state after some events, and the effects of the last one. */
const after = (...events: AttendanceEvent[]) =>
  events.reduce<{ state: AttendanceState; effects: readonly unknown[] }>(
    ({ state }, event) => stepAttendance(state, event),
    { state: startAttendance, effects: [] },
  )

const remember = (from: number) => ({ is: 'remember', from })
const sendAgain = { is: 'send-again' }
const goOn = { is: 'go-on' }
const ask = (isAgain: boolean) => ({ is: 'ask', isAgain })

describe('R-ATT-5 a start', () => {
  test('asks other seats at the first height at which the own seat is in the snapshot', () => {
    expect(after(height(7, false)).effects).toEqual([])
    expect(after(height(7)).effects).toEqual([ask(false)])
    const later = after(height(7, false), height(8))
    expect(later.effects).toEqual([ask(false)])
    // The epoch of the start stays that of the first height.
    expect(later.state.start).toBe(7)
  })

  test.each<[string, Partial<OwnAnswers>, AttendanceState['fence'], readonly unknown[]]>([
    ['three answer and know nothing more', {}, 'open', [remember(8), sendAgain, goOn]],
    ['one knows more', { learned: 1, lastOwn: 7 }, 'closed', [remember(8), sendAgain, goOn]],
    ['R-ATT-7 it is of a later epoch', { learned: 2, lastOwn: 9 }, 'closed', [remember(11), sendAgain, goOn]],
    [
      'one knows more and two do not answer',
      { answered: 1, isEnough: false, learned: 1 },
      'closed',
      [remember(8), sendAgain, goOn],
    ],
    [
      'the only one knows more and its answer breaks off',
      { answered: 0, isEnough: false, learned: 1 },
      'closed',
      [remember(8), sendAgain, goOn],
    ],
    ['there is no other seat', { answered: 0, isEnough: true }, 'open', [remember(8), sendAgain, goOn]],
    ['two answer', { answered: 2, isEnough: false }, 'pending', [sendAgain, ask(true)]],
    ['nobody answers', { answered: 0, isEnough: false }, 'pending', [ask(true)]],
  ])('%s', (_name, answers, fence, effects) => {
    const { state, effects: found } = after(height(7), asked(answers))
    expect(state.fence).toBe(fence)
    expect(found).toEqual(effects)
    expect(state.asking).toBe(fence === 'pending' ? 'asking' : 'done')
  })

  test('too few answers close the fence once the epoch of the start is over', () => {
    const few = { answered: 2, isEnough: false }
    const { state, effects } = after(height(7), asked(few), height(8), asked({ ...few, began: 8, ended: 8 }))
    expect(state).toEqual({ start: 7, asking: 'done', fence: 'closed', isSentAgain: true })
    expect(effects).toEqual([remember(firstRemembered(8, 6)), goOn])
  })

  test('as long as nobody answers the start moves on with the epochs', () => {
    const silence = { answered: 0, isEnough: false, began: 9, ended: 9 }
    const { state } = after(height(7), height(9), asked(silence))
    expect(state).toMatchObject({ start: 9, fence: 'pending', asking: 'asking' })
  })

  test('sends again once, a block after the questions if they are not answered before', () => {
    expect(after(height(7), height(7)).effects).toEqual([sendAgain])
    expect(after(height(7), height(7), height(7)).effects).toEqual([])
    expect(after(height(7), height(7), asked({})).effects).toEqual([remember(8), goOn])
  })

  test('questions that could not be asked are due again', () => {
    const { state } = after(height(7), { is: 'not-asked' })
    expect(state.asking).toBe('due')
    expect(stepAttendance(state, height(7)).effects).toEqual([ask(false)])
    const done = after(height(7), asked({}), { is: 'not-asked' })
    expect(done.state.asking).toBe('done')
    // Answers that nobody waits for any more change nothing.
    expect(stepAttendance(done.state, asked({ learned: 1 }))).toEqual({ state: done.state, effects: [] })
  })
})

describe('R-ATT-5 the fence', () => {
  const stateOf = (fence: AttendanceState['fence']): AttendanceState => ({
    start: 7,
    asking: fence === 'pending' ? 'asking' : 'done',
    fence,
    isSentAgain: true,
  })
  const phases = { attests: 62 }
  const fresh = { isSigned: false, isRecorded: false }

  test.each<[AttendanceState['fence'], number, boolean, string, boolean]>([
    ['pending', 7, false, 'none', false],
    ['pending', 7, true, 'resume', false],
    ['pending', 8, false, 'none', false],
    ['open', 7, false, 'none', true],
    ['open', 7, true, 'resume', true],
    ['open', 8, false, 'begin', true],
    ['closed', 7, true, 'resume', false],
    ['closed', 8, false, 'begin', true],
    ['closed', 8, true, 'resume', true],
  ])('%s, epoch %i of a start in 7, record %s: work %s, attest %s', (fence, epoch, isRecorded, next, may) => {
    expect(nextWork(stateOf(fence), epoch, phases, 60, { isSigned: false, isRecorded })).toBe(next)
    expect(nextWork(stateOf(fence), epoch, phases, 60, { isSigned: true, isRecorded })).toBe('none')
    expect(mayAttest(stateOf(fence), epoch)).toBe(may)
  })

  test('nothing begins at the end of the window, and while it is pending the end waits', () => {
    expect(nextWork(stateOf('open'), 8, phases, 62, fresh)).toBe('none')
    expect(isHeldBack(stateOf('pending'), phases, 62)).toBe(true)
    expect(isHeldBack(stateOf('pending'), phases, 61)).toBe(false)
    expect(isHeldBack(stateOf('closed'), phases, 62)).toBe(false)
  })
})

type Happening = (life: Life) => void

const happens = <T>(weight: number, drawn: fc.Arbitrary<T>, happen: (life: Life, value: T) => void) => ({
  arbitrary: drawn.map(
    (value): Happening =>
      (life) =>
        happen(life, value),
  ),
  weight,
})
const nothing = fc.constant(null)
const branchPoint = fc.record({ depth: fc.nat(10), branch: fc.nat(2) })
/** What happens to a daemon whose disk is never set back. */
const everyday = [
  happens(12, fc.integer({ min: 1, max: 5 }), (life, blocks) => {
    for (let i = 0; i < blocks; i++) life.block()
  }),
  happens(4, nothing, (life) => life.answer(3)),
  happens(2, fc.nat(3), (life, answered) => life.answer(answered)),
  happens(1, nothing, (life) => life.moment()),
  happens(1, nothing, (life) => life.crash()),
  happens(1, nothing, (life) => life.stop()),
  happens(1, nothing, (life) => life.hear()),
  happens(1, branchPoint, (life, { depth, branch }) => life.reorganise(depth, branch)),
]
const restores = [
  happens(1, nothing, (life) => life.copy()),
  happens(1, fc.boolean(), (life, isWhole) => life.restore(isWhole)),
]

const play = (hasSpread: boolean, happenings: readonly Happening[]): Life => {
  const life = createLife(hasSpread)
  for (const happen of happenings) happen(life)
  return life
}

describe('R-ATT-5 whatever happens', () => {
  const options = { minLength: 60, maxLength: 150, size: 'max' } as const

  test('one payload is signed for each epoch and beacon, and sent, and sent again by the next start', () => {
    let signed = 0
    fc.assert(
      fc.property(fc.boolean(), fc.array(fc.oneof(...everyday), options), (hasSpread, happenings) => {
        const life = play(hasSpread, happenings)
        life.settle()
        expect(life.faults).toEqual([])
        for (const payloads of life.signedByKey.values()) expect(payloads.size).toBe(1)
        signed += life.signedByKey.size
      }),
      { numRuns: 2_000 },
    )
    expect(signed).toBeGreaterThan(4_000)
  })

  test('with a disk that is set back to an old copy one payload of each epoch and beacon is published', () => {
    let published = 0
    let resigned = 0
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.oneof(...everyday, ...restores), options),
        (hasSpread, happenings) => {
          const life = play(hasSpread, happenings)
          life.settle()
          expect(life.faults).toEqual([])
          for (const payloads of life.publishedByKey.values()) expect(payloads.size).toBe(1)
          published += life.publishedByKey.size
          for (const payloads of life.signedByKey.values()) if (payloads.size > 1) resigned++
        },
      ),
      { numRuns: 2_000 },
    )
    expect(published).toBeGreaterThan(2_000)
    // What never left may be signed once more by a copy that does not know of it.
    expect(resigned).toBeGreaterThan(0)
  })
})
