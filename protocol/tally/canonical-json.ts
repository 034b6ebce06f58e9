/** What a tally document is made of: JSON without fractions, so that RFC 8785 leaves nothing to number formats. */
export type CanonicalJson =
  string | number | boolean | null | readonly CanonicalJson[] | { readonly [key: string]: CanonicalJson }

/**
 * RFC 8785: members sorted by UTF-16 code units, no white space; -0 is written 0. Throws on a number that is no safe
 * integer: no schema of ours lets one through.
 */
export const canonicalJson = (value: CanonicalJson): string => {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} in a document`)
    return String(value)
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map((item: CanonicalJson) => canonicalJson(item)).join(',')}]`
  const members = Object.entries(value as { readonly [key: string]: CanonicalJson }).sort(([a], [b]) =>
    a < b ? -1 : a > b ? 1 : 0,
  )
  return `{${members.map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`).join(',')}}`
}
