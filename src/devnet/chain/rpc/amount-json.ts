/** Since Node 21; TypeScript does not know it yet. */
const { rawJSON } = JSON as unknown as { rawJSON(this: void, text: string): unknown }

/** ValueFromAmount of zcashd and zend: base units as a JSON number with 8 decimals, which no double would print. */
export const coinsJson = (amount: bigint): unknown => {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(9, '0')
  return rawJSON(`${amount < 0n ? '-' : ''}${digits.slice(0, -8)}.${digits.slice(-8)}`)
}
