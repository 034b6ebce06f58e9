import { hexToBytes } from '@noble/curves/utils.js'
import type { VectorRow } from '../../vectors/read.ts'

/** Bytes of a hex cell of an official table. */
export const bytesCell = (row: VectorRow, name: string): Uint8Array => {
  const cell = row[name]
  if (typeof cell !== 'string') throw new Error(`${name} is no text`)
  return hexToBytes(cell)
}

export const integerCell = (row: VectorRow, name: string): bigint => {
  const cell = row[name]
  if (typeof cell !== 'bigint') throw new Error(`${name} is no integer`)
  return cell
}

export const textCell = (row: VectorRow, name: string): string => {
  const cell = row[name]
  if (typeof cell !== 'string') throw new Error(`${name} is no text`)
  return cell
}

/** Bytes of a hex cell, or null where the vector leaves it out. */
export const optionalBytesCell = (row: VectorRow, name: string): Uint8Array | null =>
  row[name] === null ? null : bytesCell(row, name)
