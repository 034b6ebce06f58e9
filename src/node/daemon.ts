import type { Logger } from 'pino'
import {
  bytesToHex,
  type Epoch,
  equalBytes,
  type Genesis,
  instanceBytes,
  networkIdOf,
  newestRuleset,
  nextUnknownRuleset,
  type ParamsSchedule,
  paramsOfWeek,
  relayProtocol,
  type Seat,
  type Snapshot,
  topicsOf,
  type UnknownRuleset,
  type VoidedAnchor,
  unseated,
  weekBefore,
} from '../../protocol/index.ts'
import type { Bls } from '../keys/bls.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import type { ProbeRoots } from '../net/certificate-chain.ts'
import { createHost, type Host, type HostLimits } from '../net/host.ts'
import { type ResolveHost, resolveObservedAddress } from '../net/resolve.ts'
import { createSelfLook, type SelfSeen } from '../net/self-look.ts'
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
import type { ChainSource } from '../week/chain-view.ts'
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
import type { Tip } from './role.ts'
import { type Responder, startResponder } from './responder.ts'
import { createSeenVersions } from './seen-versions.ts'
import { askOutside } from './ask-outside.ts'
import { createSigning } from './signing.ts'
import { createSyncClient, type SyncClient } from './sync.ts'
import { serveSync } from './sync-server.ts'
import { createSyncTurns } from './sync-turns.ts'
import { createTakeover, type Takeover } from './takeover.ts'
import { createTasks } from './tasks.ts'

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
/** Seats that look for this node in an epoch where it does not reach its own address. */
const lookingSeats = 3

export const createDaemon = (options: DaemonOptions): Daemon => {
  const { genesis, schedule, keys, chain, logger, world, store } = options
  const networkId = networkIdOf(genesis)
  const isStandby = options.standbyFor !== undefined
  const metrics = createNodeMetrics()
  const epochs = createEpochBook(genesis, networkId, schedule, chain.view)
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
  const honest = honestConduct(chain.view)
  const stopping = new AbortController()
  const instance = world.randomBytes(instanceBytes)
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
    epochs,
    host,
    attestations: createAttestationStore(store),
    evidence: createEvidenceStore(store),
    work: createWorkStore(store, options.directory),
    signing: createSigning({
      store: createSigningStore(store, options.directory),
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
    stopping: stopping.signal,
    logger,
    world,
  }
  node.conduct = { ...honest, ...options.conduct?.(honest, node) }

  const tasks = createTasks(logger, maxTasks, maxWaitingTasks)
  /** None is open before the chain was followed to its end. */
  let openFrom: Epoch = Infinity
  const contact = createContact(node)
  const collector = createCollector(node, (epoch) => epoch >= openFrom, {
    isLookedAt: (context, seat) => contact.isLookedAt(context, seat),
    saw: (context, seat, isOurs) => contact.saw(context, seat, isOurs, false),
  })
  const sync = createSyncClient(node, collector, (context, seat, isOurs) =>
    contact.saw(context, seat, isOurs, true),
  )
  const outgoing = createOutgoing(node, collector)
  const attendance = createAttendance(node, { collector, sync, outgoing, tasks })
  const challenger = createChallenger(node, { attendance, outgoing, sync, tasks })
  node.signing.onStop(() => challenger.abandon())
  const selfLook = createSelfLook({
    peerKey: node.seatKeys.peerKey,
    instance,
    networkId,
    roots: options.roots,
    verify: node.verifier.verify,
    localAddress: options.localAddress,
    world,
  })
  const takeover = createTakeover(node, {
    collector,
    heardOf: (context, seat) => heardOf(context, seat),
    look: (context, seat, signal) => lookAtSeat(context, seat, signal),
    askOthers: async (context, seat, from, signal) =>
      await askForSeat(node, collector, sync, { snapshot: context.snapshot, seat, from }, signal),
    run: (work) => tasks.run('takeover', work),
  })
  const evidenceCopy = createEvidenceCopy(node, collector, tasks)
  const relay = createNodeRelay(node, options.exit ?? null)
  metrics.watchGates(() => {
    const { effort, waiting, circuits } = relay.status()
    return [...host.gates(), { purpose: relayProtocol, effort, waiting, inside: circuits.strangers }]
  })
  metrics.watchGossip(() => host.gossipStatus())
  const checkpoints = createCheckpointStore(store)
  const finality = createFinality(
    node,
    collector,
    checkpoints,
    chain.finality,
    options.bls,
    options.anchorWallet,
    options.fund,
    contact,
    logger,
  )
  const turns = createSyncTurns(node, {
    sync,
    contact,
    askCertificate: (row, signal) => finality.certifier.askCertificate(row, signal),
  })
  challenger.onNetworkDown(() => finality.interrupt())
  let responder: Responder | null = null
  let endpoint: TlsEndpoint | null = null
  let stopTimer: (() => void) | null = null
  let lastEpoch: Epoch | null = null
  let handledHeight = -1
  /** The last height that was handled at the tip, and the first since which none was missed. */
  let lastAtTip = -1
  let watchedFrom: number | null = null
  let onHandled: () => void = () => undefined
  let isExchanging = false
  let stage: 'new' | 'running' | 'stopped' = 'new'

  const isCaughtUp = (): boolean => chain.isCaughtUp()

  const onConnected = async (height: number): Promise<void> => {
    metrics.confirmedHeight.set(height)
    const current = epochs.current()
    await contact.onHeight(height, isCaughtUp(), (context) => heardOf(context, node.ownSeat()))
    // While catching up there is nobody to challenge: weeks go by in seconds.
    if (current === null || !isCaughtUp()) {
      watchedFrom = null
      node.signing.loseSight()
      return await finality.onHeight(height, false)
    }
    await watchTip(current, height)
    openFrom = await firstOpenEpoch(genesis, epochs, height)
    for (let e = Math.max(0, current - 2); e <= current; e++) {
      const context = await epochs.get(e)
      if (context !== undefined) await collector.open(context)
    }
    metrics.attestationsHeld.set(await heldLately(current))
    if (current !== lastEpoch) await onNewEpoch(current)
    const tip: Tip = { height, epoch: current, openFrom, watchedFrom: watchedFrom! }
    await attendance.onHeight(tip)
    await outgoing.onHeight(tip)
    await challenger.onHeight(tip)
    await finality.onHeight(height, true)
    await takeover.onHeight(watchedFrom)
    await evidenceCopy.onHeight(current)
  }

  /** A chain that stood still and comes back at once may be that of a machine that was set back while it ran. */
  const watchTip = async (current: Epoch, height: number): Promise<void> => {
    const context = await epochs.get(current)
    if (context === undefined || height - lastAtTip > context.params.attestBlocks) {
      watchedFrom = null
      node.signing.loseSight()
    }
    lastAtTip = height
    watchedFrom ??= height
    node.signing.regainSight(current)
  }

  /** R-EPOCH-3: other seats whose attestation was held by mustHold. */
  const heardOf = async (context: EpochContext, own: Seat | undefined): Promise<number> => {
    const held = await collector.held(context)
    return held.filter(({ seat, heldAt }) => seat !== own && heldAt < context.phases.mustHold).length
  }

  const heldLately = async (current: Epoch): Promise<number> => {
    let held = 0
    for (const e of [current - 1, current]) {
      const context = await epochs.get(e)
      if (context !== undefined) held += await collector.countOf(context)
    }
    return held
  }

  const onNewEpoch = async (epoch: Epoch): Promise<void> => {
    lastEpoch = epoch
    metrics.epoch.set(epoch)
    const context = await epochs.get(epoch)
    if (context !== undefined) setRegistered(context.snapshot)
    collector.closeBefore(Math.min(epoch - 2, openFrom))
    await prune(epoch)
    tasks.run('income', (signal) => addUpIncome(epoch, signal))
    tasks.run('look for a twin', lookForTwin)
  }

  const addUpIncome = async (current: Epoch, signal: AbortSignal): Promise<void> => {
    const week = await epochs.weekOf(current)
    if (week === undefined) return
    for (let epoch = await epochs.firstEpochFrom(weekBefore(week)); epoch < current; epoch++) {
      const itsWeek = await epochs.weekOf(epoch)
      if (itsWeek === undefined) continue
      await options.fund.ofEpoch(paramsOfWeek(schedule, itsWeek).fund, epoch, signal)
    }
  }

  const setRegistered = (snapshot: Snapshot): void => {
    host.setRegistered(new Set(snapshot.map((row) => bytesToHex(row.peer))))
  }

  /**
   * R-EVID-1: evidence for `evidenceWeeks` before this one; what it belongs to goes with it. But attestations of a week
   * without an anchor stay: a later checkpoint lists them (R-CP-6).
   */
  const prune = async (epoch: Epoch): Promise<void> => {
    const context = await epochs.get(epoch)
    if (context === undefined) return
    let oldest = context.week
    for (let weeks = 0; weeks < context.params.evidenceWeeks; weeks++) oldest = weekBefore(oldest)
    const before = await epochs.firstEpochFrom(oldest)
    const unanchored = chain.finality.weeks().records.find(({ anchor }) => anchor === null)
    await node.evidence.pruneBefore(before)
    await node.work.pruneBefore(before)
    await node.attestations.pruneBefore(Math.min(before, unanchored?.first ?? before))
  }

  /** The epoch with this node's seat, or null if its snapshot has it not. */
  const ownEpoch = async (epoch: Epoch): Promise<{ context: EpochContext; seat: Seat } | null> => {
    const seat = node.ownSeat()
    const context = await epochs.get(epoch)
    return context === undefined || seat === undefined || context.rowOf(seat) === undefined
      ? null
      : { context, seat }
  }

  /** R-ATT-7: whether another daemon answers at the announced address with this node's key. */
  const lookForTwin = async (signal: AbortSignal): Promise<void> => {
    const current = epochs.current()
    const own = current === null ? null : await ownEpoch(current)
    if (own === null) return
    const seen = await lookAtSeat(own.context, own.seat, signal)
    // One that does not sign may be a doctor that tries the ports of the next machine, or has stopped by R-ATT-7.
    if (seen?.is === 'another' && seen.signs) {
      await node.signing.foundElsewhere(own.context.epoch, seen.at)
    }
    // Behind a router that does not lead back, others see what this node cannot.
    const row = own.context.rowOf(own.seat)
    if (seen?.is === 'unknown' && row !== undefined) {
      await askOutside(node, own.context, row, signal, lookingSeats)
    }
  }

  /** Who answers at the announced address of the seat with its key; null if it has no address. */
  const lookAtSeat = async (
    context: EpochContext,
    seat: Seat,
    signal: AbortSignal,
  ): Promise<(SelfSeen & { at: string }) | null> => {
    const row = context.rowOf(seat)
    if (row === undefined) return null
    const resolution = await resolveObservedAddress(row.host, node.resolveHost, {
      allowLoopback: node.allowLoopback,
      signal,
    })
    if (resolution.is !== 'ok') return null
    const { ip } = resolution.address
    const seen = await selfLook.look({ host: row.host, ip, port: row.tls }, signal)
    logger.debug({ ip, port: row.tls, seen }, 'looked who answers at the address of the seat')
    return { ...seen, at: `${ip} port ${row.tls}` }
  }

  const syncTurn = async (signal: AbortSignal): Promise<void> => {
    const current = epochs.current()
    const context = current === null ? undefined : await epochs.get(current)
    if (context === undefined || openFrom === Infinity) return
    await turns.take(context, openFrom, signal)
  }

  const scheduleSync = (): void => {
    stopTimer = world.setTimer(options.syncIntervalMs, () => {
      if (stage !== 'running') return
      scheduleSync()
      if (isExchanging || !isCaughtUp()) return
      isExchanging = true
      tasks.run('sync', async (signal) => {
        try {
          await syncTurn(signal)
        } finally {
          isExchanging = false
        }
      })
    })
  }

  return {
    node,
    collector,
    challenger,
    finality,
    checkpoints,
    sync,
    contact,
    takeover,
    host,
    epochs: epochs.forOthers,
    metrics,
    relay,
    isCaughtUp,
    handledHeight: () => handledHeight,
    isRecovering: () => attendance.state().asking === 'asking',
    askedBy: (epoch) => responder?.askedBy(epoch) ?? new Set(),
    certificate: () => endpoint?.certificate() ?? null,
    async unknownRuleset() {
      const current = epochs.current()
      const week = current === null ? undefined : await epochs.weekOf(current)
      // Before the first epoch nothing is in force, and what the schedule names is to come.
      return nextUnknownRuleset(schedule, week ?? schedule[0]!.from)
    },
    onHandled(listener) {
      onHandled = listener
    },
    reloadCertificate: async () => (await endpoint?.reload()) ?? false,
    async start() {
      if (stage !== 'new') return
      stage = 'running'
      await node.signing.load()
      responder = await startResponder(node, isCaughtUp)
      await serveSync(node, collector)
      await serveDialBack(node)
      collector.start()
      await finality.start()
      relay.start()
      await host.start()
      endpoint = createTlsEndpoint({
        host: options.hostName,
        networkId,
        address: options.listen.address,
        port: options.listen.tls,
        certFile: options.certificate.certFile,
        keyFile: options.certificate.keyFile,
        identity: () => ({
          peer: keys.peerId,
          seat: node.ownSeat() ?? unseated,
          stake: bytesToHex(isStandby ? noStake : options.stake),
          version: daemonVersion,
          instance,
          ruleset: newestRuleset,
          signs: node.signing.isOn(),
        }),
        sign: options.signProbe ?? keys.sign,
        // Challengers probe right after they have asked over libp2p.
        isExpected: (ip) => host.isExpected(ip),
        metrics: metrics.net,
        logger,
        world,
      })
      await endpoint.start()
      chain.onEvent(async (event) => {
        if (event.kind === 'connected') {
          // Of blocks that come together, after a pause of the chain, the last one tells what is due.
          if (event.height >= chain.view.confirmedHeight) await onConnected(event.height)
          handledHeight = event.height
          onHandled()
          return
        }
        epochs.forgetAbove(event.height)
        collector.forgetAbove(event.height)
        contact.forgetAbove(event.height)
        challenger.forgetAbove(event.height)
        finality.interrupt()
        lastEpoch = null
        onHandled()
      })
      await chain.start()
      scheduleSync()
    },
    async stop() {
      if (stage !== 'running') return
      stage = 'stopped'
      stopping.abort(new Error('stopping'))
      stopTimer?.()
      await chain.stop()
      await tasks.stop()
      await challenger.stop()
      await outgoing.stop()
      await finality.stop()
      await endpoint?.stop()
      await relay.stop()
      await host.stop()
      await collector.idle()
    },
  }
}
