import { resolve } from 'node:path'
import { Command } from 'commander'
import { PageAnswer } from '../web/control/schemas.ts'
import { type CliIo, printJson } from './io.ts'
import { askRunning } from './running-daemon.ts'

/** `secnode page`: the address of the node's page, for its operator. */
export const pageCommand = (io: CliIo): Command =>
  new Command('page')
    .description(
      "print the address of the running node's page, with a key that makes the session the operator's",
    )
    .option('--dir <dir>', 'data directory of the running node', 'data')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Every program of this machine may read the page, and all of them share one allowance of requests. A browser that opens
this address has an allowance of its own until the daemon stops. Who may open the data directory may print it.

Example:
  $ secnode page --dir /var/lib/secnode

Exit code 0: printed; 3: the daemon does not run, or serves no page.
`,
    )
    .action(async (flags: { dir: string; json?: true }) => {
      const page = await askRunning(resolve(flags.dir), '/page', PageAnswer, io.signal)
      if (flags.json === true) printJson(io, page)
      else io.stdout(`${page.url}\n`)
    })
