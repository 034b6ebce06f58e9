import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { addressOfStake } from '../../protocol/index.ts'
import { createDevnetCa } from '../../src/devnet/certificates.ts'
import { createNodeKeyFile } from '../../src/keys/node-key.ts'
import { assembleNode, type AssembledNode } from '../../src/service/assemble.ts'
import { Config } from '../../src/service/config.ts'
import { createControlServer, type ControlServer } from '../../src/web/control/server.ts'
import { writeProfile } from '../../src/service/data-dir.ts'
import { openStore } from '../../src/store/open.ts'
import type { Explanation } from '../../src/week/explain/explain.ts'
import type { VerifiedCase } from '../../src/week/explain/verified-case.ts'
import { realWorld } from '../../src/world.ts'
import { seedOf } from '../chain-node/follower/test-chain.ts'
import { startTestNode, type TestNode } from '../chain-node/follower/test-node.ts'
import { hostAddress, type SmallWeek } from '../fixtures/small-week.ts'
import { playTroubledWeek, troubled } from '../fixtures/troubled-week.ts'
import { newDirectory } from '../store/directories.ts'
import { type Run, runInProcess } from './in-process.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))

/** As a user runs it: another process, its exit code, both streams. */
const runProcess = (...args: readonly string[]): Promise<Run> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { maxBuffer: 16_000_000 }, (error, stdout, stderr) => {
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : 0, stdout, stderr })
    })
  })

const secnode = runInProcess

const week = ['--week', '2026-W47']

let small: SmallWeek
let node: TestNode
let dir: string
/** Data directories of the seat that has the troubles, and of another that has all evidence. */
let own: string
let other: string
let profile: string

beforeAll(async () => {
  small = await playTroubledWeek()
  node = await startTestNode(small.chain)
  dir = newDirectory()
  own = join(dir, 'own')
  other = join(dir, 'other')
  for (const [path, options] of [
    [own, { own: troubled, evidence: (seat: number) => seat !== 2 }],
    [other, { own: 0 }],
  ] as const) {
    await mkdir(path)
    await writeProfile(path, small.network.profile)
    const store = await openStore({ directory: path, networkId: small.network.networkId })
    await small.fill(store, options)
    await store.close()
  }
  profile = join(other, 'profile.json')
})
afterAll(() => node[Symbol.asyncDispose]())

describe('secnode explain', () => {
  test('prints who said what of the own node, on what evidence, and what it cost', async () => {
    const run = await secnode('explain', ...week, '--dir', own)
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toMatch(/^week 2026-W47 {2}state frozen {2}seat 1 {2}n1-0\.devnet\.test$/m)
    expect(run.stdout).toMatch(/^ +3 {2}invalid: unreachable +unreachable ×3, valid ×2$/m)
    expect(run.stdout).toMatch(
      /^epochs 3, 4, 5, 6, 7, 9, 10 cost \d+\.\d{8}: with them it would have earned/m,
    )
    expect(run.stdout).toMatch(
      /^ +0 {2}n0-0\.devnet\.test {2}unreachable {2}connection refused +signature, evidence, receipts$/m,
    )
    expect(run.stdout).toMatch(
      /^ +2 {2}n2-0\.devnet\.test {2}unreachable {2}no evidence +signature; missing: evidence$/m,
    )
    expect(run.stdout).toMatch(
      /^ {2}seats 0, 2 and 3: the own store holds a receipt that this node gave in this epoch$/m,
    )
    expect(run.stdout).toMatch(
      /the audit of seat 1's evidence of epoch 8, done again: fails: evidence-receipt/,
    )
    expect(run.stdout).toMatch(/name one with --rpc/)
    expect(run.stdout).not.toContain('\u001B')
    expect(run.stdout).not.toMatch(/^epoch 2 /m)
  })

  test('recomputes digests from a chain node, and prints JSON', async () => {
    const args = [
      'explain',
      ...week,
      '--dir',
      other,
      '--seat',
      '1',
      '--epoch',
      '4',
      '--rpc',
      node.url,
      '--json',
    ]
    const run = await secnode(...args)
    expect(run.exitCode).toBe(0)
    const { details } = JSON.parse(run.stdout) as Explanation
    expect(details).toHaveLength(1)
    const digests = Object.fromEntries(
      details[0]!.challengers.flatMap(({ seat, checks }) =>
        checks.filter(({ about }) => about === 'digest').map(({ is }) => [seat, is]),
      ),
    )
    expect(digests).toEqual({ 0: 'holds', 2: 'holds', 3: 'fails', 5: 'fails' })
  })

  test('all epochs with --all, one with --epoch', async () => {
    const all = await secnode('explain', ...week, '--dir', own, '--all')
    expect(all.stdout.match(/^epoch \d+ {2}/gm)).toHaveLength(9)
    const one = await secnode('explain', ...week, '--dir', own, '--epoch', '2')
    expect(one.stdout).toMatch(/^epoch 2 {2}credited$/m)
  })

  test.each([
    [['--seat', '1', '--host', 'n1-0.devnet.test'], /name the same thing/],
    [['--seat', '99'], /no such node/],
    [['--seat', '-1'], /--seat/],
    [['--epoch', '77'], /EXPLAIN_EPOCH/],
    [['--profile', 'devnet'], /go with --verify/],
    [['--week', 'yesterday'], /is no week/],
  ])('%j is refused as usage', async (args, expected) => {
    const run = await secnode('explain', ...week, '--dir', own, ...args)
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
    expect(run.stderr).toMatch(expected)
  })

  test('a directory that is none, and a week that has not been, are told apart', async () => {
    expect((await secnode('explain', ...week, '--dir', dir)).exitCode).toBe(2)
    expect((await secnode('explain', '--week', '2030-W01', '--dir', own)).exitCode).toBe(3)
  })
})

describe('secnode explain --export and --verify', () => {
  test('a file of one node holds at another; what challengers did wrong is named with a chain node', async () => {
    const file = join(dir, 'seat-0.json')
    const exported = await secnode('explain', ...week, '--dir', other, '--export', file)
    expect(exported.exitCode).toBe(0)
    expect(exported.stdout).toMatch(/seat-0\.json: seat 0, week 2026-W47, 9 epochs, \d+ bytes$/m)
    const verified = await secnode('explain', '--verify', file, '--dir', own)
    // Seat 1 made up receipts in epoch 8: the file is true, what stands in it is not.
    expect(verified.exitCode).toBe(1)
    expect(verified.stdout.match(/^FAILS.*$/gm)).toEqual([
      expect.stringMatching(
        /^FAILS +epoch 8 +seat 1 +says valid; receipts: no receipt that its target signed for seats/,
      ),
    ])
    expect(verified.stdout).toMatch(/^1 of \d+ lines FAIL; \d+ things were not checked$/m)

    const three = join(dir, 'epoch-3.json')
    await secnode('explain', ...week, '--dir', other, '--epoch', '3', '--export', three)
    // No anchor fixes the week yet.
    const follows = await secnode('explain', '--verify', three, '--dir', own)
    expect(follows).toMatchObject({ exitCode: 3, stderr: '' })
    expect(follows.stdout).toMatch(/^ASSUMED +week +that all that counts is shown: no anchor/m)
    const sum = 'all of it follows from what is shown, but 1 lines are ASSUMED'
    expect(follows.stdout.trimEnd().split('\n').at(-1)).toBe(`${sum}; 5 things were not checked`)
    const recomputed = await secnode('explain', '--verify', three, '--dir', own, '--rpc', node.url)
    expect(recomputed.exitCode).toBe(3)
    expect(recomputed.stdout.trimEnd().split('\n').at(-1)).toBe(sum)
  })

  test('a stranger with nothing but a chain node and a profile checks all of it, digests too', async () => {
    const file = join(dir, 'seat-1.json')
    await secnode('explain', ...week, '--dir', other, '--seat', '1', '--export', file)
    const cache = join(dir, 'cache')
    const args = ['explain', '--verify', file, '--rpc', node.url, '--profile', profile, '--json']
    const first = await secnode(...args, '--cache', cache)
    expect(first.exitCode).toBe(1)
    const { result, lines } = JSON.parse(first.stdout) as VerifiedCase
    expect(result).toBe('fails')
    expect(
      lines
        .filter(({ is }) => is === 'fails')
        .map(({ epoch, subject }) => `${epoch} ${subject}`)
        .sort(),
    ).toEqual(['10 audit', '4 seat 3', '4 seat 5', '8 seat 1'])
    const before = node.counts.get('getblock') ?? 0
    expect((await secnode(...args, '--cache', cache)).stdout).toBe(first.stdout)
    // The chain is there already: only the blocks of the samples are read again.
    const again = (node.counts.get('getblock') ?? 0) - before
    expect(again).toBeLessThan(small.chain.tip.height + 1)
    expect((await secnode(...args)).stdout).toBe(first.stdout)
  })

  test('a forged field, a file that is none, missing evidence and a short chain have their exit codes', async () => {
    const file = join(dir, 'case.json')
    await secnode('explain', ...week, '--dir', other, '--epoch', '3', '--export', file)
    const text = await readFile(file, 'utf8')
    const forge = async (name: string, forged: string): Promise<string> => {
      const path = join(dir, name)
      await writeFile(path, forged)
      return path
    }
    const lie = await forge('lie.json', text.replace('"outcome":"credited"', '"outcome":"undecided"'))
    const lied = await secnode('explain', '--verify', lie, '--dir', own)
    expect(lied.exitCode).toBe(1)
    expect(lied.stdout).toMatch(
      /^FAILS +epoch 3 +outcome +"credited" follows from what is shown, not "undecided"$/m,
    )

    const broken = await runProcess('explain', '--verify', await forge('broken.json', '{'), '--dir', own)
    expect(broken.exitCode).toBe(1)
    expect(broken.stdout).toMatch(/^FAILS +form +is no JSON/)

    const bare = await forge('bare.json', text.replace(/"evidence":"[^"]+"/, '"evidence":null'))
    const incomplete = await runProcess('explain', '--verify', bare, '--dir', own)
    expect(incomplete.exitCode).toBe(3)
    expect(incomplete.stdout).toMatch(/^MISSING +epoch 3 +seat \d +.*evidence: not in the file$/m)

    const later = await forge('later.json', text.replace('"epoch":3', '"epoch":30000'))
    const short = await secnode('explain', '--verify', later, '--rpc', node.url, '--profile', profile)
    expect(short).toMatchObject({ exitCode: 3, stdout: '' })
    expect(short.stderr).toMatch(/CHAIN_SHORT/)
    const nobody = await secnode(
      'explain',
      '--verify',
      file,
      '--rpc',
      'http://127.0.0.1:9',
      '--profile',
      profile,
    )
    expect(nobody).toMatchObject({ exitCode: 3, stdout: '' })
    expect(nobody.stderr).toMatch(/CHAIN_UNREADABLE/)
  })

  test.each([
    [['--verify', 'nowhere.json', '--dir', 'x'], /cannot read nowhere\.json/],
    [['--verify', main, '--rpc', 'http://127.0.0.1:9'], /needs the network that you trust/],
    [['--verify', main, '--profile', 'devnet'], /--profile goes with --rpc/],
    [['--verify', main, '--seat', '1'], /--seat does not go with --verify/],
  ])('%j is refused as usage', async (args, expected) => {
    const run = await secnode('explain', ...args)
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
    expect(run.stderr).toMatch(expected)
  })
})

// Each question is a process of its own, and others want the processor too.
describe('while a daemon has the store open', () => {
  let daemon: AssembledNode
  let control: ControlServer
  let data: string

  beforeAll(async () => {
    const home = join(dir, 'daemon')
    data = join(home, 'data')
    await mkdir(data, { recursive: true })
    const store = await openStore({ directory: data, networkId: small.network.networkId })
    await small.fill(store, { own: troubled })
    await store.close()
    const { certPem, keyPem } = await (await createDevnetCa(Date.now())).issue({ host: 'n1-0.devnet.test' })
    await writeFile(join(home, 'cert.pem'), certPem)
    await writeFile(join(home, 'key.pem'), keyPem)
    await createNodeKeyFile(join(home, 'node.key'), (length) => seedOf('peer', troubled, 0).slice(0, length))
    const row = (await small.epochs.get(2))!.rowOf(troubled)!
    const config = Config.parse({
      profile,
      dir: data,
      host: row.host,
      stake: addressOfStake(small.network.profile.genesis.chain, row.stake),
      listen: { address: hostAddress(troubled), p2p: row.p2p, tls: row.tls },
      certificate: { cert: join(home, 'cert.pem'), key: join(home, 'key.pem') },
      keys: join(home, 'node.key'),
      rpc: { url: node.url },
      hosts: {},
      pollSeconds: 0.05,
      log: 'silent',
    })
    const logger = pino({ level: 'silent' })
    daemon = await assembleNode(config, { logger, world: realWorld() })
    await daemon.start()
    control = createControlServer(daemon, data, logger)
    await control.start()
  })
  afterAll(async () => {
    await control.stop()
    await daemon.stop()
  })

  test('it explains its own node, with digests from its own chain node', async () => {
    const run = await runProcess('explain', ...week, '--dir', data, '--json')
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    const fromStore = await runProcess(
      'explain',
      ...week,
      '--dir',
      other,
      '--seat',
      '1',
      '--rpc',
      node.url,
      '--json',
    )
    const plain = (text: string): string => text.replaceAll(/"gaveReceipt":(true|null)/g, '')
    expect(plain(run.stdout)).toBe(plain(fromStore.stdout))
    const refused = await runProcess('explain', ...week, '--dir', data, '--seat', '99')
    expect(refused).toMatchObject({ exitCode: 2, stdout: '' })
    expect(refused.stderr).toMatch(/EXPLAIN_SEAT/)
  })

  test('it exports and verifies', async () => {
    const file = join(dir, 'from-daemon.json')
    expect(
      (await runProcess('explain', ...week, '--dir', data, '--epoch', '3', '--export', file)).exitCode,
    ).toBe(0)
    const verified = await runProcess('explain', '--verify', file, '--dir', data)
    expect(verified).toMatchObject({ exitCode: 3, stderr: '' })
    expect(verified.stdout).toMatch(/^all of it follows from what is shown, but 1 lines are ASSUMED$/m)
    const text = await readFile(file, 'utf8')
    await writeFile(file, text.replace('"beacon":"', '"beacon":"00'))
    const forged = await runProcess('explain', '--verify', file, '--dir', data)
    expect(forged.exitCode).toBe(1)
    expect(forged.stdout).toMatch(/^FAILS +form/)
  })
})
