import type { Logger } from 'pino'
import type { Network } from '../chain/profiles.ts'
import { createNodeKeys } from '../keys/node-key.ts'
import { createHost, type Host } from '../net/host.ts'
import type { World } from '../world.ts'

/** A host with throw-away keys that only asks: nobody needs to find it. Whoever starts it stops it. */
export const startAskingHost = async (options: {
  network: Network
  logger: Logger
  world: World
}): Promise<Host> => {
  const { network, logger, world } = options
  const host = createHost({
    keys: createNodeKeys((length) => world.randomBytes(length)),
    networkId: network.networkId,
    listen: { address: '127.0.0.1', port: 0 },
    allowLoopback: network.profile.allowLoopback,
    topics: [],
    logger,
    world,
  })
  await host.start()
  return host
}
