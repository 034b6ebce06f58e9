import { pino, type Logger } from 'pino'
import { bytesToHex, type NetworkId } from '../../protocol/index.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import type { NetMetrics } from '../../src/net/counters.ts'
import { createHost, type Host, type HostOptions } from '../../src/net/host.ts'
import type { RequestTarget } from '../../src/net/links.ts'
import { realWorld } from '../../src/world.ts'

export const networkId = 'ab'.repeat(16) as NetworkId
export const silent: Logger = pino({ level: 'silent' })
export const topics = [
  { name: 'attestations', maxMessageBytes: 1_024 },
  { name: 'proofs', maxMessageBytes: 4_096 },
]

export interface LocalHost extends Host {
  peerKey: Uint8Array
  /** Counts by counter and label. */
  counts: Map<string, number>
  target(): RequestTarget
  [Symbol.asyncDispose](): Promise<void>
}

/** Metrics that a test reads, by counter and label. */
export const createCounts = (): { metrics: NetMetrics; counts: Map<string, number> } => {
  const counts = new Map<string, number>()
  return {
    counts,
    metrics: {
      increment: (counter, label) =>
        counts.set(`${counter} ${label}`, (counts.get(`${counter} ${label}`) ?? 0) + 1),
    },
  }
}

/** A started host on an address of its own, which it also dials from; any free port. */
export const startHost = async (address: string, options: Partial<HostOptions> = {}): Promise<LocalHost> => {
  const world = realWorld()
  const keys = options.keys ?? createNodeKeys((length) => world.randomBytes(length))
  const { metrics, counts } = createCounts()
  const host = createHost({
    networkId,
    listen: { address, port: 0 },
    localAddress: address,
    allowLoopback: true,
    topics,
    logger: silent,
    world,
    metrics,
    ...options,
    keys,
  })
  await host.start()
  return {
    ...host,
    peerKey: keys.peerKey,
    counts,
    target: () => ({ peerKey: keys.peerKey, address: host.addresses()[0]! }),
    [Symbol.asyncDispose]: () => host.stop(),
  }
}

/** The registry of a test: all of these have reserved places with one another. */
export const registerAll = (...hosts: readonly LocalHost[]): void => {
  const keys = new Set(hosts.map((host) => bytesToHex(host.peerKey)))
  for (const host of hosts) host.setRegistered(keys)
}

/**
 * Waits for a condition of the outside; fails after `withinMs`. By default that is long: a limit for what never comes, on
 * a machine however slow, and shorter than a test's own, which would not name the condition.
 */
export const until = async (
  condition: () => boolean | Promise<boolean>,
  withinMs = 90_000,
): Promise<void> => {
  const endMs = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`not so within ${withinMs} ms: ${String(condition)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
