import { expect, test } from 'vitest'
import { bytesToHex, hexToBytes, reversedHex } from '../../../protocol/index.ts'
import { parseTransaction } from '../../../src/chain/formats/transaction.ts'
import { memosOf, memoText, parseViewingKey } from '../../../src/chain/notes/index.ts'
import { authDigest } from '../../../src/devnet/chain/auth-digest.ts'
import { readVectorJson } from '../../vectors/read.ts'

/** Announcements that librustzcash built and zebrad mined on Regtest, with what zebrad says of them. */
const vectors = readVectorJson('zebrad-regtest/announcements.json') as {
  pool: string
  hex: string
  /** As people write them. */
  txid: string
  authdigest: string
  version: number
  viewingKey: string
  memo: string
}[]

test.each(vectors)(
  'R-CHAIN-4 ZIP 244 ZIP 229 an announcement of a real chain in $pool, version $version',
  ({ pool, hex, txid, authdigest, version, viewingKey, memo }) => {
    const transaction = parseTransaction(hexToBytes(hex), 'zcash')
    expect(transaction.version).toBe(version)
    expect(reversedHex(transaction.txid)).toBe(txid)
    expect(reversedHex(authDigest(transaction))).toBe(authdigest)
    const [found, ...more] = memosOf(transaction, parseViewingKey(viewingKey))
    expect(more).toEqual([])
    expect({ pool: found!.pool, amount: found!.amount, text: memoText(found!.memo) }).toEqual({
      pool,
      amount: 100_000n,
      text: memo,
    })
    // With another key it is nobody's.
    const other = vectors.find((each) => each.viewingKey !== viewingKey)!
    expect(memosOf(transaction, parseViewingKey(other.viewingKey))).toEqual([])
    expect(bytesToHex(transaction.bytes)).toBe(hex)
  },
)
