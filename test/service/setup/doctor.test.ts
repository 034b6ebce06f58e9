import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import * as x509 from '@peculiar/x509'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { coin } from '../../../protocol/index.ts'
import { parseProfile } from '../../../src/chain/profiles.ts'
import {
  getNewAddress,
  sendMany,
  type ShieldedPayment,
  signMessage,
  zGetOperationStatus,
  zSendMany,
} from '../../../src/chain-node/rpc/methods.ts'
import { askDaemon } from '../../../src/cli/control-client.ts'
import type { CliIo } from '../../../src/cli/io.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { createDevnetCa } from '../../../src/devnet/certificates.ts'
import type { RpcMethods } from '../../../src/devnet/chain/rpc/dispatch.ts'
import { fail } from '../../../src/devnet/chain/rpc/errors.ts'
import { createRpcMethods } from '../../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../../src/devnet/chain/rpc-server.ts'
import type { RpcDialect } from '../../../src/devnet/chain/rpc/dialect.ts'
import { type PreparedDevnet, type PreparedNode, prepareDevnet } from '../../../src/devnet/prepare.ts'
import { createNodeKeyFile, createNodeKeys } from '../../../src/keys/node-key.ts'
import { type AssembledNode, assembleNode, createRpc } from '../../../src/service/assemble.ts'
import type { Config } from '../../../src/service/config.ts'
import { type ControlServer, createControlServer } from '../../../src/web/control/server.ts'
import { profileJson } from '../../../src/service/data-dir.ts'
import { createObserver } from '../../../src/service/self-diagnosis/observe.ts'
import { prepareAnnouncement, signedMemo } from '../../../src/service/setup/announcing.ts'
import { stakeCheck } from '../../../src/service/setup/check-stake.ts'
import { type DoctorReport, runDoctor } from '../../../src/service/setup/doctor.ts'
import { DaemonStanding } from '../../../src/service/doctor-answers.ts'
import { createFacts } from '../../../src/service/setup/fact-finder.ts'
import type { DoctorOptions } from '../../../src/service/setup/facts.ts'
import { realWorld, type World } from '../../../src/world.ts'
import { runInProcess } from '../../cli/in-process.ts'
import { testCa } from '../../fixtures/certificates.ts'
import { silent, until } from '../../net/local-hosts.ts'

const dayMs = 86_400_000
const signal = new AbortController().signal

let dir: string
let devnet: PreparedDevnet
/** The node that is looked at; it does not run, so the doctor serves its ports. */
let patient: PreparedNode
let helper: AssembledNode
let servers: RpcServer[] = []
/** Quotas of dial-backs are for minutes: between two looks the helper's clock is put forward. */
let skippedMs = 0
const helperWorld: World = { ...realWorld(), monotonicMs: () => performance.now() + skippedMs }

/** Fifty looks in half a minute are more than a node lets in from one address. */
const generousLimits = {
  maxNewPerSecondPerAddress: 500,
  maxPendingPerAddress: 500,
  maxStrangersPerAddress: 500,
}

const file = (...parts: string[]): string => join(dir, ...parts)

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-doctor-'))
  devnet = await prepareDevnet(
    { nodes: 3, epochs: 3, seed: 51, with: {}, profile: 'devnet' },
    file('devnet'),
    realWorld(),
  )
  patient = devnet.nodes[1]!
  // Certificates of the tests' own authority are as good as those of the devnet's.
  const { profile } = devnet.network
  const roots = [...(profile.roots ?? []), testCa.caPem]
  writeFileSync(patient.config.profile, profileJson({ ...profile, roots }))
  for (const node of devnet.nodes) await devnet.announce(node)
  devnet.chain.mine(profile.genesis.confirmations + 2)
  const daemon = { hostLimits: generousLimits }
  helper = await assembleNode(devnet.nodes[0]!.config, { logger: silent, world: helperWorld, daemon })
  await helper.start()
  await until(() => helper.daemon.isCaughtUp())
})
afterAll(async () => {
  await helper.stop()
  await Promise.all(servers.map((server) => server.stop()))
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

let written = 0
/** The patient's configuration with changes, in a file of its own. */
const configFile = (changes: Partial<Config> = {}): string => {
  const path = file(`config-${++written}.yaml`)
  const config = { ...patient.config, dir: file(`data-${written}`), ...changes }
  writeFileSync(path, stringify(config), { mode: 0o600 })
  return path
}

const look = async (
  changes: Partial<Config> = {},
  options: Partial<DoctorOptions> = {},
): Promise<DoctorReport> => {
  skippedMs += 60 * 60_000
  return await runDoctor({
    configFile: configFile(changes),
    world: realWorld(),
    logger: silent,
    signal,
    askDaemon,
    ...options,
  })
}

/** Codes of failures, and of warnings with a question mark. */
const codesOf = (report: DoctorReport): string[] =>
  report.checks.flatMap(({ findings }) =>
    findings.map(({ code, severity }) => (severity === 'failure' ? code : `${code}?`)),
  )

const certificateOf = async (
  name: string,
  { certPem, keyPem }: { certPem: string; keyPem: string },
): Promise<Pick<Config, 'certificate'>> => {
  const certificate = { cert: file(`${name}.pem`), key: file(`${name}-key.pem`) }
  writeFileSync(certificate.cert, certPem)
  writeFileSync(certificate.key, keyPem, { mode: 0o600 })
  return await Promise.resolve({ certificate })
}

/** The chain's node with other answers, over HTTP like the real one. */
const nodeWith = async (
  methods: Partial<RpcMethods>,
  dialect: RpcDialect = 'zebrad',
): Promise<Pick<Config, 'rpc'>> => {
  const { user, password } = patient.config.rpc
  const server = createRpcServer({
    methods: { ...createRpcMethods(devnet.chain), ...methods } as RpcMethods,
    dialect,
    auth: { kind: 'password', user: user!, password: password! },
    world: realWorld(),
  })
  await server.start()
  servers.push(server)
  return { rpc: { url: server.url, user: user!, password: password! } }
}

const infoWith = (changes: object): Partial<RpcMethods> => {
  const method = createRpcMethods(devnet.chain)['getblockchaininfo']!
  return {
    getblockchaininfo: { ...method, run: (params) => ({ ...(method.run(params) as object), ...changes }) },
  }
}

const pay = async (payment: ShieldedPayment, blocks?: number): Promise<void> => {
  const operation = await zSendMany(devnet.rpc, payment)
  await until(async () => (await zGetOperationStatus(devnet.rpc, [operation]))[0]?.status === 'success')
  devnet.chain.mine(blocks ?? devnet.network.profile.genesis.confirmations + 1)
}

/** A stake of its own that announces the patient: with `amount` to the stake, and so many blocks from then on. */
const announcedStake = async (amount: bigint, blocks?: number): Promise<{ stake: string }> => {
  const stake = await getNewAddress(devnet.rpc)
  const purse = await getNewAddress(devnet.rpc)
  await sendMany(devnet.rpc, { [purse]: amount + coin }, 1)
  devnet.chain.mine(1)
  const { network, chain } = devnet
  const draft = prepareAnnouncement(network, { ...patient.config, stake }, patient.keys, chain.tip.height)
  const memo = signedMemo(network, draft, await signMessage(devnet.rpc, stake, draft.text))
  const recipients = [
    { address: stake, amount },
    { address: network.profile.genesis.announceAddress, amount: 10_000n, memo: Buffer.from(memo) },
  ]
  await pay({ from: purse, recipients }, blocks)
  return { stake }
}

/** As a container or a router maps a port to another one. */
const mapPort = async (from: number, to: number): Promise<Server> => {
  const server = createServer((outer) => {
    const inner = connect(to, patient.ip)
    // Either end may go at any moment; then the other one goes as well.
    pipeline(outer, inner, () => undefined)
    pipeline(inner, outer, () => undefined)
  })
  await new Promise<void>((resolve) => void server.listen(from, patient.ip, resolve))
  return server
}

/** A certificate that nobody vouches for but its own key. */
const selfSigned = async (host: string): Promise<{ certPem: string; keyPem: string }> => {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${host}`,
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + 90 * dayMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: host }])],
    },
    webcrypto as unknown as typeof globalThis.crypto,
  )
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { certPem: certificate.toString('pem'), keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY') }
}

const resolvesTo = (ipv4: string[], ipv6: string[] = []): Partial<DoctorOptions> => ({
  resolveFamilies: (host) => {
    const ip = patient.config.hosts![host]!
    return Promise.resolve(host === patient.host ? { ipv4, ipv6 } : { ipv4: [ip], ipv6: [] })
  },
})

describe('a healthy node', () => {
  test('nothing is found, every check is made, and others have dialled back', async () => {
    const report = await look()
    expect(report.checks.filter(({ is }) => is !== 'ok')).toEqual([])
    expect(report.isHealthy).toBe(true)
    const details = Object.fromEntries(report.checks.map(({ check, detail }) => [check, detail]))
    expect(details).toMatchObject({
      keys: `peer ${patient.keys.peerId}`,
      twin: `only this one, at ${patient.ip} port ${patient.config.listen.tls}`,
      outside: `reached by ${devnet.nodes[0]!.host}`,
      clock: expect.stringMatching(/^\d+ s off$/),
      announcement: `announced as ${patient.host}`,
      stake: expect.stringContaining('42 coins'),
    })
  })

  test('the command prints a line for each check, and one object with --json', async () => {
    skippedMs += 60 * 60_000
    const path = configFile()
    const run = await runInProcess('doctor', '--config', path)
    expect(run).toMatchObject({ exitCode: 0 })
    expect(run.stdout.split('\n').filter((line) => line.startsWith('ok '))).toHaveLength(15)
    expect(run.stdout).toContain('healthy: 0 failures, 0 warnings')
    const json = await runInProcess('doctor', '--config', path, '--json')
    expect(JSON.parse(json.stdout)).toMatchObject({ isHealthy: true })
  })
})

/** A profile whose chain begins with another block. */
const otherNetwork = (): Pick<Config, 'profile'> => {
  const profile = parseProfile(readFileSync(patient.config.profile, 'utf8'), 'profile')
  writeFileSync(file('other.json'), profileJson({ ...profile, genesisHash: '7e'.repeat(32) }))
  return { profile: file('other.json') }
}

interface Fault {
  name: string
  /** Failures, and warnings with a question mark; nothing else may be found. */
  codes: string[]
  plant: () =>
    | Promise<[changes: Partial<Config>, options?: Partial<DoctorOptions>]>
    | [changes: Partial<Config>, options?: Partial<DoctorOptions>]
}

const faults: Fault[] = [
  {
    name: 'a port that is not the announced one',
    codes: ['P2P_UNREACHABLE', 'ANNOUNCEMENT_DIFFERS?'],
    plant: () => [{ listen: { ...patient.config.listen, p2p: 21_234 } }],
  },
  {
    name: 'an expired certificate',
    codes: ['CERT_EXPIRED'],
    plant: async () => {
      const dates = {
        notBefore: new Date(Date.now() - 97 * dayMs),
        notAfter: new Date(Date.now() - 7 * dayMs),
      }
      return [await certificateOf('expired', await testCa.issue({ host: patient.host, ...dates }))]
    },
  },
  {
    name: 'a certificate that is not valid yet',
    codes: ['CERT_NOT_YET_VALID'],
    plant: async () => {
      const notBefore = new Date(Date.now() + 3 * dayMs)
      return [await certificateOf('future', await testCa.issue({ host: patient.host, notBefore }))]
    },
  },
  {
    name: 'a certificate that nobody has renewed',
    codes: ['CERT_EXPIRES_SOON?'],
    plant: async () => {
      const notAfter = new Date(Date.now() + 9.5 * dayMs)
      return [await certificateOf('soon', await testCa.issue({ host: patient.host, notAfter }))]
    },
  },
  {
    name: 'a certificate of another name',
    codes: ['CERT_WRONG_NAME'],
    plant: async () => [await certificateOf('name', await testCa.issue({ host: 'other.devnet.test' }))],
  },
  {
    name: 'a self-signed certificate',
    codes: ['CERT_SELF_SIGNED'],
    plant: async () => [await certificateOf('self', await selfSigned(patient.host))],
  },
  {
    name: 'a certificate of an authority that nobody trusts',
    codes: ['CERT_UNTRUSTED'],
    plant: async () => {
      const stranger = await createDevnetCa(Date.now(), 'Stranger')
      return [await certificateOf('stranger', await stranger.issue({ host: patient.host }))]
    },
  },
  {
    name: 'a key of another certificate',
    codes: ['TLS_BAD_CERTIFICATE'],
    plant: async () => {
      const [one, other] = [
        await testCa.issue({ host: patient.host }),
        await testCa.issue({ host: patient.host }),
      ]
      return [await certificateOf('mixed', { certPem: one.certPem, keyPem: other.keyPem })]
    },
  },
  {
    name: "a certificate's key that everybody may read",
    codes: ['CERT_KEY_EXPOSED?'],
    plant: async () => {
      const changes = await certificateOf('open', await testCa.issue({ host: patient.host }))
      chmodSync(changes.certificate.key, 0o644)
      return [changes]
    },
  },
  {
    name: 'a pruned chain node',
    codes: ['CHAIN_PRUNED'],
    plant: async () => [await nodeWith(infoWith({ pruned: true }))],
  },
  {
    name: 'a chain node that lacks early blocks and does not say so',
    codes: ['CHAIN_PRUNED'],
    plant: async () => {
      const method = createRpcMethods(devnet.chain)['getblock']!
      const run: typeof method.run = (params) => {
        if (Number(params[0]) === 1) throw new Error('Block not available (pruned data)')
        return method.run(params)
      }
      return [await nodeWith({ getblock: { ...method, run } })]
    },
  },
  {
    name: 'a chain node that lags behind',
    codes: ['CHAIN_BEHIND'],
    plant: async () => [await nodeWith(infoWith({ headers: devnet.chain.tip.height + 500 }))],
  },
  {
    name: 'a chain node of another network',
    codes: ['CHAIN_WRONG_NETWORK'],
    plant: () => [otherNetwork()],
  },
  {
    name: 'a wrong password of the chain node',
    codes: ['RPC_AUTH'],
    plant: async () => {
      const { rpc } = await nodeWith({}, 'zend')
      return [{ rpc: { ...rpc, password: 'wrong' } }]
    },
  },
  {
    name: 'a wrong password, to which zebrad just closes the connection',
    codes: ['RPC_UNREACHABLE'],
    plant: () => [{ rpc: { ...patient.config.rpc, password: 'wrong' } }],
  },
  {
    name: 'no chain node at all',
    codes: ['RPC_UNREACHABLE'],
    plant: () => [{ rpc: { ...patient.config.rpc, url: 'http://127.0.0.1:1' } }],
  },
  {
    name: 'a stake that was not announced',
    codes: ['ANNOUNCEMENT_MISSING'],
    plant: async () => [{ stake: await getNewAddress(devnet.rpc) }],
  },
  {
    name: 'a stake of less than there must be',
    codes: ['STAKE_TOO_SMALL'],
    plant: async () => [await announcedStake(41n * coin)],
  },
  {
    name: 'a stake that was spent',
    codes: ['STAKE_SPENT'],
    plant: async () => {
      const announced = await announcedStake(42n * coin)
      const address = await getNewAddress(devnet.rpc)
      await pay({ from: announced.stake, recipients: [{ address, amount: 41n * coin }] })
      return [announced]
    },
  },
  {
    name: 'a stake that its wallet has shielded',
    codes: ['STAKE_SHIELDED'],
    plant: async () => {
      const announced = await announcedStake(42n * coin)
      const address = devnet.network.profile.genesis.announceAddress
      await pay({ from: announced.stake, recipients: [{ address, amount: 41n * coin }] })
      return [announced]
    },
  },
  {
    name: 'an announcement of other keys',
    codes: ['ANNOUNCEMENT_DIFFERS'],
    plant: async () => {
      const world = realWorld()
      await createNodeKeyFile(file('new.key'), (length) => world.randomBytes(length))
      return [{ keys: file('new.key') }]
    },
  },
  {
    name: 'an announcement that has just been sent',
    codes: ['ANNOUNCEMENT_PENDING?'],
    plant: async () => [await announcedStake(42n * coin, 1)],
  },
  {
    name: 'an IPv6 address at which nobody answers',
    codes: ['DNS_IPV6_BROKEN?'],
    plant: () => [{}, resolvesTo([patient.ip], ['::1'])],
  },
  {
    name: 'a name that leads elsewhere',
    codes: ['DNS_OTHER_ADDRESS'],
    plant: () => [{}, resolvesTo([devnet.nodes[2]!.ip])],
  },
  {
    name: 'name servers that differ',
    codes: ['DNS_DIFFERS?'],
    plant: () => [
      {},
      {
        surveyName: () =>
          Promise.resolve([
            { server: '192.0.2.1', addresses: [patient.ip] },
            { server: '192.0.2.2', addresses: ['9.9.9.9'] },
          ]),
      },
    ],
  },
  { name: 'a name without addresses', codes: ['DNS_NO_ADDRESS'], plant: () => [{}, resolvesTo([])] },
  {
    name: 'a name with a private address',
    codes: ['DNS_NOT_GLOBAL'],
    plant: () => [{}, resolvesTo(['192.168.1.7'])],
  },
  {
    name: 'name servers that do not answer',
    codes: ['DNS_UNABLE'],
    plant: () => [
      {},
      {
        resolveFamilies: (host) =>
          host === patient.host
            ? Promise.reject(new Error('SERVFAIL'))
            : Promise.resolve({ ipv4: [patient.config.hosts![host]!], ipv6: [] }),
      },
    ],
  },
  {
    name: 'a clock that is off',
    codes: ['CLOCK_OFF'],
    plant: () => [{}, { world: { ...realWorld(), now: () => Date.now() + 3 * 3_600_000 } }],
  },
  {
    name: 'a full disk',
    codes: ['DISK_FULL'],
    plant: () => [{}, { freeBytes: () => Promise.resolve(1_000_000) }],
  },
  {
    name: 'a data directory that is a file',
    codes: ['DIR_UNUSABLE'],
    plant: () => {
      writeFileSync(file('no-directory'), '')
      return [{ dir: file('no-directory') }]
    },
  },
  {
    name: 'a key file that others may read',
    codes: ['KEY_FILE_EXPOSED'],
    plant: () => {
      const keys = file('exposed.key')
      writeFileSync(keys, readFileSync(patient.config.keys))
      chmodSync(keys, 0o644)
      return [{ keys }]
    },
  },
  {
    name: 'an empty hot wallet',
    codes: ['HOT_WALLET_EMPTY?'],
    plant: async () => [{ anchor: { from: await getNewAddress(devnet.rpc) } }],
  },
  {
    name: 'a hot wallet that is the stake',
    codes: ['HOT_WALLET_IS_STAKE'],
    plant: () => [{ anchor: { from: patient.address } }],
  },
  {
    name: "a hot wallet that is not the chain node's",
    codes: ['HOT_WALLET_FOREIGN?'],
    plant: async () => {
      const method = createRpcMethods(devnet.chain)['validateaddress']!
      const run: typeof method.run = (params) => ({ ...(method.run(params) as object), ismine: false })
      return [await nodeWith({ validateaddress: { ...method, run } })]
    },
  },
]

describe('each planted fault is found, and nothing else', () => {
  test.each(faults)('$name: $codes', async ({ codes, plant }) => {
    const [changes, options] = await plant()
    const report = await look(changes, options)
    expect(codesOf(report)).toEqual(codes)
    expect(report.isHealthy).toBe(codes.every((code) => code.endsWith('?')))
    for (const { message, hint } of report.checks.flatMap(({ findings }) => findings)) {
      expect(message.length).toBeGreaterThan(10)
      expect(hint.length).toBeGreaterThan(10)
    }
    devnet.chain.mine(devnet.network.profile.genesis.confirmations)
  })

  test('a chain node without an address index: ANNOUNCEMENT_NOT_CHECKED, unless the node has followed the chain', async () => {
    const all = createRpcMethods(devnet.chain)
    const none: RpcMethods['x'] = {
      ...all['getblockcount']!,
      run: () => fail('methodNotFound', 'Method not found'),
      maxParams: 9,
    }
    const withoutIndex = await nodeWith({ getaddresstxids: none, getaddressutxos: none })
    expect(codesOf(await look(withoutIndex))).toEqual(['ANNOUNCEMENT_NOT_CHECKED?'])

    const followed = file('followed')
    const node = await assembleNode(
      { ...patient.config, dir: followed },
      { logger: silent, world: realWorld() },
    )
    await node.start()
    await until(() => node.daemon.isCaughtUp())
    await node.stop()
    const report = await look({ ...withoutIndex, dir: followed })
    expect(codesOf(report)).toEqual([])
    expect(report.checks.find(({ check }) => check === 'stake')?.detail).toContain('42')
  })

  test('a node that was named is asked, though no recent block announces any: --peer', async () => {
    const searched = { ...createRpcMethods(devnet.chain)['getblock']! }
    const heights: number[] = []
    const run: typeof searched.run = (params) => {
      heights.push(Number(params[0]))
      return searched.run(params)
    }
    const changes = await nodeWith({ getblock: { ...searched, run } })
    const { keys, ip, p2p } = devnet.nodes[0]!
    const report = await look(changes, { peers: [{ peerKey: keys.peerKey, host: ip, port: p2p }] })
    expect(codesOf(report)).toEqual([])
    expect(report.checks.find(({ check }) => check === 'outside')?.detail).toContain(ip)
    // The chain check reads two blocks; the search for others would read them all.
    expect(new Set(heights).size).toBeLessThanOrEqual(2)
  })

  test("the stake's key in the chain node's wallet: STAKE_KEY_ON_NODE, where there is money", async () => {
    const facts = createFacts({
      configFile: configFile(),
      world: realWorld(),
      logger: silent,
      signal,
      askDaemon,
    })
    const network = await facts.network()
    const real = { ...network, profile: { ...network.profile, allowLoopback: false } }
    const method = createRpcMethods(devnet.chain)['validateaddress']!
    const run: typeof method.run = (params) => ({ ...(method.run(params) as object), ismine: true })
    const { rpc } = await nodeWith({ validateaddress: { ...method, run } })
    const owned = createRpc({ rpc }, realWorld())
    const outcome = await stakeCheck.run(
      { ...facts, network: () => Promise.resolve(real), rpc: () => Promise.resolve(owned) },
      signal,
    )
    expect(outcome.findings.map(({ code }) => code)).toEqual(['STAKE_KEY_ON_NODE'])
    await owned.close()
    await facts.close()
  })

  test('a port that another program has: P2P_CANNOT_LISTEN', async () => {
    // Peers that knew the patient come back to this port.
    const other: Server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => void other.listen(patient.p2p, patient.ip, resolve))
    expect(codesOf(await look())).toEqual(['P2P_CANNOT_LISTEN'])
    await new Promise((resolve) => other.close(resolve))
  })

  test('a configuration that is none: CONFIG_INVALID, and the command says it and fails', async () => {
    const path = configFile({ host: 'Not A Host' })
    const run = await runInProcess('doctor', '--config', path)
    expect(run.exitCode).toBe(1)
    expect(run.stdout).toContain('[CONFIG_INVALID]')
    expect(run.stdout).toContain('skipped  outside       needs config')
  })

  test('before the announcement nothing is wrong that only it could mend', async () => {
    const changes = { stake: await getNewAddress(devnet.rpc) }
    expect(codesOf(await look(changes, { isBeforeAnnouncement: true }))).toEqual([])
  })
})

describe('start looks first', () => {
  /** `secnode start` in this process, until its daemon answers; then it is stopped. */
  const startUntilItRuns = async (path: string, dataDir: string, ...flags: string[]): Promise<number> => {
    const stopping = new AbortController()
    let exitCode = 0
    const io: CliIo = {
      stdout: () => undefined,
      stderr: () => undefined,
      isTerminal: false,
      signal: stopping.signal,
      setExitCode: (code) => void (exitCode = code),
    }
    const started = createProgram(io).parseAsync(['node', 'secnode', 'start', '--config', path, ...flags])
    const answers = until(async () => {
      const answer = await askDaemon(dataDir, '/standing', DaemonStanding, signal).catch(() => null)
      return answer !== null
    })
    await Promise.race([answers, started])
    stopping.abort()
    await started
    return exitCode
  }
  test('it refuses what makes no sense to run, and --force starts all the same', async () => {
    const dataDir = file('start-other')
    const path = configFile({ ...otherNetwork(), dir: dataDir, log: 'silent' })
    const run = await runInProcess('start', '--config', path)
    expect(run).toMatchObject({ exitCode: 1, stdout: '' })
    expect(run.stderr).toContain('[CHAIN_WRONG_NETWORK]')
    expect(run.stderr).toContain('--force')
    expect(await startUntilItRuns(path, dataDir, '--force')).toBe(0)
  })

  test('a wrong configuration is told as the daemon tells it, with exit code 2', async () => {
    const run = await runInProcess('start', '--config', configFile({ host: 'Not A Host' }))
    expect(run.exitCode).toBe(2)
    expect(run.stderr).toContain('[CONFIG_INVALID]')
  })

  test('what may be mended while it runs keeps it from nothing', async () => {
    const dataDir = file('start-warned')
    const from = await getNewAddress(devnet.rpc)
    const path = configFile({ dir: dataDir, anchor: { from }, stake: from, log: 'silent' })
    // The hot wallet is the stake, which would be spent: refused; without it only the announcement is missing.
    expect((await runInProcess('start', '--config', path)).stderr).toContain('[HOT_WALLET_IS_STAKE]')
    const { anchor: _, ...config } = patient.config
    const unannounced = file('unannounced.yaml')
    writeFileSync(unannounced, stringify({ ...config, dir: dataDir, stake: from, log: 'silent' }), {
      mode: 0o600,
    })
    expect(await startUntilItRuns(unannounced, dataDir)).toBe(0)
  })
})

describe('R-ATT-7 a copy of a node that runs elsewhere', () => {
  /** The configuration of the helper, which runs, on another machine: another address and an empty directory. */
  const copy = (): string => {
    const { config } = devnet.nodes[0]!
    const path = file(`copy-${++written}.yaml`)
    const listen = { ...config.listen, address: config.listen.address.replace(/\d+$/, '251') }
    writeFileSync(path, stringify({ ...config, dir: file(`copy-data-${written}`), listen, log: 'silent' }), {
      mode: 0o600,
    })
    return path
  }

  test('the doctor finds it, and `start` refuses', async () => {
    const options = { world: realWorld(), logger: silent, signal, askDaemon }
    const path = copy()
    const report = await runDoctor({ ...options, configFile: path, scope: 'inside' })
    expect(codesOf(report)).toEqual(['ANOTHER_RUNS'])
    const run = await runInProcess('start', '--config', path)
    expect(run.exitCode).toBe(1)
    expect(run.stderr).toContain('[ANOTHER_RUNS]')
    expect(run.stderr).toContain('Stop that daemon for good first')
  })

  test('when the name leads elsewhere nobody can tell, and nothing is found', async () => {
    const options = { world: realWorld(), logger: silent, signal, askDaemon }
    const report = await runDoctor({
      ...options,
      configFile: copy(),
      scope: 'inside',
      resolveFamilies: () => Promise.resolve({ ipv4: [patient.ip], ipv6: [] }),
    })
    expect(codesOf(report)).toEqual([])
    expect(report.checks.find(({ check }) => check === 'twin')?.detail).toMatch(/^unknown: /)
  })
})

describe('a daemon that runs is asked', () => {
  let node: AssembledNode
  let control: ControlServer

  const run = async (
    changes: Partial<Config> = {},
    options: Parameters<typeof assembleNode>[1]['daemon'] = {},
  ): Promise<Partial<Config>> => {
    const own = { ...patient.config, dir: file(`running-${++written}`) }
    node = await assembleNode(
      { ...own, ...changes },
      { logger: silent, world: realWorld(), daemon: { hostLimits: generousLimits, ...options } },
    )
    control = createControlServer(node, own.dir, silent)
    await node.start()
    await control.start()
    await until(() => node.daemon.isCaughtUp())
    return { dir: own.dir }
  }
  const stop = async (): Promise<void> => {
    await control.stop()
    await node.stop()
  }

  test('a healthy one: nothing is found', async () => {
    const running = await run()
    expect(codesOf(await look(running))).toEqual([])
    await stop()
  })

  test('R-CP-5 it looks at its hot wallet now and then, and says nothing where it cannot', async () => {
    await run()
    let asked = 0
    const { config } = patient
    const observerWith = (balance: () => Promise<bigint>) =>
      createObserver({ ...node, config, anchorWallet: { needed: 7n, balance } })
    const observer = observerWith(() => Promise.resolve(BigInt(++asked)))
    const hotWallet = { is: 'asked', address: config.anchor!.from, balance: 1n, needed: 7n }
    for (let looks = 0; looks < 3; looks++) {
      expect(await observer.observe(null, signal)).toMatchObject({ hotWallet })
    }
    expect(asked).toBe(1)
    const failing = observerWith(() => Promise.reject(new Error('no address index')))
    expect(await failing.observe(null, signal)).toMatchObject({ hotWallet: null })
    await stop()
  })

  test('announced ports that are mapped to those listened on: `public` names them, and nothing is found', async () => {
    const announced = patient.config.listen
    const listen = { ...announced, p2p: 21_002, tls: 31_002 }
    await using stack = new AsyncDisposableStack()
    for (const [from, to] of [
      [announced.p2p, listen.p2p],
      [announced.tls, listen.tls],
    ] as const) {
      const mapping = await mapPort(from, to)
      stack.defer(() => new Promise<void>((resolve) => void mapping.close(() => resolve())))
    }
    const { p2p, tls } = announced
    // The doctor opens them itself, then a daemon does.
    expect(codesOf(await look({ listen, public: { p2p, tls } }))).toEqual([])
    expect(codesOf(await look({ listen }))).toEqual(['ANNOUNCEMENT_DIFFERS?'])
    const running = await run({ listen, public: { p2p, tls } })
    expect(codesOf(await look({ ...running, listen, public: { p2p, tls } }))).toEqual([])
    const config = { ...patient.config, listen, public: { p2p, tls } }
    const { registration } = await createObserver({ ...node, config, anchorWallet: null }).observe(
      null,
      signal,
    )
    expect(registration).toMatchObject({ is: 'announced', differences: [] })
    await stop()
  })

  test('somebody else ends its TLS connections: TLS_UNBOUND', async () => {
    const world = realWorld()
    const other = createNodeKeys((length) => world.randomBytes(length))
    const running = await run({}, { signProbe: other.sign })
    expect(codesOf(await look(running))).toEqual(['TLS_UNBOUND'])
    await stop()
  })

  test('its announced ports lead nowhere: P2P_UNREACHABLE, TLS_UNREACHABLE', async () => {
    const running = await run({ listen: { ...patient.config.listen, p2p: 21_001, tls: 31_001 } })
    const found = codesOf(
      await look({ ...running, listen: { ...patient.config.listen, p2p: 21_001, tls: 31_001 } }),
    )
    expect(found).toEqual(['P2P_UNREACHABLE', 'TLS_UNREACHABLE', 'ANNOUNCEMENT_DIFFERS?'])
    await stop()
  })
})
