import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { collectDefaultMetrics } from 'prom-client'
import { aborted } from '../async/abort.ts'
import { isSecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import { type AssembledNode, type AssembleOptions, assembleNode, type NodeRole } from './assemble.ts'
import { type Config, loadConfig } from './config.ts'
import type { TakenOver } from '../node/takeover.ts'

export interface ServiceOptions {
  configFile: string
  logger: Logger
  world: World
  /** Ends the service, gracefully. */
  signal: AbortSignal
  reloads: Reloads
  openDoors: OpenDoors
  /** Warm, and a stranger, until it takes its seat over, by the chain or by its operator's word (R-ATT-8). */
  isStandby?: boolean
  /** What devnets change. */
  daemon?: NonNullable<AssembleOptions['daemon']>
}

/** Opens what a started node answers at: the control socket, the page. */
export type OpenDoors = (
  node: AssembledNode,
  config: Config,
  logger: Logger,
) => Promise<{ stop(): Promise<void> }>

/** Requests to read the configuration again; those that come while one is served are one. */
export interface Reloads {
  request(): void
  /** Resolves at once if there was a request since the last one was taken. */
  next(): Promise<void>
}

export const createReloads = (): Reloads => {
  let requested = Promise.withResolvers<void>()
  return {
    request: () => requested.resolve(),
    async next() {
      await requested.promise
      requested = Promise.withResolvers<void>()
    },
  }
}

/**
 * Runs the node that a configuration names until `signal` is aborted, or until it cannot go on, which rejects. On a
 * reload the certificate is read again, a new log level holds at once, and any other change restarts the node with the
 * new configuration; one that is wrong, or does not start, is refused in the log, and the old one stays.
 */
export const runService = async (options: ServiceOptions): Promise<void> => {
  const { configFile, logger, signal, reloads } = options
  let config = await loadConfig(configFile)
  logger.level = config.log
  let role: NodeRole = options.isStandby === true ? 'standby' : 'seat'
  let running = await startNode(config, { ...options, role })
  try {
    let requested = reloads.next().then(() => 'reload' as const)
    const stopped = aborted(signal).then(() => 'stop' as const)
    for (;;) {
      const event = await Promise.race([running.failed, running.takeoverDue, stopped, requested])
      if (event === 'stop') break
      if (event === 'taken-over' || event === 'successor') {
        role = event
        await running.stop()
        running = await startNode(config, { ...options, role })
        continue
      }
      ;({ running, config } = await reload(running, config, { ...options, role }))
      logger.level = config.log
      requested = reloads.next().then(() => 'reload' as const)
    }
    logger.info('stopping')
  } finally {
    await running.stop()
  }
}

interface Current {
  running: Running
  config: Config
}

const reload = async (
  running: Running,
  config: Config,
  options: ServiceOptions & { role: NodeRole },
): Promise<Current> => {
  const { configFile, logger } = options
  let wanted: Config
  try {
    wanted = await loadConfig(configFile)
  } catch (error) {
    logRefusal(logger, error)
    return { running, config }
  }
  if (isDeepStrictEqual({ ...wanted, log: config.log }, config)) {
    await running.reloadCertificate()
    logger.info('configuration read again')
    return { running, config: wanted }
  }
  logger.info('configuration changed: the node starts again')
  // Ports and store can be open once only.
  await running.stop()
  try {
    return { running: await startNode(wanted, options), config: wanted }
  } catch (error) {
    logRefusal(logger, error)
    return { running: await startNode(config, options), config }
  }
}

const logRefusal = (logger: Logger, error: unknown): void => {
  const { code, hint } = isSecnodeError(error) ? error : { code: undefined, hint: undefined }
  logger.error(
    { reason: messageOf(error), code, hint },
    'new configuration refused, the old one stays in use',
  )
}

/** A node with everything that `secnode start` starts beside it. */
export interface Running {
  readonly node: AssembledNode
  failed: Promise<never>
  /** Resolves when a standby is to go on as the seat. */
  takeoverDue: Promise<TakenOver>
  reloadCertificate(): Promise<boolean>
  /** Idempotent. */
  stop(): Promise<void>
}

/** Starts the node of a configuration with the metrics of its process, then opens its doors. */
export const startNode = async (
  config: Config,
  { logger, world, openDoors, daemon = {}, role = 'seat' }: AssembleOptions & { openDoors: OpenDoors },
): Promise<Running> => {
  const node: AssembledNode = await assembleNode(config, { logger, world, daemon, role })
  // One daemon, one process: its memory and processor time are the daemon's.
  collectDefaultMetrics({ register: node.daemon.metrics.registry })
  const takeoverDue = Promise.withResolvers<TakenOver>()
  node.daemon.takeover.onDue(takeoverDue.resolve)
  let doors: { stop(): Promise<void> } | null = null
  const stop = async (): Promise<void> => {
    await doors?.stop()
    await node.stop()
  }
  try {
    await node.start()
    doors = await openDoors(node, config, logger)
  } catch (error) {
    await stop()
    throw error
  }
  logger.info(
    { host: config.host, peer: node.daemon.host.peerId, network: node.network.networkId, role },
    'the node runs',
  )
  return {
    node,
    failed: node.failed,
    takeoverDue: takeoverDue.promise,
    reloadCertificate: () => node.daemon.reloadCertificate(),
    stop,
  }
}
