/**
 * A process that writes batches of 20 rows to a store until it is killed or refused, for the tests that kill it:
 * `count` prints the number of each batch once it is written, `hold` opens the store and waits.
 */
import { isSecnodeError } from '../../src/errors.ts'
import { openLevelStore } from '../../src/store/level-store.ts'
import { put } from '../../src/store/store.ts'

const [, , directory, mode] = process.argv
const store = await openLevelStore(directory!)

const keyOf = (batch: number, row: number): Uint8Array => {
  const key = new Uint8Array(8)
  new DataView(key.buffer).setUint32(0, batch)
  new DataView(key.buffer).setUint32(4, row)
  return key
}

const firstFreeBatch = async (): Promise<number> => {
  for await (const [key] of store.range({ reverse: true, limit: 1 })) {
    return new DataView(key.buffer, key.byteOffset).getUint32(0) + 1
  }
  return 0
}

if (mode === 'hold') {
  process.stdout.write('open\n')
  setTimeout(() => process.exit(1), 600_000)
} else {
  let batch = await firstFreeBatch()
  // Bounded, should nobody kill it.
  for (const end = batch + 20_000; batch < end; batch++) {
    const rows = Array.from({ length: 20 }, (_, row) => put(keyOf(batch, row), new Uint8Array(200).fill(row)))
    try {
      await store.batch(rows)
    } catch (error) {
      process.stdout.write(`failed ${isSecnodeError(error) ? error.code : String(error)} ${batch - 1}\n`)
      process.exit(0)
    }
    process.stdout.write(`${batch}\n`)
  }
}
