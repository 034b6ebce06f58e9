/** R-SYNC-1: a bit for each of `length` rows in their order, least significant bit of each byte first. */
export const bitfieldOf = (length: number, isSet: (index: number) => boolean): Uint8Array => {
  const bits = new Uint8Array(Math.ceil(length / 8))
  for (let i = 0; i < length; i++) if (isSet(i)) bits[i >> 3] = bits[i >> 3]! | (1 << (i & 7))
  return bits
}

/** How many bits are set. */
export const countBits = (bitfield: Uint8Array): number => {
  let count = 0
  for (let byte of bitfield) for (; byte !== 0; byte &= byte - 1) count++
  return count
}

/** Whether bit `index` is set; beyond the end none is. */
export const hasBit = (bitfield: Uint8Array, index: number): boolean =>
  ((bitfield[index >> 3] ?? 0) & (1 << (index & 7))) !== 0
