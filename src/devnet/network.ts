import { join } from 'node:path'
import pino from 'pino'
import {
  type DigestedTally,
  epochStart,
  paramsOfWeek,
  type Height,
  type TallyDocument,
  type Week,
} from '../../protocol/index.ts'
import { pause } from '../async/deadline.ts'
import { SecnodeError } from '../errors.ts'
import { type AssembledNode, assembleNode } from '../service/assemble.ts'
import { freezeHeight } from '../week/open-epochs.ts'
import { type Doors, openDoors } from '../web/doors.ts'
import type { World } from '../world.ts'
import { deviationOf, keysOfKind } from './deviants.ts'
import { type Hog, startHog } from './hog.ts'
import { createPace } from './pace.ts'
import type { DevnetOptions } from './plan.ts'
import { prepareDevnet, type PreparedDevnet, type PreparedNode } from './prepare.ts'
import { type DevnetResult, mostCommon, resultOf } from './result.ts'
import { payWeek, rebuild } from './settle.ts'
import { slowedWorld } from './slow-time.ts'

export interface RunDevnetOptions extends DevnetOptions {
  profile: 'devnet' | 'zen-devnet'
  dir: string
  /** Least milliseconds between two blocks; a node that is busy makes it more. */
  blockMs: number
  /** How much more slowly time passes for the nodes than on the machine; 1 by default. */
  slow?: number
  world: World
  signal: AbortSignal
  onProgress(progress: DevnetProgress): void
  /** Called after each block that the nodes have dealt with: tests stop and start nodes here. */
  afterBlock?: (control: DevnetControl) => Promise<void>
}

/** What can be done to a running devnet. */
export interface DevnetControl {
  prepared: PreparedDevnet
  isRunning(node: PreparedNode): boolean
  start(node: PreparedNode): Promise<AssembledNode>
  stop(node: PreparedNode): Promise<void>
  /** Where the page of a running node is served; null if it is not. */
  pageOf(node: PreparedNode): string | null
  /** Mines a block and waits until the running nodes have dealt with it. */
  mineOne(): Promise<void>
}

export interface DevnetProgress {
  stage:
    'preparing' | 'starting' | 'running' | 'closing' | 'certifying' | 'tallying' | 'paying' | 'rebuilding'
  height: Height
  lastHeight: Height
  epoch: number | null
  week: Week
  running: number
  nodes: number
}

/** A devnet that has played its week and still runs. */
export interface PlayedDevnet {
  prepared: PreparedDevnet
  result: DevnetResult
  /** The document that most nodes agree on. */
  document: TallyDocument
  digest: string
  running(): readonly AssembledNode[]
  control: DevnetControl
  /** Mines on until `signal` is aborted, slowly enough for nodes in processes of their own to keep up. */
  serve(signal: AbortSignal): Promise<void>
  stop(): Promise<void>
}

/** Exchanges of every node between the freeze and the tally: enough to learn from the network what gossip lost. */
const closingExchanges = 3
/** Blocks for which a node that began anew may ask others for what it lacks. */
const maxRebuildBlocks = 40
/** A node that somebody adds by hand is not waited for, so epochs of a served devnet last half a minute at least. */
const servedBlockMs = 4_000
/** In a network of one address every connection seems to come from the same few places. */
const devnetLimits = {
  maxNewPerSecondPerAddress: 500,
  maxStrangersPerAddress: 500,
  maxPendingPerAddress: 500,
}
/** A host's own default; libp2p counts it by the machine's clock. */
const handshakeTimeoutMs = 10_000

interface RunningNode {
  assembled: AssembledNode
  doors: Doors | null
  hog: Hog | null
}

/** Plays a whole week: chain, nodes, announcements, epochs, freeze, tally of every node. */
export const playDevnet = async (options: RunDevnetOptions): Promise<PlayedDevnet> => {
  const { signal, slow = 1 } = options
  const begun = options.world.monotonicMs()
  const world = slowedWorld(options.world, slow)
  const running = new Map<PreparedNode, RunningNode>()
  /** Error codes of twins that would not run. */
  const refusals = new Map<PreparedNode, string>()
  const report = (stage: DevnetProgress['stage'], prepared?: PreparedDevnet): void => {
    options.onProgress(progressOf(stage, options.nodes, running.size, prepared))
  }
  report('preparing')
  const prepared = await prepareDevnet(options, options.dir, world)
  const { chain, plan, network } = prepared
  const { genesis } = network.profile
  const pace = createPace(world)

  const { start, startTwin, stopNode, stopAll } = createRunner(prepared, running, refusals, world, slow)
  const stop = async (): Promise<void> => {
    await stopAll()
    await prepared.close()
  }
  const assembled = (): AssembledNode[] => [...running.values()].map((node) => node.assembled)

  const control: DevnetControl = {
    prepared,
    isRunning: (node) => running.has(node),
    start: (node) => start(node),
    stop: (node) => stopNode(node),
    pageOf: (node) => running.get(node)?.doors?.web?.url() ?? null,
    mineOne: () => mineOne(),
  }

  const mineOne = async (): Promise<void> => {
    signal.throwIfAborted()
    const minedAt = world.monotonicMs()
    chain.mine(1)
    await pace.untilQuiet(assembled, chain.tip.height - genesis.confirmations, signal)
    const elapsedMs = world.monotonicMs() - minedAt
    if (elapsedMs < options.blockMs) await pause(world, options.blockMs - elapsedMs)
    report('running', prepared)
    await options.afterBlock?.(control)
  }
  const mineUntil = async (height: Height): Promise<void> => {
    while (chain.tip.height < height) await mineOne()
  }
  /** The tip at which block `height` is confirmed. */
  const tipFor = (height: Height): Height => height + genesis.confirmations

  /** Mines on until every running node has the anchored week complete, or its window is over. */
  const untilFixed = async (): Promise<void> => {
    const { anchorBlocks } = paramsOfWeek(network.profile.schedule, plan.week)
    const windowEnd = tipFor(freezeHeight(genesis, plan.lastEpoch) + anchorBlocks)
    const isFixed = (): boolean =>
      assembled().every(({ daemon }) => daemon.finality.anchored.get(plan.week) !== undefined)
    while (!isFixed() && chain.tip.height < windowEnd) await mineOne()
  }

  try {
    await startEarly(prepared, { start, startTwin }, () => report('starting', prepared))
    for (let epoch = 0; epoch <= plan.lastEpoch + 2; epoch++) {
      await mineUntil(tipFor(epochStart(genesis, epoch)))
      await comeAndGo(prepared, epoch, { start, stopNode, isRunning: (node) => running.has(node) })
    }
    const closes = closingHeight(prepared)
    await mineUntil(tipFor(closes) - 1)
    report('closing', prepared)
    await pace.untilSynced(assembled, closingExchanges, signal)
    await mineUntil(tipFor(closes))
    report('certifying', prepared)
    await untilFixed()
    report('tallying', prepared)
    const tallies = await talliesOf(running, plan.week, signal)
    const agreed = mostCommon([...tallies.values()])
    const result = resultOf(prepared, tallies, agreed, refusals)
    if (result.state === 'anchored') {
      report('paying', prepared)
      const coordinator = join(options.dir, 'coordinator')
      result.payout = await payWeek(prepared, agreed, options.profile, coordinator, mineUntil, signal)
      report('rebuilding', prepared)
      const honest = prepared.nodes.find(({ kind }) => kind === 'honest')!
      result.rebuilt = await rebuild(honest, agreed, start, stopNode, mineOne, maxRebuildBlocks, signal)
    }
    result.seconds = Math.round((options.world.monotonicMs() - begun) / 1_000)
    return {
      prepared,
      result,
      document: agreed.document,
      digest: agreed.digest,
      running: assembled,
      control,
      serve: (serveSignal) => serveOn(prepared, pace, assembled, options.blockMs, world, serveSignal),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What nodes do at the first block of an epoch, beside their work: late ones come, flaky ones come and go. */
const comeAndGo = async (
  prepared: PreparedDevnet,
  epoch: number,
  {
    start,
    stopNode,
    isRunning,
  }: Pick<ReturnType<typeof createRunner>, 'start' | 'stopNode'> & Pick<DevnetControl, 'isRunning'>,
): Promise<void> => {
  const { plan } = prepared
  for (const node of prepared.nodes) {
    if (node.kind === 'late' && epoch === lateEpoch(plan.firstEpoch, plan.lastEpoch)) {
      await prepared.announce(node)
      await start(node)
    }
    if (node.kind === 'flaky') {
      const isDown = epoch <= plan.lastEpoch && (epoch - plan.firstEpoch) % 2 === 1
      if (isDown) await stopNode(node)
      else if (!isRunning(node)) await start(node)
    }
  }
}

/** Announces the nodes and starts those that are there from the beginning. */
const startEarly = async (
  prepared: PreparedDevnet,
  { start, startTwin }: Pick<ReturnType<typeof createRunner>, 'start' | 'startTwin'>,
  onAnnounced: () => void,
): Promise<void> => {
  const twins = prepared.nodes.filter(({ kind }) => kind === 'twin')
  for (const node of prepared.nodes) {
    if (node.kind !== 'late' && node.kind !== 'twin') await prepared.announce(node)
  }
  onAnnounced()
  const early = prepared.nodes.filter(({ kind }) => !['late', 'offline', 'twin'].includes(kind))
  // All have started or failed before anything is stopped: nobody writes into a directory that is being removed.
  const starts = await Promise.allSettled(early.map(start))
  for (const each of starts) if (each.status === 'rejected') throw each.reason
  for (const node of twins) await startTwin(node)
}

/** Mines on, slowly, until `signal` is aborted. */
const serveOn = async (
  { chain, network }: PreparedDevnet,
  pace: ReturnType<typeof createPace>,
  assembled: () => AssembledNode[],
  blockMs: number,
  world: World,
  signal: AbortSignal,
): Promise<void> => {
  const { genesis } = network.profile
  const unlessEnded = (error: unknown): void => {
    if (!signal.aborted) throw error
  }
  while (!signal.aborted) {
    chain.mine(1)
    const confirmed = chain.tip.height - genesis.confirmations
    await pace.untilQuiet(assembled, confirmed, signal).catch(unlessEnded)
    await pause(world, Math.max(blockMs, servedBlockMs), signal).catch(unlessEnded)
  }
}

/** Starts and stops the nodes of a devnet; `refusals` gets the codes of twins that would not run. */
const createRunner = (
  prepared: PreparedDevnet,
  running: Map<PreparedNode, RunningNode>,
  refusals: Map<PreparedNode, string>,
  world: World,
  slow: number,
) => {
  const start = async (node: PreparedNode): Promise<AssembledNode> => {
    const logger = pino(
      { level: node.config.log, base: { node: node.name } },
      pino.destination({ dest: join(node.dir, 'log'), sync: false, append: true }),
    )
    const assembled = await assembleNode(node.config, {
      logger,
      world,
      daemon: {
        ...deviationOf(node, prepared.nodes),
        hostLimits: { ...devnetLimits, handshakeTimeoutMs: handshakeTimeoutMs * slow },
      },
    })
    const started: RunningNode = { assembled, doors: null, hog: null }
    running.set(node, started)
    await assembled.start()
    started.doors = await openDoors(assembled, node.config, logger)
    if (node.kind === 'hog') {
      const hogs = keysOfKind(prepared.nodes, 'hog')
      started.hog = await startHog(assembled.daemon.node, { ips: node.spareIps, hogs })
    }
    return assembled
  }
  /** A node that finds its owner running may refuse to run: then the devnet goes on without it. */
  const startTwin = async (node: PreparedNode): Promise<void> => {
    try {
      await start(node)
    } catch (error) {
      if (!(error instanceof SecnodeError)) throw error
      refusals.set(node, error.code)
      await stopNode(node)
    }
  }
  const stopNode = async (node: PreparedNode): Promise<void> => {
    const stopped = running.get(node)
    running.delete(node)
    await stopped?.hog?.stop()
    await stopped?.doors?.stop()
    await stopped?.assembled.stop()
  }
  const stopAll = async (): Promise<void> => {
    await Promise.all([...running.keys()].map(stopNode))
  }
  return { start, startTwin, stopNode, stopAll }
}

const progressOf = (
  stage: DevnetProgress['stage'],
  wanted: number,
  running: number,
  prepared: PreparedDevnet | undefined,
): DevnetProgress => {
  if (prepared === undefined) {
    return { stage, height: 0, lastHeight: 0, epoch: null, week: '' as Week, running, nodes: wanted }
  }
  const { chain, network, plan, nodes } = prepared
  const { height } = chain.tip
  const { activationHeight, epochBlocks } = network.profile.genesis
  return {
    stage,
    height,
    lastHeight: lastHeightOf(prepared),
    epoch: height < activationHeight ? null : Math.floor((height - activationHeight) / epochBlocks),
    week: plan.week,
    running,
    nodes: nodes.length,
  }
}

const talliesOf = async (
  running: ReadonlyMap<PreparedNode, RunningNode>,
  week: Week,
  signal: AbortSignal,
): Promise<Map<PreparedNode, DigestedTally>> => {
  const tallies = new Map<PreparedNode, DigestedTally>()
  for (const [node, { assembled }] of running) {
    tallies.set(node, await assembled.weeks.tally(week, signal))
  }
  return tallies
}

/** Half an epoch after the freeze of the week nothing is taken in any more. */
const closingHeight = ({ plan, network }: PreparedDevnet): Height =>
  freezeHeight(network.profile.genesis, plan.lastEpoch) + Math.floor(network.profile.genesis.epochBlocks / 2)

const lastHeightOf = (prepared: PreparedDevnet): Height =>
  closingHeight(prepared) + prepared.network.profile.genesis.confirmations

/** A third into the week, so that there is a rest of it to be in. */
const lateEpoch = (first: number, last: number): number => first + Math.floor((last - first) / 3)
