import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyOfPeerId, verifyEd25519 } from '../../protocol/index.ts'
import { createNodeKeyFile, createNodeKeys, loadNodeKeyFile } from '../../src/keys/node-key.ts'
import { realWorld } from '../../src/world.ts'

const world = realWorld()
const randomBytes = (length: number) => world.randomBytes(length)
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secnode-keys-'))
  path = join(folder, 'deep', 'node-keys.json')
})
afterEach(() => rm(folder, { recursive: true }))

test('keys are created once, for the owner alone, and load again as they were', async () => {
  const created = await createNodeKeyFile(path, randomBytes)
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readdir(join(folder, 'deep'))).toEqual(['node-keys.json'])
  const loaded = await loadNodeKeyFile(path)
  const { sign, ...rest } = loaded
  expect(rest).toEqual({ ...created, sign: undefined })
  expect(keyOfPeerId(loaded.peerId)).toEqual(loaded.peerKey)
  const message = Uint8Array.of(1, 2, 3)
  expect(verifyEd25519(created.peerKey, message, sign(message))).toBe(true)
})

test('an existing file is never overwritten, and nothing is left behind', async () => {
  await createNodeKeyFile(path, randomBytes)
  const before = await readFile(path, 'utf8')
  await expect(createNodeKeyFile(path, randomBytes)).rejects.toMatchObject({ code: 'KEY_FILE_EXISTS' })
  expect(await readFile(path, 'utf8')).toBe(before)
  expect(await readdir(join(folder, 'deep'))).toEqual(['node-keys.json'])
})

test('of two at the same time one wins', async () => {
  const outcomes = await Promise.allSettled([
    createNodeKeyFile(path, randomBytes),
    createNodeKeyFile(path, randomBytes),
  ])
  expect(outcomes.map((outcome) => outcome.status).sort()).toEqual(['fulfilled', 'rejected'])
  await loadNodeKeyFile(path)
})

test.each(['640', '604', '660', '610'])('a file that others may use (mode %s) is refused', async (mode) => {
  await createNodeKeyFile(path, randomBytes)
  await chmod(path, Number.parseInt(mode, 8))
  await expect(loadNodeKeyFile(path)).rejects.toMatchObject({
    code: 'KEY_FILE_EXPOSED',
    hint: expect.stringContaining(`chmod 600 ${path}`),
  })
})

test('a missing file says how to make one', async () => {
  await expect(loadNodeKeyFile(path)).rejects.toMatchObject({
    code: 'KEY_FILE_MISSING',
    hint: expect.any(String),
  })
  await expect(loadNodeKeyFile(folder)).rejects.toMatchObject({ code: 'KEY_FILE_UNREADABLE' })
})

test('a folder that cannot be made is an error with a code', async () => {
  await writeFile(join(folder, 'deep'), 'a file in the way')
  await expect(createNodeKeyFile(path, randomBytes)).rejects.toMatchObject({ code: 'KEY_FILE_UNWRITABLE' })
})

test('any damage to the file is found', async () => {
  await createNodeKeyFile(path, randomBytes)
  const text = await readFile(path, 'utf8')
  const other = createNodeKeys(randomBytes)
  const content = JSON.parse(text) as Record<string, string>
  const damages = [
    '',
    text.slice(0, -10),
    'x'.repeat(5_000),
    JSON.stringify({ ...content, seed: undefined }),
    JSON.stringify({ ...content, seed: 'zz'.repeat(32) }),
    JSON.stringify({ ...content, seed: Buffer.from(other.seed).toString('hex') }),
    JSON.stringify({ ...content, blsSecret: Buffer.from(other.blsSecretKey).toString('hex') }),
    JSON.stringify({ ...content, blsSecret: '00'.repeat(32) }),
    JSON.stringify({ ...content, blsSecret: 'ff'.repeat(32) }),
    JSON.stringify({ ...content, peer: other.peerId }),
    JSON.stringify({ ...content, format: 'something else' }),
    JSON.stringify({ ...content, more: 1 }),
    'null',
  ]
  for (const damaged of damages) {
    await writeFile(path, damaged)
    await expect(loadNodeKeyFile(path)).rejects.toMatchObject({
      code: 'KEY_FILE_DAMAGED',
      hint: expect.any(String),
    })
  }
})

test('a network of test keys is reproducible: the keys follow from the random bytes', () => {
  const counting = () => {
    let next = 0
    return (length: number) => Uint8Array.from({ length }, () => next++ & 0xff)
  }
  const { sign: _a, ...first } = createNodeKeys(counting())
  const { sign: _b, ...second } = createNodeKeys(counting())
  expect(first).toEqual(second)
  expect(createNodeKeys(randomBytes).peerId).not.toBe(first.peerId)
})
