import type { Logger } from 'pino'
import {
  bytesToHex,
  type Epoch,
  equalBytes,
  type Genesis,
  type Height,
  instanceBytes,
  networkIdOf,
  newestRuleset,
  nextUnknownRuleset,
  type ParamsSchedule,
  relayProtocol,
  type Seat,
  topicsOf,
  type UnknownRuleset,
  type VoidedAnchor,
  unseated,
} from '../../protocol/index.ts'
import type { Bls } from '../keys/bls.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import type { ProbeRoots } from '../net/certificate-chain.ts'
import { createHost, type Host, type HostLimits } from '../net/host.ts'
import type { ResolveHost } from '../net/resolve.ts'
import { createTlsEndpoint, type ServedCertificate, type TlsEndpoint } from '../net/tls-endpoint.ts'
import { createAttestationStore } from '../store/attestations.ts'
import { type CheckpointStore, createCheckpointStore } from '../store/checkpoints.ts'
import { createEvidenceStore } from '../store/evidence.ts'
import { createSigningStore } from '../store/signing.ts'
import type { Store } from '../store/store.ts'
import { createWorkStore } from '../store/work.ts'
import type { FundBook } from '../week-io/fund.ts'
import type { Exit } from '../relay/exit.ts'
import type { RelayHop } from '../relay/hop.ts'
import type { World } from '../world.ts'
import type { AnchorWallet } from './anchor-wallet.ts'
import type { ChainEvent, ChainSource } from '../week/chain-view.ts'
import { type Challenger, createChallenger } from './challenger.ts'
import { type Collector, createCollector } from './collector.ts'
import { type Conduct, honestConduct } from './conduct.ts'
import { type Contact, createContact } from './contact/contact.ts'
import type { NodeContext } from './context.ts'
import { serveDialBack } from './dial-back.ts'
import { createAttendance } from './attendance.ts'
import { createEpochBook, type EpochBook, type EpochContext } from '../week/epoch-book.ts'
import { createEvidenceCopy } from './evidence-copy.ts'
import { createFinality, type Finality } from './finality.ts'
import { createNodeMetrics, type NodeMetrics } from './metrics.ts'
import { firstOpenEpoch } from '../week/open-epochs.ts'
import { createOutgoing } from './outgoing.ts'
import { createNodeRelay } from './relay.ts'
import { askForSeat } from './recovery.ts'
import type { Role } from './role.ts'
import { type Responder, startResponder } from './responder.ts'
import { createSeenVersions } from './seen-versions.ts'
import { createSigning } from './signing.ts'
import { createSight } from './sight.ts'
import { createSyncClient, type SyncClient } from './sync.ts'
import { serveSync } from './sync-server.ts'
import { createSyncTimer } from './sync-timer.ts'
import { createSyncTurns } from './sync-turns.ts'
import { createTakeover, type Takeover } from './takeover.ts'
import { createTasks, type Tasks } from './tasks.ts'
import { createTwinWatch } from './twin-watch.ts'
import { createUpkeep } from './upkeep.ts'

/** Version that the TLS endpoint shows. */
export const daemonVersion = '0.1.0'

export interface DaemonOptions {
  genesis: Genesis
  schedule: ParamsSchedule
  /** R-NET-4; none if absent. */
  voided?: readonly VoidedAnchor[]
  keys: NodeKeys
  /** The keys of the seat that it stands by for; then `keys` are its own, a stranger's (R-ATT-8). */
  standbyFor?: NodeKeys
  /** hash160 of the stake that this node is for. */
  stake: Uint8Array
  /** The announced name. */
  hostName: string
  /** Addresses and ports to listen on. */
  listen: { address: string; p2p: number; tls: number }
  certificate: { certFile: string; keyFile: string }
  /** An open data directory; whoever opened it closes it. */
  store: Store
  directory: string
  chain: ChainSource
  resolveHost: ResolveHost
  roots: ProbeRoots
  allowLoopback: boolean
  localAddress?: string
  /** Others than the defaults; devnets have many nodes behind few addresses. */
  hostLimits?: Partial<HostLimits>
  bls: Bls
  /** Pays for anchors when this node's turn comes; null for nodes without a hot wallet. */
  anchorWallet: AnchorWallet | null
  /** Adds up what came in for each epoch when it is over, so that a tally needs no chain node. */
  fund: FundBook
  /** Hands transactions of the relay to the chain node; without it this node is never the last hop. */
  exit?: Exit
  /** Between comparisons with a random peer. */
  syncIntervalMs: number
  /** Over how long the network's attestations of an epoch are spread; 0, the default, sends at once. */
  publishSpreadMs?: number
  logger: Logger
  world: World
  /** Where this daemon departs from the honest conduct; nobody but a devnet's deviants gives any. */
  conduct?: (honest: Conduct, node: NodeContext) => Partial<Conduct>
  /** Signs TLS probes; the node's key unless a devnet's deviant answers with another. */
  signProbe?: NodeKeys['sign']
}

/** A running node. */
export interface Daemon {
  start(): Promise<void>
  /** Stops in reverse order and waits for what is under way. Idempotent. */
  stop(): Promise<void>
  readonly node: NodeContext
  readonly collector: Collector
  readonly challenger: Challenger
  readonly finality: Finality
  readonly checkpoints: CheckpointStore
  readonly sync: SyncClient
  readonly contact: Contact
  readonly takeover: Takeover
  readonly host: Host
  /** For whoever asks from outside the daemon's roles: pages, commands, tallies. */
  readonly epochs: EpochBook
  readonly metrics: NodeMetrics
  readonly relay: RelayHop
  isCaughtUp(): boolean
  /** The last confirmed height whose event the roles have dealt with. */
  handledHeight(): number
  /** Whether it still asks other seats what they know of it (R-ATT-5); nothing is signed before. */
  isRecovering(): boolean
  /** Challengers of an epoch that asked this node since its start. */
  askedBy(epoch: Epoch): ReadonlySet<Seat>
  /** What its TLS endpoint serves; null before the start. */
  certificate(): ServedCertificate | null
  /** R-NET-3: the ruleset in force, or the next one of the schedule, that this version does not know; null without one. */
  unknownRuleset(): Promise<UnknownRuleset | null>
  /** Calls back after each height that the roles have dealt with, and after each reorganisation. */
  onHandled(listener: () => void): void
  /** Reads the TLS certificate again at once. True if the new pair is in use. */
  reloadCertificate(): Promise<boolean>
}

/** What a standby says that it is for: nothing. */
export const noStake = new Uint8Array(20)

/** Visits under way at once: a committee's worth; requests wait on the network, not on the processor. */
const maxTasks = 24
const maxWaitingTasks = 256

export const createDaemon = (options: DaemonOptions): Daemon => {
  const { chain } = options
  const stopping = new AbortController()
  const node = createNodeContext(options, stopping.signal)
  const { genesis, schedule, epochs, host, metrics, logger } = node
  const tasks = createTasks(logger, maxTasks, maxWaitingTasks)
  /** None is open before the chain was followed to its end. */
  let openFrom: Epoch = Infinity
  const parts = createParts(node, options, tasks, (epoch) => epoch >= openFrom)
  const endpoint = createEndpoint(node, options)
  const sight = createSight(node)
  let responder: Responder | null = null
  let handledHeight = -1
  let onHandled: () => void = () => undefined
  let stage: 'new' | 'running' | 'stopped' = 'new'
  const isCaughtUp = (): boolean => chain.isCaughtUp()

  const roles = rolesOf(node, options, tasks, parts, {
    endpoint,
    openFrom: () => openFrom,
    async serve() {
      responder = await startResponder(node, isCaughtUp)
      await serveSync(node, parts.collector)
      await serveDialBack(node)
    },
  })

  const onConnected = async (height: Height): Promise<void> => {
    metrics.confirmedHeight.set(height)
    const epoch = epochs.current()
    // While catching up there is nobody to challenge: weeks go by in seconds.
    if (epoch === null || !isCaughtUp()) {
      sight.lose()
      for (const role of roles) await role.onCatchUp?.(height)
      return
    }
    const watchedFrom = await sight.keep(epoch, height)
    openFrom = await firstOpenEpoch(genesis, epochs, height)
    for (const role of roles) await role.onHeight?.({ height, epoch, openFrom, watchedFrom })
  }

  const onEvent = async (event: ChainEvent): Promise<void> => {
    if (event.kind === 'disconnected') {
      epochs.forgetAbove(event.height)
      for (const role of roles) role.forgetAbove?.(event.height)
    } else {
      // Of blocks that come together, after a pause of the chain, the last one tells what is due.
      if (event.height >= chain.view.confirmedHeight) await onConnected(event.height)
      handledHeight = event.height
    }
    onHandled()
  }

  return {
    ...parts,
    node,
    host,
    metrics,
    isCaughtUp,
    epochs: epochs.forOthers,
    handledHeight: () => handledHeight,
    isRecovering: () => parts.attendance.state().asking === 'asking',
    askedBy: (epoch) => responder?.askedBy(epoch) ?? new Set(),
    certificate: () => endpoint.certificate(),
    async unknownRuleset() {
      const current = epochs.current()
      const week = current === null ? undefined : await epochs.weekOf(current)
      // Before the first epoch nothing is in force, and what the schedule names is to come.
      return nextUnknownRuleset(schedule, week ?? schedule[0]!.from)
    },
    onHandled(listener) {
      onHandled = listener
    },
    reloadCertificate: () => endpoint.reload(),
    async start() {
      if (stage !== 'new') return
      stage = 'running'
      for (const role of roles) await role.start?.()
      chain.onEvent(onEvent)
      await chain.start()
    },
    async stop() {
      if (stage !== 'running') return
      stage = 'stopped'
      stopping.abort(new Error('stopping'))
      await chain.stop()
      await tasks.stop()
      for (const role of roles) await role.stop?.()
    },
  }
}

/** The roles, each with what it acts through. `isOpen`: whether sync still compares an epoch. */
const createParts = (
  node: NodeContext,
  options: DaemonOptions,
  tasks: Tasks,
  isOpen: (epoch: Epoch) => boolean,
) => {
  const { chain, bls, anchorWallet, fund, logger } = options
  const contact = createContact(node)
  const collector = createCollector(node, isOpen, {
    isLookedAt: (context, seat) => contact.isLookedAt(context, seat),
    saw: (context, seat, isOurs) => contact.saw(context, seat, isOurs, false),
  })
  const sync = createSyncClient(node, collector, (context, seat, isOurs) =>
    contact.saw(context, seat, isOurs, true),
  )
  /** R-EPOCH-3: other seats whose attestation was held by mustHold. */
  const heardOf = async (context: EpochContext, own: Seat | undefined): Promise<number> => {
    const held = await collector.held(context)
    return held.filter(({ seat, heldAt }) => seat !== own && heldAt < context.phases.mustHold).length
  }
  const outgoing = createOutgoing(node, collector)
  const attendance = createAttendance(node, { collector, sync, outgoing, tasks })
  const challenger = createChallenger(node, { attendance, outgoing, sync, tasks })
  node.signing.onStop(() => challenger.abandon())
  const twinWatch = createTwinWatch(node, tasks)
  const takeover = createTakeover(node, {
    collector,
    heardOf,
    look: (context, seat, signal) => twinWatch.look(context, seat, signal),
    askOthers: async (context, seat, from, signal) =>
      await askForSeat(node, collector, sync, { snapshot: context.snapshot, seat, from }, signal),
    run: (work) => tasks.run('takeover', work),
  })
  const evidenceCopy = createEvidenceCopy(node, collector, tasks)
  const relay = createNodeRelay(node, options.exit ?? null)
  node.metrics.watchGates(() => {
    const { effort, waiting, circuits } = relay.status()
    return [...node.host.gates(), { purpose: relayProtocol, effort, waiting, inside: circuits.strangers }]
  })
  node.metrics.watchGossip(() => node.host.gossipStatus())
  const checkpoints = createCheckpointStore(options.store)
  const finality = createFinality(
    node,
    collector,
    checkpoints,
    chain.finality,
    bls,
    anchorWallet,
    fund,
    contact,
    logger,
  )
  challenger.onNetworkDown(() => finality.interrupt())
  const turns = createSyncTurns(node, {
    sync,
    contact,
    askCertificate: (row, signal) => finality.certifier.askCertificate(row, signal),
  })
  return {
    contact,
    collector,
    sync,
    heardOf,
    outgoing,
    attendance,
    challenger,
    twinWatch,
    takeover,
    evidenceCopy,
    relay,
    checkpoints,
    finality,
    turns,
  }
}

/** What follows the chain or is started and stopped, in the order in which all of it happens. */
const rolesOf = (
  node: NodeContext,
  options: DaemonOptions,
  tasks: Tasks,
  parts: ReturnType<typeof createParts>,
  { endpoint, openFrom, serve }: { endpoint: TlsEndpoint; openFrom: () => Epoch; serve: () => Promise<void> },
): Role[] => {
  const { collector, finality, contact, relay } = parts
  const heardOf = (context: EpochContext): Promise<number> => parts.heardOf(context, node.ownSeat())
  return [
    { start: () => node.signing.load() },
    { start: () => serve() },
    {
      onHeight: ({ height }) => contact.onHeight(height, true, heardOf),
      onCatchUp: (height) => contact.onHeight(height, false, heardOf),
      forgetAbove: (height) => contact.forgetAbove(height),
    },
    { start: () => collector.start(), forgetAbove: (height) => collector.forgetAbove(height) },
    createUpkeep(node, { collector, finality: options.chain.finality, fund: options.fund, tasks }),
    parts.twinWatch,
    parts.attendance,
    parts.challenger,
    parts.outgoing,
    {
      start: () => finality.start(),
      onHeight: ({ height }) => finality.onHeight(height, true),
      onCatchUp: (height) => finality.onHeight(height, false),
      forgetAbove: () => finality.interrupt(),
      stop: () => finality.stop(),
    },
    { onHeight: ({ watchedFrom }) => parts.takeover.onHeight(watchedFrom) },
    { onHeight: ({ epoch }) => parts.evidenceCopy.onHeight(epoch) },
    { start: () => relay.start(), stop: () => relay.stop() },
    { start: () => node.host.start(), stop: () => node.host.stop() },
    { start: () => endpoint.start(), stop: () => endpoint.stop() },
    createSyncTimer(node, {
      turns: parts.turns,
      tasks,
      intervalMs: options.syncIntervalMs,
      isCaughtUp: () => options.chain.isCaughtUp(),
      openFrom,
    }),
    { stop: () => collector.idle() },
  ]
}

/** The TLS endpoint that challengers probe (R-PROBE-1). */
const createEndpoint = (node: NodeContext, options: DaemonOptions): TlsEndpoint =>
  createTlsEndpoint({
    host: options.hostName,
    networkId: node.networkId,
    address: options.listen.address,
    port: options.listen.tls,
    certFile: options.certificate.certFile,
    keyFile: options.certificate.keyFile,
    identity: () => ({
      peer: node.keys.peerId,
      seat: node.ownSeat() ?? unseated,
      stake: bytesToHex(node.isStandby ? noStake : node.stake),
      version: daemonVersion,
      instance: node.instance,
      ruleset: newestRuleset,
      signs: node.signing.isOn(),
    }),
    sign: options.signProbe ?? node.keys.sign,
    // Challengers probe right after they have asked over libp2p.
    isExpected: (ip) => node.host.isExpected(ip),
    metrics: node.metrics.net,
    logger: node.logger,
    world: node.world,
  })

const createNodeContext = (options: DaemonOptions, stopping: AbortSignal): NodeContext => {
  const { genesis, schedule, keys, chain, store, directory, logger, world } = options
  const networkId = networkIdOf(genesis)
  const isStandby = options.standbyFor !== undefined
  const metrics = createNodeMetrics()
  const honest = honestConduct(chain.view)
  const instance = world.randomBytes(instanceBytes)
  const host = createHost({
    keys,
    networkId,
    listen: { address: options.listen.address, port: options.listen.p2p },
    allowLoopback: options.allowLoopback,
    localAddress: options.localAddress,
    topics: Object.values(topicsOf(networkId)),
    logger,
    world,
    metrics: metrics.net,
    ...(options.hostLimits === undefined ? {} : { limits: options.hostLimits }),
  })
  const node: NodeContext = {
    genesis,
    networkId,
    schedule,
    voided: options.voided ?? [],
    keys,
    seatKeys: options.standbyFor ?? keys,
    isStandby,
    instance,
    stake: options.stake,
    ownSeat: () => (isStandby ? undefined : chain.view.seatOfStake(options.stake)),
    ownRowIn({ rowOf }) {
      const seat = node.ownSeat()
      const row = seat === undefined ? undefined : rowOf(seat)
      return row !== undefined && equalBytes(row.peer, keys.peerKey) ? row : undefined
    },
    chain: chain.view,
    epochs: createEpochBook(genesis, networkId, schedule, chain.view),
    host,
    attestations: createAttestationStore(store),
    evidence: createEvidenceStore(store),
    work: createWorkStore(store, directory),
    signing: createSigning({
      store: createSigningStore(store, directory),
      isStandby,
      instance,
      logger,
      world,
    }),
    // All come from snapshots, and the registry judged them (R-REG-6). In a large network a key is asked for once an
    // epoch: keeping 40,000 of them would cost 85 MB and spare 2 s of processor time in four hours.
    verifier: createEd25519Verifier({ maxKeys: 2_048, areRegistered: true }),
    resolveHost: options.resolveHost,
    roots: options.roots,
    allowLoopback: options.allowLoopback,
    localAddress: options.localAddress,
    conduct: honest,
    publishSpreadMs: options.publishSpreadMs ?? 0,
    metrics,
    versions: createSeenVersions(),
    stopping,
    logger,
    world,
  }
  node.conduct = { ...honest, ...options.conduct?.(honest, node) }
  return node
}
