import type { Logger } from 'pino'
import { type Alerter, createAlerter } from './alerts/alerter.ts'
import { createAlertCommand } from './alerts/command.ts'
import type { AlertTarget } from './alerts/target.ts'
import { createWebhook } from './alerts/webhook.ts'
import { type Follower, openFollower } from '../chain-node/follower/follower.ts'
import type { Network, Profile } from '../chain/profiles.ts'
import { loadNetwork } from './load-network.ts'
import { createRpcClient, type RpcClient, type RpcClientOptions } from '../chain-node/rpc/client.ts'
import { SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import { loadNodeKeyFile } from '../keys/node-key.ts'
import { createProbeRoots } from '../net/certificate-chain.ts'
import { createDnsResolver, type ResolveHost } from '../net/resolve.ts'
import { createAlertStore } from '../store/alerts.ts'
import { createExit, maxExitCalls } from '../relay/exit.ts'
import { createHistoryStore, type HistoryStore } from '../store/history.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { createFundBook } from '../week-io/fund.ts'
import { openWeeks, type Weeks } from '../week/weeks.ts'
import type { World } from '../world.ts'
import { createAnchorWallet } from '../node/anchor-wallet.ts'
import { createChainSource } from '../node/chain-source.ts'
import { type Config, stakeOf } from './config.ts'
import { makeDirectory, writeProfile } from './data-dir.ts'
import type { AnchoredWeek } from '../week/anchored-data.ts'
import { fixedWeekOf } from '../week/fixed-week.ts'
import type { FixedWeek } from '../week/gather.ts'
import type { WeekFund } from '../week/ports.ts'
import { createDaemon, type Daemon, type DaemonOptions } from '../node/daemon.ts'
import { standbyKeysOf } from '../node/standby-key.ts'
import { createDiagnosis, type Diagnosis } from './self-diagnosis/diagnosis.ts'
import { type HistoryOwner, historyOwnerOf } from './history.ts'
import { watchStore } from './watched-store.ts'

/** A daemon with everything that it stands on. */
export interface AssembledNode {
  daemon: Daemon
  network: Network
  /** The announced name, as the configuration has it. */
  hostName: string
  follower: Follower
  store: Store
  /** The chain node, with the credentials of the configuration. */
  rpc: RpcClient
  /** What the daemon finds to be wrong with itself. */
  diagnosis: Diagnosis
  alerter: Alerter
  /** What was signed, and by whom. */
  history: HistoryStore
  historyOwner: HistoryOwner
  /** All weeks, from the running daemon. */
  weeks: Weeks
  start(): Promise<void>
  /** Stops the daemon, then closes what it stands on. Idempotent. */
  stop(): Promise<void>
  /** Rejects when something failed that the daemon cannot go on without: the store, most of all. */
  readonly failed: Promise<never>
}

export interface AssembleOptions {
  logger: Logger
  world: World
  /** What devnets and benchmarks change. */
  daemon?: Partial<Pick<DaemonOptions, 'conduct' | 'signProbe' | 'hostLimits' | 'resolveHost'>>
  /** As what the node runs: for its seat by default. */
  role?: NodeRole
}

/**
 * `standby`: warm, and a stranger (R-ATT-8). In a process that began as one: `taken-over`, for its seat under the keys of the
 * configuration by the operator's word, and `successor`, for its seat under its own keys by the chain.
 */
export type NodeRole = 'seat' | 'standby' | 'taken-over' | 'successor'

const dnsTimeoutMs = 5_000

/** Opens the store, the chain and the keys that a configuration names, and builds the daemon on them. */
export const assembleNode = async (config: Config, options: AssembleOptions): Promise<AssembledNode> => {
  const { logger, world } = options
  const network = await loadNetwork(config.profile)
  const { profile } = network
  const stake = stakeOf(profile.genesis.chain, config.stake)
  if (config.hosts !== undefined && !profile.allowLoopback) throw hostsRefused(profile)
  const namedKeys = await loadNodeKeyFile(config.keys)
  await makeDirectory(config.dir)
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const opened = await openStore({ directory: config.dir, networkId: network.networkId })
  const store = watchStore(opened, failure.reject)
  const rpc = createRpc(config, world)
  // Transactions of the relay that wait a minute for their refusal keep no place from the daemon's own calls.
  const exitRpc = createRpc(config, world, { maxConcurrent: maxExitCalls })
  const close = async (): Promise<void> => {
    await exitRpc.close()
    await rpc.close()
    await store.close()
  }
  try {
    // Only now is it certain that the directory is this daemon's and this network's.
    await writeProfile(config.dir, profile)
    const isOwnIdentity = options.role === 'standby' || options.role === 'successor'
    const keys = isOwnIdentity ? await standbyKeysOf(config.dir, namedKeys, world) : namedKeys
    const seatKeys = options.role === 'successor' ? keys : namedKeys
    const bls = createBls()
    const pollMs = config.pollSeconds * 1_000
    const follower = await openFollower({ network, rpc, store, bls, world, pollMs })
    const fund = createFundBook(profile.genesis, network.facts.family, follower, store)
    const { anchorBond } = profile.schedule.at(-1)!.params
    const anchorWallet =
      config.anchor === undefined
        ? null
        : createAnchorWallet(network, rpc, config.anchor.from, anchorBond, world)
    const daemon = createDaemon({
      ...settingsOf(config, profile),
      keys,
      ...(options.role === 'standby' ? { standbyFor: seatKeys } : {}),
      stake,
      store,
      chain: createChainSource(follower, failure.reject),
      bls,
      anchorWallet,
      fund,
      exit: createExit(network.facts.family, exitRpc, world),
      logger,
      world,
      ...options.daemon,
    })
    const alerter = createAlerterOf(config, daemon, store, logger, world)
    const diagnosis = createDiagnosis({
      daemon,
      follower,
      config,
      anchorWallet,
      alerter,
      logger,
      takenOver: options.role === 'taken-over' ? 'by-word' : options.role === 'successor' ? 'by-chain' : null,
    })
    let stopping: Promise<void> | null = null
    return {
      daemon,
      network,
      hostName: config.host,
      follower,
      store,
      diagnosis,
      alerter,
      rpc,
      history: createHistoryStore(store, config.dir),
      historyOwner: historyOwnerOf(config, network, seatKeys),
      weeks: weeksOf(daemon, fund),
      failed: failure.promise,
      async start() {
        await daemon.start()
        await alerter.start()
        diagnosis.start()
      },
      stop: () =>
        (stopping ??= (async () => {
          try {
            await diagnosis.stop()
            await alerter.stop()
            await daemon.stop()
          } finally {
            await close()
          }
        })()),
    }
  } catch (error) {
    await close()
    throw error
  }
}

const hostsRefused = ({ name }: Profile): SecnodeError =>
  new SecnodeError('CONFIG_INVALID', `hosts: profile ${name} resolves names by DNS only`, {
    exitCode: 2,
    hint: 'Remove the field; it is for devnets.',
  })

/** What a daemon is told by its configuration and its profile alone. */
const settingsOf = (config: Config, profile: Profile) => ({
  genesis: profile.genesis,
  schedule: profile.schedule,
  voided: profile.voided,
  hostName: config.host,
  listen: config.listen,
  certificate: { certFile: config.certificate.cert, keyFile: config.certificate.key },
  directory: config.dir,
  resolveHost: createResolver(config),
  roots: createProbeRoots(profile.roots),
  allowLoopback: profile.allowLoopback,
  ...(profile.allowLoopback ? { localAddress: config.listen.address } : {}),
  syncIntervalMs: config.syncSeconds * 1_000,
  publishSpreadMs: config.spreadSeconds * 1_000,
})

const weeksOf = (daemon: Daemon, fund: WeekFund): Weeks => {
  const { node, epochs, collector, finality, checkpoints } = daemon
  const fixedOf = (week: AnchoredWeek | undefined): FixedWeek | null =>
    week === undefined
      ? null
      : fixedWeekOf(checkpoints, week, (context, seats) => collector.heldOf(context, seats))
  return openWeeks({
    genesis: node.genesis,
    networkId: node.networkId,
    epochs,
    fund,
    confirmedHeight: () => node.chain.confirmedHeight,
    standing: (context) => collector.standing(context),
    equivocators: (week) => collector.equivocators(week),
    changeOf: (epoch) => collector.changeOf(epoch),
    fixed: async (week, signal) => fixedOf(await finality.anchored.read(week, signal)),
    fixedAtHand: (week) => fixedOf(finality.anchored.get(week)),
    stateOf: (week) => finality.stateOf(week),
  })
}

const createAlerterOf = (
  { alerts, host }: Config,
  { node, metrics }: Daemon,
  store: Store,
  logger: Logger,
  world: World,
): Alerter => {
  const timeoutMs = (alerts?.timeoutSeconds ?? 0) * 1_000
  const targets: AlertTarget[] = [
    ...(alerts?.webhooks ?? []).map((webhook) => createWebhook({ ...webhook, timeoutMs, world })),
    ...(alerts?.commands ?? []).map((argv) => createAlertCommand({ argv, timeoutMs, world })),
  ]
  return createAlerter({
    store: createAlertStore(store),
    targets,
    from: alerts?.from ?? 'warning',
    minIntervalMs: (alerts?.minIntervalSeconds ?? 0) * 1_000,
    node: () => ({
      network: node.networkId,
      host,
      seat: node.ownSeat() ?? null,
      peer: node.keys.peerId,
    }),
    metrics: {
      sent: (kind) => metrics.alerts.inc({ outcome: 'sent', kind }),
      failed: (kind) => metrics.alerts.inc({ outcome: 'failed', kind }),
      lost: (kind) => metrics.alerts.inc({ outcome: 'lost', kind }),
    },
    logger,
    world,
  })
}

export const createRpc = (
  config: Pick<Config, 'rpc'>,
  world: World,
  limits: Pick<RpcClientOptions, 'maxConcurrent'> = {},
): RpcClient =>
  createRpcClient({
    ...limits,
    url: config.rpc.url,
    world,
    ...(config.rpc.cookie === undefined ? {} : { auth: { kind: 'cookie', path: config.rpc.cookie } }),
    ...(config.rpc.user === undefined
      ? {}
      : { auth: { kind: 'password', user: config.rpc.user, password: config.rpc.password ?? '' } }),
  })

/** Names of the `hosts` table first; the rest by DNS. A devnet's own names are not asked of anybody's DNS. */
const createResolver = (config: Config): ResolveHost => {
  const dns = createDnsResolver({ timeoutMs: dnsTimeoutMs })
  const { hosts } = config
  return hosts === undefined ? dns : (host) => Promise.resolve(hosts[host] === undefined ? [] : [hosts[host]])
}
