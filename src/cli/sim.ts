import { spawn } from 'node:child_process'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import type { CliIo } from './io.ts'

/** The simulator shares no code with the daemon: it is a process of its own, with this one's terminal. */
export const simCommand = (io: CliIo): Command =>
  new Command('sim')
    .description('simulate attacks on the same rules (list, run, sweep, merge, report, compare, math)')
    .argument('[args...]', 'what the simulator takes: see `secnode sim help`')
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
Its commands: \`secnode sim help\`, \`secnode sim help run\` and so on.

Example:
  $ secnode sim run ip-spread --set protocol.maxPerPrefix=4`,
    )
    .action(async (args: string[]) => io.setExitCode(await runSimulator(args, io.signal)))

// `.ts` in a clone, `.js` where it was built.
const entry = fileURLToPath(new URL(`../../sim/cli${extname(import.meta.url)}`, import.meta.url))

const exitCodes = [0, 1, 2, 3, 130] as const

const runSimulator = async (args: readonly string[], signal: AbortSignal) => {
  const child = spawn(process.execPath, [...process.execArgv, entry, ...args], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both; a signal to this process alone is passed on.
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  signal.removeEventListener('abort', stop)
  return exitCodes.find((known) => known === code) ?? 1
}
