import { describe, expect, test } from 'vitest'
import { outpointKey } from '../../../src/devnet/chain/coins.ts'
import { COIN } from '../../../src/devnet/chain/parameters.ts'
import { createWalletKeys } from '../../../src/devnet/chain/wallet-keys.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { createFundedChain, createTestChain, families, someHash160 } from './test-chain.ts'

const payee = (value: bigint) => ({ kind: 'p2pkh' as const, hash160: someHash160(3), value })

describe.for(families)('%s: wallet', (family) => {
  test('the oldest mature coins go first, and the same seed makes the same chain', () => {
    const run = () => {
      const chain = createFundedChain(family)
      for (const value of [COIN, 60n * COIN, 42n * COIN]) {
        chain.wallet.pay({ payees: [payee(value)] })
        chain.mine()
      }
      return chain
    }
    const chain = run()
    const spentHeights = [13, 14, 15].map((height) =>
      chain.tree.parse(chain.tree.at(height)!).transactions[1]!.inputs.map(({ previousTxid }) => {
        for (let below = 1; below <= 15; below++) {
          const { txids } = chain.tree.at(below)!
          if (txids.some((txid) => Buffer.from(txid).equals(previousTxid))) return below
        }
        throw new Error('an input from nowhere')
      }),
    )
    // 1 coin: block 1. 60 coins: blocks 2 and 3, before the change of block 13. 42 coins: block 4.
    expect(spentHeights).toEqual([[1], [2, 3], [4]])
    expect(run().tip.hash).toEqual(chain.tip.hash)
  })

  test('a locked coin is never picked', () => {
    const chain = createFundedChain(family)
    const [first, second] = chain.wallet.coins()
    chain.wallet.lock(outpointKey(first!.txid, first!.index))
    expect(chain.wallet.coins()[0]).toEqual(second)
    const txid = chain.wallet.pay({ payees: [payee(COIN)] })
    expect(chain.mempool.get(txid)!.transaction.inputs.map(({ previousTxid }) => previousTxid)).toEqual([
      second!.txid,
    ])
    chain.wallet.unlockAll()
    expect(chain.wallet.coins()[0]).toEqual(first)
  })

  test('money is conserved: payees, change and fee are the inputs', () => {
    const chain = createFundedChain(family)
    const txid = chain.wallet.pay({ payees: [payee(COIN), { ...payee(2n * COIN), kind: 'p2sh' }] })
    const { transaction, fee } = chain.mempool.get(txid)!
    expect(transaction.outputs.map(({ value }) => value)).toEqual([COIN, 2n * COIN, 47n * COIN - fee])
    // ZIP 317: three outputs, three actions; ZEN: 0.0001 coin.
    expect(fee).toBe(family === 'zcash' ? 15_000n : 10_000n)
  })

  test('change that would be dust goes to the miner', () => {
    const chain = createFundedChain(family)
    const fee = 10_000n
    const txid = chain.wallet.pay({ payees: [payee(50n * COIN - fee - 20n)], fee })
    const { transaction, fee: paid } = chain.mempool.get(txid)!
    expect(transaction.outputs).toHaveLength(1)
    expect(paid).toBe(fee + 20n)
  })

  test('not enough: of the wallet, of one address, of confirmations', () => {
    const chain = createFundedChain(family)
    const insufficient = expect.toSatisfy((error) => isSecnodeError(error, 'WALLET_INSUFFICIENT_FUNDS'))
    expect(() => chain.wallet.pay({ payees: [payee(10_000n * COIN)] })).toThrow(insufficient)
    const empty = chain.wallet.keys.next()
    expect(() => chain.wallet.pay({ payees: [payee(COIN)], from: empty.owner })).toThrow(insufficient)
    expect(() => chain.wallet.pay({ payees: [payee(COIN)], minConfirmations: 100 })).toThrow(insufficient)
  })

  test('change can go back to its source', () => {
    const chain = createFundedChain(family)
    const source = chain.wallet.keys.all()[0]!.owner
    const before = chain.tree.coins.addresses.unspent(source).length
    chain.wallet.pay({ payees: [payee(COIN)], from: source, changeTo: source })
    expect(chain.wallet.keys.all()).toHaveLength(1)
    chain.mine()
    // One coinbase spent, its change and the new coinbase are there.
    expect(chain.tree.coins.addresses.unspent(source)).toHaveLength(before + 1)
  })

  test('immature coinbases and what the mempool spends are not listed', () => {
    const chain = createTestChain(family, { coinbaseMaturity: 5 })
    chain.mine(4)
    expect(chain.wallet.coins()).toEqual([])
    chain.mine(1)
    expect(chain.wallet.coins().map(({ height, confirmations }) => [height, confirmations])).toEqual([[1, 5]])
    chain.wallet.pay({ payees: [payee(COIN)] })
    expect(chain.wallet.coins()).toEqual([])
    expect(chain.wallet.coins({ minConfirmations: 0 }).map(({ confirmations }) => confirmations)).toEqual([0])
  })
})

test('a wallet that is opened again does not hand out keys that were used', () => {
  const seed = new Uint8Array(32).fill(1)
  const first = createWalletKeys(seed)
  const handedOut = Array.from({ length: 30 }, () => first.next().owner)
  const used = new Set([handedOut[3], handedOut[15]])
  const again = createWalletKeys(seed)
  again.catchUp((owner) => used.has(owner))
  expect(again.find(handedOut[15]!)).toBeDefined()
  expect(again.next().owner).toBe(handedOut[16])
})
