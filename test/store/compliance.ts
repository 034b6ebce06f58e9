import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSecnodeError } from '../../src/errors.ts'
import { type Store, type StoreEntry, type StoreRange, del, put } from '../../src/store/store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value)

const entriesOf = async (store: Store, range?: StoreRange): Promise<[string, string][]> => {
  const entries: [string, string][] = []
  for await (const [key, value] of store.range(range)) entries.push([text(key)!, text(value)!])
  return entries
}

/** What every implementation of `Store` must do. `open` gives a fresh, empty store. */
export const storeCompliance = (name: string, open: () => Promise<Store>): void => {
  describe(`store compliance: ${name}`, () => {
    test('puts, gets, overwrites and deletes', async () => {
      await using store = await open()
      await store.batch([put(bytes('a'), bytes('1')), put(bytes('b'), bytes('2'))])
      expect(text(await store.get(bytes('a')))).toBe('1')
      expect(await store.get(bytes('c'))).toBeUndefined()
      await store.batch([put(bytes('a'), bytes('3')), del(bytes('b')), del(bytes('never there'))], {
        sync: true,
      })
      expect(text(await store.get(bytes('a')))).toBe('3')
      expect(await store.get(bytes('b'))).toBeUndefined()
    })

    test('getMany answers in the order of the keys, with gaps', async () => {
      await using store = await open()
      await store.batch([put(bytes('a'), bytes('1')), put(bytes('c'), bytes('3'))])
      const found = await store.getMany(['c', 'b', 'a', 'c'].map(bytes))
      expect(found.map(text)).toEqual(['3', undefined, '1', '3'])
      expect(await store.getMany([])).toEqual([])
    })

    test('later operations of a batch win over earlier ones', async () => {
      await using store = await open()
      await store.batch([put(bytes('a'), bytes('1')), del(bytes('a')), put(bytes('a'), bytes('2'))])
      expect(text(await store.get(bytes('a')))).toBe('2')
      await store.batch([put(bytes('a'), bytes('3')), del(bytes('a'))])
      expect(await store.get(bytes('a'))).toBeUndefined()
    })

    test('empty values and large ones come back as they were', async () => {
      await using store = await open()
      const large = new Uint8Array(3_000_000).map((_, i) => i % 251)
      await store.batch([put(bytes('empty'), new Uint8Array()), put(bytes('large'), large)])
      expect(await store.get(bytes('empty'))).toEqual(new Uint8Array())
      expect(Buffer.compare((await store.get(bytes('large')))!, large)).toBe(0)
    })

    test('keys are ordered as unsigned bytes, the shorter first', async () => {
      await using store = await open()
      const keys = [[0xff], [0x00], [0x7f, 0x00], [0x7f], [0x80], [0x00, 0x00], [0x7f, 0xff]]
      await store.batch(keys.map((key) => put(Uint8Array.from(key), Uint8Array.of(1))))
      const found: number[][] = []
      for await (const [key] of store.range()) found.push([...key])
      expect(found).toEqual([[0x00], [0x00, 0x00], [0x7f], [0x7f, 0x00], [0x7f, 0xff], [0x80], [0xff]])
    })

    test('what is put is copied, and what is given is the caller’s', async () => {
      await using store = await open()
      const key = bytes('key')
      const value = bytes('value')
      await store.batch([put(key, value)])
      key.fill(0)
      value.fill(0)
      const first = (await store.get(bytes('key')))!
      expect(text(first)).toBe('value')
      first.fill(0)
      for await (const [foundKey, foundValue] of store.range()) {
        foundKey.fill(0)
        foundValue.fill(0)
      }
      expect(text(await store.get(bytes('key')))).toBe('value')
      expect(await entriesOf(store)).toEqual([['key', 'value']])
    })

    test('a range sees the store as it was when the iteration began', async () => {
      await using store = await open()
      await store.batch(['a', 'b', 'c'].map((key) => put(bytes(key), bytes('old'))))
      const seen: [string, string][] = []
      for await (const [key, value] of store.range()) {
        if (seen.length === 0) {
          await store.batch([put(bytes('b'), bytes('new')), del(bytes('c')), put(bytes('d'), bytes('new'))])
        }
        seen.push([text(key)!, text(value)!])
      }
      expect(seen).toEqual([
        ['a', 'old'],
        ['b', 'old'],
        ['c', 'old'],
      ])
      expect(await entriesOf(store)).toEqual([
        ['a', 'old'],
        ['b', 'new'],
        ['d', 'new'],
      ])
    })

    test('a range that is left early holds nothing open', async () => {
      const store = await open()
      await store.batch(Array.from({ length: 3_000 }, (_, i) => put(bytes(`k${i}`), bytes('v'))))
      for await (const _entry of store.range()) break
      await expect(store.close()).resolves.toBeUndefined()
    })

    test('after close every call fails with STORE_CLOSED; close is idempotent', async () => {
      const store = await open()
      await store.batch([put(bytes('a'), bytes('1'))])
      await store.close()
      await store.close()
      const calls: (() => Promise<unknown>)[] = [
        () => store.get(bytes('a')),
        () => store.getMany([bytes('a')]),
        () => store.batch([put(bytes('a'), bytes('1'))]),
        () => entriesOf(store),
      ]
      for (const call of calls) {
        await expect(call()).rejects.toSatisfy((error) => isSecnodeError(error, 'STORE_CLOSED'))
      }
    })

    test('any sequence of batches and ranges agrees with a sorted map', async () => {
      // Short keys over few letters, so that overwriting, deleting and bounds between keys happen often.
      const key = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 })
      const operation = fc.oneof(
        { weight: 3, arbitrary: fc.record({ type: fc.constant('put'), key, value: fc.string() }) },
        { weight: 1, arbitrary: fc.record({ type: fc.constant('del'), key, value: fc.constant('') }) },
      )
      const range = fc.record(
        { gte: key, lt: key, reverse: fc.boolean(), limit: fc.integer({ min: 0, max: 20 }) },
        { requiredKeys: [] },
      )
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(operation, { maxLength: 30 }), { maxLength: 8 }),
          fc.array(range, { maxLength: 8 }),
          async (batches, ranges) => {
            await using store = await open()
            const model = new Map<string, string>()
            for (const batch of batches) {
              await store.batch(
                batch.map((op) =>
                  op.type === 'put' ? put(bytes(op.key), bytes(op.value)) : del(bytes(op.key)),
                ),
              )
              for (const op of batch) {
                if (op.type === 'put') model.set(op.key, op.value)
                else model.delete(op.key)
              }
            }
            for (const { gte, lt, reverse, limit } of ranges) {
              const expected = [...model]
                .filter(([at]) => (gte === undefined || at >= gte) && (lt === undefined || at < lt))
                .sort(([a], [b]) => (a < b ? -1 : 1))
              if (reverse === true) expected.reverse()
              const found = await entriesOf(store, {
                ...(gte === undefined ? {} : { gte: bytes(gte) }),
                ...(lt === undefined ? {} : { lt: bytes(lt) }),
                ...(reverse === undefined ? {} : { reverse }),
                ...(limit === undefined ? {} : { limit }),
              })
              expect(found).toEqual(expected.slice(0, limit))
            }
          },
        ),
        { numRuns: 40 },
      )
    })

    test('ten thousand keys in random order come back sorted', async () => {
      await using store = await open()
      const numbers = Array.from({ length: 10_000 }, (_, i) => (i * 7_919) % 10_000)
      const keyOf = (number: number): Uint8Array => Uint8Array.of(number >>> 8, number & 0xff)
      for (let start = 0; start < numbers.length; start += 1_000) {
        const part = numbers.slice(start, start + 1_000)
        await store.batch(part.map((number) => put(keyOf(number), bytes(String(number)))))
      }
      await store.batch(numbers.filter((number) => number % 3 === 0).map((number) => del(keyOf(number))))
      const found: StoreEntry[] = []
      for await (const entry of store.range()) found.push(entry)
      expect(found.map(([, value]) => Number(text(value)))).toEqual(
        Array.from({ length: 10_000 }, (_, i) => i).filter((number) => number % 3 !== 0),
      )
    })
  })
}
