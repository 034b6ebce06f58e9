import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createStreamAdmission,
  type StreamClass,
  type StreamDecision,
  type StreamRules,
} from '../../src/admission/streams.ts'

const rules: StreamRules = {
  maxPerPeer: 4,
  maxStrangersReading: 8,
  seatPlaces: 2,
  maxSeatsWaiting: 6,
  maxSeatsAnswering: 4,
  maxReadingBytes: 1_000,
}

const seat: StreamClass = { is: 'seat' }
const duty = (rank: number): StreamClass => ({ is: 'duty', rank })

/** Plays events and keeps what was decided of each stream. */
const play = (changed: Partial<StreamRules> = {}) => {
  const admission = createStreamAdmission<string>({ ...rules, ...changed })
  const decided = new Map<string, StreamDecision<string>['is'][]>()
  let nowMs = 0
  const step = (event: Parameters<typeof admission.step>[0]): void => {
    for (const { id, is } of admission.step(event, (nowMs += 10)))
      decided.set(id, [...(decided.get(id) ?? []), is])
  }
  return {
    counts: () => admission.counts(),
    of: (id: string) => decided.get(id) ?? [],
    last: (id: string) => decided.get(id)?.at(-1),
    open: (id: string, peer: string, of: StreamClass, address = peer) =>
      step({ is: 'opened', id, peer, address, of }),
    ask: (id: string, peer: string, of: StreamClass) => {
      step({ is: 'opened', id, peer, address: peer, of })
      step({ is: 'sized', id, bytes: 10 })
      step({ is: 'read', id })
    },
    step,
  }
}

describe('R-ADM-1', () => {
  test('sixteen seats that hold unfinished requests take no place of a peer that is owed an answer', () => {
    const world = play()
    for (let hog = 0; hog < 16; hog++)
      for (let stream = 0; stream < 4; stream++) world.open(`${hog}.${stream}`, `hog ${hog}`, seat)
    world.ask('asked', 'challenger', duty(0))
    expect(world.of('asked')).toEqual(['read', 'work'])
    // Nor of another seat: what is not read yet holds nothing that others need.
    world.ask('other', 'seat', seat)
    expect(world.of('other')).toEqual(['read', 'work'])
  })

  test('R-ADM-2 seats that have been read share the places, one each, in turn', () => {
    const world = play()
    world.ask('a1', 'a', seat)
    world.ask('a2', 'a', seat)
    world.ask('b1', 'b', seat)
    world.ask('c1', 'c', seat)
    expect(['a1', 'a2', 'b1', 'c1'].map(world.last)).toEqual(['work', 'read', 'work', 'read'])
    world.step({ is: 'ended', id: 'b1' })
    expect(world.last('c1')).toBe('work')
    world.step({ is: 'answered', id: 'a1' })
    expect(world.last('a2')).toBe('work')
  })

  test('when all wait that may, the peer with most of them is told that this node is busy', () => {
    const world = play()
    world.ask('x', 'x', seat)
    world.ask('y', 'y', seat)
    for (const id of ['a1', 'a2', 'a3', 'b1', 'c1', 'd1']) world.ask(id, id[0]!, seat)
    world.ask('e1', 'e', seat)
    expect(world.last('a1')).toBe('busy')
    expect(world.last('e1')).toBe('read')
  })

  test('a slow reader of an answer gives way to the next, and holds no place where work is done', () => {
    const world = play()
    for (const peer of ['a', 'b', 'c', 'd']) {
      world.ask(peer, peer, seat)
      world.step({ is: 'answered', id: peer })
    }
    world.ask('e', 'e', seat)
    expect(world.last('e')).toBe('work')
    world.step({ is: 'answered', id: 'e' })
    expect(world.last('a')).toBe('refuse')
  })

  test('R-ADM-2 under the bound in bytes the lowest rank stays, and the last of equals goes', () => {
    const world = play()
    world.open('r5', 'r5', duty(5))
    world.step({ is: 'sized', id: 'r5', bytes: 600 })
    world.open('r9', 'r9', duty(9))
    world.step({ is: 'sized', id: 'r9', bytes: 300 })
    world.open('again', 'again', duty(9))
    world.step({ is: 'sized', id: 'again', bytes: 300 })
    expect([world.last('r9'), world.last('again')]).toEqual(['read', 'busy'])
    world.open('r0', 'r0', duty(0))
    world.step({ is: 'sized', id: 'r0', bytes: 900 })
    expect([world.last('r5'), world.last('r9'), world.last('r0')]).toEqual(['busy', 'busy', 'read'])
    expect(world.counts().readingBytes).toBe(900)
  })

  test('strangers that are read share a pool by address; the crowded address gives way', () => {
    const world = play()
    for (let key = 0; key < 8; key++) world.open(`m${key}`, `key ${key}`, { is: 'stranger' }, 'crowded')
    world.open('n', 'n', { is: 'stranger' }, 'quiet')
    expect([world.last('m0'), world.last('n')]).toEqual(['refuse', 'read'])
  })

  const events = fc.array(
    fc.record({
      peer: fc.integer({ min: 0, max: 12 }),
      act: fc.constantFrom('open', 'size', 'read', 'answer', 'end'),
      which: fc.nat(),
    }),
    { maxLength: 200 },
  )

  test('bounds hold after every event, a peer with duty is never refused while it asks one at a time, nothing leaks', () => {
    fc.assert(
      fc.property(events, (played) => {
        const admission = createStreamAdmission<number>(rules)
        const stages = new Map<number, { peer: number; stage: string }>()
        const apply = (event: Parameters<typeof admission.step>[0]): void => {
          for (const { id, is } of admission.step(event, 0)) {
            const stream = stages.get(id)!
            if (is === 'work') stream.stage = 'working'
            if (is === 'busy' || is === 'refuse') {
              expect(stream.peer).not.toBe(0)
              stages.delete(id)
            }
          }
        }
        for (const [id, { peer, act, which }] of played.entries()) {
          if (act === 'open') {
            // Peer 0 is owed an answer and has one question at a time.
            if (peer === 0 && [...stages.values()].some((stream) => stream.peer === 0)) continue
            stages.set(id, { peer, stage: 'reading' })
            const of: StreamClass = peer === 0 ? duty(0) : peer < 9 ? seat : { is: 'stranger' }
            apply({ is: 'opened', id, peer: `${peer}`, address: `${peer}`, of })
          } else {
            const [picked, stream] = [...stages][which % Math.max(1, stages.size)] ?? [null, null]
            if (picked === null) continue
            if (act === 'size' && stream.stage === 'reading') {
              stream.stage = 'sized'
              apply({ is: 'sized', id: picked, bytes: 90 })
            } else if (act === 'read' && stream.stage === 'sized') {
              stream.stage = 'read'
              apply({ is: 'read', id: picked })
              if (stream.peer === 0) expect(stream.stage).toBe('working')
            } else if (act === 'answer' && stream.stage === 'working') {
              stream.stage = 'answering'
              apply({ is: 'answered', id: picked })
            } else if (act === 'end') {
              stages.delete(picked)
              apply({ is: 'ended', id: picked })
            }
          }
          const { reading, waiting, working, readingBytes } = admission.counts()
          expect(readingBytes).toBeLessThanOrEqual(rules.maxReadingBytes)
          expect(waiting).toBeLessThanOrEqual(rules.maxSeatsWaiting)
          const ofSeats = [...stages.values()].filter(
            (s) => s.stage === 'working' && s.peer > 0 && s.peer < 9,
          )
          expect(ofSeats.length).toBeLessThanOrEqual(rules.seatPlaces)
          expect(reading + waiting + working).toBeLessThanOrEqual(stages.size)
        }
        for (const id of stages.keys()) admission.step({ is: 'ended', id }, 0)
        expect(admission.counts()).toEqual({ reading: 0, waiting: 0, working: 0, readingBytes: 0 })
      }),
      { numRuns: 300 },
    )
  })
})
