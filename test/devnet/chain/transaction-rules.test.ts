import { describe, expect, test } from 'vitest'
import { hash160 } from '../../../protocol/index.ts'
import { multisigScript, p2pkhScript, p2shScript } from '../../../src/chain/formats/script.ts'
import { serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { TransactionFields } from '../../../src/chain/formats/types.ts'
import { newTransaction } from '../../../src/devnet/chain/new-transaction.ts'
import { COIN, maxMoney } from '../../../src/devnet/chain/parameters.ts'
import { replayReference } from '../../../src/devnet/chain/wallet.ts'
import {
  createFundedChain,
  createTestChain,
  families,
  fee,
  firstCoin,
  parseFor,
  payTo,
  someHash160,
  spendCoins,
  spendWhole,
  startTime,
  submit,
} from './test-chain.ts'

const falseTop =
  '16: mandatory-script-verify-flag-failed (Script evaluated without error but finished with a false/empty top stack element)'

describe.for(families)('%s: transparent coins', (family) => {
  test('an honest spend is taken, mined, and then gone from the coins', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const bytes = spendWhole(chain, coin)
    expect(submit(chain, bytes)).toBe('accepted')
    chain.mine()
    expect(chain.mempool.entries()).toEqual([])
    expect(chain.tree.locate(parseFor(chain, bytes).txid)?.entry).toBe(chain.tip)
    expect(submit(chain, spendWhole(chain, coin, { to: someHash160(2) }))).toBe(
      '16: bad-txns-inputs-missingorspent',
    )
  })

  test('a coin is spent once: in the mempool', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    expect(submit(chain, spendWhole(chain, coin))).toBe('accepted')
    expect(submit(chain, spendWhole(chain, coin, { to: someHash160(2) }))).toBe('18: txn-mempool-conflict')
  })

  test('a coin is spent once: twice in one transaction', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const bytes = spendCoins(chain, { coins: [coin, coin], outputs: [payTo(chain, someHash160(1), COIN)] })
    expect(submit(chain, bytes)).toBe('16: bad-txns-inputs-duplicate')
  })

  test('no more goes out than comes in', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const bytes = spendCoins(chain, {
      coins: [coin],
      outputs: [payTo(chain, someHash160(1), coin.value + 1n)],
    })
    expect(submit(chain, bytes)).toBe('16: bad-txns-in-belowout')
  })

  test.for([
    ['bad-txns-vout-negative', [-1n]],
    ['bad-txns-vout-toolarge', [maxMoney + 1n]],
    ['bad-txns-txouttotal-toolarge', [maxMoney, 1n]],
  ] as const)('amounts stay in range: %s', ([reason, values]) => {
    const chain = createFundedChain(family)
    const outputs = values.map((value) => payTo(chain, someHash160(1), value))
    expect(submit(chain, spendCoins(chain, { coins: [firstCoin(chain)], outputs }))).toBe(`16: ${reason}`)
  })

  test('a coinbase matures', () => {
    const chain = createTestChain(family, { coinbaseMaturity: 10 })
    chain.mine(10)
    const [coin] = chain.tree.coins.addresses.unspent(chain.wallet.keys.all()[0]!.owner)
    expect(chain.wallet.coins()).toEqual([expect.objectContaining({ height: 1 })])
    expect(submit(chain, spendWhole(chain, coin!))).toBe('accepted')
    const [, second] = chain.tree.coins.addresses.unspent(chain.wallet.keys.all()[0]!.owner)
    expect(submit(chain, spendWhole(chain, second!))).toBe('16: bad-txns-premature-spend-of-coinbase')
  })

  test('an input that never was', () => {
    const chain = createFundedChain(family)
    const coin = { ...firstCoin(chain), index: 7 }
    expect(submit(chain, spendWhole(chain, coin))).toBe('16: bad-txns-inputs-missingorspent')
  })

  test('a signature over other amounts, by another key, or changed in one bit is refused', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const raised = spendWhole(chain, coin, {
      tamper: (fields) => ({
        ...fields,
        outputs: fields.outputs.map((output) => ({ ...output, value: output.value - 1n })),
      }),
    })
    expect(submit(chain, raised)).toBe(falseTop)

    const flipped = spendWhole(chain, coin, {
      tamper: (fields) => ({
        ...fields,
        inputs: fields.inputs.map((input) => {
          const script = Uint8Array.from(input.script)
          // Within r of the DER signature.
          script[12]! ^= 1
          return { ...input, script }
        }),
      }),
    })
    expect(submit(chain, flipped)).toBe(falseTop)

    const stranger = chain.wallet.keys.next()
    const otherKey = spendWhole(chain, coin, {
      tamper: (fields) => ({
        ...fields,
        inputs: fields.inputs.map((input) => ({
          ...input,
          script: Uint8Array.of(...input.script.subarray(0, -33), ...stranger.publicKey),
        })),
      }),
    })
    expect(submit(chain, otherKey)).toBe(
      '16: mandatory-script-verify-flag-failed (Script failed an OP_EQUALVERIFY operation)',
    )
  })

  test('an unsigned input, and one that runs opcodes, are refused', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const withScript = (script: Uint8Array) =>
      spendWhole(chain, coin, {
        tamper: (fields) => ({ ...fields, inputs: fields.inputs.map((input) => ({ ...input, script })) }),
      })
    expect(submit(chain, withScript(new Uint8Array()))).toBe(falseTop)
    expect(submit(chain, withScript(Uint8Array.of(0x76)))).toBe(
      '16: mandatory-script-verify-flag-failed (Only non-push operators allowed in signatures)',
    )
  })

  test('lock time: not before its height, unless every sequence is final', () => {
    const chain = createFundedChain(family)
    const locked = (lockTime: number, sequence: number) =>
      spendWhole(chain, firstCoin(chain), {
        change: (fields) => ({
          ...fields,
          lockTime,
          inputs: fields.inputs.map((input) => ({ ...input, sequence })),
        }),
      })
    const next = chain.tip.height + 1
    expect(submit(chain, locked(next, 0))).toBe('16: bad-txns-nonfinal')
    expect(submit(chain, locked(startTime + 10_000_000, 0))).toBe('16: bad-txns-nonfinal')
    expect(submit(chain, locked(next, 0xffffffff))).toBe('accepted')
    chain.mine()
    expect(submit(chain, locked(next, 0))).toBe('accepted')
  })

  test('P2SH multisig: two of three signatures in the order of their keys', () => {
    const chain = createFundedChain(family)
    const keys = [chain.wallet.keys.next(), chain.wallet.keys.next(), chain.wallet.keys.next()] as const
    const redeemScript = multisigScript(
      2,
      keys.map(({ publicKey }) => publicKey),
    )
    const coin = firstCoin(chain)
    const script = p2shScript(hash160(redeemScript), replayReference(chain.tree))
    const funding = spendCoins(chain, { coins: [coin], outputs: [{ value: coin.value - fee, script }] })
    expect(submit(chain, funding)).toBe('accepted')
    chain.mine()

    const shared = chain.tree.coins.addresses.unspent(
      `p2sh:${Buffer.from(hash160(redeemScript)).toString('hex')}`,
    )
    expect(shared).toHaveLength(1)
    const redeemScripts = new Map([[Buffer.from(hash160(redeemScript)).toString('hex'), redeemScript]])
    const outputs = [payTo(chain, someHash160(1), coin.value - 2n * fee)]
    const good = spendCoins(chain, { coins: shared, outputs, sign: { redeemScripts } })
    const reorder = (
      fields: TransactionFields,
      order: (pushes: Uint8Array[]) => Uint8Array[],
    ): TransactionFields => ({
      ...fields,
      inputs: fields.inputs.map((input) => {
        // <empty> <sig> <sig> <redeem script>; signatures of 71 or 72 bytes with one byte of length each.
        const first = input.script.subarray(1, 2 + input.script[1]!)
        const rest = input.script.subarray(1 + first.length)
        const second = rest.subarray(0, 1 + rest[0]!)
        const redeem = rest.subarray(second.length)
        return {
          ...input,
          script: Uint8Array.of(0, ...order([first, second]).flatMap((push) => [...push]), ...redeem),
        }
      }),
    })
    const swapped = spendCoins(chain, {
      coins: shared,
      outputs,
      sign: { redeemScripts },
      tamper: (fields) => reorder(fields, (pushes) => pushes.toReversed()),
    })
    expect(submit(chain, swapped)).toBe(falseTop)
    const single = spendCoins(chain, {
      coins: shared,
      outputs,
      sign: { redeemScripts },
      tamper: (fields) => reorder(fields, ([first]) => [first!]),
    })
    expect(submit(chain, single)).toBe(falseTop)
    expect(submit(chain, good)).toBe('accepted')
    chain.mine()
    expect(chain.mempool.entries()).toEqual([])
  })

  test('a transaction without inputs, without outputs, or with a null input is refused', () => {
    const chain = createFundedChain(family)
    const empty = newTransaction(chain.parameters, chain.tip.height + 1)
    const output = payTo(chain, someHash160(1), COIN)
    expect(submit(chain, serializeTransaction({ ...empty, outputs: [output] }))).toBe(
      '16: bad-txns-vin-empty',
    )
    expect(submit(chain, spendCoins(chain, { coins: [firstCoin(chain)], outputs: [] }))).toBe(
      '16: bad-txns-vout-empty',
    )
    const withNull = spendWhole(chain, firstCoin(chain), {
      tamper: (fields) => ({
        ...fields,
        inputs: [
          ...fields.inputs,
          {
            previousTxid: new Uint8Array(32),
            previousIndex: 0xffffffff,
            script: new Uint8Array(2),
            sequence: 0,
          },
        ],
      }),
    })
    expect(submit(chain, withNull)).toBe('16: bad-txns-prevout-null')
  })

  test('a coinbase, and bytes that are no transaction, are refused', () => {
    const chain = createFundedChain(family)
    const coinbase = chain.tree.parse(chain.tip).transactions[0]!
    expect(submit(chain, coinbase.bytes)).toBe('18: txn-already-known')
    expect(submit(chain, Uint8Array.of(1, 2, 3))).toBe('1: TX decode failed')
    const foreign = createFundedChain(family, { walletSeed: new Uint8Array(32).fill(8) })
    expect(submit(chain, foreign.tree.parse(foreign.tip).transactions[0]!.bytes)).toBe('16: coinbase')
  })
})

describe('zcash', () => {
  test('a v5 transaction of another consensus branch is refused', () => {
    const chain = createFundedChain('zcash')
    const bytes = spendWhole(chain, firstCoin(chain), {
      change: (fields) => ({ ...fields, consensusBranchId: 0xc2d6d0b4 }),
    })
    expect(submit(chain, bytes)).toBe('16: bad-tx-consensus-branch-id-mismatch')
  })

  test('a v4 transaction signed for another consensus branch is refused', () => {
    const chain = createFundedChain('zcash')
    const v4 = (fields: TransactionFields): TransactionFields => ({
      ...fields,
      version: 4,
      versionGroupId: 0x892f2085,
      consensusBranchId: null,
    })
    const coin = firstCoin(chain)
    expect(submit(chain, spendWhole(chain, coin, { change: v4, sign: { branchId: 0xc2d6d0b4 } }))).toBe(
      falseTop,
    )
    expect(submit(chain, spendWhole(chain, coin, { change: v4 }))).toBe('accepted')
  })

  test.for([
    ['17: bad-tx-version-too-low', { Overwinter: 1, Sapling: 1 }, 3, 0x03c48270],
    ['17: bad-tx-version-too-high', { Canopy: 1 }, 5, 0x26a7270a],
    ['17: tx-overwintered-flag-not-set', { Canopy: 1 }, 1, null],
    ['17: tx-overwinter-not-active', { Overwinter: 1000 }, 4, 0x892f2085],
  ] as const)('versions follow the upgrades: %s', ([reason, upgradeHeights, version, versionGroupId]) => {
    const chain = createFundedChain('zcash', { upgradeHeights })
    const bytes = spendWhole(chain, firstCoin(chain), {
      tamper: (fields) => ({
        ...fields,
        version,
        versionGroupId,
        consensusBranchId: version >= 5 ? 0xc2d6d0b4 : null,
        expiryHeight: 0,
      }),
    })
    expect(submit(chain, bytes)).toBe(reason)
  })

  test('an expired transaction is refused, one that expires soon is not relayed', () => {
    const chain = createFundedChain('zcash')
    const expiring = (expiryHeight: number) =>
      spendWhole(chain, firstCoin(chain), { change: (fields) => ({ ...fields, expiryHeight }) })
    const next = chain.tip.height + 1
    expect(submit(chain, expiring(next - 1))).toBe('16: tx-overwinter-expired')
    expect(submit(chain, expiring(next + 2))).toBe('16: tx-expiring-soon')
    expect(submit(chain, expiring(500_000_000))).toBe('16: bad-tx-expiry-height-too-high')
    expect(submit(chain, expiring(next + 3))).toBe('accepted')
  })

  test('one action short of the fee of ZIP 317 is not relayed', () => {
    const chain = createFundedChain('zcash')
    const coin = firstCoin(chain)
    // Three outputs are three actions.
    const outputs = (total: bigint) =>
      [1n, 2n, total - 3n].map((value) => payTo(chain, someHash160(1), value * 1000n))
    const paying = (given: bigint) =>
      spendCoins(chain, { coins: [coin], outputs: outputs((coin.value - given) / 1000n) })
    // zebrad 7 asks for 1,000 an action.
    expect(submit(chain, paying(2_000n))).toBe(
      '66: tx-unpaid-action-limit-exceeded: 1 action(s) exceeds limit of 0',
    )
    expect(submit(chain, paying(3_000n))).toBe('accepted')
  })
})

describe('zen', () => {
  test('an output without replay protection is refused', () => {
    const chain = createFundedChain('zen')
    const coin = firstCoin(chain)
    const outputs = [{ value: coin.value - fee, script: p2pkhScript(someHash160(1)) }]
    expect(submit(chain, spendCoins(chain, { coins: [coin], outputs }))).toBe(
      '68: op-checkblockatheight-needed',
    )
  })

  test('an output that refers to a block of another chain, or to none yet, is refused', () => {
    const chain = createFundedChain('zen')
    const coin = firstCoin(chain)
    const referring = (hash: Uint8Array, height: number) =>
      spendCoins(chain, {
        coins: [coin],
        outputs: [{ value: coin.value - fee, script: p2pkhScript(someHash160(1), { hash, height }) }],
      })
    expect(submit(chain, referring(new Uint8Array(32).fill(1), 3))).toBe('68: op-checkblockatheight-needed')
    expect(submit(chain, referring(chain.tip.hash, chain.tip.height + 1))).toBe(
      '68: op-checkblockatheight-needed',
    )
    expect(submit(chain, referring(chain.tip.hash, chain.tip.height))).toBe(
      '64: scriptpubkey checkblockatheight: referenced block too recent',
    )
    const old = chain.tree.at(chain.tip.height - 2)!
    expect(submit(chain, referring(old.hash, old.height))).toBe('accepted')
  })

  test('when the block that an output refers to is reorganised away, the transaction does not come back', () => {
    const chain = createFundedChain('zen', { replay: { minAge: 0 } })
    const coin = firstCoin(chain)
    const key = chain.wallet.keys.next()
    const fork = chain.tip
    chain.mine(2)
    const reference = { hash: chain.tip.hash, height: chain.tip.height }
    const bytes = spendCoins(chain, {
      coins: [coin],
      outputs: [{ value: coin.value - fee, script: p2pkhScript(key.hash160, reference) }],
    })
    expect(submit(chain, bytes)).toBe('accepted')
    chain.mine()
    expect(chain.wallet.coins({ owners: [key.owner] })).toHaveLength(1)
    chain.reorganise(chain.tip.height - fork.height, 5)
    expect(chain.mempool.entries()).toEqual([])
    expect(chain.wallet.coins({ owners: [key.owner] })).toEqual([])
    expect(submit(chain, bytes)).toBe('68: op-checkblockatheight-needed')
  })

  test('a fee below the relay fee is refused', () => {
    const chain = createFundedChain('zen')
    const coin = firstCoin(chain)
    const outputs = [payTo(chain, someHash160(1), coin.value - 21n)]
    expect(submit(chain, spendCoins(chain, { coins: [coin], outputs }))).toBe('66: insufficient fee')
  })

  test('a transaction of more than 100,000 bytes is refused', () => {
    const chain = createFundedChain('zen')
    const outputs = Array.from({ length: 1600 }, () => payTo(chain, someHash160(1), 100_000n))
    expect(submit(chain, spendCoins(chain, { coins: [firstCoin(chain)], outputs }))).toBe(
      '16: bad-txns-oversize',
    )
  })

  test('versions that the embedded chain does not have are refused', () => {
    const chain = createFundedChain('zen')
    const bytes = spendWhole(chain, firstCoin(chain), { change: (fields) => ({ ...fields, version: 2 }) })
    expect(submit(chain, bytes)).toBe('16: bad-tx-version-unexpected')
  })
})
