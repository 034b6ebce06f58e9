import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex, hexToBytes, reversedHex } from '../../../protocol/index.ts'
import { emptyTransaction } from '../../../src/chain/formats/empty-transaction.ts'
import { ChainFormatError } from '../../../src/chain/formats/reader.ts'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { TransactionFields } from '../../../src/chain/formats/types.ts'
import { arbitraryTransactions } from './arbitrary-transaction.ts'
import { hexCell, looseTransactions, officialRows, sproutTransactions, v6Vectors } from './real-bytes.ts'

describe('transactions from outside', () => {
  test.each(looseTransactions)('$name is read to its last byte and written back the same', (sample) => {
    const transaction = parseTransaction(sample.bytes, sample.family)
    expect(bytesToHex(transaction.bytes)).toBe(bytesToHex(sample.bytes))
    expect(bytesToHex(serializeTransaction(transaction))).toBe(bytesToHex(sample.bytes))
  })

  test('the versions among them (Zcash v2 and ZEN v2 and v-4 stand in blocks)', () => {
    const versions = new Set(
      looseTransactions.map(({ bytes, family }) => `${family} ${parseTransaction(bytes, family).version}`),
    )
    expect([...versions].sort()).toEqual([
      'zcash 1',
      'zcash 3',
      'zcash 4',
      'zcash 5',
      'zcash 6',
      'zen -3',
      'zen 1',
    ])
  })

  test.each(officialRows('zip_0244').map((row, index) => ({ row, index })))(
    'ZIP 244: txid of row $index',
    ({ row }) => {
      expect(bytesToHex(parseTransaction(hexCell(row, 'tx'), 'zcash').txid)).toBe(row['txid'])
    },
  )

  test.each(sproutTransactions)('ZEN v-3 txid $zen_txid', ({ zen_tx, zen_txid, joinsplit }) => {
    const transaction = parseTransaction(hexToBytes(zen_tx), 'zen')
    expect(transaction.version).toBe(-3)
    expect(transaction.joinSplits).toHaveLength(1)
    expect(zen_tx).toContain(joinsplit)
    expect(reversedHex(transaction.txid)).toBe(zen_txid)
  })

  test('the file names of zend hold: tx394b54bb', () => {
    const { bytes } = looseTransactions.find(({ name }) => name === 'tx394b54bb.hex')!
    expect(reversedHex(parseTransaction(bytes, 'zen').txid)).toMatch(/^394b54bb/)
  })
})

describe('ZIP 229: txids of version 6', () => {
  test.each(v6Vectors.confirmed)('confirmed on testnet: $txid', ({ txid, hex }) => {
    expect(reversedHex(parseTransaction(hexToBytes(hex), 'zcash').txid)).toBe(txid)
  })

  test('without any bundle', () => {
    const { hex, digest } = v6Vectors.empty
    expect(bytesToHex(parseTransaction(hexToBytes(hex), 'zcash').txid)).toBe(digest)
  })

  test.each(v6Vectors.ironwood.anchors)('of an Ironwood bundle, whatever its anchor (%s)', (anchor) => {
    const fields = ironwoodTransaction(anchor)
    const transaction = parseTransaction(serializeTransaction(fields), 'zcash')
    expect(bytesToHex(transaction.txid)).toBe(v6Vectors.ironwood.signature_hash)
    expect(transaction.ironwood?.actions).toHaveLength(1)
    expect(transaction.orchard).toBeNull()
  })

  test('an Orchard bundle of the same fields has another txid', () => {
    const fields = ironwoodTransaction(v6Vectors.ironwood.anchors[0]!)
    const moved = { ...fields, orchard: fields.ironwood, ironwood: null }
    expect(bytesToHex(parseTransaction(serializeTransaction(moved), 'zcash').txid)).not.toBe(
      v6Vectors.ironwood.signature_hash,
    )
  })
})

describe('properties', () => {
  test.each(Object.entries(arbitraryTransactions))(
    '%s: parse after serialise is the identity',
    (_, arbitrary) => {
      fc.assert(
        fc.property(arbitrary, (fields) => {
          const bytes = serializeTransaction(fields)
          const transaction = parseTransaction(bytes, fields.family)
          const { txid, bytes: parsedBytes, isCoinbase, ...parsed } = transaction
          expect(parsed).toEqual(fields)
          expect(bytesToHex(parsedBytes)).toBe(bytesToHex(bytes))
          expect(txid).toHaveLength(32)
          expect(isCoinbase).toBe(false)
          expect(bytesToHex(serializeTransaction(transaction))).toBe(bytesToHex(bytes))
        }),
        { numRuns: 100 },
      )
    },
  )

  test('the txid of v5 and v6 does not cover proofs and signatures, that of v4 does', () => {
    const changed = (fields: TransactionFields): TransactionFields => ({
      ...fields,
      saplingOutputs: fields.saplingOutputs.map((output) => ({
        ...output,
        proof: output.proof.map((b) => b ^ 1),
      })),
      inputs: fields.inputs.map((input) => ({ ...input, script: Uint8Array.of(1) })),
    })
    const isSame = (fields: TransactionFields): boolean =>
      bytesToHex(parseTransaction(serializeTransaction(fields), 'zcash').txid) ===
      bytesToHex(parseTransaction(serializeTransaction(changed(fields)), 'zcash').txid)
    for (const [name, isExpectedSame] of [
      ['Zcash v4', false],
      ['Zcash v5', true],
      ['Zcash v6', true],
    ] as const) {
      const arbitrary = arbitraryTransactions[name]!.filter(({ saplingOutputs }) => saplingOutputs.length > 0)
      fc.assert(
        fc.property(arbitrary, (fields) => {
          expect(isSame(fields)).toBe(isExpectedSame)
        }),
        { numRuns: 30 },
      )
    }
  })
})

test('views into a Buffer are no Buffers: their slice copies', () => {
  const { bytes } = looseTransactions.find(({ name }) => name === 'tx394b54bb.hex')!
  const transaction = parseTransaction(Buffer.from(bytes), 'zen')
  const { script } = transaction.inputs[0]!
  for (const view of [script, transaction.bytes, transaction.txid]) expect(view.constructor).toBe(Uint8Array)
  const copy = script.slice()
  copy[0] = copy[0]! ^ 1
  expect(script[0]).not.toBe(copy[0])
})

describe('refusals', () => {
  const parse = (hex: string, family: 'zcash' | 'zen' = 'zcash'): unknown =>
    parseTransaction(hexToBytes(hex.replaceAll(' ', '')), family)
  const refusal = (run: () => unknown): { code: string; offset: number } => {
    try {
      run()
    } catch (error) {
      if (error instanceof ChainFormatError) return { code: error.code, offset: error.offset }
      throw error
    }
    throw new Error('nothing was refused')
  }

  it.each([
    ['a version that does not exist', '00000000 00 00 00000000', 'CHAIN_FORMAT_VERSION', 0],
    ['an overwintered version without its group', '04000080 00000000 00 00', 'CHAIN_FORMAT_VERSION', 0],
    ['version 7', '07000080 98b684d8', 'CHAIN_FORMAT_VERSION', 0],
    ['bytes that end early', '01000000 00 00 000000', 'CHAIN_FORMAT_TRUNCATED', 6],
    ['bytes left over', '01000000 00 00 00000000 00', 'CHAIN_FORMAT_TRAILING', 10],
    [
      'a CompactSize of three bytes below 253',
      '01000000 fdfc00 00 00000000',
      'CHAIN_FORMAT_NON_CANONICAL',
      4,
    ],
    ['a CompactSize of five bytes below 2^16', '01000000 feffff0000', 'CHAIN_FORMAT_NON_CANONICAL', 4],
    [
      'a CompactSize of nine bytes below 2^32',
      '01000000 ffffffffff00000000',
      'CHAIN_FORMAT_NON_CANONICAL',
      4,
    ],
    ['a count beyond every limit', '01000000 ffffffffffffffffff', 'CHAIN_FORMAT_COUNT', 4],
    ['more inputs than fit', '01000000 feffffff01 00', 'CHAIN_FORMAT_COUNT', 4],
    [
      'a script longer than the rest',
      `01000000 01 ${'00'.repeat(36)} fd0010 00000000`,
      'CHAIN_FORMAT_COUNT',
      41,
    ],
  ])('%s', (_, hex, code, offset) => {
    expect(refusal(() => parse(hex))).toEqual({ code, offset })
  })

  it('negative versions in Zcash, and overwintered ones in ZEN', () => {
    expect(refusal(() => parse('fdffffff 00 00 00000000 00', 'zcash')).code).toBe('CHAIN_FORMAT_VERSION')
    expect(refusal(() => parse('04000080 85202f89 00 00 00000000', 'zen')).code).toBe('CHAIN_FORMAT_VERSION')
    expect(refusal(() => parse('fbffffff 00 00 00000000 00', 'zen')).code).toBe('CHAIN_FORMAT_VERSION')
  })

  it('an optional field of a sidechain creation that is marked neither 0 nor 1', () => {
    const creation = `${'00'.repeat(44)} 00 02`
    const hex = `fcffffff 00 00 00 01 ${creation} ${'00'.repeat(60)}`
    expect(refusal(() => parse(hex, 'zen'))).toEqual({ code: 'CHAIN_FORMAT_FIELD', offset: 53 })
  })

  it('fields that the version does not have, when writing', () => {
    const [v1, v5] = ['Zcash v1', 'Zcash v5'].map(
      (name) => fc.sample(arbitraryTransactions[name]!, { seed: 1, numRuns: 1 })[0]!,
    )
    const withJoinSplits = fc
      .sample(arbitraryTransactions['Zcash v2']!, { seed: 1, numRuns: 50 })
      .find(({ joinSplits }) => joinSplits.length > 0)!
    for (const wrong of [
      { ...v1!, joinSplits: withJoinSplits.joinSplits },
      { ...v1!, expiryHeight: 1 },
      { ...v1!, sidechain: new Uint8Array(4) },
      { ...v5!, consensusBranchId: null },
      { ...v5!, joinSplits: withJoinSplits.joinSplits },
      { ...v1!, lockTime: -1 },
      { ...v1!, outputs: [{ value: 2n ** 63n, script: new Uint8Array() }] },
      { ...withJoinSplits, joinSplitPublicKey: null },
      {
        ...withJoinSplits,
        joinSplits: withJoinSplits.joinSplits.map((each) => ({ ...each, proof: new Uint8Array(192) })),
      },
    ] satisfies TransactionFields[]) {
      expect(refusal(() => serializeTransaction(wrong)).code).toBe('CHAIN_FORMAT_FIELD')
    }
    expect(refusal(() => serializeTransaction({ ...v1!, version: -3 })).code).toBe('CHAIN_FORMAT_VERSION')
    expect(refusal(() => serializeTransaction({ ...v5!, version: 4 })).code).toBe('CHAIN_FORMAT_VERSION')
  })
})

const ironwoodTransaction = (anchor: string): TransactionFields => {
  const vector = v6Vectors.ironwood
  return {
    ...emptyTransaction('zcash', 6, 0x37a5165b),
    outputs: [{ value: BigInt(vector.output_value), script: hexToBytes(vector.output_script) }],
    ironwood: {
      actions: [
        {
          cv: hexToBytes(vector.cv),
          nullifier: hexToBytes(vector.nullifier),
          rk: hexToBytes(vector.rk),
          cmx: hexToBytes(vector.cmx),
          ephemeralKey: new Uint8Array(32),
          encCiphertext: new Uint8Array(580),
          outCiphertext: new Uint8Array(80),
          signature: new Uint8Array(64),
        },
      ],
      flags: vector.flags,
      valueBalance: BigInt(vector.value_balance),
      anchor: hexToBytes(anchor),
      proof: new Uint8Array(),
      bindingSignature: new Uint8Array(64),
    },
  }
}
