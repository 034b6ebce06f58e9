import { Command } from 'commander'
import pino from 'pino'
import { SecnodeError } from '../errors.ts'
import { type NamedPeer, parseNamedPeer } from '../net/named-peer.ts'
import { type CheckReport, type DoctorReport, runDoctor } from '../service/setup/doctor.ts'
import { realWorld } from '../world.ts'
import { askDaemon } from './control-client.ts'
import { type CliIo, printJson } from './io.ts'
import { createProgress } from './progress.ts'

interface DoctorFlags {
  config: string
  peer?: string[]
  beforeAnnouncement?: true
  json?: true
}

export const doctorCommand = (io: CliIo): Command =>
  new Command('doctor')
    .description('check everything that a challenger will check, and more')
    .requiredOption('--config <file>', 'configuration of the node')
    .option('--peer <peer...>', 'announced nodes to ask for a dial back: host:port/PEERID or a multiaddr')
    .option('--before-announcement', 'that the node is not announced yet is no fault')
    .option('--json', 'print one object')
    .addHelpText(
      'after',
      `
If the node runs, it is asked; if not, its two ports are opened for as long as this looks. For the look from outside an
announced node dials back. Exit code 0: no failure, perhaps warnings; 1: failures.

Examples:
  secnode doctor --config secnode.yaml --before-announcement
  secnode doctor --config secnode.yaml --peer node.example.org:9734/12D3KooW...`,
    )
    .action(async (flags: DoctorFlags) => {
      const world = realWorld()
      const progress = createProgress(io, world)
      const report = await runDoctor(
        {
          configFile: flags.config,
          world,
          logger: pino({ level: 'silent' }),
          signal: io.signal,
          peers: (flags.peer ?? []).map(peerOf),
          isBeforeAnnouncement: flags.beforeAnnouncement === true,
          askDaemon,
        },
        ({ done, all, running }) =>
          progress.show(`${done} of ${all} checks; ${running.join(', ')}`, done / all),
      ).finally(() => progress.end())
      if (!report.isHealthy) io.setExitCode(1)
      if (flags.json === true) printJson(io, report)
      else io.stdout(formatReport(report))
    })

const peerOf = (text: string): NamedPeer => {
  const peer = parseNamedPeer(text)
  if (peer !== null) return peer
  throw new SecnodeError('USAGE', `--peer: ${text} names no peer`, {
    exitCode: 2,
    hint: 'Write node.example.org:9734/PEERID, or /ip4/192.0.2.7/tcp/9734/p2p/PEERID.',
  })
}

const nameCells = 14

/** A line for each check, and below it what is wrong and what to do. */
export const formatReport = ({ checks, isHealthy }: DoctorReport): string => {
  const findings = checks.flatMap((check) => check.findings)
  const failures = findings.filter(({ severity }) => severity === 'failure').length
  const warnings = findings.length - failures
  const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`
  return [
    ...checks.flatMap(linesOf),
    '',
    `${isHealthy ? 'healthy' : 'not healthy'}: ${count(failures, 'failure')}, ${count(warnings, 'warning')}`,
    '',
  ].join('\n')
}

const linesOf = ({ check, is, detail, findings }: CheckReport): string[] => {
  const name = check.padEnd(nameCells)
  if (findings.length === 0) return [`${is.padEnd(9)}${name}${detail}`]
  return findings.flatMap(({ severity, code, message, hint }) => [
    `${severity.padEnd(9)}${name}${message} [${code}]`,
    `${' '.repeat(9 + nameCells)}${hint}`,
  ])
}
