import { doubleSha256 } from './hashes.ts'

/**
 * The merkle root of a block over its txids (all versions) and, in ZEN, the hashes of its certificates; internal
 * byte order. An odd level repeats its last node, as in Bitcoin, so a list that ends in a repetition has the root of
 * a shorter one (CVE-2012-2459): `isMutated` says so, and such a block is to be refused.
 */
export const merkleRoot = (leaves: readonly Uint8Array[]): { root: Uint8Array; isMutated: boolean } => {
  let level = [...leaves]
  let isMutated = false
  if (level.length === 0) return { root: new Uint8Array(32), isMutated }
  const pair = new Uint8Array(64)
  while (level.length > 1) {
    const parents = []
    for (let index = 0; index < level.length; index += 2) {
      const left = level[index]!
      const right = level[index + 1]
      if (right !== undefined && Buffer.compare(left, right) === 0) isMutated = true
      pair.set(left, 0)
      pair.set(right ?? left, 32)
      parents.push(doubleSha256(pair))
    }
    level = parents
  }
  return { root: level[0]!, isMutated }
}
