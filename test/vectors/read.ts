import { readFileSync } from 'node:fs'

/** Text of a vector file, e.g. `zen/blanktx.hex`. */
export const readVectorText = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

/** Bytes of a vector file that holds one hex string; white space in it does not count. */
export const readVectorHex = (path: string): Uint8Array =>
  new Uint8Array(Buffer.from(readVectorText(path).replaceAll(/\s+/g, ''), 'hex'))

export const readVectorJson = (path: string): unknown => JSON.parse(readVectorText(path))

/** A cell of an official table. Integers are bigint: amounts exceed 2^53. */
export type VectorCell = string | bigint | boolean | null | readonly VectorCell[]
export type VectorRow = Readonly<Record<string, VectorCell>>

/**
 * Rows of a table of zcash-test-vectors, keyed by column name. Row 0 of the file is its origin, row 1 the
 * names of the columns. Integers come as bigint, exact.
 */
export const readVectorTable = (path: string): VectorRow[] => {
  // JSON.parse would round: every integer outside of a string becomes a marked string first.
  const marked = readVectorText(path).replaceAll(/"(?:[^"\\]|\\.)*"|-?\d+/g, (token) =>
    token.startsWith('"') ? token : `"integer:${token}"`,
  )
  const revive = (cell: unknown): VectorCell => {
    if (Array.isArray(cell)) return cell.map(revive)
    if (typeof cell === 'string') {
      return cell.startsWith('integer:') ? BigInt(cell.slice('integer:'.length)) : cell
    }
    return cell as boolean | null
  }
  const [, [columns], ...rows] = JSON.parse(marked) as [unknown, [string], ...unknown[][]]
  const names = columns.split(',').map((name) => name.trim())
  return rows.map((row) => Object.fromEntries(names.map((name, index) => [name, revive(row[index] ?? null)])))
}
