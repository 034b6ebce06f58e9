import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { errorCodes } from '../../src/error-codes.ts'
import { errorCodesFile, errorCodesPage } from './error-codes.ts'

const src = fileURLToPath(new URL('../../src/', import.meta.url))
const texts = readdirSync(src, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && entry.name !== 'error-codes.ts')
  .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))

test('docs/error-codes.md is what `npm run docs:codes` writes', () => {
  expect(readFileSync(errorCodesFile, 'utf8')).toBe(errorCodesPage())
})

test('every code of the table is used', () => {
  const all = texts.join('\n')
  expect(
    Object.keys(errorCodes).filter((code) => !all.includes(`'${code}'`) && !all.includes(`${code}:`)),
  ).toEqual([])
})

test('a meaning is one sentence', () => {
  for (const meaning of Object.values(errorCodes)) expect(meaning).toMatch(/^[A-Z].{10,140}\.$/)
})
