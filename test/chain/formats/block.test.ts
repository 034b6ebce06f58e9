import { describe, expect, it, test } from 'vitest'
import { bytesToHex, hexToBytes, reversedHex } from '../../../protocol/index.ts'
import {
  hasValidMerkleRoot,
  parseBlock,
  parseBlockHeader,
  serializeBlock,
  serializeBlockHeader,
} from '../../../src/chain/formats/block.ts'
import { parseTransaction, serializeTransaction } from '../../../src/chain/formats/transaction.ts'
import type { Block } from '../../../src/chain/formats/types.ts'
import { readVectorJson } from '../../vectors/read.ts'
import { realBlocks } from './real-bytes.ts'

const blockOf = (name: string): Block => {
  const { bytes, family } = realBlocks.find((sample) => sample.name === name)!
  return parseBlock(bytes, family)
}

describe('R-CHAIN-1: real blocks', () => {
  test('there are 25 of Zcash and one of ZEN', () => {
    expect(
      realBlocks
        .map(({ family }) => family)
        .sort()
        .join(' '),
    ).toBe(`${'zcash '.repeat(25)}zen`)
  })

  test.each(realBlocks)('$name is read to its last byte and has the merkle root of its header', (sample) => {
    const block = parseBlock(sample.bytes, sample.family)
    expect(bytesToHex(block.computedMerkleRoot)).toBe(bytesToHex(block.header.merkleRoot))
    expect(block.isMerkleTreeMutated).toBe(false)
    expect(hasValidMerkleRoot(block)).toBe(true)
  })

  test.each(realBlocks)('$name is written back the same from its parsed fields', (sample) => {
    const block = parseBlock(sample.bytes, sample.family)
    const transactions = block.transactions.map((transaction) => ({
      bytes: serializeTransaction(transaction),
    }))
    expect(bytesToHex(serializeBlock({ ...block, transactions }))).toBe(bytesToHex(sample.bytes))
    expect(bytesToHex(serializeBlockHeader(block.header))).toBe(bytesToHex(block.header.bytes))
    expect(parseBlockHeader(block.header.bytes)).toEqual(block.header)
  })

  test('hashes of headers are those that the chain knows', () => {
    // Genesis blocks: chainparams.cpp of zcashd; links between neighbours.
    expect(reversedHex(blockOf('block-main-0-000-000.txt').header.hash)).toBe(
      '00040fe8ec8471911baa1db1266ea15dd06b4a8a5c453883c000b031973dce08',
    )
    for (const [parent, child] of [
      ['block-main-0-000-000.txt', 'block-main-0-000-001.txt'],
      ['block-main-1-046-400.txt', 'block-main-1-046-401.hex'],
      ['block-main-1-687-106.txt', 'block-main-1-687-107.txt'],
      ['block-main-1-687-107.txt', 'block-main-1-687-108.txt'],
    ] as const) {
      expect(bytesToHex(blockOf(child).header.previousHash)).toBe(bytesToHex(blockOf(parent).header.hash))
    }
  })

  test('every version stands in some block, and only first transactions are coinbases', () => {
    const versions = new Set<string>()
    for (const { bytes, family } of realBlocks) {
      const { transactions } = parseBlock(bytes, family)
      for (const [index, transaction] of transactions.entries()) {
        versions.add(`${family} ${transaction.version}`)
        expect(transaction.isCoinbase).toBe(index === 0)
      }
    }
    expect([...versions].sort()).toEqual([
      'zcash 1',
      'zcash 2',
      'zcash 3',
      'zcash 4',
      'zcash 5',
      'zen -4',
      'zen 1',
    ])
  })

  test('a ZEN block of version 3 carries certificates, whose hashes are merkle leaves', () => {
    const block = blockOf('block_with_v0_and_v1_certificates.hex')
    expect(block.header.version).toBe(3)
    expect(block.transactions.map(({ version }) => version)).toEqual([1, -4])
    expect(block.certificates).toHaveLength(2)
    const [first] = block.certificates
    expect(first?.hash).toHaveLength(32)
    expect(first?.backwardTransfers.every(({ publicKeyHash }) => publicKeyHash.length === 20)).toBe(true)
  })

  test('versions 1 and 2 are the same bytes in both families', () => {
    for (const name of ['block-main-0-000-396.txt', 'block-main-0-347-499.txt']) {
      const { bytes } = realBlocks.find((sample) => sample.name === name)!
      const [zcash, zen] = [parseBlock(bytes, 'zcash'), parseBlock(bytes, 'zen')]
      expect(zen.transactions.map(({ txid }) => reversedHex(txid))).toEqual(
        zcash.transactions.map(({ txid }) => reversedHex(txid)),
      )
      expect(zen.transactions.some(({ version, joinSplits }) => version === 2 && joinSplits.length > 0)).toBe(
        true,
      )
    }
  })

  test('counts of shielded parts: JoinSplits, Sapling outputs and Orchard actions are found', () => {
    const total = (name: string, count: (block: Block['transactions'][number]) => number): number =>
      blockOf(name).transactions.reduce((sum, transaction) => sum + count(transaction), 0)
    expect(total('block-main-0-347-499.txt', ({ joinSplits }) => joinSplits.length)).toBeGreaterThan(0)
    expect(total('block-main-0-419-201.txt', ({ joinSplits }) => joinSplits.length)).toBeGreaterThan(0)
    expect(total('block-main-1-046-401.hex', ({ saplingOutputs }) => saplingOutputs.length)).toBeGreaterThan(
      0,
    )
    expect(total('block-main-1-687-107.txt', ({ orchard }) => orchard?.actions.length ?? 0)).toBeGreaterThan(
      0,
    )
  })
})

describe("a node's own answers", () => {
  interface VerboseTransaction {
    hex: string
    txid: string
    version: number
    locktime: number
    expiryheight: number
    vin: unknown[]
    vout: { valueZat: number; scriptPubKey: { hex: string } }[]
    vShieldedSpend: unknown[]
    vShieldedOutput: { cmu: string }[]
    orchard?: { actions: { cmx: string }[] }
  }
  const { tx } = readVectorJson('zebra-rpc/getblock_response_2.json') as { tx: VerboseTransaction[] }
  const single = readVectorJson('zebra-rpc/getrawtransaction_response_true.json') as VerboseTransaction

  it.each([...tx, single])('verbose JSON and the bytes say the same of $txid', (verbose) => {
    const bytes = hexToBytes(verbose.hex)
    const transaction = parseTransaction(bytes, 'zcash')
    expect(reversedHex(transaction.txid)).toBe(verbose.txid)
    expect(transaction.version).toBe(verbose.version)
    expect(transaction.lockTime).toBe(verbose.locktime)
    expect(transaction.expiryHeight).toBe(verbose.expiryheight)
    expect(transaction.inputs).toHaveLength(verbose.vin.length)
    expect(transaction.outputs.map(({ value, script }) => [Number(value), bytesToHex(script)])).toEqual(
      verbose.vout.map(({ valueZat, scriptPubKey }) => [valueZat, scriptPubKey.hex]),
    )
    expect(transaction.saplingSpends).toHaveLength(verbose.vShieldedSpend.length)
    expect(transaction.saplingOutputs.map(({ cmu }) => reversedHex(cmu))).toEqual(
      verbose.vShieldedOutput.map(({ cmu }) => cmu),
    )
    expect(transaction.orchard?.actions.length ?? 0).toBe(verbose.orchard?.actions.length ?? 0)
  })
})
