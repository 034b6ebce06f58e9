import { resolve } from 'node:path'
import { Command } from 'commander'
import type { TestedTarget } from '../service/alerts/alerter.ts'
import { AlertTestAnswer } from '../web/control/schemas.ts'
import { type CliIo, printJson } from './io.ts'
import { printable } from './printable.ts'
import { askRunning } from './running-daemon.ts'

/** `secnode alert test`: whether alerts arrive, before one is needed. */
export const alertTestCommand = (io: CliIo): Command =>
  new Command('test')
    .description('send a test alert to every target of the running node, and say which took it')
    .option('--dir <dir>', 'data directory of the running node', 'data')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ secnode alert test --dir /var/lib/secnode\n\nExit code 0: all took it; 1: some did not; 2: none is configured; 3: the daemon does not run.\n',
    )
    .action(async (flags: { dir: string; json?: true }) => {
      const tested = await askRunning(resolve(flags.dir), '/alert/test', AlertTestAnswer, io.signal, '{}')
      if (flags.json === true) printJson(io, tested)
      else for (const one of tested) io.stdout(`${lineOf(one)}\n`)
      io.setExitCode(tested.every(({ error }) => error === null) ? 0 : 1)
    })

const lineOf = ({ kind, name, error }: TestedTarget): string =>
  `${kind} ${name}: ${error === null ? 'taken' : `FAILED, ${printable(error)}`}`
