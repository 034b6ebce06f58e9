import { resolve } from 'node:path'
import { Command } from 'commander'
import { loadNetwork } from '../service/load-network.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { makeDirectory, networkOfDirectory, writeProfile } from '../service/data-dir.ts'
import { openStore } from '../store/open.ts'
import { headOfBundle } from '../week/anchor-of.ts'
import type { VerifyBundleOptions } from '../week/bundle.ts'
import { sha256 } from '../week-io/native.ts'
import { type ImportAnswer, importAnchored, importAnswerOf } from '../week-io/import-bundle.ts'
import { realWorld } from '../world.ts'
import { ImportedAnswer } from '../web/control/schemas.ts'
import { type BundleFile, openBundleFile } from './bundle-file.ts'
import { askDaemon } from './control-client.ts'
import { followWithProgress } from './followed-weeks.ts'
import { type CliIo, printJson } from './io.ts'
import { createProgress } from './progress.ts'
import { openRpcClient, type RpcOptions, withOptionalRpc } from './rpc-options.ts'
import { fromDirectory } from './tally.ts'

interface ImportFlags extends Partial<RpcOptions> {
  dir: string
  profile?: string
  json?: true
}

/** `secnode bundle import`: a week from a file into a node's store. */
export const bundleImportCommand = (io: CliIo): Command =>
  withOptionalRpc(new Command('import'), 'to follow the chain into the directory first')
    .description("bring an anchored week from a file into a node's store")
    .argument('<file>', 'the bundle, as `secnode bundle export` wrote it')
    .option('--dir <dir>', 'data directory of a node', 'data')
    .option('--profile <name or file>', 'with --rpc, for a new directory: its network')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
Only what the anchor on the chain names comes in, each attestation with its own valid signature. A running daemon takes
it in itself. A directory whose chain has not come to the anchor needs --rpc, a new one --profile as well.
Exit code 0: all of it is in the store; 1: damaged, cut, padded or foreign; 3: no anchor yet, or something was left out.

Examples:
  $ secnode bundle import week.car --dir data
  $ secnode bundle import week.car --dir fresh --rpc http://127.0.0.1:18232 --profile zcash-testnet
  week 2026-W47: 1680000 attestations are in the store`,
    )
    .action(async (path: string, flags: ImportFlags) => {
      const { profile, rpc } = flags
      if (profile !== undefined && rpc === undefined) {
        throw new SecnodeError('USAGE', '--profile goes with --rpc', { exitCode: 2 })
      }
      const file = await openBundleFile(path)
      // What is no bundle at all is refused before a chain is followed for it.
      await headOfBundle(file.open(), sha256)
      const dir = resolve(flags.dir)
      if (rpc !== undefined) await followInto(io, dir, { ...flags, rpc })
      const answer = await importInto(io, dir, resolve(path), file)
      if (flags.json === true) printJson(io, answer)
      else {
        const weeks = `week${answer.weeks.length > 1 ? 's' : ''} ${answer.weeks.join(', ')}`
        const evidence = answer.evidence > 0 ? ` and ${answer.evidence} blocks of evidence` : ''
        io.stdout(`${weeks}: ${answer.attestations} attestations${evidence} are in the store\n`)
      }
    })

const importInto = async (io: CliIo, dir: string, path: string, file: BundleFile): Promise<ImportAnswer> => {
  const progress = createProgress(io, realWorld())
  const options: Omit<VerifyBundleOptions, 'sha256'> = {
    signal: io.signal,
    onProgress: ({ attestations, total }) =>
      progress.show(`taking in: ${attestations} of ${total} attestations`, attestations / total),
  }
  try {
    return await fromDirectory(
      dir,
      async (weeks) => importAnswerOf(await importAnchored(weeks, () => file.open(), options)),
      () => askDaemon(dir, '/bundle/import', ImportedAnswer, io.signal, JSON.stringify({ file: path })),
    )
  } finally {
    progress.end()
  }
}

/** A running daemon follows the chain itself. */
const followInto = async (io: CliIo, dir: string, flags: ImportFlags & { rpc: string }): Promise<void> => {
  const network =
    flags.profile === undefined ? await networkOfDirectory(dir) : await loadNetwork(flags.profile)
  await makeDirectory(dir)
  let store
  try {
    store = await openStore({ directory: dir, networkId: network.networkId })
  } catch (error) {
    if (isSecnodeError(error, 'STORE_LOCKED')) return
    throw error
  }
  try {
    await writeProfile(dir, network.profile)
    await using rpc = openRpcClient(flags, realWorld())
    // A daemon samples the whole chain (R-CHAL-2), and this directory may become one's.
    const isNew = (await store.range({ limit: 3 })[Symbol.asyncIterator]().next()).done === true
    await followWithProgress(io, network, rpc, store, isNew ? 0 : undefined)
  } finally {
    await store.close()
  }
}
