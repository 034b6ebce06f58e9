import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Run, runAsProcess, runInProcess } from './in-process.ts'
import { readVectorJson, readVectorTable, readVectorText } from '../vectors/read.ts'

const vectorFile = (path: string): string => fileURLToPath(new URL(`../vectors/${path}`, import.meta.url))

describe('secnode chain inspect', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'secnode-chain-inspect-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  /** What a user would pipe into it lies in a file here: only one test starts a process, to read standard input. */
  const secnode = async (args: readonly string[], input?: string): Promise<Run> => {
    if (input === undefined) return await runInProcess('chain', ...args)
    const piped = join(folder, 'piped')
    await writeFile(piped, input)
    return await runInProcess('chain', ...args.map((arg) => (arg === '-' ? piped : arg)))
  }

  test('a real block as JSON: exactly these keys, hash and txids as people write them', async () => {
    const run = await secnode(['inspect', '--json', vectorFile('zebra-blocks/block-main-0-000-000.txt')])
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toBe(
      '{"kind":"block","hash":"00040fe8ec8471911baa1db1266ea15dd06b4a8a5c453883c000b031973dce08",' +
        '"merkleRootOk":true,"bytesLeft":0,"transactions":[{' +
        '"txid":"c4eaa58879081de3c24a7b117ed2b28300e7ec4c4c1dff1d3f1268b7857a4ddb","version":1,' +
        '"transparentOutputs":1,"joinSplits":0,"saplingOutputs":0,"orchardActions":0,"ironwoodActions":0}]}\n',
    )
  })

  test('counts of every kind of output', async () => {
    const { hex, txid, vout, vShieldedOutput, orchard } = readVectorJson(
      'zebra-rpc/getrawtransaction_response_true.json',
    ) as {
      hex: string
      txid: string
      vout: unknown[]
      vShieldedOutput: unknown[]
      orchard: { actions: unknown[] }
    }
    const run = await runAsProcess(
      ['chain', 'inspect', '--tx', '--json', '-'],
      `${hex.slice(0, 99)} \r\n${hex.slice(99)}\n`,
    )
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(run.stdout)).toEqual({
      kind: 'transaction',
      hash: txid,
      merkleRootOk: null,
      bytesLeft: 0,
      transactions: [
        {
          txid,
          version: 5,
          transparentOutputs: vout.length,
          joinSplits: 0,
          saplingOutputs: vShieldedOutput.length,
          orchardActions: orchard.actions.length,
          ironwoodActions: 0,
        },
      ],
    })
  })

  test.each([[], ['--family', 'zen']])('finds out that a block is of ZEN (%s)', async (...family) => {
    const file = vectorFile('zen/block_with_v0_and_v1_certificates.hex')
    const run = await secnode(['inspect', ...family, file])
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toContain('(zen)')
    expect(run.stdout).toMatch(/merkle root {2}[0-9a-f]{64} ok/)
    expect(run.stdout).toMatch(/certificates 2/)
    expect(run.stdout).toMatch(
      /75e0fc283b77de46a6d502819be7b343f6e3d3b848de8c173b5cafd5ac8518f1 +-4 +1 +0 +0 +0 +0/,
    )
  })

  test('the wrong family is refused with a code and the byte', async () => {
    const file = vectorFile('zen/block_with_v0_and_v1_certificates.hex')
    const run = await secnode(['inspect', '--family', 'zcash', '--json', file])
    expect(run).toMatchObject({ exitCode: 1, stdout: '' })
    expect(run.stderr).toMatch(/CHAIN_FORMAT_[A-Z]+/)
    expect(run.stderr).toMatch(/at byte \d+/)
  })

  test('a wrong merkle root and bytes left over are shown and fail', async () => {
    const hex = readVectorText('zebra-blocks/block-main-0-000-001.txt').trim()
    const file = join(folder, 'tampered.hex')
    // The merkle root stands at byte 36 of the header.
    const changed = `${hex.slice(0, 72)}${hex.slice(72, 74) === '00' ? '01' : '00'}${hex.slice(74)}0000`
    await writeFile(file, changed)
    const json = await secnode(['inspect', '--json', file])
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({ kind: 'block', merkleRootOk: false, bytesLeft: 2 })
    const text = await secnode(['inspect', file])
    expect(text.exitCode).toBe(1)
    expect(text.stdout).toContain('DOES NOT MATCH')
    expect(text.stdout).toContain('2 BYTES LEFT OVER')
  })

  test('official transactions through the command', async () => {
    const [row] = readVectorTable('zcash-test-vectors/zip_0244.json')
    const run = await secnode(['inspect', '--tx', '--json', '-'], String(row!['tx']))
    const { hash } = JSON.parse(run.stdout) as { hash: string }
    expect(Buffer.from(hash, 'hex').reverse().toString('hex')).toBe(row!['txid'])
  })

  test.each([
    { name: 'no file', args: [], input: '', exitCode: 2, text: 'file' },
    { name: 'no hex', args: ['-'], input: 'not hex', exitCode: 2, text: 'CLI_NOT_HEX' },
    { name: 'an odd number of digits', args: ['-'], input: 'abc', exitCode: 2, text: 'CLI_NOT_HEX' },
    { name: 'no such file', args: ['/nonexistent/file'], input: '', exitCode: 2, text: 'CLI_CANNOT_READ' },
    { name: 'a wrong family', args: ['--family', 'doge', '-'], input: '', exitCode: 2, text: 'zcash, zen' },
    { name: 'a cut block', args: ['-'], input: '04000000ff', exitCode: 1, text: 'CHAIN_FORMAT_TRUNCATED' },
  ])('$name', async ({ args, input, exitCode, text }) => {
    const run = await secnode(['inspect', ...args], input)
    expect(run).toMatchObject({ exitCode, stdout: '' })
    expect(run.stderr).toContain(text)
  })

  test('--help has an example', async () => {
    const run = await secnode(['inspect', '--help'])
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toContain('$ zcash-cli getblock')
  })
})

describe('secnode chain verify-message', () => {
  const address = 'ztWAkLGMCURSFb4sGhqXFQwUYHhEWNjVApJ'
  const signature = 'HyfEVMrykkS0ogn55bXscQs9WrJtxZMPL+ZetbBSSbcXScyUDMybHtjXpT6Lmz4OuxYWvXtia9etbH5wAw133A8='

  test('valid: exit code 0', async () => {
    expect(await runInProcess('chain', 'verify-message', address, signature, 'ciao')).toEqual({
      exitCode: 0,
      stdout: 'valid\n',
      stderr: '',
    })
    expect(await runInProcess('chain', 'verify-message', '--json', address, signature, 'ciao')).toEqual({
      exitCode: 0,
      stdout: '{"valid":true}\n',
      stderr: '',
    })
  })

  test('not valid: exit code 1', async () => {
    const other = await runInProcess('chain', 'verify-message', address, signature, 'Ciao')
    expect(other).toMatchObject({ exitCode: 1, stderr: '' })
    expect(other.stdout).toContain('not valid')
    expect(await runInProcess('chain', 'verify-message', '--json', address, 'no signature', 'ciao')).toEqual({
      exitCode: 1,
      stdout: '{"valid":false}\n',
      stderr: '',
    })
  })

  test.each([
    { name: 'no address', args: ['t1abc', signature, 'ciao'], exitCode: 1, text: 'CHAIN_ADDRESS_INVALID' },
    {
      name: 'a P2SH address',
      args: ['t3VDyGHn9mbyCf448m2cHTu5uXvsJpKHbiZ', signature, 'ciao'],
      exitCode: 1,
      text: 'CHAIN_ADDRESS_NO_KEY',
    },
    { name: 'no message', args: [address, signature], exitCode: 2, text: 'message' },
  ])('$name', async ({ args, exitCode, text }) => {
    const run = await runInProcess('chain', 'verify-message', ...args)
    expect(run).toMatchObject({ exitCode, stdout: '' })
    expect(run.stderr).toContain(text)
  })

  test('--help has an example', async () => {
    const run = await runInProcess('chain', 'verify-message', '--help')
    expect(run.exitCode).toBe(0)
    expect(run.stdout).toContain('$ secnode chain verify-message')
  })
})
