import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { bytesToHex, hash, hexToBytes } from '../../protocol/index.ts'

test('hex is what everybody writes, of any length', () => {
  const check = (bytes: Uint8Array): void => {
    expect(bytesToHex(bytes)).toBe(Buffer.from(bytes).toString('hex'))
    expect(hexToBytes(bytesToHex(bytes))).toEqual(bytes)
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { verbose: true })
  for (const length of [4_095, 4_096, 4_097, 100_000]) check(new Uint8Array(length).fill(0xa5))
})

test('20,000 keys in hex take little more than their letters', () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const keys = Array.from({ length: 20_000 }, (_, i) => hash('key', i))
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  const byText = new Map(keys.map((key, i) => [bytesToHex(key), i]))
  collectGarbage()
  const bytesEach = (process.memoryUsage().heapUsed - before) / byText.size
  // 64 letters, the head of a text, its place in the map; put together letter by letter it is over 1,000.
  expect(bytesEach).toBeLessThan(300)
})
