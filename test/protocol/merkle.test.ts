import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bytesToHex,
  cidOf,
  encodeCanonical,
  epochRoot,
  hexToBytes,
  merklePath,
  verifyMerklePath,
} from '../../protocol/index.ts'
import { attestationLeaf, merkleRoot, merkleRootOf } from '../../protocol/merkle.ts'
import { readVectorJson } from '../vectors/read.ts'

const vectors = readVectorJson('rfc6962/tree.json') as {
  leaves: string[]
  roots: string[]
  inclusion: { leafIndex: number; treeSize: number; root: string; proof: string[] }[]
}
const leaves = vectors.leaves.map((leaf) => hexToBytes(leaf))

describe('R-SYNC-1 the Merkle tree of RFC 6962', () => {
  test('R-SYNC-1 leaf by leaf it has the same root', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 300 }), (many) => {
        expect(merkleRootOf(many)).toEqual(merkleRoot(many))
      }),
    )
  })

  test.each(vectors.roots.map((root, size) => [size, root] as const))(
    'R-SYNC-1 reference tree of %i leaves',
    (size, root) => {
      expect(bytesToHex(merkleRoot(leaves.slice(0, size)))).toBe(root)
      expect(bytesToHex(merkleRootOf(leaves.slice(0, size)))).toBe(root)
    },
  )

  test.each(vectors.inclusion)(
    'R-SYNC-1 reference path of leaf $leafIndex of $treeSize',
    ({ leafIndex, treeSize, root, proof }) => {
      const path = proof.map((node) => base64.decode(node))
      expect(merklePath(leaves.slice(0, treeSize), leafIndex)).toEqual(path)
      const verified = (index: number, count: number, nodes: Uint8Array[]) =>
        verifyMerklePath(base64.decode(root), leaves[leafIndex]!, index, count, nodes)
      expect(verified(leafIndex, treeSize, path)).toBe(true)
      expect(verified(leafIndex, treeSize, path.slice(1))).toBe(false)
      expect(verified(leafIndex, treeSize, [...path, path[0]!])).toBe(false)
      expect(verified(leafIndex, treeSize, [path[0]!, ...path])).toBe(false)
      expect(verified(leafIndex + 1, treeSize + 1, path)).toBe(false)
      expect(verified(treeSize, treeSize, path)).toBe(false)
    },
  )

  test('R-SYNC-1 every leaf has a path, and no other leaf, index or count fits it', () => {
    const anyLeaves = fc.array(fc.uint8Array({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(anyLeaves, fc.nat(), fc.integer({ min: -2, max: 80 }), (leaves, at, other) => {
        const index = at % leaves.length
        const root = merkleRoot(leaves)
        const path = merklePath(leaves, index)
        expect(verifyMerklePath(root, leaves[index]!, index, leaves.length, path)).toBe(true)
        expect(verifyMerklePath(root, Uint8Array.of(...leaves[index]!, 0), index, leaves.length, path)).toBe(
          false,
        )
        if (other !== index && Buffer.compare(leaves[other] ?? new Uint8Array(9), leaves[index]!) !== 0) {
          expect(verifyMerklePath(root, leaves[index]!, other, leaves.length, path)).toBe(false)
        }
      }),
    )
    expect(() => merklePath([], 0)).toThrow(RangeError)
  })

  test('R-SYNC-1 a leaf is seat and CID', () => {
    const rows = [3, 7, 300].map((seat) => ({ seat, cid: cidOf(Uint8Array.of(seat & 0xff)) }))
    expect(attestationLeaf(7, rows[1]!.cid)).toEqual(encodeCanonical([7, rows[1]!.cid]))
    expect(epochRoot(rows)).toEqual(merkleRoot(rows.map(({ seat, cid }) => encodeCanonical([seat, cid]))))
    expect(bytesToHex(epochRoot([]))).toBe(vectors.roots[0])
  })
})
