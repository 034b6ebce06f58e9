import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aborted, unlessAborted } from '../../src/async/abort.ts'
import { createDeadline, isTimeout, pause, withDeadline } from '../../src/async/deadline.ts'
import { createLimit } from '../../src/async/limit.ts'
import { createSequence, createSerial } from '../../src/async/serial.ts'

/** Timers of a clock that stands until the test moves it. */
const stoppedTimers = () => {
  const timers = new Set<() => void>()
  return {
    open: () => timers.size,
    fire: () => [...timers].forEach((callback) => callback()),
    setTimer: (_ms: number, callback: () => void) => {
      const once = (): void => {
        timers.delete(once)
        callback()
      }
      timers.add(once)
      return () => timers.delete(once)
    },
  }
}

describe('deadline', () => {
  test('aborts by the injected clock with a TimeoutError', () => {
    const timers = stoppedTimers()
    using deadline = createDeadline(timers, 5_000)
    expect(deadline.signal.aborted).toBe(false)
    timers.fire()
    expect(isTimeout(deadline.signal.reason)).toBe(true)
  })

  test('leaves no timer behind, and never aborts after it was disposed', () => {
    const timers = stoppedTimers()
    const deadline = createDeadline(timers, 5_000)
    expect(timers.open()).toBe(1)
    deadline[Symbol.dispose]()
    expect(timers.open()).toBe(0)
    expect(deadline.signal.aborted).toBe(false)
  })

  test('aborts with the reason of whichever other signal is first', () => {
    const other = new AbortController()
    using deadline = createDeadline(stoppedTimers(), 5_000, undefined, other.signal)
    const reason = new Error('the host stops')
    other.abort(reason)
    expect(deadline.signal.reason).toBe(reason)
  })

  test('work within a deadline gets its signal, and leaves no timer behind', async () => {
    const timers = stoppedTimers()
    const work = withDeadline(timers, 5_000, undefined, (signal) =>
      unlessAborted(new Promise(() => {}), signal),
    )
    timers.fire()
    expect(isTimeout(await work.catch((error: unknown) => error))).toBe(true)
    expect(await withDeadline(timers, 5_000, undefined, async () => 'done')).toBe('done')
    expect(timers.open()).toBe(0)
  })

  test('a pause ends with its signal at once and takes its timer back', async () => {
    const timers = stoppedTimers()
    const abort = new AbortController()
    const paused = pause(timers, 1_000, abort.signal)
    const reason = new Error('over')
    abort.abort(reason)
    await expect(paused).rejects.toBe(reason)
    expect(timers.open()).toBe(0)
    await expect(pause(timers, 1_000, abort.signal)).rejects.toBe(reason)
    const whole = pause(timers, 1_000)
    timers.fire()
    await whole
  })
})

describe('limit', () => {
  test('runs no more at once than it may, refuses what finds no room to wait, and keeps the order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 16 }),
        async (maxRunning, maxWaiting, count) => {
          const limit = createLimit({ maxRunning, maxWaiting })
          const begun: number[] = []
          const ends: (() => void)[] = []
          let most = 0
          const tasks = Array.from({ length: count }, (_, index) =>
            limit.run(async () => {
              begun.push(index)
              most = Math.max(most, limit.running())
              await new Promise<void>((resolve) => ends.push(resolve))
              return index
            }),
          )
          const settled = Promise.allSettled(tasks)
          const taken = Math.min(count, maxRunning + maxWaiting)
          for (let ended = 0; ended < taken; ended++) {
            while (ends.length <= ended) await Promise.resolve()
            ends[ended]!()
          }
          const outcomes = await settled
          expect(most).toBeLessThanOrEqual(maxRunning)
          expect(begun).toEqual(Array.from({ length: taken }, (_, index) => index))
          expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(count - taken)
        },
      ),
    )
  })

  test('a task whose signal aborts while it waits gives its room back and never runs', async () => {
    const limit = createLimit({ maxRunning: 1, maxWaiting: 1 })
    const first = Promise.withResolvers<void>()
    const running = limit.run(() => first.promise)
    const abort = new AbortController()
    let hasRun = false
    const waiting = limit.run(async () => {
      hasRun = true
    }, abort.signal)
    await expect(limit.run(async () => undefined)).rejects.toMatchObject({ code: 'ASYNC_FULL' })
    abort.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    const next = limit.run(async () => 'next')
    first.resolve()
    await running
    expect(await next).toBe('next')
    expect(hasRun).toBe(false)
  })

  test('a place is given back once, however often it is disposed, and the next in line has it', async () => {
    const limit = createLimit({ maxRunning: 1, maxWaiting: 2, whenFull: () => new Error('come later') })
    const place = await limit.enter()
    const second = limit.enter()
    const third = limit.enter()
    expect(limit.isFull()).toBe(true)
    await expect(limit.enter()).rejects.toThrow('come later')
    place[Symbol.dispose]()
    place[Symbol.dispose]()
    using _second = await second
    expect([limit.running(), limit.waiting(), limit.isFull()]).toEqual([1, 1, false])
    _second[Symbol.dispose]()
    using _third = await third
    expect([limit.running(), limit.waiting()]).toEqual([1, 0])
    await expect(limit.enter(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  })
})

describe('sequence', () => {
  test('runs one after the other, whatever failed before, and is idle when all have ended', async () => {
    const sequence = createSequence()
    await sequence.idle()
    const first = Promise.withResolvers<void>()
    const order: number[] = []
    const failing = sequence.run(async () => {
      await first.promise
      order.push(1)
      throw new Error('1 failed')
    })
    const next = sequence.run(() => order.push(2))
    const idle = sequence.idle().then(() => order.push(3))
    first.resolve()
    await expect(failing).rejects.toThrow('1 failed')
    expect(await next).toBe(2)
    await idle
    expect(order).toEqual([1, 2, 3])
  })
})

describe('aborted', () => {
  test('resolves with the signal, at once if that has aborted', async () => {
    const abort = new AbortController()
    let isOver = false
    const waits = aborted(abort.signal).then(() => (isOver = true))
    await Promise.resolve()
    expect(isOver).toBe(false)
    abort.abort(new Error('over'))
    await waits
    expect(await aborted(abort.signal)).toBeUndefined()
  })
})

describe('serial', () => {
  test('runs tasks of one name one after the other, others beside them, and forgets names that are done', async () => {
    const serial = createSerial()
    const first = Promise.withResolvers<void>()
    const order: string[] = []
    const held = serial.run('a', async () => {
      await first.promise
      order.push('a1')
      throw new Error('a1 failed')
    })
    const next = serial.run('a', async () => order.push('a2'))
    await serial.run('b', async () => order.push('b1'))
    first.resolve()
    await expect(held).rejects.toThrow('a1 failed')
    await next
    expect(order).toEqual(['b1', 'a1', 'a2'])
    expect(serial.size).toBe(0)
  })
})
