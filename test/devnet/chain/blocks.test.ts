import { describe, expect, test } from 'vitest'
import { equalBytes } from '../../../protocol/index.ts'
import { serializeBlock } from '../../../src/chain/formats/block.ts'
import { merkleRoot } from '../../../src/chain/formats/merkle.ts'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { Block, BlockHeaderFields, TransactionFields } from '../../../src/chain/formats/types.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { commitmentOf } from '../../../src/devnet/chain/block-commitment.ts'
import type { EmbeddedChain } from '../../../src/devnet/chain/chain.ts'
import { COIN } from '../../../src/devnet/chain/parameters.ts'
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
  treasuryScript,
} from './test-chain.ts'

interface BlockChange {
  header?: (header: BlockHeaderFields) => BlockHeaderFields
  coinbase?: (fields: TransactionFields) => TransactionFields
  transactions?: readonly Uint8Array[]
}

/** A block on the tip as the chain makes it, then changed; merkle root and commitment fit unless they are changed. */
const changedBlock = (chain: EmbeddedChain, change: BlockChange): Uint8Array => {
  const { family } = chain.parameters
  const [entry] = chain.mine()
  const block: Block = chain.tree.parse(entry!)
  chain.invalidate(entry!.hash)
  const coinbase = serializeTransaction(change.coinbase?.(block.transactions[0]!) ?? block.transactions[0]!)
  const transactions = [coinbase, ...(change.transactions ?? [])].map((bytes) =>
    parseTransaction(bytes, family),
  )
  const header = {
    ...block.header,
    merkleRoot: merkleRoot(transactions.map(({ txid }) => txid)).root,
    commitment: commitmentOf(chain.parameters, entry!.height, transactions),
  }
  return serializeBlock({
    family,
    header: change.header?.(header) ?? header,
    transactions,
    certificates: [],
  })
}

/** The reason why a block was refused. */
const verdictOn = (chain: EmbeddedChain, bytes: Uint8Array): string => {
  const verdict = chain.submitBlock(bytes)
  return verdict.is === 'accept' ? 'accepted' : verdict.rejection.reason
}

const lowerFirst = (fields: TransactionFields, by: bigint): TransactionFields => ({
  ...fields,
  outputs: fields.outputs.map((output, index) =>
    index === 0 ? { ...output, value: output.value + by } : output,
  ),
})

describe.for(families)('%s: blocks', (family) => {
  test('header time is the caller’s: start and spacing, or what mine is told', () => {
    const chain = createTestChain(family, { spacingSeconds: 3600 })
    expect(chain.tip.header.time).toBe(startTime)
    chain.mine(3)
    expect(chain.tip.header.time).toBe(startTime + 3 * 3600)
    const [first, second] = chain.mine(2, { time: startTime + 604_800 })
    expect([first!.header.time, second!.header.time]).toEqual([startTime + 604_800, startTime + 608_400])
    expect(() => chain.mine(1, { time: startTime })).toThrow(
      expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_BLOCK_TIME')),
    )
    expect(chain.tip).toBe(second)
  })

  test('the coinbase pays the miner with the fees, and the treasury', () => {
    const chain = createFundedChain(family)
    expect(submit(chain, spendWhole(chain, firstCoin(chain)))).toBe('accepted')
    chain.mine()
    const [coinbase] = chain.tree.parse(chain.tip).transactions
    expect(coinbase!.outputs.map(({ value }) => value)).toEqual([50n * COIN + fee, 5n * COIN])
    expect(equalBytes(coinbase!.outputs[1]!.script, treasuryScript)).toBe(true)
  })

  test('what the chain writes parses back to the same bytes', () => {
    const chain = createFundedChain(family)
    submit(chain, spendWhole(chain, firstCoin(chain)))
    chain.mine()
    for (const entry of chain.tree.entries()) {
      const block = chain.tree.parse(entry)
      expect(serializeBlock(block)).toEqual(entry.bytes)
      for (const transaction of block.transactions) {
        expect(serializeTransaction(transaction)).toEqual(transaction.bytes)
      }
    }
  })

  test('a block of another maker is judged and taken', () => {
    const chain = createFundedChain(family)
    const other = createTestChain(family)
    for (let height = 1; height <= chain.tip.height; height++) {
      expect(verdictOn(other, chain.tree.at(height)!.bytes)).toBe('accepted')
    }
    expect(other.tip.hash).toEqual(chain.tip.hash)
    expect(verdictOn(other, chain.tip.bytes)).toBe('duplicate')
  })

  test.for([
    ['bad-blk-encoding', (bytes: Uint8Array) => bytes.subarray(0, -1)],
    ['bad-txnmrklroot', (bytes: Uint8Array) => bytes.with(40, bytes[40]! ^ 1)],
    ['bad-prevblk', (bytes: Uint8Array) => bytes.with(10, bytes[10]! ^ 1)],
  ] as const)('bytes that are changed: %s', ([reason, change]) => {
    const chain = createFundedChain(family)
    expect(verdictOn(chain, change(changedBlock(chain, {})))).toBe(reason)
  })

  test.for([
    ['bad-version', { header: (header) => ({ ...header, version: 1 }) }],
    ['bad-diffbits', { header: (header) => ({ ...header, bits: 0x1f07ffff }) }],
    [
      'bad-block-commitments-hash',
      { header: (header) => ({ ...header, commitment: new Uint8Array(32).fill(1) }) },
    ],
    ['time-too-old', { header: (header) => ({ ...header, time: startTime }) }],
    ['bad-cb-amount', { coinbase: (fields) => lowerFirst(fields, 1n) }],
    [
      'bad-cb-height',
      {
        coinbase: (fields) => ({
          ...fields,
          inputs: fields.inputs.map((input) => ({ ...input, script: input.script.with(0, 0x60) })),
        }),
      },
    ],
  ] as [string, BlockChange][])('a block that breaks a rule: %s', ([reason, change]) => {
    const chain = createFundedChain(family)
    const bytes = changedBlock(chain, change)
    const before = chain.tip
    expect(verdictOn(chain, bytes)).toBe(reason)
    expect(chain.tip).toBe(before)
  })

  test('the treasury must get its amount, no less, by its script', () => {
    const chain = createFundedChain(family)
    const reason = family === 'zen' ? 'cb-no-community-fund' : 'cb-funding-stream-missing'
    const withoutTreasury = changedBlock(chain, {
      coinbase: (fields) => ({ ...fields, outputs: fields.outputs.slice(0, 1) }),
    })
    expect(verdictOn(chain, withoutTreasury)).toBe(reason)
    const short = changedBlock(chain, {
      coinbase: (fields) => ({
        ...fields,
        outputs: [fields.outputs[0]!, { ...fields.outputs[1]!, value: 5n * COIN - 1n }],
      }),
    })
    expect(verdictOn(chain, short)).toBe(reason)
    const elsewhere = changedBlock(chain, {
      coinbase: (fields) => ({
        ...fields,
        outputs: [fields.outputs[0]!, { ...fields.outputs[1]!, script: fields.outputs[0]!.script }],
      }),
    })
    expect(verdictOn(chain, elsewhere)).toBe(reason)
  })

  test('a block may hold what spends its own outputs, but nothing twice', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const key = chain.wallet.keys.next()
    const parent = spendWhole(chain, coin, { to: key.hash160 })
    const made = {
      ...coin,
      ...parseFor(chain, parent).outputs[0]!,
      txid: parseFor(chain, parent).txid,
      index: 0,
    }
    const child = spendWhole(chain, made)
    const rival = spendWhole(chain, made, { to: someHash160(2) })
    expect(verdictOn(chain, changedBlock(chain, { transactions: [child, parent] }))).toBe(
      'bad-txns-inputs-missingorspent',
    )
    expect(verdictOn(chain, changedBlock(chain, { transactions: [parent, child, rival] }))).toBe(
      'bad-txns-inputs-missingorspent',
    )
    expect(verdictOn(chain, changedBlock(chain, { transactions: [parent, child] }))).toBe('accepted')
    expect(chain.tree.parse(chain.tip).transactions).toHaveLength(3)
  })

  test('a block with an invalid spend is refused, and so is all that builds on it', () => {
    const chain = createFundedChain(family)
    const coin = firstCoin(chain)
    const thief = spendCoins(chain, {
      coins: [coin],
      outputs: [payTo(chain, someHash160(1), coin.value - fee)],
      tamper: (fields) => ({
        ...fields,
        inputs: fields.inputs.map((input) => ({ ...input, script: new Uint8Array() })),
      }),
    })
    const bytes = changedBlock(chain, { transactions: [thief] })
    const before = chain.tip
    expect(verdictOn(chain, bytes)).toMatch(/^mandatory-script-verify-flag-failed/)
    expect(chain.tip).toBe(before)
    expect(verdictOn(chain, bytes)).toBe('duplicate')
  })

  test('two coinbases in one block, or none in front, are refused', () => {
    const chain = createFundedChain(family)
    const coinbase = chain.tree.parse(chain.tip).transactions[0]!
    expect(verdictOn(chain, changedBlock(chain, { transactions: [coinbase.bytes] }))).toBe('bad-cb-multiple')
  })
})

test('zcash: a coinbase expires at its own height since NU5 (ZIP 203)', () => {
  const chain = createFundedChain('zcash')
  const bytes = changedBlock(chain, {
    coinbase: (fields) => ({ ...fields, expiryHeight: fields.expiryHeight + 1 }),
  })
  expect(verdictOn(chain, bytes)).toBe('bad-cb-expiry-height')
})

test('a block that was found good is no better for a side branch that came first at the same height', () => {
  const chain = createFundedChain('zcash')
  const rival = changedBlock(chain, { coinbase: (fields) => lowerFirst(fields, -1n) })
  const [first] = chain.mine()
  expect(verdictOn(chain, rival)).toBe('accepted')
  expect(chain.tip).toBe(first)
})
