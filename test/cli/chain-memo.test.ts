import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bytesToHex, hexToBytes } from '@noble/curves/utils.js'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import { memoFromText } from '../../src/chain/notes/memo.ts'
import { encryptSproutJoinSplit } from '../../src/chain/notes/sprout.ts'
import {
  deriveSproutKeys,
  encodeSproutSpendingKey,
  encodeSproutViewingKey,
} from '../../src/chain/notes/sprout-keys.ts'
import { type Run, runAsProcess, runInProcess } from './in-process.ts'
import { readVectorJson, readVectorText } from '../vectors/read.ts'

const { vectors } = readVectorJson('derived/sprout_note_encryption.json') as {
  vectors: {
    viewing_key: string
    zen_tx: string
    zen_txid: string
    outputs: { value: number; memo: string; mine: boolean }[]
  }[]
}
const vector = vectors[0]!
const mine = vector.outputs[0]!

describe('secnode chain memo', () => {
  let folder: string
  let file: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'secnode-chain-memo-'))
    file = join(folder, 'transaction.hex')
    await writeFile(file, `${vector.zen_tx.slice(0, 100)}\n${vector.zen_tx.slice(100)}\n`)
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** What a user would pipe into it lies in a file here: only one test starts a process, to read standard input. */
  const secnode = async (args: readonly string[], input?: string): Promise<Run> => {
    if (input === undefined) return await runInProcess(...args)
    const piped = join(folder, 'piped')
    await writeFile(piped, input)
    return await runInProcess(...args.map((arg) => (arg === '-' ? piped : arg)))
  }

  test('prints the memo of a ZEN transaction as JSON', async () => {
    const run = await secnode([
      'chain',
      'memo',
      '--key',
      vector.viewing_key,
      '--tx',
      '--family',
      'zen',
      '--json',
      file,
    ])
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toEqual([
      {
        txid: vector.zen_txid,
        pool: 'sprout',
        index: 0,
        amount: '222352703805',
        memo: 'node announcement 0/0',
      },
    ])
    expect(String(mine.value)).toBe('222352703805')
  })

  test('reads standard input and prints for people', async () => {
    const run = await runAsProcess(
      ['chain', 'memo', '--key', vector.viewing_key, '--tx', '--family', 'zen', '-'],
      vector.zen_tx,
    )
    expect(run).toEqual({
      exitCode: 0,
      stdout: `${vector.zen_txid} sprout 0 2223.52703805\n  node announcement 0/0\n`,
      stderr: '',
    })
  })

  test('a memo cannot steer the terminal', async () => {
    const keys = deriveSproutKeys(new Uint8Array(32).fill(1))
    const joinSplitPublicKey = new Uint8Array(32)
    const zeros = [new Uint8Array(32), new Uint8Array(32)] as const
    const memo = memoFromText('\u001b[2Jred\u202e\n\u2028end')!
    const hex = bytesToHex(
      serializeTransaction({
        ...parseTransaction(hexToBytes(vector.zen_tx), 'zen'),
        joinSplits: [
          {
            ...encryptSproutJoinSplit(
              [{ address: keys.address, value: 5n, memo }, null],
              zeros,
              joinSplitPublicKey,
              (length) => new Uint8Array(length).fill(2),
            ),
            publicOld: 0n,
            publicNew: 0n,
            anchor: new Uint8Array(32),
            macs: zeros,
            proof: new Uint8Array(192),
          },
        ],
        joinSplitPublicKey,
      }),
    )
    const key = encodeSproutViewingKey(keys.viewingKey, 'test')
    const args = ['chain', 'memo', '--key', key, '--tx', '--family', 'zen', '-']
    expect((await secnode(args, hex)).stdout.split('\n')[1]).toBe(
      String.raw`  \u{1b}[2Jred\u{202e}\u{a}\u{2028}end`,
    )
    expect(JSON.parse((await secnode([...args, '--json'], hex)).stdout)).toMatchObject([
      { memo: '\u001b[2Jred\u202e\n\u2028end' },
    ])
  })

  test('a real block without a memo for the key is an empty list', async () => {
    const block = readVectorText('zebra-blocks/block-main-0-000-396.txt')
    const run = await secnode(['chain', 'memo', '--key', vector.viewing_key, '--json', '-'], block)
    expect(run).toEqual({ exitCode: 0, stdout: '[]\n', stderr: 'no memo for this key\n' })
  })

  const spendingKey = encodeSproutSpendingKey(
    deriveSproutKeys(new Uint8Array(32).fill(1)).spendingKey,
    'main',
  )
  const bareHex = bytesToHex(new Uint8Array(32).fill(1))
  test.each([
    { name: 'no key', args: ['-'], code: '--key' },
    { name: 'a wrong key', args: ['--key', 'zc123', '-'], code: 'CHAIN_BAD_VIEWING_KEY' },
    { name: 'a spending key', args: ['--key', spendingKey, '-'], code: 'never show it' },
    { name: 'hex without a pool', args: ['--key', bareHex, '-'], code: 'Name the pool' },
    { name: 'an unknown family', args: ['--key', bareHex, '--family', 'doge', '-'], code: 'zcash, zen' },
    { name: 'no hex', args: ['--key', bareHex, '--pool', 'orchard', '-'], code: 'CLI_NOT_HEX' },
    {
      name: 'no such file',
      args: ['--key', bareHex, '--pool', 'orchard', '/nonexistent/file'],
      code: 'CLI_CANNOT_READ',
    },
  ])('$name is a usage error that says what to do', async ({ args, code }) => {
    const run = await secnode(['chain', 'memo', ...args], 'not hex')
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
    expect(run.stderr).toContain(code)
  })

  test('bytes that are no transaction are refused with their code', async () => {
    const run = await secnode(['chain', 'memo', '--key', vector.viewing_key, '--tx', '-'], 'abcdef')
    expect(run).toMatchObject({ exitCode: 1, stdout: '' })
    expect(run.stderr).toContain('CHAIN_FORMAT_')
  })

  test('--help has an example', async () => {
    const run = await secnode(['chain', 'memo', '--help'])
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toContain('$ zcash-cli getblock')
  })
})
