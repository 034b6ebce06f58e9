import { cpSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { reversedHex, type Week } from '../../protocol/index.ts'
import { networkOfDirectory } from '../../src/service/data-dir.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { createOutbox } from '../../src/payout/outbox.ts'
import { oldestSchema, openStore, schemaVersion } from '../../src/store/open.ts'
import { tallyOfWeek } from '../../src/week/answers.ts'
import { openStoredWeeks } from '../../src/week-io/stored-week.ts'
import { newDirectory } from './directories.ts'

const released = (version: number): string =>
  fileURLToPath(new URL(`../vectors/store/schema-${version}`, import.meta.url))

const Expected = z.strictObject({
  week: z.string(),
  digest: z.string(),
  seats: z.int(),
  payoutTxids: z.array(z.string()).min(1),
})

const readable = Array.from({ length: schemaVersion - oldestSchema + 1 }, (_, i) => oldestSchema + i)

describe.each(readable)('a store of schema %i', (version) => {
  const from = released(version)

  test('there is one', () => {
    expect(existsSync(from), 'every schema that was released leaves a store in test/vectors/store').toBe(true)
  })

  const expected = Expected.parse(JSON.parse(readFileSync(join(from, 'expected.json'), 'utf8')))
  const week = expected.week as Week

  test('of a node opens with this version: the same week, to the digest', async () => {
    const dir = newDirectory()
    cpSync(join(from, 'node'), dir, { recursive: true })
    const network = await networkOfDirectory(dir)
    await using store = await openStore({ directory: dir, networkId: network.networkId })
    const weeks = await openStoredWeeks(network, store)
    const { document, digest } = await tallyOfWeek(weeks, week, AbortSignal.timeout(90_000))
    expect(digest).toBe(expected.digest)
    expect(document.seats).toHaveLength(expected.seats)
  })

  test('R-PAY-3 of a coordinator: the signed bytes of a payout are there, to be sent again', async () => {
    const dir = newDirectory()
    cpSync(join(from, 'coordinator'), dir, { recursive: true })
    const network = await loadNetwork(join(dir, 'profile.json'))
    await using store = await openStore({ directory: dir, networkId: network.networkId })
    const parts = await createOutbox(store, network.facts.family).ofWeek(week)
    expect(parts.map(({ transaction }) => reversedHex(transaction.txid))).toEqual(expected.payoutTxids)
  })
})
