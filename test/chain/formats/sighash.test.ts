import { secp256k1 } from '@noble/curves/secp256k1.js'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex, hash160, hexToBytes, reversedHex } from '../../../protocol/index.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import { p2pkhScript } from '../../../src/chain/formats/script.ts'
import {
  originalSignatureHash,
  sighash,
  transparentSignatureHash,
  zip243SignatureHash,
  zip244SignatureHash,
} from '../../../src/chain/formats/sighash.ts'
import { parseTransaction } from '../../../src/chain/formats/transaction.ts'
import type { Transaction, TransactionOutput } from '../../../src/chain/formats/types.ts'
import {
  hexCell,
  looseTransactions,
  officialRows,
  realBlocks,
  v6Vectors,
  zcashdValidTransactions,
} from './real-bytes.ts'

const indexed = <T>(rows: readonly T[]): { index: number; row: T }[] =>
  rows.map((row, index) => ({ index, row }))

describe.each(['zip_0143', 'zip_0243'] as const)('official vectors of %s', (table) => {
  test.each(indexed(officialRows(table)))('row $index', ({ row }) => {
    const transaction = parseTransaction(hexCell(row, 'tx'), 'zcash')
    const inputIndex = Number(row['transparent_input'])
    const input =
      inputIndex < 0
        ? null
        : { inputIndex, scriptCode: hexCell(row, 'script_code'), value: BigInt(String(row['amount'])) }
    const digest = zip243SignatureHash(
      transaction,
      input,
      Number(row['hash_type']),
      Number(row['consensus_branch_id']),
    )
    expect(bytesToHex(digest)).toBe(row['sighash'])
  })
})

describe('official vectors of zip_0244', () => {
  const columns = {
    sighash_all: sighash.all,
    sighash_none: sighash.none,
    sighash_single: sighash.single,
    sighash_all_anyone: sighash.all | sighash.anyoneCanPay,
    sighash_none_anyone: sighash.none | sighash.anyoneCanPay,
    sighash_single_anyone: sighash.single | sighash.anyoneCanPay,
  }

  test.each(indexed(officialRows('zip_0244')))('row $index', ({ row }) => {
    const transaction = parseTransaction(hexCell(row, 'tx'), 'zcash')
    const amounts = row['amounts'] as readonly bigint[]
    const scripts = row['script_pubkeys'] as readonly string[]
    const spent = amounts.map((value, index) => ({ value, script: hexToBytes(scripts[index]!) }))
    // A coinbase has an input that spends nothing.
    expect(spent).toHaveLength(transaction.isCoinbase ? 0 : transaction.inputs.length)
    const ofShielded = zip244SignatureHash(transaction, null, spent, sighash.all)
    expect(bytesToHex(ofShielded)).toBe(row['sighash_shielded'])
    // No digest where there is no input to sign, or no output of its own for SIGHASH_SINGLE: refused.
    const inputIndex = row['transparent_input'] === null ? 99 : Number(row['transparent_input'])
    const digests = Object.entries(columns).map(([column, hashType]) => [
      column,
      digestOrNull(() => zip244SignatureHash(transaction, inputIndex, spent, hashType)),
    ])
    const isSpending = transaction.inputs.length > 0 && !transaction.isCoinbase
    const expected = Object.keys(columns).map((column) => [column, isSpending ? row[column] : row['txid']])
    expect(digests).toEqual(expected)
  })

  test('all six hash types, a coinbase and transactions without inputs are among them', () => {
    const rows = officialRows('zip_0244')
    for (const column of Object.keys(columns)) expect(rows.some((row) => row[column] !== null)).toBe(true)
    const transactions = rows.map((row) => parseTransaction(hexCell(row, 'tx'), 'zcash'))
    expect(transactions.some(({ inputs }) => inputs.length === 0)).toBe(true)
  })
})

const digestOrNull = (compute: () => Uint8Array): string | null => {
  try {
    return bytesToHex(compute())
  } catch (error) {
    if (isSecnodeError(error)) return null
    throw error
  }
}

/** Signature and key of an ordinary P2PKH input script, or null. */
const p2pkhInput = (
  script: Uint8Array,
): { der: Uint8Array; hashType: number; publicKey: Uint8Array } | null => {
  const signatureBytes = script[0] ?? 0
  const keyBytes = script[1 + signatureBytes] ?? 0
  if (signatureBytes < 9 || signatureBytes > 73 || (keyBytes !== 33 && keyBytes !== 65)) return null
  if (script.length !== 2 + signatureBytes + keyBytes) return null
  return {
    der: script.subarray(1, signatureBytes),
    hashType: script[signatureBytes]!,
    publicKey: script.subarray(2 + signatureBytes),
  }
}

const verifies = (input: { der: Uint8Array; publicKey: Uint8Array }, digest: Uint8Array): boolean =>
  secp256k1.verify(input.der, digest, input.publicKey, { prehash: false, lowS: false, format: 'der' })

/** The P2PKH inputs of transactions that name no branch and no amounts: their signatures need nothing but the bytes. */
const checkOriginal = (transaction: Transaction): number => {
  let checked = 0
  for (const [index, { script }] of transaction.inputs.entries()) {
    const input = p2pkhInput(script)
    if (input === null) continue
    const scriptCode = p2pkhScript(hash160(input.publicKey))
    expect(verifies(input, originalSignatureHash(transaction, index, scriptCode, input.hashType))).toBe(true)
    const other = scriptCode.map((byte, at) => (at === 3 ? byte ^ 1 : byte))
    expect(verifies(input, originalSignatureHash(transaction, index, other, input.hashType))).toBe(false)
    checked++
  }
  return checked
}

describe('signatures that the chains accepted', () => {
  test('original hash: v1 and v2 transactions of a real Zcash block', () => {
    const { bytes } = realBlocks.find(({ name }) => name === 'block-main-0-347-499.txt')!
    const checked = parseBlock(bytes, 'zcash').transactions.map(checkOriginal)
    expect(checked.reduce((sum, each) => sum + each, 0)).toBe(14)
  })

  test('original hash: the transactions of zend', () => {
    const [many, created] = ['tx394b54bb.hex', 'txcreatesign.hex'].map((file) => {
      const { bytes } = looseTransactions.find(({ name }) => name === file)!
      return parseTransaction(bytes, 'zen')
    })
    expect(checkOriginal(many!)).toBe(21)
    // zend's test signs this one before it adds the output.
    expect(checkOriginal({ ...created!, outputs: [] })).toBe(1)
  })

  test('original hash: the P2PKH and P2PK inputs of tx_valid, with every kind of hash type', () => {
    const hashTypes = new Set<number>()
    let checked = 0
    for (const { bytes, spent } of zcashdValidTransactions) {
      const transaction = parseTransaction(bytes, 'zcash')
      for (const [index, { script, previousTxid, previousIndex }] of transaction.inputs.entries()) {
        const notation =
          spent.find(([txid, n]) => txid === reversedHex(previousTxid) && n === previousIndex)?.[2] ?? ''
        const publicKey = /^0x21 0x([0-9a-f]{66}) CHECKSIG$/.exec(notation)?.[1]
        const isP2pkh = /^DUP HASH160 0x14 0x[0-9a-f]{40} EQUALVERIFY CHECKSIG$/.test(notation)
        let input = isP2pkh ? p2pkhInput(script) : null
        if (publicKey !== undefined && script[0] === script.length - 1) {
          input = { der: script.subarray(1, -1), hashType: script.at(-1)!, publicKey: hexToBytes(publicKey) }
        }
        if (input === null) continue
        const scriptCode = isP2pkh ? p2pkhScript(hash160(input.publicKey)) : hexToBytes(`21${publicKey}ac`)
        expect(verifies(input, originalSignatureHash(transaction, index, scriptCode, input.hashType))).toBe(
          true,
        )
        hashTypes.add(input.hashType)
        checked++
      }
    }
    expect(checked).toBeGreaterThanOrEqual(8)
    // 0 is no type, and is signed like SIGHASH_ALL.
    expect([...hashTypes].sort((a, b) => a - b)).toEqual([0x00, 0x01, 0x03, 0x81])
  })

  test.each([
    ['block-main-0-434-873.txt', 'ZIP 243 under Sapling', 0x76b809bb, 3],
    ['block-main-0-949-496.txt', 'ZIP 243 under Heartwood', 0xf5b9230b, 1],
  ] as const)('%s, outputs spent in the block of their birth: %s', (name, _, consensusBranchId, expected) => {
    const { transactions } = parseBlock(realBlocks.find((sample) => sample.name === name)!.bytes, 'zcash')
    const byTxid = new Map(transactions.map((transaction) => [bytesToHex(transaction.txid), transaction]))
    let checked = 0
    for (const transaction of transactions) {
      const spentOutputs = transaction.inputs.map(
        (input): TransactionOutput =>
          byTxid.get(bytesToHex(input.previousTxid))?.outputs[input.previousIndex] ?? unknownOutput,
      )
      for (const [inputIndex, { script }] of transaction.inputs.entries()) {
        const input = p2pkhInput(script)
        if (input === null || spentOutputs[inputIndex] === unknownOutput) continue
        const { hashType } = input
        const signing = { inputIndex, spentOutputs, redeemScript: null, hashType, consensusBranchId }
        expect(verifies(input, transparentSignatureHash(transaction, signing))).toBe(true)
        const otherBranch = { ...signing, consensusBranchId: consensusBranchId + 1 }
        expect(verifies(input, transparentSignatureHash(transaction, otherBranch))).toBe(false)
        checked++
      }
    }
    expect(checked).toBe(expected)
  })

  test.each(v6Vectors.confirmed)(
    'ZIP 229 (v6), confirmed on testnet: $txid',
    ({ hex, spent_value, spent_script }) => {
      const transaction = parseTransaction(hexToBytes(hex), 'zcash')
      const input = p2pkhInput(transaction.inputs[0]!.script)!
      const digestOf = (value: bigint): Uint8Array =>
        transparentSignatureHash(transaction, {
          inputIndex: 0,
          spentOutputs: [{ value, script: hexToBytes(spent_script) }],
          redeemScript: null,
          hashType: input.hashType,
          consensusBranchId: null,
        })
      expect(verifies(input, digestOf(BigInt(spent_value)))).toBe(true)
      expect(verifies(input, digestOf(BigInt(spent_value) + 1n))).toBe(false)
    },
  )
})

const unknownOutput: TransactionOutput = { value: 0n, script: new Uint8Array() }

describe('refusals', () => {
  const row = officialRows('zip_0244').find(({ transparent_input }) => transparent_input !== null)!
  const transaction = parseTransaction(hexCell(row, 'tx'), 'zcash')
  const spentOutputs = transaction.inputs.map(() => unknownOutput)
  const signing = { inputIndex: 0, spentOutputs, redeemScript: null, hashType: 1, consensusBranchId: null }
  const code = (expected: string): Error => expect.objectContaining({ code: expected }) as Error

  it('an input that is not there, and outputs that are not given', () => {
    expect(() => transparentSignatureHash(transaction, { ...signing, inputIndex: 99 })).toThrow(
      code('CHAIN_SIGHASH_INPUT'),
    )
    expect(() => transparentSignatureHash(transaction, { ...signing, spentOutputs: [] })).toThrow(
      code('CHAIN_SIGHASH_INPUT'),
    )
    const v1 = parseTransaction(
      looseTransactions.find(({ name }) => name === 'txcreatesign.hex')!.bytes,
      'zen',
    )
    expect(() => originalSignatureHash(v1, 1, new Uint8Array(), 1)).toThrow(code('CHAIN_SIGHASH_INPUT'))
  })

  it('hash types that version 5 does not have', () => {
    for (const hashType of [0, 4, 0x80, 0x84, 0x41]) {
      expect(() => transparentSignatureHash(transaction, { ...signing, hashType })).toThrow(
        code('CHAIN_SIGHASH_TYPE'),
      )
    }
  })

  it('a version 4 transaction without its branch, and the sidechain version of ZEN', () => {
    const v4 = officialRows('zip_0243')
      .map((each) => parseTransaction(hexCell(each, 'tx'), 'zcash'))
      .find(({ inputs }) => inputs.length > 0)!
    expect(() =>
      transparentSignatureHash(v4, { ...signing, spentOutputs: v4.inputs.map(() => unknownOutput) }),
    ).toThrow(code('CHAIN_SIGHASH_BRANCH'))
    const { bytes } = realBlocks.find(({ family }) => family === 'zen')!
    const sidechain = parseBlock(bytes, 'zen').transactions.find(({ version }) => version === -4)!
    expect(() => originalSignatureHash(sidechain, 0, new Uint8Array(), 1)).toThrow(
      code('CHAIN_SIGHASH_VERSION'),
    )
    expect(() => zip243SignatureHash(transaction, null, 1, 0)).toThrow(code('CHAIN_SIGHASH_VERSION'))
    expect(() => zip244SignatureHash(v4, null, [], 1)).toThrow(code('CHAIN_SIGHASH_VERSION'))
  })

  it('SIGHASH_SINGLE without an output of the same index', () => {
    const { bytes } = looseTransactions.find(({ name }) => name === 'tx394b54bb.hex')!
    const many = parseTransaction(bytes, 'zen')
    expect(many.inputs.length).toBeGreaterThan(many.outputs.length)
    expect(() => originalSignatureHash(many, many.outputs.length, new Uint8Array(), sighash.single)).toThrow(
      code('CHAIN_SIGHASH_TYPE'),
    )
  })
})
