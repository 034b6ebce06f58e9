import { createInterface } from 'node:readline/promises'
import { Command, CommanderError } from 'commander'
import { alertTestCommand } from './alert-test.ts'
import { backupCommand } from './backup.ts'
import { beaconUniformityCommand } from './beacon-uniformity.ts'
import { bundleExportCommand } from './bundle-export.ts'
import { bundleImportCommand } from './bundle-import.ts'
import { bundleVerifyCommand } from './bundle-verify.ts'
import { chainFollowCommand } from './chain-follow.ts'
import { chainInspectCommand } from './chain-inspect.ts'
import { chainMemoCommand } from './chain-memo.ts'
import { chainVerifyMessageCommand } from './chain-verify-message.ts'
import { devnetCommand } from './devnet.ts'
import { doctorCommand } from './doctor.ts'
import { explainCommand } from './explain.ts'
import { anchorCommand } from './anchor.ts'
import { announceCommand } from './announce.ts'
import { daemonVersion } from '../node/daemon.ts'
import { fleetCommand } from './fleet.ts'
import { historyExportCommand } from './history-export.ts'
import { historyImportCommand } from './history-import.ts'
import { initCommand } from './init.ts'
import { type CliIo, printError } from './io.ts'
import { pageCommand } from './page.ts'
import { payoutBuildCommand } from './payout-build.ts'
import { payoutConsolidateCommand } from './payout-consolidate.ts'
import { payoutSendCommand } from './payout-send.ts'
import { payoutSignCommand } from './payout-sign.ts'
import { payoutStatusCommand } from './payout-status.ts'
import { payoutVerifyCommand } from './payout-verify.ts'
import { peersCommand } from './peers.ts'
import { relayBroadcastCommand } from './relay-broadcast.ts'
import { relayStatusCommand } from './relay-status.ts'
import { restoreCommand } from './restore.ts'
import { simCommand } from './sim.ts'
import { startCommand } from './start.ts'
import { statusCommand } from './status.ts'
import { takeoverCommand } from './takeover.ts'
import { tallyCommand } from './tally.ts'
import { keepAlive } from '../async/keep-alive.ts'

const createIo = (): { io: CliIo; exitCode: () => number } => {
  const abort = new AbortController()
  let exitCode = 0
  let interrupts = 0
  const interrupt = (): void => {
    interrupts++
    // A second Ctrl-C is meant: leave at once.
    if (interrupts > 1) process.exit(130)
    exitCode = 130
    abort.abort(new Error('interrupted'))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // `secnode ... | head` closes the pipe early: not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCode)
    throw error
  })
  return {
    io: {
      stdout: (text) => void process.stdout.write(text),
      stderr: (text) => void process.stderr.write(text),
      isTerminal: process.stderr.isTTY,
      ...(process.stdin.isTTY && process.stderr.isTTY ? { ask: askOnTerminal(abort.signal) } : {}),
      signal: abort.signal,
      setExitCode: (code) => {
        if (exitCode !== 130) exitCode = code
      },
    },
    exitCode: () => exitCode,
  }
}

/** Questions go to standard error: standard output is the result. */
const askOnTerminal =
  (signal: AbortSignal) =>
  async (question: string): Promise<string> => {
    const lines = createInterface({ input: process.stdin, output: process.stderr })
    try {
      return await lines.question(question, { signal })
    } finally {
      lines.close()
    }
  }

export const createProgram = (io: CliIo): Command => {
  const program = new Command('secnode')
    .description('Staked full nodes check one another and agree on a weekly tally, without a tracker.')
    .version(daemonVersion)
    .option('--verbose', 'print the stack of an error')
    .addHelpText(
      'after',
      exampleText(
        'secnode devnet',
        'secnode doctor --config secnode.yaml --before-announcement',
        'secnode tally --week last --dir data',
      ),
    )
    .showHelpAfterError('(run with --help for what it takes)')
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout(text), writeErr: (text) => io.stderr(text) })
  program
    .command('chain')
    .description('read the chain: parse blocks, find memos, check message signatures, follow a node')
    .addHelpText(
      'after',
      exampleText('secnode chain follow --rpc http://127.0.0.1:18232 --profile zcash-testnet'),
    )
    .addCommand(chainFollowCommand(io))
    .addCommand(chainInspectCommand(io))
    .addCommand(chainMemoCommand(io))
    .addCommand(chainVerifyMessageCommand(io))
  program
    .command('beacon')
    .description('what follows from the beacons: whether samples are uniform')
    .addHelpText('after', exampleText('secnode beacon uniformity --draws 1000000'))
    .addCommand(beaconUniformityCommand(io))
  program
    .command('bundle')
    .description('all data of a week in one file: write it, check it, bring it into a store')
    .addHelpText('after', exampleText('secnode bundle export --week 2026-W47 -o week.car --dir data'))
    .addCommand(bundleExportCommand(io))
    .addCommand(bundleVerifyCommand(io))
    .addCommand(bundleImportCommand(io))
  program
    .command('payout')
    .description('pay a week: build, sign, send, and verify what was paid')
    .addHelpText(
      'after',
      exampleText(
        'secnode payout verify --rpc http://127.0.0.1:18232 --profile zcash-testnet --tally tally.json',
      ),
    )
    .addCommand(payoutBuildCommand(io))
    .addCommand(payoutConsolidateCommand(io))
    .addCommand(payoutSignCommand(io))
    .addCommand(payoutSendCommand(io))
    .addCommand(payoutVerifyCommand(io))
    .addCommand(payoutStatusCommand(io))
  program
    .command('relay')
    .description('send a transaction through nodes that do not know both you and it')
    .addHelpText('after', exampleText('secnode relay broadcast signed.hex --dir data'))
    .addCommand(relayBroadcastCommand(io))
    .addCommand(relayStatusCommand(io))
  program
    .addCommand(initCommand(io))
    .addCommand(announceCommand(io))
    .addCommand(doctorCommand(io))
    .addCommand(startCommand(io))
    .addCommand(statusCommand(io))
    .addCommand(peersCommand(io))
    .addCommand(pageCommand(io))
    .addCommand(fleetCommand(io))
    .addCommand(alertCommand(io))
    .addCommand(backupCommand(io))
    .addCommand(restoreCommand(io))
    .addCommand(historyCommand(io))
    .addCommand(takeoverCommand(io))
    .addCommand(tallyCommand(io))
    .addCommand(explainCommand(io))
    .addCommand(devnetCommand(io))
    .addCommand(anchorCommand(io))
    .addCommand(simCommand(io))
  inheritSettings(program)
  return program
}

const exampleText = (...calls: readonly string[]): string =>
  `\n${calls.length === 1 ? 'Example' : 'Examples'}:\n${calls.map((call) => `  ${call}`).join('\n')}`

const alertCommand = (io: CliIo): Command =>
  new Command('alert')
    .description('alerts of the running node')
    .addHelpText('after', exampleText('secnode alert test --dir data'))
    .addCommand(alertTestCommand(io))

const historyCommand = (io: CliIo): Command =>
  new Command('history')
    .description('what a node has signed: write it into a file, take it into another data directory')
    .addHelpText('after', exampleText('secnode history export --config secnode.yaml -o node7.history'))
    .addCommand(historyExportCommand(io))
    .addCommand(historyImportCommand(io))

/** A command made on its own would exit by itself, with another code, instead of throwing to `main`. */
const inheritSettings = (parent: Command): void => {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent)
    inheritSettings(command)
  }
}

/** Runs a command line, `argv` as of the process; what goes wrong is printed. Returns the exit code. */
export const runCommand = async (
  argv: readonly string[],
  { io, exitCode }: { io: CliIo; exitCode: () => number },
): Promise<number> => {
  const program = createProgram(io)
  try {
    await program.parseAsync(argv)
    return exitCode()
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    if (io.signal.aborted) return 130
    return printError(io, error, program.opts<{ verbose?: boolean }>().verbose === true)
  }
}

/** The whole of a process's life. */
export const main = async (argv: readonly string[]): Promise<never> => {
  // Timers of a World keep no process alive; a command that waits for nothing but time must not end of itself.
  using _alive = keepAlive()
  // Exit explicitly: an idle keep-alive socket must not hold a finished command.
  process.exit(await runCommand(argv, createIo()))
}
