import type { Logger } from 'pino'
import type { Network } from '../chain/profiles.ts'
import { createNodeKeys } from '../keys/node-key.ts'
import { createHost, type Host } from '../net/host.ts'
import type { Toll } from '../net/puzzle-solver.ts'
import type { World } from '../world.ts'

/** A host with throw-away keys that only asks: nobody needs to find it. Whoever starts it stops it. */
export const startAskingHost = async (options: {
  network: Network
  logger: Logger
  world: World
  /** What it is ready to do for nodes under load, and who hears of it (R-PUZ-4). */
  maxEffort?: number
  onToll?: (toll: Toll) => void
}): Promise<Host> => {
  const { network, logger, world, maxEffort, onToll } = options
  const host = createHost({
    keys: createNodeKeys((length) => world.randomBytes(length)),
    networkId: network.networkId,
    listen: { address: '127.0.0.1', port: 0 },
    allowLoopback: network.profile.allowLoopback,
    topics: [],
    logger,
    world,
    ...(maxEffort === undefined ? {} : { maxEffort }),
    ...(onToll === undefined ? {} : { onToll }),
  })
  await host.start()
  return host
}
