import { Command } from 'commander'
import pino, { type Logger } from 'pino'
import { SecnodeError } from '../errors.ts'
import { loadConfig } from '../service/config.ts'
import { createReloads, runService } from '../service/service.ts'
import { runDoctor } from '../service/setup/doctor.ts'
import { kinds, type StoppingCode } from '../service/setup/findings.ts'
import { openDoors } from '../web/doors.ts'
import { realWorld } from '../world.ts'
import { askDaemon } from './control-client.ts'
import type { CliIo } from './io.ts'
import { asciiJson } from './printable.ts'

export const startCommand = (io: CliIo): Command =>
  new Command('start')
    .description('run the node')
    .requiredOption('--config <file>', 'its configuration (YAML)')
    .option('--standby', 'only stand by: warm, as a stranger, signing nothing until `secnode takeover`')
    .option('--force', 'start in spite of what the doctor finds')
    .addHelpText(
      'after',
      `
First it looks at files, names, disk and chain node as \`secnode doctor\` does. What makes running senseless (a pruned
chain node, one of another network, a full disk) keeps it from starting; whatever else is wrong goes to the log.
SIGTERM or Ctrl-C stops it; SIGHUP makes it read its configuration and its certificate again. A configuration that is
wrong does not take it down: the old one stays in use, and the log says why.

A standby follows the chain, gossip and sync with keys of its own. It watches its certificate, its ports and the seat, and
takes nothing over by itself.

Examples:
  secnode start --config /etc/secnode/secnode.yaml
  secnode start --config /etc/secnode/secnode.yaml --standby
`,
    )
    .action(async (flags: StartFlags) => await start(io, flags))

interface StartFlags {
  config: string
  standby?: true
  force?: true
}

/** The daemon is not kept waiting for what does not answer. */
const checkMs = 15_000

const start = async (io: CliIo, flags: StartFlags): Promise<void> => {
  const configFile = flags.config
  const options = { level: 'info', hooks: { streamWrite: asciiJson } }
  const logger = pino(options, pino.destination({ dest: 2, sync: true }))
  logger.level = (await loadConfig(configFile)).log
  const isStandby = flags.standby === true
  await lookFirst(io, configFile, { isStandby, isForced: flags.force === true }, logger)
  const reloads = createReloads()
  const reload = (): void => reloads.request()
  process.on('SIGHUP', reload)
  try {
    const world = realWorld()
    await runService({ configFile, logger, world, signal: io.signal, reloads, openDoors, isStandby })
  } finally {
    process.off('SIGHUP', reload)
  }
}

/**
 * The doctor's look from inside; from outside the running daemon looks itself. Errors: a finding that stops, unless
 * forced. What the daemon refuses by itself is left to it.
 */
const lookFirst = async (
  io: CliIo,
  configFile: string,
  { isStandby, isForced }: { isStandby: boolean; isForced: boolean },
  logger: Logger,
): Promise<void> => {
  const report = await runDoctor({
    configFile,
    world: realWorld(),
    logger,
    signal: io.signal,
    scope: 'inside',
    isStandby,
    checkMs,
    askDaemon,
  })
  const findings = report.checks.flatMap((check) => check.findings)
  for (const { code, severity, message, hint } of findings) {
    logger.warn({ code, severity, hint }, `doctor: ${message}`)
  }
  const stop = findings.find(({ stops, code }) => stops && (code in kinds || code === 'RPC_AUTH'))
  if (stop === undefined || isForced) return
  throw new SecnodeError(stop.code as StoppingCode | 'RPC_AUTH', stop.message, {
    hint: `${stop.hint} --force starts all the same.`,
  })
}
