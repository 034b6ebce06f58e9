import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { unlessAborted } from '../../src/async/abort.ts'

test('what fails after nobody waits for it any more ends no process', async () => {
  const failing = Promise.withResolvers<never>()
  const aborted = AbortSignal.abort(new Error('stopping'))
  await expect(unlessAborted(failing.promise, aborted)).rejects.toThrow('stopping')
  const unhandled: unknown[] = []
  const note = (error: unknown): unknown => unhandled.push(error)
  process.on('unhandledRejection', note)
  failing.reject(new Error('the follower stops'))
  await setImmediate()
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})
