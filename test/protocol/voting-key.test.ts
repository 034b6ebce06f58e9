import { expect, test } from 'vitest'
import {
  applyChange,
  type ChainTransaction,
  createRegistry,
  judgeBlock,
  takeSeniors,
} from '../../protocol/index.ts'
import { blsPublicKey } from '../../protocol/bls.ts'
import {
  blockOf,
  genesis,
  memoOf,
  networkId,
  seedOf,
  transactionOf,
  trustingBls,
  walletOf,
} from './fixture.ts'

const { stake } = walletOf('owner')
const keyOf = (label: string): Uint8Array => {
  const secret = seedOf('voting key', label)
  secret[0] = 0 // below the group's order
  return blsPublicKey(secret)
}

/** An announcement of the same stake with the voting key of this label. */
const announcing = (at: number, label: string): ChainTransaction =>
  transactionOf([{ payee: stake, value: genesis.minStake }], {
    memo: memoOf('owner', at, { bls: keyOf(label) }),
  })

/** The record after these announcements, each `[height, at, label]`, in order. */
const recordAfter = (lastHeight: number, announcements: readonly (readonly [number, number, string])[]) => {
  const registry = createRegistry(genesis, networkId)
  for (let height = genesis.activationHeight; height <= lastHeight; height++) {
    const transactions = announcements
      .filter(([mined]) => mined === height)
      .map(([, at, label]) => announcing(at, label))
    const change = judgeBlock(registry, blockOf(height, transactions), trustingBls)
    expect(change.refused).toEqual([])
    applyChange(registry, change)
  }
  return registry.seats[0]!
}

test('R-CP-2 another announcement with the same voting key does not interrupt, one with another key does', () => {
  expect(recordAfter(110, [[102, 101, 'a']])).toMatchObject({ blsSince: 102, activeSince: 102 })
  const again = recordAfter(110, [
    [102, 101, 'a'],
    [106, 105, 'a'],
  ])
  expect(again).toMatchObject({ blsSince: 102, activeSince: 102, at: 105 })
  const changed = recordAfter(110, [
    [102, 101, 'a'],
    [106, 105, 'b'],
  ])
  expect(changed).toMatchObject({ blsSince: 106, activeSince: 102, bls: keyOf('b') })
  expect(takeSeniors([again, changed], 104).map(({ bls }) => bls)).toEqual([keyOf('a')])
})

test('R-CP-2 a key that comes back in a later block begins anew; one that is back after the same block has stayed', () => {
  const later = recordAfter(110, [
    [102, 101, 'a'],
    [106, 105, 'b'],
    [107, 106, 'a'],
  ])
  expect(later).toMatchObject({ blsSince: 107, bls: keyOf('a') })
  const same = recordAfter(110, [
    [102, 101, 'a'],
    [106, 104, 'b'],
    [106, 105, 'a'],
  ])
  expect(same).toMatchObject({ blsSince: 102, bls: keyOf('a') })
})
