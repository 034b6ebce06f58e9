import { z } from 'zod'

/** A hash as nodes print it, reversed hex; 32 bytes in internal order. */
export const Hash = z
  .string()
  .regex(/^[0-9a-f]{64}$/, { error: 'must be a hash, 64 hex digits' })
  .transform((text) => new Uint8Array(Buffer.from(text, 'hex').reverse()))

export const hashText = (hash: Uint8Array): string => Buffer.from(hash).reverse().toString('hex')

/** Raw bytes in hex. */
export const Bytes = z.string().transform((text, context) => {
  const bytes = Buffer.from(text, 'hex')
  // Buffer stops at the first digit that is none.
  if (bytes.length * 2 !== text.length) {
    context.issues.push({ code: 'custom', message: 'must be hex', input: text.slice(0, 32) })
    return z.NEVER
  }
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
})

const maxMoney = 2_100_000_000_000_000

/** Base units as a number, or as a string as some help texts have it. */
export const Satoshis = z
  .union([z.int(), z.string().regex(/^-?[0-9]{1,16}$/)], { error: 'must be an amount in base units' })
  .transform(BigInt)

/**
 * Coins with 8 decimals as a JSON number. At most 2.1e15 base units, so the product is off by less than half a unit
 * (2.1e15 · 2^-52 = 0.47) and rounding gives the exact amount.
 */
export const Amount = z
  .number()
  .refine((value) => Math.abs(value) * 1e8 <= maxMoney, { error: 'must be an amount in coins' })
  .transform((value) => BigInt(Math.round(value * 1e8)))

/** Since Node 21; TypeScript does not know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(this: void, text: string): unknown }

/** Base units as the number with 8 decimals that wallets want: `JSON.stringify` alone would write 1e-8. */
export const coins = (amount: bigint): unknown => {
  if (amount < 0n) throw new RangeError('a negative amount cannot be sent')
  return rawJSON(`${amount / 100_000_000n}.${String(amount % 100_000_000n).padStart(8, '0')}`)
}
