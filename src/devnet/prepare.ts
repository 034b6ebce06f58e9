import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import {
  addressOfStake,
  announcementMessage,
  coin,
  equalBytes,
  type Fund,
  formatMemo,
  formatUnsignedMemo,
  hash,
  hexToBytes,
  type Params,
  reversedHex,
  stakeOfAddress,
  threadValue,
  utf8ToBytes,
  type Week,
} from '../../protocol/index.ts'
import { addressOfScript, encodeWif } from '../chain/address.ts'
import { type Network, networkOf, type Profile } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import { createRpcClient, type RpcClient } from '../chain-node/rpc/client.ts'
import {
  getNewAddress,
  sendMany,
  signMessage,
  zGetOperationStatus,
  zSendMany,
} from '../chain-node/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import { provePossession } from '../keys/bls.ts'
import { createNodeKeyFile, type NodeKeys } from '../keys/node-key.ts'
import type { Config } from '../service/config.ts'
import { profileJson } from '../service/data-dir.ts'
import type { World } from '../world.ts'
import { createDevnetCa, type DevnetCa } from './certificates.ts'
import { createEmbeddedChain, type EmbeddedChain } from './chain/chain.ts'
import { createRpcMethods } from './chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from './chain/rpc-server.ts'
import { devnetTiming, type GuestFiles, writeGuestFiles } from './guest.ts'
import { type DevnetOptions, type DevnetPlan, planDevnet, type PlannedNode } from './plan.ts'
import { treasuryKey } from './treasury-key.ts'

/** A node with its files written: what `secnode start --config` needs. */
export interface PreparedNode extends PlannedNode {
  dir: string
  configFile: string
  config: Config
  keys: NodeKeys
  /** The stake's address and hash160. */
  address: string
  stake: Uint8Array
}

/** A devnet before its first node starts: chain, certificates, announcements and configurations. */
export interface PreparedDevnet {
  plan: DevnetPlan
  network: Network
  chain: EmbeddedChain
  server: RpcServer
  /** The wallet's side of the chain's RPC server. */
  rpc: RpcClient
  nodes: readonly PreparedNode[]
  /** For a node that somebody adds by hand. */
  guest: GuestFiles
  /** Sends the announcement of a node into the mempool. `renewed` is a later one: from which address, and what is new. */
  announce(node: PreparedNode, renewed?: { from: string; host?: string; keys?: NodeKeys }): Promise<void>
  close(): Promise<void>
}

const rpcUser = 'devnet'
const minerReward = 5_000n * coin
const treasuryPerBlock = 10n * coin
/** Ports of pages: those of TLS, since some nodes share an address, less so much; above them systems hand ports out. */
const webPortsBelow = 20_000
/** What an announcement pays to the announcement address, and what its fee may take. */
const announcementAmount = coin / 1_000n
const feeRoom = coin
/** The bond of an anchor and its fee. */
const hotWalletAmount = 2n * coin
/** Seven days before and ninety after the present: what a certificate authority gives. */
const dayMs = 86_400_000

/** A devnet's week lies in the past of nobody's clock: header time is made up. */
export const devnetWeek = '2026-W47' as Week

/**
 * A smaller chain than a real network's: a whole week passes in a minute. All nodes share one machine, however slow it is,
 * and none of them is silent: whoever is late is only waiting for his turn.
 */
const devnetParams = (params: Params): Params => ({
  ...params,
  samples: 32,
  responseMs: 30_000,
  feeReserve: coin,
})

/** Writes everything of a devnet below `dir` and mines up to the block before the activation. */
export const prepareDevnet = async (
  options: DevnetOptions & { profile: 'devnet' | 'zen-devnet' },
  dir: string,
  world: World,
): Promise<PreparedDevnet> => {
  const present = await readdir(dir).catch(() => [])
  if (present.length > 0) {
    throw new SecnodeError('DEVNET_DIR', `${dir} is not empty`, {
      exitCode: 2,
      hint: 'A devnet begins anew each time: choose another --dir, or remove this one.',
    })
  }
  const ca = await createDevnetCa(world.now())
  const base = (await loadNetwork(options.profile)).profile
  const profile: Profile = {
    ...base,
    roots: [ca.caPem],
    schedule: base.schedule.map((row) => ({ ...row, params: devnetParams(row.params) })),
  }
  const plan = planDevnet(options, profile, devnetWeek)
  const { facts } = networkOf(profile)
  const chain = createEmbeddedChain({
    family: facts.family,
    network: facts.noteNetwork,
    startTime: plan.startTime,
    spacingSeconds: plan.spacingSeconds,
    // Coins must be there for the announcements, a few blocks after the start.
    coinbaseMaturity: 2,
    minerReward,
    treasury: { script: treasuryScript(profile.schedule[0]!.params.fund), amountPerBlock: treasuryPerBlock },
    walletSeed: hash('devnet wallet', options.seed),
    world,
  })
  const password = Buffer.from(world.randomBytes(16)).toString('hex')
  const server = createRpcServer({
    methods: createRpcMethods(chain),
    dialect: facts.family === 'zen' ? 'zend' : 'zebrad',
    auth: { kind: 'password', user: rpcUser, password },
    world,
  })
  await server.start()
  const rpc = createRpcClient({ url: server.url, auth: { kind: 'password', user: rpcUser, password }, world })
  const close = async (): Promise<void> => {
    await rpc.close()
    await server.stop()
  }
  try {
    await mkdir(dir, { recursive: true })
    // The name of a twin leads to its owner.
    const named = plan.nodes.filter(({ twinOf }) => twinOf === null)
    const hosts = Object.fromEntries([...named, plan.guest].map(({ host, ip }) => [host, ip]))
    const { purses, hotWallets, thread } = await fundWallets(
      chain,
      rpc,
      plan.nodes.length,
      options.epochs,
      profile,
    )
    const network = networkOf({ ...profile, threads: [{ from: devnetWeek, ...thread }] })
    const profileFile = join(dir, 'profile.json')
    await writeFile(profileFile, profileJson(network.profile))
    const access = { url: server.url, user: rpcUser, password }
    const { secretKey } = treasuryKey(options.profile)
    const treasuryWif = encodeWif(profile.genesis.chain, { secretKey, isCompressed: true })
    const guest = await writeGuestFiles(dir, plan.guest, hosts, ca, access, treasuryWif)
    const nodes: PreparedNode[] = []
    for (const [index, planned] of plan.nodes.entries()) {
      const nodeDir = join(dir, planned.name)
      await mkdir(nodeDir, { recursive: true, mode: 0o700 })
      const { certPem, keyPem } = await certificateOf(ca, planned, world.now())
      await writeFile(join(nodeDir, 'cert.pem'), certPem)
      await writeFile(join(nodeDir, 'key.pem'), keyPem, { mode: 0o600 })
      const keys = await createNodeKeyFile(join(nodeDir, 'node.key'), secretBytes(planned.secret))
      const owner = nodes.find(({ name }) => name === planned.twinOf)
      const address = owner?.address ?? (await getNewAddress(rpc))
      const anchor = { from: hotWallets[index]! }
      const config = configOf(planned, nodeDir, {
        profile: profileFile,
        stake: address,
        rpc: access,
        anchor,
        hosts,
      })
      const configFile = join(nodeDir, 'secnode.yaml')
      await writeFile(configFile, stringify(config), { mode: 0o600 })
      const stake = stakeOfAddress(profile.genesis.chain, address)!
      nodes.push({ ...planned, dir: nodeDir, configFile, config, keys, address, stake })
    }
    const announce = createAnnouncing({ nodes, purses, network, chain, rpc })
    return { plan, network, chain, server, rpc, nodes, guest, announce, close }
  } catch (error) {
    await close()
    throw error
  }
}

const certificateOf = (ca: DevnetCa, { kind, host }: PlannedNode, nowMs: number) =>
  kind === 'badcert'
    ? ca.issue({
        host,
        notBefore: new Date(nowMs - 97 * dayMs),
        notAfter: new Date(nowMs - 7 * dayMs),
      })
    : ca.issue({ host })

const configOf = (
  { host, ip, p2p, tls }: PlannedNode,
  nodeDir: string,
  named: Pick<Config, 'profile' | 'stake' | 'rpc' | 'anchor' | 'hosts'>,
): Config => ({
  ...named,
  dir: join(nodeDir, 'data'),
  host,
  listen: { address: ip, p2p, tls },
  certificate: { cert: join(nodeDir, 'cert.pem'), key: join(nodeDir, 'key.pem') },
  keys: join(nodeDir, 'node.key'),
  ...devnetTiming,
  web: { address: ip, port: tls - webPortsBelow, hosts: [] },
  log: 'info',
})

/** Announces nodes from the purses that were funded for them. */
const createAnnouncing =
  ({
    nodes,
    purses,
    network,
    chain,
    rpc,
  }: Pick<PreparedDevnet, 'nodes' | 'network' | 'chain' | 'rpc'> & {
    purses: readonly string[]
  }): PreparedDevnet['announce'] =>
  async (node, renewed) => {
    const { genesis } = network.profile
    const victim = nodes[0]!
    // R-REG-4: a squatter claims another's host and peer; its own keys stand behind nothing but the stake.
    const claimed = node.kind === 'squatter' ? victim : node
    const keys = renewed?.keys ?? node.keys
    const unsigned = formatUnsignedMemo({
      peer: node.kind === 'squatter' ? victim.keys.peerId : keys.peerId,
      host: renewed?.host ?? claimed.host,
      p2p: claimed.p2p,
      tls: claimed.tls,
      at: chain.tip.height,
      stake: addressOfStake(genesis.chain, node.stake),
      bls: keys.blsPublicKey,
      pop: provePossession(network.networkId, keys.blsSecretKey, node.stake),
    })
    const signature = await signMessage(rpc, node.address, announcementMessage(network.networkId, unsigned))
    const operation = await zSendMany(rpc, {
      from: renewed?.from ?? purses[nodes.indexOf(node)]!,
      recipients: [
        { address: node.address, amount: genesis.minStake },
        {
          address: genesis.announceAddress,
          amount: announcementAmount,
          memo: utf8ToBytes(formatMemo(unsigned, signature)),
        },
      ],
    })
    await untilDone(rpc, operation, node.name)
  }

const treasuryScript = (fund: Fund): Uint8Array => {
  if (fund.kind !== 'treasury') throw new Error('a devnet has a treasury')
  return hexToBytes(fund.scripts[0]!.script)
}

/** Random bytes that a node's secret fixes: the same seed makes the same keys. */
const secretBytes = (secret: Uint8Array): ((length: number) => Uint8Array) => {
  let drawn = 0
  return (length) => hash('node secret', secret, drawn++).slice(0, length)
}

/**
 * For each node an address with enough for its announcement, and one with enough for an anchor; and the output that
 * starts the thread of payouts (R-PAY-2). Leaves the tip at the block before the activation.
 */
const fundWallets = async (
  chain: EmbeddedChain,
  rpc: RpcClient,
  count: number,
  epochs: number,
  profile: Profile,
): Promise<{ purses: string[]; hotWallets: string[]; thread: { txid: string; index: number } }> => {
  const { activationHeight, minStake } = profile.genesis
  const purses: string[] = []
  const hotWallets: string[] = []
  for (let i = 0; i < count; i++) {
    purses.push(await getNewAddress(rpc))
    hotWallets.push(await getNewAddress(rpc))
  }
  chain.mine(activationHeight - 2 - chain.tip.height)
  const each = minStake + announcementAmount + feeRoom
  const { epochBlocks } = profile.genesis
  const script = treasuryScript(profile.schedule[0]!.params.fund)
  const treasury = addressOfScript(profile.genesis.chain, script)
  if (treasury === null) throw new Error('the treasury has no address')
  // What a treasury's coinbases pay it cannot spend for 100 blocks: it pays the week from what it had before.
  const savings = BigInt(epochs * epochBlocks) * treasuryPerBlock + feeRoom
  const amounts = [
    [treasury, savings] as const,
    ...purses.map((purse) => [purse, each] as const),
    ...hotWallets.map((wallet) => [wallet, hotWalletAmount] as const),
  ]
  await sendMany(rpc, Object.fromEntries(amounts), 1)
  const threadTxid = await sendMany(rpc, { [treasury]: threadValue }, 1)
  const [block] = chain.mine(1)
  const started = chain.tree.parse(block!).transactions.find(({ txid }) => equalBytes(txid, threadTxid))
  const index = started?.outputs.findIndex(({ value }) => value === threadValue) ?? -1
  return { purses, hotWallets, thread: { txid: reversedHex(threadTxid), index } }
}

/** The wallet works beside the server: its outcome is asked for until it is there. */
const untilDone = async (rpc: RpcClient, operation: string, what: string): Promise<void> => {
  for (;;) {
    const [status] = await zGetOperationStatus(rpc, [operation])
    if (status?.status === 'success') return
    if (status === undefined || status.status === 'failed' || status.status === 'cancelled') {
      throw new SecnodeError(
        'DEVNET_ANNOUNCE',
        `the announcement of ${what} failed: ${status?.error?.message ?? 'lost'}`,
      )
    }
  }
}
