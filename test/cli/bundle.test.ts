import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson, formatTally, peerIdOfKey, type Week, weekBefore } from '../../protocol/index.ts'
import { runCommand } from '../../src/cli/program.ts'
import { playDevnet, type PlayedDevnet } from '../../src/devnet/network.ts'
import type { AssembledNode } from '../../src/service/assemble.ts'
import { type ControlServer, createControlServer } from '../../src/web/control/server.ts'
import { exportBundle } from '../../src/week/bundle.ts'
import type { VerifiedCase } from '../../src/week/explain/verified-case.ts'
import { realWorld } from '../../src/world.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { createAnchoredSet, week as otherWeek } from '../week/anchored-set.ts'

interface Ran {
  exitCode: number
  stdout: string
  stderr: string
}

/** A command line in this process, as the program itself runs it. */
const run = async (...args: readonly string[]): Promise<Ran> => {
  const output = { stdout: '', stderr: '' }
  let code = 0
  const exitCode = await runCommand(['node', 'secnode', ...args], {
    io: {
      stdout: (text) => void (output.stdout += text),
      stderr: (text) => void (output.stderr += text),
      isTerminal: false,
      signal: new AbortController().signal,
      setExitCode: (set) => (code = set),
    },
    exitCode: () => code,
  })
  return { exitCode, ...output }
}

const nodes = 4
let directory: string
let devnet: PlayedDevnet
let control: ControlServer
let week: string
let checkpoint: string
/** Of the week: on a busy machine a node may miss an epoch. */
let attestations: number
/** The chain node, and the network; nothing of any daemon. */
let rpcArgs: string[]
let chainArgs: string[]
/** The data directory of a daemon that runs. */
let dir: string
let exported: Ran
let car: string
let carBytes: Uint8Array

/** Where a node listens, as people write it. */
const peerOf = (index: number): { multiaddr: string; plain: string } => {
  const { config, keys } = devnet.prepared.nodes[index]!
  const { address, p2p } = config.listen
  return {
    multiaddr: `/ip4/${address}/tcp/${p2p}/p2p/${keys.peerId}`,
    plain: `${address}:${p2p}/${keys.peerId}`,
  }
}

const runningOf = (index: number): AssembledNode =>
  devnet.running().find(({ daemon }) => daemon.host.peerId === devnet.prepared.nodes[index]!.keys.peerId)!

const fileOf = async (name: string, bytes: Uint8Array | string): Promise<string> => {
  const path = join(directory, name)
  await writeFile(path, bytes)
  return path
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secnode-bundle-'))
  devnet = await playDevnet({
    nodes,
    epochs: 3,
    seed: 7_742,
    with: {},
    profile: 'devnet',
    dir: join(directory, 'devnet'),
    blockMs: 50,
    world: realWorld(),
    signal: AbortSignal.timeout(900_000),
    onProgress: () => undefined,
  })
  const node = devnet.prepared.nodes[1]!
  const { url, user, password } = node.config.rpc
  dir = node.config.dir
  week = devnet.result.week
  checkpoint = devnet.document.checkpoint!
  attestations = devnet.document.epochs.reduce((sum, { attested }) => sum + attested, 0)
  rpcArgs = ['--rpc', url, '--rpc-user', user!, '--rpc-password', password!]
  chainArgs = [
    ...rpcArgs,
    '--profile',
    join(directory, 'devnet', 'profile.json'),
    '--cache',
    join(directory, 'cache'),
  ]
  control = createControlServer(runningOf(1), dir, pino({ level: 'silent' }))
  await control.start()
  car = join(directory, 'week.car')
  exported = await run(
    'bundle',
    'export',
    '--week',
    week,
    '-o',
    car,
    '--with-evidence',
    '--dir',
    dir,
    '--json',
  )
  carBytes = Uint8Array.from(await readFile(car))
}, 900_000)

afterAll(async () => {
  await control?.stop()
  await devnet?.stop()
  await rm(directory, { recursive: true })
})

describe('secnode bundle', () => {
  test('R-CP-8 what a running daemon exported is all that the anchor fixes', async () => {
    expect(exported).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(exported.stdout)).toMatchObject({
      file: car,
      weeks: [weekBefore(week as Week), week],
      checkpoint,
      attestations,
    })
    const verified = await run('bundle', 'verify', car, ...chainArgs, '--json')
    expect(verified).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(verified.stdout)).toMatchObject({
      result: 'holds',
      week,
      checkpoint,
      anchor: devnet.document.anchor!.height,
      attestations,
      bytes: carBytes.length,
    })
  })

  test('R-CP-8 a file that was damaged, cut or padded is refused, and its block is named', async () => {
    const flipped = carBytes.slice()
    flipped[flipped.length - 40]! ^= 1
    const cases = [
      ['damaged.car', flipped, 'BUNDLE_DAMAGED'],
      ['cut.car', carBytes.subarray(0, -100), 'BUNDLE_CUT'],
      ['padded.car', Buffer.concat([carBytes, carBytes.subarray(-200)]), 'BUNDLE_'],
    ] as const
    for (const [name, bytes, code] of cases) {
      const path = await fileOf(name, bytes)
      for (const args of [
        ['bundle', 'verify', path, ...chainArgs],
        ['tally', '--week', week, '--bundle', path, ...chainArgs],
      ]) {
        const { exitCode, stderr, stdout } = await run(...args)
        expect([name, exitCode, stdout]).toEqual([name, 1, ''])
        expect(stderr).toContain(code)
        expect(stderr).toMatch(/block [0-9]+ at byte [0-9]+/)
      }
    }
  })

  test('R-CP-8 the bundle of another network, or no bundle at all, is refused', async () => {
    const foreign = join(directory, 'foreign.car')
    await exportBundle(createAnchoredSet().source, otherWeek, sinkOf(createWriteStream(foreign)), { sha256 })
    const verified = await run('bundle', 'verify', foreign, ...chainArgs)
    expect(verified).toMatchObject({ exitCode: 1, stdout: '' })
    expect(verified.stderr).toContain('BUNDLE_FOREIGN')
    const tallied = await run('tally', '--week', week, '--bundle', foreign, ...chainArgs)
    expect(tallied).toMatchObject({ exitCode: 1, stdout: '' })
    expect(tallied.stderr).toContain('BUNDLE_FOREIGN')
    const text = await run('bundle', 'verify', await fileOf('text.car', 'a week'), ...chainArgs)
    expect(text).toMatchObject({ exitCode: 1, stdout: '' })
    expect(text.stderr).toMatch(/BUNDLE_(CUT|DAMAGED)/)
    const none = await run('bundle', 'verify', join(directory, 'none.car'), ...chainArgs)
    expect(none).toMatchObject({ exitCode: 2, stdout: '' })
  })

  test('R-ATT-4 an empty store takes a bundle in, and has the same tally', async () => {
    const fresh = join(directory, 'fresh')
    const without = await run('bundle', 'import', car, '--dir', fresh)
    expect(without).toMatchObject({ exitCode: 2, stdout: '' })
    const profile = join(directory, 'devnet', 'profile.json')
    const imported = await run(
      'bundle',
      'import',
      car,
      '--dir',
      fresh,
      ...rpcArgs,
      '--profile',
      profile,
      '--json',
    )
    expect(imported).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(imported.stdout)).toMatchObject({
      checkpoint,
      weeks: [weekBefore(week as Week), week],
      attestations,
    })
    // What came in was kept as the blocks were read: no chain node is asked any more.
    const tallied = await run('tally', '--week', week, '--dir', fresh, '--json')
    expect(tallied).toMatchObject({ exitCode: 0, stdout: `${formatTally(devnet)}\n` })
    const again = await run(
      'bundle',
      'export',
      '--week',
      week,
      '-o',
      join(directory, 'again.car'),
      '--dir',
      fresh,
      '--with-evidence',
    )
    expect(again).toMatchObject({ exitCode: 0 })
    expect(Buffer.compare(await readFile(join(directory, 'again.car')), carBytes)).toBe(0)
  })

  test('a running daemon takes a bundle in itself, and refuses a damaged one', async () => {
    const taken = await run('bundle', 'import', car, '--dir', dir, '--json')
    expect(taken).toMatchObject({ exitCode: 0, stderr: '' })
    expect(JSON.parse(taken.stdout)).toMatchObject({ checkpoint, attestations })
    const cut = await run(
      'bundle',
      'import',
      await fileOf('cut-again.car', carBytes.subarray(0, -100)),
      '--dir',
      dir,
    )
    expect(cut).toMatchObject({ exitCode: 1, stdout: '' })
    expect(cut.stderr).toContain('BUNDLE_CUT')
    const tallied = await run('tally', '--week', week, '--dir', dir, '--json')
    expect(tallied).toMatchObject({ exitCode: 0, stdout: `${formatTally(devnet)}\n` })
  })

  test('R-CP-6 a week without an anchor has no bundle: exit code 3, and nothing is left behind', async () => {
    const out = join(directory, 'open.car')
    const { exitCode, stdout, stderr } = await run(
      'bundle',
      'export',
      '--week',
      'current',
      '-o',
      out,
      '--dir',
      dir,
    )
    expect([exitCode, stdout]).toEqual([3, ''])
    expect(stderr).toContain('BUNDLE_NO_CHECKPOINT')
    await expect(readFile(out)).rejects.toThrow('ENOENT')
  })
})

describe('secnode tally without a node', () => {
  test('R-CP-5 R-ATT-4 from a chain node and a bundle: the digest of all daemons', async () => {
    const printed = await run('tally', '--week', week, '--bundle', car, ...chainArgs)
    expect(printed).toMatchObject({ exitCode: 0 })
    expect(printed.stdout).toContain(`week ${week}  state anchored`)
    expect(printed.stdout).toContain(`digest ${devnet.digest}`)
    const json = await run('tally', '--week', week, '--bundle', car, ...chainArgs, '--json')
    expect(json.stdout).toBe(`${formatTally(devnet)}\n`)
  })

  test('R-CP-5 R-ATT-4 from a chain node and daemons that were named: the same', async () => {
    const own = await fileOf('own.json', formatTally(devnet))
    const cache = ['--cache', join(directory, 'peers-cache')]
    const args = [...chainArgs.slice(0, -2), ...cache, '--verify', own, '--json']
    const match = { result: 'match', own: devnet.digest, theirs: devnet.digest, document: [], seats: [] }
    const first = await run(
      'tally',
      ...args,
      '--peers',
      '127.0.0.1:1/' + devnet.prepared.nodes[3]!.keys.peerId,
      peerOf(2).multiaddr,
    )
    expect(first).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(first.stdout)).toMatchObject(match)
    // Everything is in the cache now: nobody is asked.
    const second = await run(
      'tally',
      ...args,
      '--peers',
      '127.0.0.1:1/' + devnet.prepared.nodes[3]!.keys.peerId,
    )
    expect(second).toMatchObject({ exitCode: 0 })
    expect(JSON.parse(second.stdout)).toMatchObject(match)
  })

  test('what nobody has is named, with exit code 3, and who could not be asked', async () => {
    const nobody = `127.0.0.1:1/${devnet.prepared.nodes[3]!.keys.peerId}`
    const { exitCode, stdout, stderr } = await run('tally', '--week', week, ...chainArgs, '--peers', nobody)
    expect([exitCode, stdout]).toEqual([3, ''])
    expect(stderr).toContain(`checkpoint ${checkpoint} cannot be found [ANCHORED_MISSING]`)
    expect(stderr).toContain(`${nobody} could not be asked`)
  })

  test('R-TALLY-6 --verify finds each member that differs, seat by seat, and a digest that is not theirs', async () => {
    const { document } = devnet
    const [first, ...others] = document.seats
    const changed = {
      ...document,
      seats: [{ ...first!, amount: '1' }, ...others.slice(0, -1)],
      digest: devnet.digest,
    }
    const path = await fileOf('changed.json', JSON.stringify(changed))
    const args = ['tally', '--bundle', car, ...chainArgs, '--verify', path]
    const json = await run(...args, '--json')
    expect(json.exitCode).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      result: 'mismatch',
      own: devnet.digest,
      claimed: devnet.digest,
      document: [],
      seats: [
        {
          seat: first!.seat,
          is: 'differs',
          differences: [{ member: 'amount', own: JSON.stringify(first!.amount), theirs: '"1"' }],
        },
        { seat: others.at(-1)!.seat, is: 'missing' },
      ],
    })
    const text = await run(...args)
    expect(text.exitCode).toBe(1)
    expect(text.stdout).toContain(
      `seat ${first!.seat} ${first!.host}: amount: own "${first!.amount}", theirs "1"`,
    )
    expect(text.stdout).toContain('not the digest of their document')
    expect(text.stdout).toContain('mismatch: 2 seats differ')
    const none = await run(
      'tally',
      '--bundle',
      car,
      ...chainArgs,
      '--verify',
      await fileOf('none.json', '{}'),
    )
    expect(none).toMatchObject({ exitCode: 2, stdout: '' })
  })

  test('R-CP-6 a week without an anchor is not tallied from a bundle: exit code 3, with its state', async () => {
    const { exitCode, stdout, stderr } = await run(
      'tally',
      '--week',
      'current',
      '--bundle',
      car,
      ...chainArgs,
    )
    expect([exitCode, stdout]).toEqual([3, ''])
    expect(stderr).toMatch(/is (open|frozen): no anchor fixes it \[WEEK_NOT_ANCHORED\]/)
  })

  test('what does not go together is refused with exit code 2', async () => {
    for (const args of [
      ['--bundle', car],
      ['--bundle', car, ...rpcArgs],
      [...chainArgs],
      [...chainArgs, '--bundle', car, '--peers', peerOf(2).plain],
      [...chainArgs, '--bundle', car, '--dir', dir],
      [...chainArgs, '--peers', '127.0.0.1:1'],
    ]) {
      expect(await run('tally', ...args)).toMatchObject({ exitCode: 2, stdout: '' })
    }
  })
})

test('R-CP-8 a node that has a week complete says so in the DHT', async () => {
  const { host } = runningOf(2).daemon
  const found = await host.findProviders(CID.parse(checkpoint))
  const others = devnet.running().map(({ daemon }) => daemon.host.peerId)
  expect(found.length).toBeGreaterThan(0)
  for (const { peerKey } of found) expect(others).toContain(peerIdOfKey(peerKey))
})

describe('secnode explain --verify', () => {
  test('R-CASE-2 R-CASE-3 a case file of an anchored week: all that counts is shown, and missed when it is left out', async () => {
    const file = join(directory, 'case.json')
    const written = await run('explain', '--week', week, '--seat', '2', '--dir', dir, '--export', file)
    expect(written).toMatchObject({ exitCode: 0, stderr: '' })
    const verify = async (path: string, ...where: readonly string[]): Promise<VerifiedCase> =>
      JSON.parse((await run('explain', '--verify', path, ...where, '--json')).stdout) as VerifiedCase
    for (const where of [chainArgs, ['--dir', dir]]) {
      const { lines } = await verify(file, ...where)
      expect(
        lines.filter(({ subject, is }) => subject === 'outcome' && is === 'holds').length,
      ).toBeGreaterThan(2)
      // The node of seat 0 was built anew from the chain, and its evidence is gone.
      const others = lines.filter(({ is }) => is !== 'holds' && is !== 'unchecked')
      expect(others.filter(({ detail }) => !detail.endsWith('evidence: not in the file'))).toEqual([])
      expect(others.every(({ subject, is }) => subject === 'seat 0' && is === 'missing')).toBe(true)
    }
    const json = JSON.parse(await readFile(file, 'utf8')) as { epochs: { attestations: unknown[] }[] }
    json.epochs.at(-1)!.attestations.pop()
    const shorter = await fileOf('shorter.json', `${canonicalJson(json as never)}\n`)
    const missed = await verify(shorter, ...chainArgs)
    expect(
      missed.lines.filter(({ is, subject }) => (is === 'missing' || is === 'fails') && subject !== 'seat 0'),
    ).not.toEqual([])
    expect(missed.result).not.toBe('holds')
  })
})
