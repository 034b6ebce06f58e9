import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Embedded, startEmbedded } from '../chain-node/follower/embedded.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

const start = (args: readonly string[]) => {
  const child = spawn(process.execPath, [main, 'chain', 'follow', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const exit = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)))
  return { child, output, exit }
}

const run = async (args: readonly string[]) => {
  const { output, exit } = start(args)
  return { exitCode: await exit, ...output }
}

let embedded: Embedded
let directory: string
let address: string
let rpcArgs: string[]
let to: number

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secnode-chain-follow-'))
  embedded = await startEmbedded('zen-devnet')
  const { chain, network, url, user, password } = embedded
  const { activationHeight, epochBlocks, confirmations } = network.profile.genesis
  address = await embedded.announce(0)
  to = activationHeight + 2 * epochBlocks
  chain.mine(to - chain.tip.height + confirmations)
  rpcArgs = ['--rpc', url, '--rpc-user', user, '--rpc-password', password, '--profile', 'zen-devnet']
})
afterAll(async () => {
  await embedded[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

describe('secnode chain follow', () => {
  test('prints announcements, seats and epochs up to a height', async () => {
    const { exitCode, stdout } = await run([...rpcArgs, '--to', String(to)])
    expect(exitCode).toBe(0)
    expect(stdout.trimEnd().split('\n')).toEqual([
      `16 announced seat 0 n0.devnet.test for ${address} (transaction 1)`,
      '16 active seat 0',
      '16 epoch 0 begins with 0 seats',
      '24 epoch 1 begins with 0 seats',
      '32 epoch 2 begins with 1 seat',
      '32 end: 1 seat, 1 active',
    ])
  })

  test('--json prints an object a line', async () => {
    const { exitCode, stdout } = await run([...rpcArgs, '--to', String(to), '--json'])
    expect(exitCode).toBe(0)
    const events = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { event: string })
    expect(events[0]).toEqual({
      height: 16,
      event: 'announced',
      seat: 0,
      isNew: true,
      stake: address,
      host: 'n0.devnet.test',
      p2p: 9_000,
      tls: 9_001,
      transaction: 1,
    })
    expect(events.map(({ event }) => event)).toEqual([
      'announced',
      'active',
      'epoch',
      'epoch',
      'epoch',
      'end',
    ])
  })

  test('--dir goes on where it stopped', async () => {
    const dir = join(directory, 'kept')
    const half = await run([...rpcArgs, '--to', '20', '--dir', dir])
    expect(half.stdout).toContain('announced seat 0')
    const rest = await run([...rpcArgs, '--to', String(to), '--dir', dir])
    expect(rest.exitCode).toBe(0)
    expect(rest.stdout).not.toContain('announced')
    expect(rest.stdout).toContain('32 end: 1 seat, 1 active')
  })

  test('shows a reorganisation, and ends with 130 when interrupted', async () => {
    await using own = await startEmbedded('zen-devnet')
    const { chain, url, user, password } = own
    await own.announce(0)
    chain.mine(10)
    const { child, output, exit } = start([
      '--rpc',
      url,
      '--rpc-user',
      user,
      '--rpc-password',
      password,
      '--profile',
      'zen-devnet',
    ])
    const tip = chain.tip.height
    await expect.poll(() => output.stderr, { timeout: 90_000 }).toContain(`followed to block ${tip - 2}`)
    chain.reorganise(6, 7)
    await expect
      .poll(() => output.stdout, { timeout: 90_000 })
      .toContain(`${tip - 5} reorganisation: blocks ${tip - 5} to ${tip - 2} are replaced`)
    child.kill('SIGINT')
    expect(await exit).toBe(130)
  })

  test('a wrong password ends it with a hint, not with the password', async () => {
    const { exitCode, stderr } = await run([...rpcArgs.with(5, 'not-it'), '--to', '20'])
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(/\[RPC_AUTH\]\n {2}Check --rpc-user/)
    expect(stderr).not.toContain('not-it')
  })

  test('a node of another chain ends it', async () => {
    const { exitCode, stderr } = await run([...rpcArgs.with(7, 'zcash-regtest'), '--to', '110'])
    expect(exitCode).toBe(1)
    expect(stderr).toContain('[CHAIN_OTHER_CHAIN]')
  })

  test.each([
    [['--profile', 'devnet'], /required option '--rpc/],
    [['--rpc', 'http://127.0.0.1:1'], /required option '--profile/],
    [['--rpc', 'http://127.0.0.1:1', '--profile', 'nowhere'], /PROFILE_UNKNOWN/],
    [['--rpc', 'ftp://x', '--profile', 'devnet'], /RPC_URL/],
    [['--rpc', 'http://127.0.0.1:1', '--profile', 'devnet', '--from', 'x'], /no height/],
    [['--rpc', 'http://127.0.0.1:1', '--profile', 'devnet', '--from', '7'], /FOLLOW_BIRTHDAY/],
    [['--rpc', 'http://127.0.0.1:1', '--profile', 'devnet', '--to', '5'], /--to lies before/],
    [['--rpc', 'http://127.0.0.1:1', '--profile', 'devnet', '--rpc-user', 'x'], /go together/],
  ])('%j is wrong usage: exit code 2', async (args, message) => {
    const { exitCode, stderr } = await run(args)
    expect(stderr).toMatch(message)
    expect(exitCode).toBe(2)
  })
})
