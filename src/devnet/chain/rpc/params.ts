import { hexToBytes } from '../../../../protocol/index.ts'
import { maxMoney } from '../parameters.ts'
import { fail, WrongParam } from './errors.ts'

/**
 * Readers of JSON-RPC parameters that refuse as zcashd and zend do: a value of the wrong JSON type is error -1 with
 * the words of UniValue's `get_str` and its kin, or -3 where a method checks the types of all its parameters first.
 * zebrad has the same words for all of them (`dispatch.ts`).
 */
const wrong = (code: 'misc' | 'type', message: string): never => {
  throw new WrongParam(code, message)
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export const readText = (value: unknown): string =>
  typeof value === 'string' ? value : wrong('misc', 'JSON value is not a string as expected')

export const readBoolean = (value: unknown): boolean =>
  typeof value === 'boolean' ? value : wrong('misc', 'JSON value is not a boolean as expected')

export const readInteger = (value: unknown): number => {
  if (typeof value !== 'number') return wrong('misc', 'JSON value is not an integer as expected')
  return Number.isInteger(value) && Math.abs(value) <= 0x7fffffff
    ? value
    : wrong('misc', 'JSON integer out of range')
}

export const readArray = (value: unknown): unknown[] =>
  Array.isArray(value) ? (value as unknown[]) : wrong('misc', 'JSON value is not an array as expected')

export const readObject = (value: unknown): Record<string, unknown> =>
  isObject(value) ? value : wrong('misc', 'JSON value is not an object as expected')

/** Absent or null: the default. */
export const optional = <T>(value: unknown, read: (value: unknown) => T, otherwise: T): T =>
  value === undefined || value === null ? otherwise : read(value)

/** A verbosity: a number or, as in older clients, a boolean. */
export const readVerbosity = (value: unknown): number => {
  const verbosity = typeof value === 'boolean' ? Number(value) : readInteger(value)
  return verbosity < 0 || verbosity > 2
    ? fail('parameter', 'Verbosity must be in range from 0 to 2')
    : verbosity
}

/** Hex digits of an even number. */
export const readHex = (value: unknown, name: string): Uint8Array => {
  const text = readText(value)
  return isHex(text)
    ? hexToBytes(text)
    : fail('parameter', `${name} must be hexadecimal string (not '${text}')`)
}

/** What zebrad's hex reader finds wrong with digits of so many bytes; null if nothing. */
export const hexProblem = (text: string, byteLength: number | null): string | null => {
  const hasLength = byteLength === null ? text.length % 2 === 0 : text.length === 2 * byteLength
  if (byteLength !== null && !hasLength) return 'Invalid string length'
  if (!hasLength) return 'Odd number of digits'
  const at = text.search(/[^0-9a-fA-F]/)
  return at < 0 ? null : `Invalid character '${text[at]}' at position ${at}`
}

/** A hash as people write it; internal byte order out. */
export const readHash = (value: unknown, name: string): Uint8Array => {
  const text = readText(value)
  if (!isHex(text)) return fail('parameter', `${name} must be hexadecimal string (not '${text}')`)
  if (text.length !== 64) return fail('parameter', `${name} must be of length 64 (not ${text.length})`)
  return hexToBytes(text).reverse()
}

const isHex = (text: string): boolean => text.length % 2 === 0 && /^[0-9a-fA-F]*$/.test(text)

/** An amount in coins, as a number or a decimal text with at most 8 places; base units out. */
export const readAmount = (value: unknown): bigint => {
  if (typeof value !== 'number' && typeof value !== 'string') {
    return fail('type', 'Amount is not a number or string')
  }
  const match = /^(-?)(\d{1,10})(?:\.(\d{1,8}))?$/.exec(typeof value === 'number' ? decimalOf(value) : value)
  if (match === null) return fail('type', 'Invalid amount')
  const [, sign, whole, decimals = ''] = match
  const amount = BigInt(whole! + decimals.padEnd(8, '0'))
  if ((sign === '-' && amount !== 0n) || amount > maxMoney) return fail('type', 'Amount out of range')
  return amount
}

/** JSON.parse gives the nearest double; below 21 million coins 8 places survive it. */
const decimalOf = (value: number): string => {
  const text = value.toFixed(8)
  return Number(text) === value ? text : 'not an amount'
}

type JsonType = 'string' | 'number' | 'boolean' | 'array' | 'object'

const typeOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : value === null ? 'null' : typeof value
}

/** RPCTypeCheck: every parameter given has the type of its place. */
export const checkTypes = (params: readonly unknown[], types: readonly JsonType[]): void => {
  for (const [index, type] of types.entries()) {
    const value = params[index]
    if (value === undefined || value === null) continue
    const wanted = type === 'boolean' ? 'bool' : type
    if (typeOf(value) !== wanted) wrong('type', `Expected type ${wanted}, got ${typeOf(value)}`)
  }
}
