/** Parameters of Pallas, y² = x³ + 5: Zcash protocol specification 5.4.9.6. */

/** The base field's order q_P. */
export const PALLAS_BASE = 0x40000000000000000000000000000000224698fc094cf91b992d30ed00000001n

/** The group's order r_P, larger than q_P, so that every field element is a scalar. */
export const PALLAS_ORDER = 0x40000000000000000000000000000000224698fc0994a8dd8c46eb2100000001n

/** As the library takes them. */
export const PALLAS_CURVE = {
  p: PALLAS_BASE,
  n: PALLAS_ORDER,
  h: 1n,
  a: 0n,
  b: 5n,
  Gx: PALLAS_BASE - 1n,
  Gy: 2n,
}
