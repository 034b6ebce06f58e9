import { Command } from 'commander'
import pino from 'pino'
import { assembleNode } from '../node/assemble.ts'
import { loadConfig } from '../node/config.ts'
import { createControlServer } from '../node/control.ts'
import { realWorld } from '../world.ts'
import type { CliIo } from './io.ts'

export const startCommand = (io: CliIo): Command =>
  new Command('start')
    .description('run the node')
    .requiredOption('--config <file>', 'its configuration (YAML)')
    .addHelpText('after', '\nExample:\n  secnode start --config /etc/secnode/secnode.yaml\n')
    .action(async (flags: { config: string }) => await start(io, flags.config))

const start = async (io: CliIo, configFile: string): Promise<void> => {
  const config = await loadConfig(configFile)
  const logger = pino({ level: config.log }, pino.destination({ dest: 2, sync: true }))
  const node = await assembleNode(config, { logger, world: realWorld() })
  const control = createControlServer(node, config.dir, logger)
  // Nothing else keeps the process alive once all sockets are idle.
  const alive = setInterval(() => undefined, 60_000)
  try {
    await node.start()
    await control.start()
    logger.info(
      { host: config.host, peer: node.daemon.host.peerId, network: node.network.networkId },
      'the node runs',
    )
    await Promise.race([node.failed, untilAborted(io.signal)])
    logger.info('stopping')
  } finally {
    clearInterval(alive)
    await control.stop()
    await node.stop()
  }
}

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
