import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { secp256k1 } from '@noble/curves/secp256k1.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parse } from 'yaml'
import { bytesToHex, hash160 } from '../../protocol/index.ts'
import { decodeWif } from '../../src/chain/address.ts'
import { p2pkhScript } from '../../src/chain/formats/script.ts'
import { createRpcClient } from '../../src/chain-node/rpc/client.ts'
import { getBlockCount } from '../../src/chain-node/rpc/methods.ts'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import { parseConfig } from '../../src/service/config.ts'
import { formatConfig } from '../../src/service/setup/config-file.ts'
import { realWorld } from '../../src/world.ts'

const world = realWorld()
let dir: string
let devnet: PreparedDevnet
const textOf = (path: string): Promise<string> => readFile(path, 'utf8')

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-guest-'))
  devnet = await prepareDevnet({ nodes: 4, epochs: 3, seed: 91, with: {}, profile: 'devnet' }, dir, world)
})
afterAll(async () => {
  await devnet.close()
  await rm(dir, { recursive: true, force: true })
})

test('the chain node answers to the cookie, which nobody else may read', async () => {
  const { cookieFile, urlFile } = devnet.guest
  const url = (await textOf(urlFile)).trim()
  await using rpc = createRpcClient({ url, auth: { kind: 'cookie', path: cookieFile }, world })
  expect(await getBlockCount(rpc)).toBe(devnet.chain.tip.height)
  expect((await stat(cookieFile)).mode & 0o777).toBe(0o600)
})

test('the certificate is for the host that all nodes know, and from the only root of the profile', async () => {
  const certificate = new X509Certificate(await textOf(devnet.guest.certFile))
  const { host, ip } = devnet.plan.guest
  expect(certificate.checkHost(host)).toBe(host)
  const [root] = devnet.network.profile.roots!
  expect(certificate.verify(new X509Certificate(root!).publicKey)).toBe(true)
  for (const { config } of devnet.nodes) expect(config.hosts?.[host]).toBe(ip)
  expect(devnet.nodes.map((node) => node.ip)).not.toContain(ip)
})

test('the settings, appended to what init writes, make a configuration as the nodes have it', async () => {
  const written = formatConfig({
    profile: join(dir, 'profile.json'),
    host: devnet.plan.guest.host,
    stake: devnet.nodes[0]!.address,
    dir: 'data',
    keys: 'node.key',
    listen: { address: devnet.plan.guest.ip, p2p: 9734, tls: 9735 },
    public: null,
    certificate: { cert: devnet.guest.certFile, key: devnet.guest.keyFile },
    rpc: { url: devnet.server.url, cookie: devnet.guest.cookieFile },
    anchorFrom: null,
  })
  const config = parseConfig(written + (await textOf(devnet.guest.settingsFile)), join(dir, 'secnode.yaml'))
  const { hosts, pollSeconds, spreadSeconds, syncSeconds } = parse(
    await textOf(devnet.nodes[0]!.configFile),
  ) as typeof config
  expect(config).toMatchObject({ hosts, pollSeconds, spreadSeconds, syncSeconds })
})

test('the key is that of the treasury', async () => {
  const { fund } = devnet.network.profile.schedule[0]!.params
  const { secretKey } = decodeWif((await textOf(devnet.guest.treasuryFile)).trim())
  const script = p2pkhScript(hash160(secp256k1.getPublicKey(secretKey)))
  expect(fund).toMatchObject({ scripts: [{ script: bytesToHex(script) }] })
})
