import { Command } from 'commander'
import pino from 'pino'
import { createReloads, runService } from '../node/service.ts'
import { realWorld } from '../world.ts'
import type { CliIo } from './io.ts'

export const startCommand = (io: CliIo): Command =>
  new Command('start')
    .description('run the node')
    .requiredOption('--config <file>', 'its configuration (YAML)')
    .addHelpText(
      'after',
      `
SIGTERM or Ctrl-C stops it; SIGHUP makes it read its configuration and its certificate again. A configuration that is
wrong does not take it down: the old one stays in use, and the log says why.

Example:
  secnode start --config /etc/secnode/secnode.yaml
`,
    )
    .action(async (flags: { config: string }) => await start(io, flags.config))

const start = async (io: CliIo, configFile: string): Promise<void> => {
  const logger = pino({ level: 'info' }, pino.destination({ dest: 2, sync: true }))
  const reloads = createReloads()
  const reload = (): void => reloads.request()
  process.on('SIGHUP', reload)
  try {
    await runService({ configFile, logger, world: realWorld(), signal: io.signal, reloads })
  } finally {
    process.off('SIGHUP', reload)
  }
}
