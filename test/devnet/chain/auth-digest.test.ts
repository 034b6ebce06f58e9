import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes, reversedHex } from '../../../protocol/index.ts'
import { parseTransaction } from '../../../src/chain/formats/transaction.ts'
import { authDataRoot, authDigest, blockCommitment } from '../../../src/devnet/chain/auth-digest.ts'
import { readVectorJson, readVectorTable } from '../../vectors/read.ts'

test('ZIP 244: the authorizing data commitments of zcash-test-vectors', () => {
  const rows = readVectorTable('zcash-test-vectors/zip_0244.json')
  expect(rows.length).toBeGreaterThan(5)
  for (const row of rows) {
    const transaction = parseTransaction(hexToBytes(row['tx'] as string), 'zcash')
    expect(bytesToHex(authDigest(transaction))).toBe(row['auth_digest'])
  }
})

test('ZIP 244: commitment, root and digests of mainnet block 2,222,000', () => {
  const block = readVectorJson('zebra-rpc/getblock_response_2.json') as {
    blockcommitments: string
    authdataroot: string
    chainhistoryroot: string
    tx: { hex: string; authdigest: string }[]
  }
  const digests = block.tx.map(({ hex }) => authDigest(parseTransaction(hexToBytes(hex), 'zcash')))
  expect(digests.map(reversedHex)).toEqual(block.tx.map(({ authdigest }) => authdigest))
  const root = authDataRoot(digests)
  expect(reversedHex(root)).toBe(block.authdataroot)
  const historyRoot = hexToBytes(block.chainhistoryroot).reverse()
  expect(reversedHex(blockCommitment(historyRoot, root))).toBe(block.blockcommitments)
})
