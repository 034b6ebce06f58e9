import { expect, test } from 'vitest'
import { isAtTip } from '../../../src/chain-node/follower/status.ts'

test('whoever has read the last confirmed block is at the tip, even while he says that he caught up', () => {
  const reading = { is: 'catching-up', target: 100, blocksPerSecond: 1, secondsLeft: 0 } as const
  expect(isAtTip({ is: 'following', height: 100, tip: 110 })).toBe(true)
  expect(isAtTip({ ...reading, height: 100 })).toBe(true)
  expect(isAtTip({ ...reading, height: 99 })).toBe(false)
  expect(isAtTip({ is: 'node-behind', height: 100, tip: 90 })).toBe(false)
  expect(isAtTip({ is: 'idle' })).toBe(false)
})
