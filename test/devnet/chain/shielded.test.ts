import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { Transaction, TransactionFields } from '../../../src/chain/formats/types.ts'
import {
  deriveOrchardKeys,
  deriveSaplingKeys,
  deriveSproutKeys,
  encodeSaplingAddress,
  encodeSproutAddress,
  encodeUnified,
  memoFromText,
  memosOf,
  memoText,
  orchardAddressAt,
  TYPECODE,
  type ViewingKeys,
} from '../../../src/chain/notes/index.ts'
import type { EmbeddedChain } from '../../../src/devnet/chain/chain.ts'
import { COIN } from '../../../src/devnet/chain/parameters.ts'
import { parseShieldedRecipient } from '../../../src/devnet/chain/shielded-recipient.ts'
import type { ShieldedPayment } from '../../../src/devnet/chain/shielded-outputs.ts'
import { createFundedChain, families, parseFor, someHash160, submit } from './test-chain.ts'

const secret = new Uint8Array(32).fill(5)
const sapling = deriveSaplingKeys(secret)
const orchard = deriveOrchardKeys(secret)
const sprout = deriveSproutKeys(secret)
const viewingKeys = { sapling: sapling.ivk, orchard: orchard.ivk, sprout: sprout.viewingKey } as ViewingKeys
const orchardAddress = orchardAddressAt(orchard.dk, orchard.ivk, 0n)!

/** The first shielded address that the family of the chain can be paid at. */
const addressFor = (chain: EmbeddedChain): string =>
  chain.parameters.family === 'zen'
    ? encodeSproutAddress(sprout.address, 'regtest')
    : encodeSaplingAddress(sapling.defaultAddress, 'regtest')

const paymentTo = (chain: EmbeddedChain, address: string, value: bigint, text: string): ShieldedPayment => {
  const recipient = parseShieldedRecipient(address, chain.parameters, chain.tip.height + 1)
  if (recipient === null) throw new Error(`${address} is no address of this chain`)
  return { recipient, value, memo: memoFromText(text)! }
}

const payShielded = (chain: EmbeddedChain, payments: ShieldedPayment[], stake = 42n * COIN): Transaction => {
  const txid = chain.wallet.pay({
    payees: [{ kind: 'p2pkh', hash160: someHash160(4), value: stake }],
    shielded: payments,
  })
  return chain.mempool.get(txid)!.transaction
}

const notesIn = (transaction: Transaction) =>
  memosOf(transaction, viewingKeys).map(({ pool, amount, memo }) => [pool, amount, memoText(memo)])

describe.for(families)('%s: shielded outputs', (family) => {
  test('R-REG-1 one transaction pays a stake address and carries a memo that the viewing key finds', () => {
    const chain = createFundedChain(family)
    const pool = family === 'zen' ? 'sprout' : 'sapling'
    const sent = payShielded(chain, [paymentTo(chain, addressFor(chain), 1000n, 'secnode:1 hello')])
    chain.mine()
    const mined = chain.tree.parse(chain.tip).transactions[1]!
    expect(mined.bytes).toEqual(sent.bytes)
    expect(notesIn(mined)).toEqual([[pool, 1000n, 'secnode:1 hello']])
    expect(mined.outputs[0]!.value).toBe(42n * COIN)
    expect(chain.tip.pools[pool]).toBe(1000n)
    expect(chain.tip.pools.transparent + chain.tip.pools[pool]).toBe(BigInt(chain.tip.height) * 55n * COIN)
  })

  test('any memo and amount is found again, and the bytes parse back to themselves', () => {
    const chain = createFundedChain(family)
    const address = addressFor(chain)
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            value: fc.bigInt({ min: 0n, max: COIN }),
            text: fc
              .string({ maxLength: 128 })
              .filter((text) => !text.endsWith('\0') && memoFromText(text) !== null),
          }),
          { minLength: 1, maxLength: 3 },
        ),
        (sent) => {
          const transaction = payShielded(
            chain,
            sent.map(({ value, text }) => paymentTo(chain, address, value, text)),
            COIN,
          )
          const parsed = parseTransaction(transaction.bytes, family)
          expect(serializeTransaction(parsed)).toEqual(transaction.bytes)
          expect(notesIn(parsed).map(([, value, text]) => ({ value, text }))).toEqual(sent)
          chain.mine()
          expect(chain.mempool.entries()).toEqual([])
        },
      ),
      { numRuns: 12 },
    )
  })

  test('nothing leaves a shielded pool, because no proof could be checked', () => {
    const chain = createFundedChain(family)
    const { bytes } = payShielded(chain, [paymentTo(chain, addressFor(chain), 1000n, 'memo')])
    chain.invalidate(chain.mine()[0]!.hash)
    const draining = (fields: TransactionFields): TransactionFields =>
      family === 'zen'
        ? {
            ...fields,
            joinSplits: fields.joinSplits.map((joinSplit) => ({
              ...joinSplit,
              publicOld: 0n,
              publicNew: 1000n,
            })),
          }
        : { ...fields, saplingValueBalance: 1000n }
    expect(submit(chain, serializeTransaction(draining(parseFor(chain, bytes))))).toBe(
      '16: bad-txns-shielded-spend-not-provable-here',
    )
  })
})

describe('zcash', () => {
  const unified = encodeUnified({
    kind: 'address',
    network: 'regtest',
    revision: 0,
    items: [
      {
        typecode: TYPECODE.orchard,
        data: Uint8Array.of(...orchardAddress.diversifier, ...orchardAddress.transmissionKey),
      },
      {
        typecode: TYPECODE.sapling,
        data: Uint8Array.of(...sapling.defaultAddress.diversifier, ...sapling.defaultAddress.transmissionKey),
      },
    ],
  })

  test.for([
    ['ironwood', 6, {}],
    ['orchard', 5, { upgradeHeights: { 'NU6.2': 1 } }],
    ['sapling', 4, { upgradeHeights: { Canopy: 1 } }],
  ] as const)('a unified address is paid in %s, by version %i', ([pool, version, options]) => {
    const chain = createFundedChain('zcash', options)
    const sent = payShielded(chain, [paymentTo(chain, unified, 5000n, 'to whom it may concern')])
    chain.mine()
    const mined = chain.tree.parse(chain.tip).transactions[1]!
    expect(mined.version).toBe(version)
    expect(mined.bytes).toEqual(sent.bytes)
    expect(notesIn(mined)).toEqual([[pool, 5000n, 'to whom it may concern']])
    expect(chain.tip.pools[pool]).toBe(5000n)
    expect(chain.tip.trees[pool]).toBe(1)
  })

  test('Sprout takes money until Canopy (ZIP 211), not after', () => {
    const address = encodeSproutAddress(sprout.address, 'regtest')
    const before = createFundedChain('zcash', { upgradeHeights: { Heartwood: 1 } })
    const transaction = payShielded(before, [paymentTo(before, address, 1000n, 'old')])
    expect(transaction.version).toBe(4)
    before.mine()
    expect(notesIn(before.tree.parse(before.tip).transactions[1]!)).toEqual([['sprout', 1000n, 'old']])
    const after = createFundedChain('zcash')
    expect(() => payShielded(after, [paymentTo(after, address, 1000n, 'new')])).toThrow(
      'bad-tx-has-vpub_old-nonzero',
    )
  })

  test('an address of another network is none here', () => {
    const chain = createFundedChain('zcash')
    for (const address of [
      encodeSaplingAddress(sapling.defaultAddress, 'main'),
      encodeSaplingAddress(sapling.defaultAddress, 'test'),
      encodeSproutAddress(sprout.address, 'main'),
      'zregtestsapling1',
    ]) {
      expect(parseShieldedRecipient(address, chain.parameters, 1)).toBeNull()
    }
  })
})

describe('zen', () => {
  test('JoinSplits are bound to their transaction by a signature, and their nullifiers are used once', () => {
    const chain = createFundedChain('zen')
    const payments = ['one', 'two', 'three'].map((text) => paymentTo(chain, addressFor(chain), 1000n, text))
    const { bytes } = payShielded(chain, payments)
    const parsed = parseFor(chain, bytes)
    expect(parsed.version).toBe(-3)
    expect(parsed.joinSplits).toHaveLength(2)
    const [block] = chain.mine()
    chain.invalidate(block!.hash)
    chain.reconsider(block!.hash)

    const forged = serializeTransaction({ ...parsed, lockTime: parsed.lockTime + 1 })
    expect(submit(chain, forged)).toBe('16: bad-txns-invalid-joinsplit-signature')

    const twice = { ...parsed, joinSplits: [parsed.joinSplits[0]!, parsed.joinSplits[0]!] }
    expect(submit(chain, serializeTransaction(twice))).toBe('16: bad-txns-duplicate-nullifier')
    expect(
      [...parsed.joinSplits].every(({ nullifiers }) =>
        nullifiers.every((nullifier) =>
          chain.tree.coins.hasNullifier(`sprout:${Buffer.from(nullifier).toString('hex')}`),
        ),
      ),
    ).toBe(true)
  })
})
