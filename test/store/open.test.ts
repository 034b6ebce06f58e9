import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isSecnodeError } from '../../src/errors.ts'
import { keyOf, prefixes } from '../../src/store/keys.ts'
import { openLevelStore } from '../../src/store/level-store.ts'
import { oldestSchema, openStore, schemaVersion, type Upgrade, upgrades } from '../../src/store/open.ts'
import { put } from '../../src/store/store.ts'
import { newDirectory } from './directories.ts'

const networkId = '00112233445566778899aabbccddeeff'
const withCode = (code: string) => (error: unknown) => isSecnodeError(error, code) && error.hint !== undefined

test('a data directory is created, kept and opened again', async () => {
  const directory = join(newDirectory(), 'new', 'one')
  const key = Uint8Array.of(0xee)
  {
    await using store = await openStore({ directory, networkId })
    await store.batch([put(key, Uint8Array.of(1))])
  }
  await using store = await openStore({ directory, networkId })
  expect(await store.get(key)).toEqual(Uint8Array.of(1))
})

test('a second daemon on the directory gets STORE_LOCKED', async () => {
  const directory = newDirectory()
  await using _store = await openStore({ directory, networkId })
  await expect(openStore({ directory, networkId })).rejects.toSatisfy(withCode('STORE_LOCKED'))
})

test('another network’s directory is refused, and can be opened by its own afterwards', async () => {
  const directory = newDirectory()
  await (await openStore({ directory, networkId })).close()
  const other = networkId.replace('0011', 'ffff')
  await expect(openStore({ directory, networkId: other })).rejects.toSatisfy(withCode('STORE_NETWORK'))
  await (await openStore({ directory, networkId })).close()
})

test('a directory of a newer schema is refused', async () => {
  const directory = newDirectory()
  const newer = { version: schemaVersion + 1, oldest: 1, upgrades: new Map() }
  await (await openStore({ directory, networkId, schema: newer })).close()
  await expect(openStore({ directory, networkId })).rejects.toSatisfy(withCode('STORE_SCHEMA'))
})

test('a database that is not ours is refused', async () => {
  const directory = newDirectory()
  await using foreign = await openLevelStore(join(directory, 'store'))
  await foreign.batch([put(Uint8Array.of(0x61), Uint8Array.of(1))])
  await foreign.close()
  await expect(openStore({ directory, networkId })).rejects.toSatisfy(withCode('STORE_FOREIGN'))
})

test('upgrades run in order, each with its version in one batch; a failing one is tried again', async () => {
  const directory = newDirectory()
  const key = Uint8Array.of(0xee)
  const at = (version: number, table: [number, Upgrade][]) =>
    openStore({ directory, networkId, schema: { version, oldest: 1, upgrades: new Map(table) } })
  {
    await using store = await at(1, [])
    await store.batch([put(key, Uint8Array.of(1))])
  }
  const append =
    (number: number): Upgrade =>
    async (store) => [put(key, Uint8Array.of(...(await store.get(key))!, number))]
  const failing: Upgrade = async () => {
    throw new Error('out of coffee')
  }
  await expect(
    at(3, [
      [2, append(2)],
      [3, failing],
    ]),
  ).rejects.toThrow('out of coffee')
  await using store = await at(3, [
    [2, append(20)],
    [3, append(3)],
  ])
  // The upgrade to 2 was done the first time and is not run again.
  expect(await store.get(key)).toEqual(Uint8Array.of(1, 2, 3))
})

test('there is an upgrade to every schema after the oldest that is read', () => {
  expect([...upgrades.keys()].sort((a, b) => a - b)).toEqual(
    Array.from({ length: schemaVersion - oldestSchema }, (_, i) => oldestSchema + 1 + i),
  )
})

test('a directory of before the oldest schema is refused, with what to do, and stays as it is', async () => {
  const directory = newDirectory()
  const older = { version: oldestSchema - 1, oldest: 1, upgrades: new Map() }
  await (await openStore({ directory, networkId, schema: older })).close()
  await expect(openStore({ directory, networkId })).rejects.toSatisfy(withCode('STORE_SCHEMA'))
  await (await openStore({ directory, networkId, schema: older })).close()
})

test('no two kinds of rows share a prefix, and a damaged schema row is STORE_DAMAGED', async () => {
  const numbers = Object.values(prefixes)
  expect(new Set(numbers).size).toBe(numbers.length)
  for (const number of numbers) expect(number).toBeLessThan(256)

  const directory = newDirectory()
  await (await openStore({ directory, networkId })).close()
  const raw = await openLevelStore(join(directory, 'store'))
  await raw.batch([put(keyOf(prefixes.meta, new TextEncoder().encode('schema')), Uint8Array.of(1))])
  await raw.close()
  await expect(openStore({ directory, networkId })).rejects.toSatisfy(withCode('STORE_DAMAGED'))
})
