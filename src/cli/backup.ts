import { resolve } from 'node:path'
import { Command } from 'commander'
import { bytesToHex } from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { createPrivateFile } from '../keys/private-file.ts'
import { makeBackup } from '../service/backup.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'

interface BackupFlags {
  config: string
  output: string
  json?: boolean
}

/** `secnode backup`: the few files that matter, in one. */
export const backupCommand = (io: CliIo): Command =>
  new Command('backup')
    .description('write what makes a node this node into one file: configuration, keys, profile')
    .requiredOption('--config <file>', "the node's configuration")
    .requiredOption('-o, --output <file>', 'write it there, mode 0600; - for standard output')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
The file holds the node's secret keys, which can spend nothing, but sign for it: keep it where nobody else reads it. The
store is left out: it comes back by itself. The node may be running.

Example:
  $ secnode backup --config /etc/secnode/secnode.yaml -o node7.backup
  $ secnode backup --config /etc/secnode/secnode.yaml -o - | age -r age1… > node7.backup.age`,
    )
    .action(async (flags: BackupFlags) => {
      const world = realWorld()
      const text = await makeBackup(flags.config, world)
      if (flags.output === '-') return io.stdout(text)
      const file = resolve(flags.output)
      let isNew: boolean
      try {
        isNew = await createPrivateFile(file, text, bytesToHex(world.randomBytes(8)))
      } catch (error) {
        throw new SecnodeError('BACKUP_UNWRITABLE', `cannot write ${file}: ${messageOf(error)}`, {
          hint: 'Check who owns the folder, and whether its disk is full.',
          cause: error,
        })
      }
      if (!isNew) {
        throw new SecnodeError('BACKUP_IN_THE_WAY', `${file} exists already`, {
          exitCode: 2,
          hint: 'Backups are never overwritten: name another file.',
        })
      }
      if (flags.json === true) printJson(io, { file, bytes: Buffer.byteLength(text) })
      else io.stdout(`${flags.output}: ${Buffer.byteLength(text)} bytes, with the node's secret keys\n`)
    })
