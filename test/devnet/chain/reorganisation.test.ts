import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BlockEntry, TipChange } from '../../../src/devnet/chain/block-tree.ts'
import type { EmbeddedChain } from '../../../src/devnet/chain/chain.ts'
import { outpointKey } from '../../../src/devnet/chain/coins.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import {
  createFundedChain,
  createTestChain,
  families,
  firstCoin,
  parseFor,
  spendWhole,
  submit,
} from './test-chain.ts'

/** Everything that the chain's state answers, to compare two chains that should have the same. */
const stateOf = (chain: EmbeddedChain) => {
  const { addresses } = chain.tree.coins
  const owners = [...chain.wallet.keys.all().map(({ owner }) => owner), `p2pkh:${'77'.repeat(20)}`]
  return {
    tip: Buffer.from(chain.tip.hash).toString('hex'),
    pools: chain.tip.pools,
    trees: chain.tip.trees,
    unspent: chain.tree.coins.unspentCount(),
    coins: owners.map((owner) =>
      addresses
        .unspent(owner)
        .map(({ txid, index, value, height }) => [outpointKey(txid, index), value, height]),
    ),
    events: owners.map((owner) => addresses.events(owner).map(({ height, deltas }) => [height, deltas])),
  }
}

/** A chain that was only ever given the best chain of another. */
const replayOf = (chain: EmbeddedChain): EmbeddedChain => {
  const copy = createTestChain(chain.parameters.family)
  for (const known of chain.wallet.keys.all()) copy.wallet.keys.add(known.secretKey, true)
  for (let height = 1; height <= chain.tip.height; height++) {
    expect(copy.submitBlock(chain.tree.at(height)!.bytes).is).toBe('accept')
  }
  return copy
}

const heights = (change: TipChange) => ({
  disconnected: change.disconnected.map(({ entry }) => entry.height),
  connected: change.connected.map(({ entry }) => entry.height),
})

describe.for(families)('%s: reorganisations', (family) => {
  test('a longer branch wins; what was in the blocks taken off waits again and is mined again', () => {
    const chain = createFundedChain(family)
    const bytes = spendWhole(chain, firstCoin(chain))
    const { txid } = parseFor(chain, bytes)
    expect(submit(chain, bytes)).toBe('accepted')
    const [mined] = chain.mine(2)
    expect(chain.tree.locate(txid)?.entry).toBe(mined)

    const { height } = chain.tip
    const change = chain.reorganise(3, 4)
    expect(heights(change)).toEqual({
      disconnected: [height, height - 1, height - 2],
      connected: [height - 2, height - 1, height, height + 1],
    })
    expect(chain.tip.height).toBe(height + 1)
    expect(chain.tree.locate(txid)).toBeUndefined()
    expect(chain.mempool.get(txid)?.transaction.bytes).toEqual(bytes)
    expect(chain.tree.isActive(mined!)).toBe(false)

    const [again] = chain.mine()
    expect(chain.tree.locate(txid)?.entry).toBe(again)
    expect(stateOf(chain)).toEqual(stateOf(replayOf(chain)))
  })

  test('a branch of equal length does not win: first seen stays', () => {
    const chain = createFundedChain(family)
    const { tip } = chain
    expect(heights(chain.reorganise(3, 3))).toEqual({ disconnected: [], connected: [] })
    expect(chain.tip).toBe(tip)
    // One more block on the loser would win; one more on the winner keeps it.
    chain.mine()
    expect(chain.tip.previous).toBe(tip)
  })

  test('invalidate takes a block and all above it off, reconsider puts it back', () => {
    const chain = createFundedChain(family)
    const { tip } = chain
    const below = chain.tree.at(tip.height - 3)!
    chain.invalidate(chain.tree.at(tip.height - 2)!.hash)
    expect(chain.tip).toBe(below)
    const [replacement] = chain.mine()
    expect(replacement!.previous).toBe(below)
    expect(chain.submitBlock(tip.bytes).is).toBe('reject')
    chain.reconsider(chain.tree.entry(tip.previous!.hash)!.hash)
    expect(chain.tip).toBe(tip)
    expect(stateOf(chain)).toEqual(stateOf(replayOf(chain)))
  })

  test('listeners hear of every change once, in order', () => {
    const chain = createFundedChain(family)
    const seen: (readonly [string, number])[] = []
    chain.events.on('tip', ({ disconnected, connected }) => {
      for (const { entry } of disconnected) seen.push(['off', entry.height])
      for (const { entry } of connected) seen.push(['on', entry.height])
    })
    const { height } = chain.tip
    chain.mine()
    chain.reorganise(2, 3)
    expect(seen).toEqual([
      ['on', height + 1],
      ['off', height + 1],
      ['off', height],
      ['on', height],
      ['on', height + 1],
      ['on', height + 2],
    ])
  })

  test('a depth that the chain has not is refused', () => {
    const chain = createFundedChain(family)
    for (const depth of [0, chain.tip.height + 1]) {
      expect(() => chain.reorganise(depth, 1)).toThrow(
        expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_REORGANISATION_DEPTH')),
      )
    }
    expect(() => chain.invalidate(new Uint8Array(32))).toThrow(
      expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_BLOCK_UNKNOWN')),
    )
    expect(() => chain.invalidate(chain.tree.genesis.hash)).toThrow(RangeError)
  })

  test('whatever happens, the state is that of a chain that only ever saw the best chain', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('mine' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('pay' as const), coin: fc.nat({ max: 20 }) }),
      fc.record({
        kind: fc.constant('reorganise' as const),
        depth: fc.integer({ min: 1, max: 6 }),
        length: fc.integer({ min: 1, max: 7 }),
      }),
      fc.record({ kind: fc.constant('invalidate' as const), depth: fc.integer({ min: 0, max: 4 }) }),
      fc.record({ kind: fc.constant('reconsider' as const), which: fc.nat({ max: 5 }) }),
    )
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 12 }), (actions) => {
        const chain = createFundedChain(family)
        const invalidated: BlockEntry[] = []
        for (const step of actions) {
          if (step.kind === 'mine') chain.mine(step.count)
          else if (step.kind === 'reorganise')
            chain.reorganise(Math.min(step.depth, chain.tip.height), step.length)
          else if (step.kind === 'pay') {
            const coins = chain.wallet.coins()
            const coin = coins[step.coin % Math.max(1, coins.length)]
            if (coin !== undefined) {
              expect(
                submit(chain, spendWhole(chain, coin, { to: chain.wallet.keys.all()[0]!.hash160 })),
              ).toBe('accepted')
            }
          } else if (step.kind === 'invalidate') {
            const entry = chain.tree.at(Math.max(0, chain.tip.height - step.depth))!
            if (entry.height > 1) {
              invalidated.push(entry)
              chain.invalidate(entry.hash)
            }
          } else {
            const entry = invalidated[step.which]
            if (entry !== undefined) chain.reconsider(entry.hash)
          }
        }
        expect(stateOf(chain)).toEqual(stateOf(replayOf(chain)))
        // And everything that waits can be mined.
        const waiting = chain.mempool.entries().length
        chain.mine()
        expect(chain.mempool.entries()).toEqual([])
        expect(chain.tree.parse(chain.tip).transactions).toHaveLength(waiting + 1)
      }),
      { numRuns: 25 },
    )
  })
})

test('zen: a coinbase that was taken off takes what spent it along', () => {
  const chain = createFundedChain('zen')
  const coin = chain.wallet.coins().at(-1)!
  expect(submit(chain, spendWhole(chain, coin))).toBe('accepted')
  chain.reorganise(chain.tip.height - coin.height + 1, 10)
  expect(chain.mempool.entries()).toEqual([])
})

test('zcash: a v5 coinbase of the same height and outputs has the same txid on both branches (ZIP 244)', () => {
  const chain = createFundedChain('zcash')
  const coin = chain.wallet.coins().at(-1)!
  expect(submit(chain, spendWhole(chain, coin))).toBe('accepted')
  const before = chain.tree.at(coin.height)!
  chain.reorganise(chain.tip.height - coin.height + 1, 3)
  const after = chain.tree.at(coin.height)!
  expect(Buffer.from(after.hash).equals(before.hash)).toBe(false)
  expect(after.txids).toEqual(before.txids)
  // So what spends it is good on the new branch too, as it would be on the real chain.
  expect(chain.mempool.entries()).toHaveLength(1)
})
