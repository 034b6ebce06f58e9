import { mkdtempSync, rmSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createNodeKeyFile, loadNodeKeyFile } from '../../src/keys/node-key.ts'
import { standbyKeyFile, standbyKeysOf } from '../../src/node/standby-key.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'

const world = realWorld()
const randomBytes = (length: number): Uint8Array => world.randomBytes(length)
let dir: string

beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'secnode-standby-'))))
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('R-ATT-8 the key file of a standby', () => {
  test('has an identity of its own and the voting key of the seat, and is made once', async () => {
    const seatKeys = await createNodeKeyFile(join(dir, 'node.key'), randomBytes)
    const keys = await standbyKeysOf(dir, seatKeys, world)
    expect(keys.peerId).not.toBe(seatKeys.peerId)
    expect(keys.blsPublicKey).toEqual(seatKeys.blsPublicKey)
    const text = await readFile(standbyKeyFile(dir), 'utf8')
    expect((await standbyKeysOf(dir, seatKeys, world)).peerId).toBe(keys.peerId)
    expect(await readFile(standbyKeyFile(dir), 'utf8')).toBe(text)
    // Whole, so that it can take the place of the seat's.
    expect((await loadNodeKeyFile(standbyKeyFile(dir))).peerId).toBe(keys.peerId)
  })

  test('is refused with another voting key, and once it has become the seat’s', async () => {
    const seatKeys = await createNodeKeyFile(join(dir, 'node.key'), randomBytes)
    await standbyKeysOf(dir, seatKeys, world)
    const others = await createNodeKeyFile(join(dir, 'other.key'), randomBytes)
    await expect(standbyKeysOf(dir, others, world)).rejects.toMatchObject({ code: 'STANDBY_KEYS' })
    const taken = await loadNodeKeyFile(standbyKeyFile(dir))
    await expect(standbyKeysOf(dir, taken, world)).rejects.toMatchObject({ code: 'STANDBY_KEYS' })
    await rename(standbyKeyFile(dir), join(dir, 'announced.key'))
    expect((await standbyKeysOf(dir, taken, world)).peerId).not.toBe(taken.peerId)
  })
})

test.each([
  [['--by-chain']],
  [['--by-chain', '--config', 'secnode.yaml', '--i-stopped-it']],
  [['--by-chain', '--config', 'secnode.yaml', '--dir', 'data']],
  [['--i-stopped-it', '--history-lost', '--signature', 'H9qS']],
  [['--i-stopped-it', '--history-lost', '--config', 'secnode.yaml']],
])('R-ATT-8 the two ways are not mixed: secnode takeover %s', async (args) => {
  expect(await runInProcess('takeover', ...args)).toMatchObject({ exitCode: 2 })
})
