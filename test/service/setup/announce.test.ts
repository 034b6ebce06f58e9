import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeQR } from 'qr/decode.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coin, equalBytes, stakeOfAddress } from '../../../protocol/index.ts'
import type { Follower } from '../../../src/chain-node/follower/follower.ts'
import {
  getNewAddress,
  sendMany,
  signMessage,
  zGetOperationStatus,
} from '../../../src/chain-node/rpc/methods.ts'
import { type PreparedDevnet, prepareDevnet } from '../../../src/devnet/prepare.ts'
import { loadNodeKeyFile } from '../../../src/keys/node-key.ts'
import { loadConfig } from '../../../src/service/config.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { followTo } from '../../../src/week-io/follow-chain.ts'
import { realWorld } from '../../../src/world.ts'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { CliIo } from '../../../src/cli/io.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { parseHostsTable, parseSignatures } from '../../../src/service/setup/hosts-table.ts'
import { runInProcess } from '../../cli/in-process.ts'
import { until } from '../../net/local-hosts.ts'

const signal = new AbortController().signal

let dir: string
let devnet: PreparedDevnet
const file = (...parts: string[]): string => join(dir, ...parts)

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-setup-'))
  devnet = await prepareDevnet(
    { nodes: 1, epochs: 3, seed: 51, with: {}, profile: 'devnet' },
    file('devnet'),
    realWorld(),
  )
  devnet.chain.mine(2)
})
afterAll(async () => {
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

/** `secnode init` for a node of this devnet, at a stake of its wallet. */
const init = async (name: string, stake: string, ...more: string[]) =>
  await runInProcess(
    'init',
    '--config',
    file(name, 'secnode.yaml'),
    '--profile',
    file('devnet', 'profile.json'),
    '--host',
    `${name}.example.org`,
    '--stake',
    stake,
    '--rpc',
    devnet.server.url,
    '--rpc-user',
    devnet.nodes[0]!.config.rpc.user!,
    '--rpc-password',
    devnet.nodes[0]!.config.rpc.password!,
    ...more,
  )

/** An address of the wallet with enough for an announcement. */
const funded = async (amount = 50n * coin): Promise<string> => {
  const address = await getNewAddress(devnet.rpc)
  await sendMany(devnet.rpc, { [address]: amount }, 1)
  devnet.chain.mine(1)
  return address
}

/** Carries out what was printed for `z_sendmany`, and nothing else. */
const pay = async (call: string, from: string, { rpc }: PreparedDevnet = devnet): Promise<void> => {
  const [, recipients] = /^z_sendmany "<from>" '(.*)' 1$/.exec(call)!
  const id = await rpc.call('z_sendmany', [from, JSON.parse(recipients!), 1], z.string())
  await until(async () => (await zGetOperationStatus(rpc, [id]))[0]?.status === 'success')
}

const follow = async (store = createMemoryStore()): Promise<Follower> => {
  devnet.chain.mine(devnet.network.profile.genesis.confirmations + 1)
  const { network, rpc } = devnet
  return await followTo({ network, rpc, store, world: realWorld(), height: null, signal })
}

describe('init', () => {
  test('writes a configuration with comments that the daemon takes, and keys for its owner alone', async () => {
    const stake = await getNewAddress(devnet.rpc)
    const hot = await getNewAddress(devnet.rpc)
    const run = await init('first', stake, '--anchor-from', hot, '--listen', '::', '--p2p', '1234')
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    expect(run.stdout).toContain('secnode doctor --config')
    const config = await loadConfig(file('first', 'secnode.yaml'))
    expect(config).toMatchObject({
      host: 'first.example.org',
      stake,
      dir: file('first', 'data'),
      profile: file('devnet', 'profile.json'),
      listen: { address: '::', p2p: 1_234, tls: 9_735 },
      certificate: { cert: '/etc/letsencrypt/live/first.example.org/fullchain.pem' },
      rpc: { url: devnet.server.url },
      anchor: { from: hot },
    })
    for (const path of ['secnode.yaml', 'node.key']) {
      expect(statSync(file('first', path)).mode & 0o777).toBe(0o600)
    }
    const text = readFileSync(file('first', 'secnode.yaml'), 'utf8')
    expect(text.split('\n').filter((line) => line.startsWith('#')).length).toBeGreaterThan(10)
    expect(run.stdout).toContain((await loadNodeKeyFile(config.keys)).peerId)
  })

  test('overwrites nothing: neither the configuration nor the keys', async () => {
    const stake = await getNewAddress(devnet.rpc)
    await init('twice', stake)
    const before = ['secnode.yaml', 'node.key'].map((path) => readFileSync(file('twice', path), 'utf8'))
    const again = await init('twice', await getNewAddress(devnet.rpc))
    expect(again).toMatchObject({ exitCode: 2, stdout: '' })
    expect(again.stderr).toContain('[INIT_EXISTS]')
    expect(['secnode.yaml', 'node.key'].map((path) => readFileSync(file('twice', path), 'utf8'))).toEqual(
      before,
    )
    // A new configuration beside old keys takes the keys that are there.
    rmSync(file('twice', 'secnode.yaml'))
    expect((await init('twice', stake)).exitCode).toBe(0)
    expect(readFileSync(file('twice', 'node.key'), 'utf8')).toBe(before[1])
  })

  test('R-REG-1 ports that others reach under other numbers are announced under these', async () => {
    const stake = await getNewAddress(devnet.rpc)
    const mapped = await init('mapped', stake, '--public-p2p', '9033', '--public-tls', '9034')
    expect(mapped).toMatchObject({ exitCode: 0, stderr: '' })
    const path = file('mapped', 'secnode.yaml')
    expect(await loadConfig(path)).toMatchObject({
      listen: { p2p: 9_734, tls: 9_735 },
      public: { p2p: 9_033, tls: 9_034 },
    })
    const announced = await runInProcess('announce', '--config', path, '--at', '7', '--json')
    expect(announced.stdout).toContain('p2p=9033 tls=9034 at=7')
    // Of many nodes behind one router each may have ports of its own.
    writeFileSync(file('mapped.csv'), `host,stake,p2p,tls\na.example.org,${stake},9133,\n`)
    const nodes = ['--nodes', file('mapped.csv'), '--out', file('mapped-nodes')]
    const many = await runInProcess('announce', '--config', path, '--at', '7', ...nodes)
    expect(many.exitCode).toBe(0)
    expect(await loadConfig(file('mapped-nodes', 'a.example.org', 'secnode.yaml'))).toMatchObject({
      listen: { p2p: 9_734, tls: 9_735 },
      public: { p2p: 9_133, tls: 9_034 },
    })
    const half = await init('half', stake, '--public-tls', '9034')
    expect(half).toMatchObject({ exitCode: 2, stdout: '' })
    expect(half.stderr).toContain('--public-p2p and --public-tls go together')
  })

  test('takes no private key, no address of another chain, and no hot wallet that is the stake', async () => {
    const key = await init('key', 'cQ1DDxScq1rsYDdCUBywawwNVWTMwnLzCKCwGndC6MgdNtKPQ5Hz')
    expect(key).toMatchObject({ exitCode: 2, stdout: '' })
    expect(key.stderr).toContain('[INIT_PRIVATE_KEY]')
    expect(key.stderr).not.toContain('cQ1DDx')
    const other = await init('other', 't1Hsc1LR8yKnbbe3twRp88p6vFfC5t7DLbs')
    expect(other.stderr).toContain('[STAKE_ADDRESS]')
    const stake = await getNewAddress(devnet.rpc)
    expect((await init('same', stake, '--anchor-from', stake)).stderr).toContain('[INIT_HOT_STAKE]')
    for (const name of ['key', 'other', 'same']) {
      expect(() => statSync(file(name))).toThrow('ENOENT')
    }
  })

  test('without a terminal it says what is missing', async () => {
    const run = await runInProcess('init', '--config', file('none.yaml'), '--profile', 'devnet')
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
    expect(run.stderr).toContain('--host, --stake')
  })
})

describe('R-REG-1, R-REG-2 announce', () => {
  let stake: string
  let text: string

  const announce = async (...more: string[]) =>
    await runInProcess('announce', '--config', file('node', 'secnode.yaml'), '--json', ...more)
  const signed = async (message: string): Promise<string> => await signMessage(devnet.rpc, stake, message)

  beforeAll(async () => {
    stake = await funded()
    await init('node', stake)
    text = (JSON.parse((await announce()).stdout) as { text: string }).text
  })

  test('R-REG-2 the text has three lines, the same ones for whoever asks again, and lies in a file as it is signed', async () => {
    expect(text.split('\n')).toEqual([
      'secnode announcement',
      devnet.network.networkId,
      expect.stringMatching(
        /^secnode:1 peer=12D3\S+ host=node\.example\.org p2p=9734 tls=9735 at=\d+ stake=tm\S+ bls=\S{64} pop=\S{128}$/,
      ),
    ])
    devnet.chain.mine(1)
    expect((JSON.parse((await announce()).stdout) as { text: string }).text).toBe(text)
    expect(readFileSync(file('node', 'announcement.txt'), 'utf8')).toBe(text)
    const shown = await runInProcess('announce', '--config', file('node', 'secnode.yaml'))
    expect(shown.stdout).toContain(text)
    expect(shown.stdout).toContain('--signature SIGNATURE')
  })

  test.each([
    ['of another key', 'ANNOUNCE_SIGNATURE_KEY', 'that of tm', () => signMessageOfOther()],
    [
      'over a text with a line break at its end',
      'ANNOUNCE_SIGNATURE_TEXT',
      'line break at the end',
      () => signed(`${text}\n`),
    ],
    [
      'over a text with line breaks of Windows',
      'ANNOUNCE_SIGNATURE_TEXT',
      'Windows',
      () => signed(text.replaceAll('\n', '\r\n')),
    ],
    [
      'over the memo alone',
      'ANNOUNCE_SIGNATURE_TEXT',
      'only the last line',
      () => signed(text.split('\n')[2]!),
    ],
    ['over another text', 'ANNOUNCE_SIGNATURE_KEY', 'another text', () => signed('hello')],
    ['that is none', 'ANNOUNCE_SIGNATURE_FORM', '88 characters', () => Promise.resolve('H9qS')],
  ])('R-REG-2 a signature %s is refused with the reason', async (_, code, reason, sign) => {
    const run = await announce('--signature', await sign())
    expect(run).toMatchObject({ exitCode: 1, stdout: '' })
    expect(run.stderr).toContain(`[${code}]`)
    expect(run.stderr).toContain(reason)
  })

  const signMessageOfOther = async (): Promise<string> =>
    await signMessage(devnet.rpc, await getNewAddress(devnet.rpc), text)

  test('R-REG-2 a signature for a configuration that has changed since is refused', async () => {
    const path = file('node', 'secnode.yaml')
    const before = readFileSync(path, 'utf8')
    writeFileSync(path, before.replace('tls: 9735', 'tls: 9736'))
    expect((await announce('--signature', await signed(text))).stderr).toContain('[ANNOUNCE_CHANGED]')
    writeFileSync(path, before)
    const late = await announce('--signature', await signed(text), '--at', '1000')
    expect(late.stderr).toContain('[ANNOUNCE_STALE]')
  })

  test('R-REG-3 the payment that it prints makes a seat: as URI, as QR code and as call', async () => {
    const run = await announce('--signature', await signed(text))
    expect(run).toMatchObject({ exitCode: 0, stderr: '' })
    const { memo, uri, call } = JSON.parse(run.stdout) as { memo: string; uri: string; call: string }

    // ZIP 321, read by the platform's own parser of URLs.
    const { genesis } = devnet.network.profile
    const parameters = new URL(uri).searchParams
    expect(uri).toMatch(/^zcash:\?/)
    expect([...parameters.keys()]).toEqual(['address', 'amount', 'address.1', 'amount.1', 'memo.1'])
    expect(parameters.get('address')).toBe(stake)
    expect(parameters.get('amount')).toBe('42')
    expect(parameters.get('address.1')).toBe(genesis.announceAddress)
    expect(Buffer.from(parameters.get('memo.1')!, 'base64url').toString('utf8')).toBe(memo)

    const shown = await runInProcess(
      'announce',
      '--config',
      file('node', 'secnode.yaml'),
      '--signature',
      await signed(text),
    )
    expect(textOfQr(shown.stdout)).toBe(uri)

    // What the node's wallet is told pays the same.
    const recipients = JSON.parse(/'(.*)'/.exec(call)![1]!) as {
      address: string
      amount: string
      memo?: string
    }[]
    expect(recipients).toEqual([
      { address: stake, amount: '42.00000000' },
      {
        address: genesis.announceAddress,
        amount: Number(parameters.get('amount.1')).toFixed(8),
        memo: Buffer.from(memo, 'utf8').toString('hex'),
      },
    ])
    await pay(call, stake)
    const follower = await follow()
    const standing = follower.standingOf(stakeOfAddress(genesis.chain, stake)!)
    const keys = await loadNodeKeyFile(file('node', 'node.key'))
    expect(standing?.record).toMatchObject({ host: 'node.example.org', p2p: 9_734, tls: 9_735 })
    expect(equalBytes(standing!.record.peer, keys.peerKey)).toBe(true)
    expect(equalBytes(standing!.record.bls, keys.blsPublicKey)).toBe(true)
    expect(standing!.record.activeSince).not.toBeNull()
  })
})

describe('R-REG-3 announce --nodes', () => {
  const count = 10
  let stakes: string[]

  const announceAll = async (...more: string[]) =>
    await runInProcess(
      'announce',
      '--config',
      file('template', 'secnode.yaml'),
      '--nodes',
      file('hosts.csv'),
      '--out',
      file('nodes'),
      ...more,
    )

  beforeAll(async () => {
    stakes = []
    for (let i = 0; i < count; i++) stakes.push(await funded())
    await init(
      'template',
      stakes[0]!,
      '--cert',
      '/certs/{host}/fullchain.pem',
      '--cert-key',
      '/certs/{host}/key.pem',
    )
    const more = stringify({
      alerts: { webhooks: [{ url: 'https://hooks.example.org/x', secret: 's' }], commands: [['./page-me']] },
      pollSeconds: 7,
    })
    const template = readFileSync(file('template', 'secnode.yaml'), 'utf8').replace('log: info', 'log: debug')
    writeFileSync(file('template', 'secnode.yaml'), template.replace('port: 9736', 'port: 9737') + more)
    // As a spreadsheet writes it: byte order mark, quotes, line breaks of Windows, an empty line at the end.
    const rows = stakes.map((stake, i) => `"h${i}.example.org",${stake},${i === 3 ? '4001' : ''},`)
    writeFileSync(file('hosts.csv'), `\uFEFFHost,Stake,p2p,tls\r\n${rows.join('\r\n')}\r\n\r\n`)
  })

  test('R-REG-3 ten nodes from one wallet: folders, texts, signatures, payments, seats', async () => {
    const prepared = await announceAll('--json')
    expect(prepared).toMatchObject({ exitCode: 0, stderr: '' })
    const { nodes, signatures } = JSON.parse(prepared.stdout) as {
      signatures: string
      nodes: { host: string; stake: string; peer: string; text: string }[]
    }
    expect(nodes.map(({ host, stake }) => [host, stake])).toEqual(
      stakes.map((stake, i) => [`h${i}.example.org`, stake]),
    )
    expect(new Set(nodes.map(({ peer }) => peer)).size).toBe(count)
    expect(await loadConfig(file('nodes', 'h3.example.org', 'secnode.yaml'))).toMatchObject({
      host: 'h3.example.org',
      stake: stakes[3],
      listen: { p2p: 4_001, tls: 9_735 },
      certificate: { cert: '/certs/h3.example.org/fullchain.pem' },
      keys: file('nodes', 'h3.example.org', 'node.key'),
      rpc: { url: devnet.server.url },
      // Whoever has ten nodes wants to be told of each.
      alerts: {
        webhooks: [{ url: 'https://hooks.example.org/x', secret: 's' }],
        commands: [[file('template', 'page-me')]],
      },
      web: { port: 9_737 },
      log: 'debug',
      pollSeconds: 7,
      syncSeconds: 30,
    })
    const written = readFileSync(file('nodes', 'h3.example.org', 'secnode.yaml'), 'utf8')
    expect(written.split('\n').filter((line) => line.startsWith('#')).length).toBeGreaterThan(10)
    expect(written).not.toContain('syncSeconds')
    // A template is as powerful as a program: what it makes all nodes do is said once.
    expect((await announceAll()).stdout.split('as their configurations say:\n')[1]).toBe(
      `  asks the chain node at ${new URL(devnet.server.url).origin}\n  runs ${file('template', 'page-me')}\n` +
        '  sends alerts to https://hooks.example.org\n  serves its page at 127.0.0.1:9737\n' +
        '  dials ports of this machine that other nodes announce, as its profile allows\n',
    )

    // Half of the signatures come back, one of them another's; the table says so, and nothing is lost.
    const rows = readFileSync(signatures, 'utf8').trim().split('\n')
    expect(rows[1]).toBe(`h0.example.org,${stakes[0]!},`)
    const sign = async (i: number): Promise<string> =>
      await signMessage(devnet.rpc, stakes[i]!, nodes[i]!.text)
    const fill = async (those: readonly (string | undefined)[]): Promise<void> => {
      writeFileSync(
        signatures,
        [rows[0], ...rows.slice(1).map((row, i) => row + (those[i] ?? ''))].join('\n'),
      )
    }
    await fill([await sign(0), await sign(2), await sign(2)])
    const partly = await announceAll('--signatures', signatures)
    expect(partly).toMatchObject({ exitCode: 1, stderr: '' })
    const states = partly.stdout
      .split('\n')
      .slice(2, 2 + count)
      .map((line) => /tm\S+\s+(\S+)/.exec(line)?.[1])
    expect(states).toEqual(['good', 'wrong', 'good', ...Array<string>(count - 3).fill('missing')])
    expect(partly.stdout).toContain('[ANNOUNCE_SIGNATURE_KEY]')

    // Asked again, it keeps keys, texts and the table that is being filled in.
    const again = JSON.parse((await announceAll('--json')).stdout) as typeof prepared & {
      nodes: typeof nodes
    }
    expect(again.nodes).toEqual(nodes)
    expect(readFileSync(signatures, 'utf8')).toContain(await sign(0))

    await fill(await Promise.all(nodes.map(async (_, i) => await sign(i))))
    const whole = await announceAll('--signatures', signatures, '--json')
    expect(whole).toMatchObject({ exitCode: 0, stderr: '' })
    const { nodes: payable } = JSON.parse(whole.stdout) as {
      nodes: { host: string; memo: string; call: string }[]
    }
    const store = createMemoryStore()
    const seatsBefore = (await seatsOf(await follow(store))).length
    for (const [i, { call }] of payable.entries()) await pay(call, stakes[i]!)
    for (const { host, memo } of payable) {
      expect(readFileSync(file('nodes', host, 'payment.txt'), 'utf8')).toContain(memo)
    }
    const seats = (await seatsOf(await follow(store))).slice(seatsBefore)
    expect(seats.map(({ host }) => host).sort()).toEqual(nodes.map(({ host }) => host).sort())
    expect(seats.every(({ activeSince }) => activeSince !== null)).toBe(true)
  })

  test('R-REG-3 one stake twice, however it is spelled, one host twice, and what is no table', () => {
    const { network } = devnet
    const other = stakes.slice(0, 2)
    const refusal = (text: string): string => {
      try {
        parseHostsTable(text, 'hosts.csv', network)
        return 'taken'
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(refusal(`host,stake\na.example,${other[0]!}\nb.example,${other[1]!}`)).toBe('taken')
    expect(refusal(`host,stake\na.example,${other[0]!}\nb.example,${other[0]!}`)).toMatch(
      /line 3: stake tm.* line 2/,
    )
    expect(refusal(`host,stake\na.example,${other[0]!}\n\na.example,${other[1]!}`)).toMatch(
      /line 4: a.example .* line 2/,
    )
    expect(refusal(`host,stake\nA.example,${other[0]!}`)).toContain(
      'line 2: host: must be a lower-case DNS name',
    )
    expect(refusal('host,stake\na.example,t1Hsc1LR8yKnbbe3twRp88p6vFfC5t7DLbs')).toContain('no P2PKH address')
    expect(refusal(`host,stake,p2p\na.example,${other[0]!},70000`)).toContain('above 65535')
    expect(refusal(`host,stake,seed\na.example,${other[0]!},x`)).toContain('unknown column seed')
    expect(refusal(`host,stake\na.example`)).toContain('line 2: stake: is missing')
    expect(refusal(`a.example,${other[0]!}`)).toContain('line 1: it names no column host, stake')
    expect(refusal(`hots,stake\na.example,${other[0]!}`)).toContain('line 1: it names no column host')
    expect(refusal('')).toContain('no nodes')
    expect(refusal('host,stake\n"a.example')).toContain('hosts.csv')
  })

  test('of a table with many mistakes all are told at once', async () => {
    const [stake = ''] = stakes
    const wrong = ['host,stake,p2p', `A.example,${stake}`, 'b.example,t1nope', `c.example,${stake},70000`]
    writeFileSync(file('wrong.csv'), [...wrong, `c.example,${stake}`, 'd.example'].join('\n'))
    const run = await runInProcess(
      'announce',
      '--config',
      file('template', 'secnode.yaml'),
      '--nodes',
      file('wrong.csv'),
      '--out',
      file('nowhere'),
    )
    expect(run).toMatchObject({ exitCode: 2, stdout: '' })
    const [message, ...told] = run.stderr.trimEnd().split('\n')
    expect(message).toContain('wrong.csv: 6 mistakes [HOSTS_TABLE]')
    expect(told.map((line) => line.trim().split(':')[0])).toEqual([
      'line 2',
      'line 3',
      'line 4',
      'line 5',
      'line 5',
      'line 6',
      expect.stringContaining('Write a first line') as string,
    ])
    // Nothing was made of those that are right.
    expect(existsSync(file('nowhere'))).toBe(false)
    const thousand = Array.from({ length: 1_000 }, () => 'x,y').join('\n')
    expect(() => parseHostsTable(`host,stake\n${thousand}`, 'hosts.csv', devnet.network)).toThrow(
      '1000 mistakes',
    )
  })

  test('a signature of a host that is none of the nodes is no signature that was forgotten', () => {
    const hosts = new Set(['a.example', 'b.example'])
    const signed = 'host,stake,signature\na.example,tm,H9='
    expect([...parseSignatures(signed, 's.csv', hosts)]).toEqual([['a.example', 'H9=']])
    expect(() => parseSignatures(`${signed}\nc.example,tm,H9=`, 's.csv', hosts)).toThrow(
      's.csv, line 3: c.example is none of the nodes',
    )
    expect(() => parseSignatures(`${signed}\na.example,tm,H9=`, 's.csv', hosts)).toThrow('is there twice')
    expect(() => parseSignatures('host\na.example', 's.csv', hosts)).toThrow('no column signature')
  })
})

const seatsOf = async (follower: Follower) => (await follower.seatsAfter(follower.confirmedHeight)) ?? []

describe('on a terminal', () => {
  test('init asks for what is missing, again where an answer is wrong, and announce for the signature', async () => {
    const stake = await funded()
    const { user, password } = devnet.nodes[0]!.config.rpc
    const asked = await runOnTerminal(
      [
        'Node.Example.org',
        'asked.example.org',
        'L1aW4aubDFB7yfras2S1mN3bqg9nwySY8nkoLmJebSLD5BWv3ENZ',
        stake,
        devnet.server.url,
        '',
        '',
        '',
      ],
      ['init', '--config', file('asked', 'secnode.yaml'), '--profile', file('devnet', 'profile.json')],
    )
    expect(asked).toMatchObject({ exitCode: 0, left: [] })
    expect(asked.stderr).toContain('no lower-case DNS name')
    expect(asked.stderr).toContain('this is a private key')
    const path = file('asked', 'secnode.yaml')
    const config = await loadConfig(path)
    expect(config).toMatchObject({ host: 'asked.example.org', stake, rpc: { url: devnet.server.url } })
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace(/  # cookie.*/, `  user: ${user!}\n  password: "${password!}"`),
    )

    const text = (
      JSON.parse((await runInProcess('announce', '--config', path, '--json')).stdout) as { text: string }
    ).text
    const signed = await runOnTerminal(
      ['nonsense', await signMessage(devnet.rpc, stake, text)],
      ['announce', '--config', path],
    )
    expect(signed).toMatchObject({ exitCode: 0, left: [] })
    expect(signed.stderr).toContain('[ANNOUNCE_SIGNATURE_FORM]')
    expect(signed.stdout).toContain('z_sendmany')
    const later = await runOnTerminal([''], ['announce', '--config', path])
    expect(later.stdout).toContain('--signature SIGNATURE')
  })
})

/** A command before which somebody sits and gives these answers. */
const runOnTerminal = async (answers: string[], args: readonly string[]) => {
  const result = { exitCode: 0, stdout: '', stderr: '', left: answers }
  const io: CliIo = {
    stdout: (text) => void (result.stdout += text),
    stderr: (text) => void (result.stderr += text),
    isTerminal: true,
    ask: (question) => {
      const answer = answers.shift()
      return answer === undefined
        ? Promise.reject(new Error(`no answer to ${question}`))
        : Promise.resolve(answer)
    },
    signal,
    setExitCode: (code) => void (result.exitCode = code),
  }
  await createProgram(io).parseAsync(['node', 'secnode', ...args])
  return result
}

test('R-REG-3 on a ZEN chain: no payment URI, and the call makes the seat', async () => {
  const zen = await prepareDevnet(
    { nodes: 1, epochs: 3, seed: 51, with: {}, profile: 'zen-devnet' },
    file('zen'),
    realWorld(),
  )
  try {
    const { configFile, config, stake } = zen.nodes[0]!
    const json = async (...more: string[]) =>
      JSON.parse(
        (await runInProcess('announce', '--config', configFile, '--json', ...more)).stdout,
      ) as Record<'text' | 'memo' | 'call' | 'uri', string | null>
    const { text } = await json()
    const { uri, call } = await json('--signature', await signMessage(zen.rpc, config.stake, text!))
    expect(uri).toBeNull()
    const purse = await getNewAddress(zen.rpc)
    await sendMany(zen.rpc, { [purse]: 50n * coin }, 1)
    zen.chain.mine(1)
    await pay(call!, purse, zen)
    zen.chain.mine(zen.network.profile.genesis.confirmations + 1)
    const { network, rpc } = zen
    const store = createMemoryStore()
    const follower = await followTo({ network, rpc, store, world: realWorld(), height: null, signal })
    expect(follower.standingOf(stake)?.record.host).toBe(config.host)
  } finally {
    await zen.close()
  }
})

/** The text of a QR code that was drawn in half blocks, read by another library than the one that drew it. */
const textOfQr = (output: string): string => {
  const lines = output.split('\n').filter((line) => /^[█▀▄ ]{20,}$/.test(line))
  const [scale, border] = [4, 16]
  const size = Math.max(lines.length * 2, lines[0]!.length)
  const width = size * scale + 2 * border
  const data = new Uint8Array(width * width * 4).fill(255)
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const cell = lines[y >> 1]?.[x] ?? '█'
      // Full blocks are the light of a dark terminal.
      const isLight = cell === '█' || (y % 2 === 0 ? cell === '▀' : cell === '▄')
      if (isLight) continue
      for (let dy = 0; dy < scale; dy++) {
        const from = 4 * ((border + y * scale + dy) * width + border + x * scale)
        for (let at = from; at < from + 4 * scale; at += 4) data.fill(0, at, at + 3)
      }
    }
  }
  return decodeQR({ width, height: width, data })
}
