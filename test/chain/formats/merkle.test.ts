import * as fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { bytesToHex, equalBytes } from '../../../protocol/index.ts'
import { hasValidMerkleRoot, parseBlock, serializeBlock } from '../../../src/chain/formats/block.ts'
import { doubleSha256 } from '../../../src/chain/formats/hashes.ts'
import { merkleRoot } from '../../../src/chain/formats/merkle.ts'
import { realBlocks } from './real-bytes.ts'

const leaf = fc.uint8Array({ minLength: 32, maxLength: 32 })
const join = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  doubleSha256(Uint8Array.of(...left, ...right))

describe('R-CHAIN-1: merkle root', () => {
  it('of one transaction is its txid, of two the hash of both, of three repeats the last', () => {
    fc.assert(
      fc.property(leaf, leaf, leaf, (a, b, c) => {
        expect(bytesToHex(merkleRoot([a]).root)).toBe(bytesToHex(a))
        expect(bytesToHex(merkleRoot([a, b]).root)).toBe(bytesToHex(join(a, b)))
        expect(bytesToHex(merkleRoot([a, b, c]).root)).toBe(bytesToHex(join(join(a, b), join(c, c))))
      }),
    )
  })

  it('depends on every leaf and on their order', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(leaf, { minLength: 2, maxLength: 12, comparator: equalBytes }),
        fc.nat(),
        (leaves, at) => {
          const { root } = merkleRoot(leaves)
          const index = at % leaves.length
          const changed = leaves.map((each, i) => (i === index ? each.map((byte) => byte ^ 1) : each))
          expect(bytesToHex(merkleRoot(changed).root)).not.toBe(bytesToHex(root))
          expect(bytesToHex(merkleRoot([...leaves].reverse()).root)).not.toBe(bytesToHex(root))
          expect(merkleRoot(leaves).isMutated).toBe(false)
        },
      ),
    )
  })

  test('CVE-2012-2459: a block with its last transactions repeated keeps its root and is refused', () => {
    let repeated = 0
    for (const { bytes, family } of realBlocks) {
      const block = parseBlock(bytes, family)
      const leaves = block.transactions.length + block.certificates.length
      if (leaves % 2 === 0 || leaves === 1 || block.certificates.length > 0) continue
      const transactions = [...block.transactions, block.transactions.at(-1)!]
      const mutated = parseBlock(serializeBlock({ ...block, transactions }), family)
      expect(bytesToHex(mutated.computedMerkleRoot)).toBe(bytesToHex(block.header.merkleRoot))
      expect(mutated.isMerkleTreeMutated).toBe(true)
      expect(hasValidMerkleRoot(mutated)).toBe(false)
      repeated++
    }
    expect(repeated).toBeGreaterThan(3)
  })
})
