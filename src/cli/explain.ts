import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import pino from 'pino'
import { epochStart } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { openStore } from '../store/open.ts'
import {
  answerExplain,
  answerVerify,
  type ExplainQuery,
  pathOfQuery,
} from '../week/explain/explain-answers.ts'
import { maxCaseBytes, readCase } from '../week/explain/case-file.ts'
import type { Explanation } from '../week/explain/explain.ts'
import type { SeatName } from '../week/explain/seat-name.ts'
import type { EpochChoice } from '../week/explain/seat-week.ts'
import { explainSourcesOfStore } from '../week-io/explain-sources.ts'
import type { VerifiedCase } from '../week/explain/verified-case.ts'
import { verifierOfChain, verifierOfStore } from '../week-io/case-verifier.ts'
import { followTo } from '../week-io/follow-chain.ts'
import { realWorld } from '../world.ts'
import { CaseAnswer } from '../web/control/schemas.ts'
import { askDaemon, textFromDaemon } from './control-client.ts'
import { formatExplanation, formatVerified } from './explain-text.ts'
import { type CliIo, printJson } from './io.ts'
import { openRpcClient, withOptionalRpc } from './rpc-options.ts'
import { sayToll } from './tolls.ts'
import { fromDirectory } from './tally.ts'

interface ExplainFlags {
  week: string
  seat?: number
  host?: string
  stake?: string
  epoch?: number
  all?: true
  dir: string
  export?: string
  verify?: string
  profile?: string
  cache?: string
  rpc?: string
  rpcUser?: string
  rpcPassword?: string
  rpcCookie?: string
  json?: true
}

const wholeNumber = (text: string): number => {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}

/** `secnode explain`: who said what of a node in a week, on what evidence, and what it cost. */
export const explainCommand = (io: CliIo): Command => {
  const command = new Command('explain')
    .description(
      "show who said what of a node, on what evidence, and what it cost; or check somebody's file of it",
    )
    .option('--week <week>', 'an ISO week, `current` or `last`', 'last')
    .option('--seat <n>', 'the node by its seat (default: the node of --dir)', wholeNumber)
    .option('--host <name>', 'the node by its host')
    .option('--stake <address>', 'the node by its stake address')
    .option('--epoch <n>', 'this epoch only', wholeNumber)
    .option('--all', 'every epoch in detail, not only those without a credit')
    .option('--dir <dir>', 'data directory of a node', 'data')
    .option('--export <file>', 'write all of it into one file that strangers can check')
    .option('--verify <file>', 'check such a file against the own chain, believing nothing in it')
    .option('--profile <name or file>', 'with --verify and --rpc: the network that you trust')
    .option('--cache <dir>', 'with --verify and --rpc: keep the chain that was followed here')
    .option('--json', 'print JSON')
  return withOptionalRpc(command, 'to recompute digests from')
    .addHelpText(
      'after',
      `
Evidence that is not in the store is fetched from the challengers that hold it: by the running daemon of --dir, else by
a short-lived host with throw-away keys. --verify needs a chain: that of --dir, or one read from --rpc for --profile.

Examples:
  secnode explain --week last
  secnode explain --week 2026-W47 --host node.example.org --all
  secnode explain --week 2026-W47 --seat 17 --export seat-17.json
  secnode explain --verify seat-17.json --dir data
  secnode explain --verify seat-17.json --rpc http://127.0.0.1:18232 --profile zcash-testnet

With --verify the exit code is 0 if all of it holds, 1 if something does not, 3 if data is missing to tell, or if no
anchor fixes the week yet: then all of it follows from what the file shows, and that may not be all that counts.
`,
    )
    .action(async (flags: ExplainFlags, self: Command) => {
      const isDirNamed = self.getOptionValueSource('dir') === 'cli'
      if (flags.verify === undefined) await explainWeek(io, flags)
      else await verifyFile(io, flags, flags.verify, isDirNamed)
    })
}

const usage = (message: string, hint?: string): SecnodeError =>
  new SecnodeError('USAGE', message, { exitCode: 2, ...(hint === undefined ? {} : { hint }) })

const explainWeek = async (io: CliIo, flags: ExplainFlags): Promise<void> => {
  if (flags.profile !== undefined || flags.cache !== undefined) {
    throw usage(
      '--profile and --cache go with --verify',
      'The network of --dir is the one that it was made for.',
    )
  }
  const query: ExplainQuery = {
    week: flags.week,
    seat: seatOf(flags),
    epochs: epochsOf(flags),
    as: flags.export === undefined ? 'explanation' : 'case',
  }
  const text = await askDirectory(io, flags, query)
  if (flags.export === undefined) {
    const explanation = JSON.parse(text) as Explanation
    if (flags.json === true) printJson(io, explanation)
    else io.stdout(formatExplanation(explanation))
    return
  }
  const file = resolve(flags.export)
  try {
    await writeFile(file, text)
  } catch (error) {
    throw new SecnodeError('EXPLAIN_FILE', `cannot write ${file}: ${messageOf(error)}`, { cause: error })
  }
  const read = readCase(text)
  if (read.is === 'bad') throw new Error(`the exported file ${read.detail}`)
  const { week, seat, epochs } = read.file
  const written = { file, week, seat, epochs: epochs.map(({ epoch }) => epoch), bytes: text.length }
  if (flags.json === true) printJson(io, written)
  else io.stdout(`${file}: seat ${seat}, week ${week}, ${epochs.length} epochs, ${text.length} bytes\n`)
}

const seatOf = ({ seat, host, stake }: ExplainFlags): SeatName => {
  if ([seat, host, stake].filter((name) => name !== undefined).length > 1) {
    throw usage('--seat, --host and --stake name the same thing: give one of them')
  }
  if (seat !== undefined) return { is: 'seat', seat }
  if (host !== undefined) return { is: 'host', host }
  return stake === undefined ? { is: 'own' } : { is: 'stake', address: stake }
}

/** People see what went wrong; files and programs get all. */
const epochsOf = ({ epoch, all, export: file, json }: ExplainFlags): EpochChoice => {
  if (epoch !== undefined) return epoch
  return all === true || file !== undefined || json === true ? 'all' : 'failed'
}

const askDirectory = async (io: CliIo, flags: ExplainFlags, query: ExplainQuery): Promise<string> => {
  const dir = resolve(flags.dir)
  return await fromDirectory(
    dir,
    async (weeks, network, store) => {
      const world = realWorld()
      await using rpc = rpcOf(flags)
      const sources = explainSourcesOfStore({
        network,
        directory: dir,
        store,
        weeks,
        rpc: rpc.client,
        logger: pino({ level: 'silent' }),
        world,
        onToll: sayToll(io),
        signal: io.signal,
      })
      try {
        return await answerExplain(sources, query, io.signal)
      } finally {
        await sources.close()
      }
    },
    () => textFromDaemon(dir, pathOfQuery(query), io.signal),
  )
}

/** The chain node of the flags, if there is one, to be closed when its block is left. */
const rpcOf = (flags: ExplainFlags): AsyncDisposable & { client: RpcClient | null } => {
  const { rpc } = flags
  const client = rpc === undefined ? null : openRpcClient({ ...flags, rpc }, realWorld())
  return {
    client,
    [Symbol.asyncDispose]: async () => {
      await client?.close()
    },
  }
}

const verifyFile = async (
  io: CliIo,
  flags: ExplainFlags,
  file: string,
  isDirNamed: boolean,
): Promise<void> => {
  const others = ['seat', 'host', 'stake', 'epoch', 'all', 'export'] as const
  const misplaced = others.find((name) => flags[name] !== undefined)
  if (misplaced !== undefined) throw usage(`--${misplaced} does not go with --verify`)
  const text = await readText(file)
  const isFromChain = flags.rpc !== undefined && !isDirNamed
  if (isFromChain !== (flags.profile !== undefined)) {
    throw usage(
      isFromChain ? '--rpc needs the network that you trust' : '--profile goes with --rpc, and without --dir',
      'Name a chain node and a network with --rpc and --profile, or the data directory of a node with --dir.',
    )
  }
  const verified = isFromChain
    ? await verifyByChain(io, flags, text)
    : await verifyByDirectory(io, flags, text)
  if (flags.json === true) printJson(io, verified)
  else io.stdout(formatVerified(verified))
  io.setExitCode(verified.result === 'holds' ? 0 : verified.result === 'fails' ? 1 : 3)
}

const readText = async (path: string): Promise<string> => {
  try {
    const file = await open(path, 'r')
    try {
      // One byte more than there may be: what is too long is then refused for that.
      const buffer = Buffer.alloc(Math.min((await file.stat()).size, maxCaseBytes + 1))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, 0)
      return buffer.toString('utf8', 0, bytesRead)
    } finally {
      await file.close()
    }
  } catch (error) {
    throw new SecnodeError('EXPLAIN_FILE', `cannot read ${path}: ${messageOf(error)}`, {
      exitCode: 2,
      hint: 'Name a file that `secnode explain --export` wrote.',
      cause: error,
    })
  }
}

const verifyByDirectory = async (io: CliIo, flags: ExplainFlags, text: string): Promise<VerifiedCase> => {
  const dir = resolve(flags.dir)
  return await fromDirectory(
    dir,
    async (weeks, network, store) => {
      await using rpc = rpcOf(flags)
      const facts = verifierOfStore(network, store, weeks, rpc.client, io.signal)
      return await answerVerify(facts, text, io.signal)
    },
    () => askDaemon(dir, '/explain/verify', CaseAnswer, io.signal, text),
  )
}

/** Follows the chain node as far as the file needs, into --cache or a directory that goes away again. */
const verifyByChain = async (io: CliIo, flags: ExplainFlags, text: string): Promise<VerifiedCase> => {
  const network = await loadNetwork(flags.profile!)
  const height = heightNeeded(network, text)
  const directory = flags.cache ?? (await mkdtemp(join(tmpdir(), 'secnode-explain-')))
  try {
    await using rpc = rpcOf(flags)
    await using store = await openStore({ directory: resolve(directory), networkId: network.networkId })
    const follower = await followTo({
      network,
      rpc: rpc.client!,
      store,
      world: realWorld(),
      height,
      signal: io.signal,
      onProgress: ({ height: at, target }) => {
        if (io.isTerminal) io.stderr(`\r\u001B[Kblock ${at} of ${height ?? target}`)
      },
    })
    if (io.isTerminal) io.stderr('\r\u001B[K')
    return await answerVerify(verifierOfChain(network, follower, rpc.client!, io.signal), text, io.signal)
  } finally {
    if (flags.cache === undefined) await rm(directory, { recursive: true, force: true })
  }
}

/** b(e) of the last epoch that the file names; null for all there is, since an anchor comes some time later. */
const heightNeeded = (network: Network, text: string): number | null => {
  const read = readCase(text)
  if (read.is === 'bad' || read.file.network !== network.networkId) return 0
  const { checkpoint, epochs } = read.file
  if (checkpoint !== null) return null
  return Math.max(...epochs.map(({ epoch }) => epochStart(network.profile.genesis, epoch)))
}
