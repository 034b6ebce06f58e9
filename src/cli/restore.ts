import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { loadNetwork } from '../service/load-network.ts'
import { lineOf } from '../errors.ts'
import { maxBackupBytes, restoreBackup } from '../service/backup.ts'
import { powersOf } from '../service/powers.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { powersText } from './powers-text.ts'
import { readTextInput } from './text-input.ts'

interface RestoreFlags {
  to: string
  dir?: string
  json?: boolean
}

/** `secnode restore`: a node from its backup, in another folder or on another machine. */
export const restoreCommand = (io: CliIo): Command =>
  new Command('restore')
    .description('bring a node back from a backup')
    .argument('<file>', 'what `secnode backup` wrote, or - for standard input')
    .requiredOption('--to <folder>', 'folder for its files; nothing in it is overwritten')
    .option('--dir <dir>', 'data directory to write into the configuration')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Stop the old node first, and for good: two nodes with the same keys would contradict each other, and R-ATT-3 takes a
week's earnings for that. The restored one follows the chain anew and asks three other seats what it has signed; it
attests from the next epoch on.

A backup is as powerful as the configuration in it: once started, the node runs its commands, and sends alerts to its
webhooks and the cookie file to its chain node. All of them are printed; look at them unless the backup is your own.

Example:
  $ secnode restore node7.backup --to /etc/secnode
  $ secnode start --config /etc/secnode/secnode.yaml`,
    )
    .action(async (file: string, flags: RestoreFlags) => {
      const text = await readTextInput(file, { maxCharacters: maxBackupBytes, signal: io.signal })
      const restored = await restoreBackup(text, {
        to: resolve(flags.to),
        dir: flags.dir === undefined ? undefined : resolve(flags.dir),
        world: realWorld(),
      })
      const { config, configFile, host, peer, madeAt } = restored
      const missing = [config.certificate.cert, config.certificate.key].filter((path) => !existsSync(path))
      const { profile } = await loadNetwork(config.profile)
      const powers = powersOf(config, profile)
      if (flags.json === true)
        printJson(io, { configFile, host, peer, madeAt, dir: config.dir, missing, powers })
      else {
        io.stdout(
          `${configFile}: ${host}, peer ${peer}, as of ${madeAt}; data directory ${lineOf(config.dir)}\n`,
        )
        for (const line of powersText(powers)) io.stdout(`  once started it ${line}\n`)
        for (const path of missing) io.stdout(`  not in the backup, and not here: ${lineOf(path)}\n`)
        io.stdout(`  next: stop the old node, then secnode start --config ${configFile}\n`)
      }
    })
