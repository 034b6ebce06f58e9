import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import pino from 'pino'
import { type DigestedTally, formatTally, readTally, type Week } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { type NamedPeer, parseNamedPeer } from '../net/named-peer.ts'
import { networkOfDirectory } from '../service/data-dir.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { type EpochReport, reportEpoch, resolveWeek, tallyOfWeek } from '../week/answers.ts'
import { openNamedPeers } from '../week-io/named-peers.ts'
import { openStoredWeeks, type StoredWeeks, type StoredWeeksOptions } from '../week-io/stored-week.ts'
import { nativeEngine } from '../week-io/worker-pool.ts'
import { tallyOfAnchored, type WeekFrom } from '../week/verified-tally.ts'
import { realWorld } from '../world.ts'
import { EpochAnswer } from '../web/control/schemas.ts'
import { openBundleFile } from './bundle-file.ts'
import { askDaemon, textFromDaemon } from './control-client.ts'
import { withCacheOption, withFollowedWeeks } from './followed-weeks.ts'
import { type CliIo, printJson } from './io.ts'
import { createProgress } from './progress.ts'
import { openRpcClient, type RpcOptions, withOptionalRpc } from './rpc-options.ts'
import { printComparison, readClaimedFile } from './tally-verify.ts'
import { sayToll, type TollOptions, withTollOption } from './tolls.ts'
import { formatTable, formatWeek } from './week-table.ts'

interface TallyFlags extends Partial<RpcOptions>, TollOptions {
  week: string
  dir: string
  profile?: string
  cache?: string
  bundle?: string
  peers?: NamedPeer[]
  verify?: string
  epoch?: number
  json?: true
}

const epochNumber = (text: string): number => {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It must be the number of an epoch.')
  return Number(text)
}

/** As many as are asked one after the other before whoever waits gives up. */
const maxPeers = 64

const collectPeers = (text: string, before: readonly NamedPeer[] | undefined): NamedPeer[] => {
  const peer = parseNamedPeer(text)
  if (peer === null) {
    throw new InvalidArgumentError(
      'It must be like /ip4/192.0.2.7/tcp/9734/p2p/<peer id> or node.example.org:9734/<peer id>.',
    )
  }
  if (before?.length === maxPeers) throw new InvalidArgumentError(`At most ${maxPeers} can be named.`)
  return [...(before ?? []), peer]
}

/** `secnode tally`: the week, from a node's store or by anybody with a chain node. */
export const tallyCommand = (io: CliIo): Command => {
  const command = new Command('tally')
    .description("compute and verify a week's tally, with a node or without one")
    .option('--week <week>', 'an ISO week, `current` or `last`', 'last')
    .option('--dir <dir>', 'data directory of a node', 'data')
    .option('--profile <name or file>', 'with --rpc and without --dir: the network that you trust')
    .option('--bundle <file>', "with --profile: the week's data, as `secnode bundle export` wrote it")
    .option('--peers <address...>', 'with --profile: daemons that are asked for the data', collectPeers)
    .option('--verify <file>', "compare with somebody's tally document, seat by seat")
    .option('--epoch <n>', 'show one epoch instead: what each seat was said to be', epochNumber)
    .option('--json', 'print the canonical document, or with --verify the comparison')
  withTollOption(command, 'with --peers')
  return withCacheOption(withOptionalRpc(command, 'all that a stranger needs beside the data'))
    .addHelpText(
      'after',
      `
With --profile nothing is believed but the rules: the chain is followed from --rpc into a cache that is gone on from the
next time, the anchor of the week is found and its certificate verified, the data comes from a bundle or from other
daemons, and every root and the authenticity of every attestation is verified before the tally is computed. With --dir
the data is that of a node: of its store, verified in the same way, or of the daemon that runs there.

Examples:
  $ secnode tally --week 2026-W47 --dir data
  $ secnode tally --week 2026-W47 --rpc http://127.0.0.1:18232 --profile zcash-testnet --bundle week.car
  $ secnode tally --week 2026-W47 --rpc http://127.0.0.1:18232 --profile zcash-testnet \\
      --peers node.example.org:9734/12D3KooW… --verify tally.json
  $ secnode tally --epoch 1204

Exit code 0: computed, and with --verify the same; 1: not the same, or the data is damaged; 2: usage; 3: data is missing,
which is named.
`,
    )
    .action(async (flags: TallyFlags, self: Command) => {
      const isDirNamed = self.getOptionValueSource('dir') === 'cli'
      checkFlags(flags, isDirNamed)
      if (flags.epoch !== undefined) {
        await printEpoch(io, flags, flags.epoch)
        return
      }
      const theirs = flags.verify === undefined ? null : await readClaimedFile(flags.verify)
      const isWeekNamed = self.getOptionValueSource('week') === 'cli'
      const week = theirs === null || isWeekNamed ? flags.week : theirs.document.week
      const tally =
        flags.profile === undefined
          ? await tallyOfDirectory(io, flags, week)
          : await tallyOfStranger(io, { ...flags, profile: flags.profile, rpc: flags.rpc! }, week)
      if (theirs !== null) printComparison(io, tally, theirs, flags.json === true)
      else if (flags.json === true) io.stdout(`${formatTally(tally)}\n`)
      else io.stdout(formatWeek(tally.document, tally.digest))
    })
}

const usage = (message: string, hint: string): SecnodeError =>
  new SecnodeError('USAGE', message, { exitCode: 2, hint })

const checkFlags = (flags: TallyFlags, isDirNamed: boolean): void => {
  const { profile, rpc, bundle, peers, cache, epoch, verify } = flags
  const hint =
    'Name a chain node and a network with --rpc and --profile, and the data with --bundle or --peers; or a node with --dir.'
  if (profile === undefined) {
    const misplaced = Object.entries({ bundle, peers, cache }).find(([, value]) => value !== undefined)
    if (misplaced !== undefined) throw usage(`--${misplaced[0]} needs --rpc and --profile`, hint)
  } else {
    if (isDirNamed) throw usage('--profile does not go with --dir, which has its own', hint)
    if (rpc === undefined) throw usage('--profile needs --rpc', hint)
    if ((bundle === undefined) === (peers === undefined)) {
      throw usage('the data comes from either --bundle or --peers', hint)
    }
    if (epoch !== undefined) throw usage('--epoch needs --dir', hint)
  }
  if (epoch !== undefined && verify !== undefined) throw usage('--epoch does not go with --verify', hint)
}

const printEpoch = async (io: CliIo, flags: TallyFlags, epoch: number): Promise<void> => {
  const dir = resolve(flags.dir)
  const report = await fromDirectory(
    dir,
    (sources) => reportEpoch(sources, epoch),
    () => askDaemon(dir, `/epoch/${epoch}`, EpochAnswer, io.signal),
  )
  if (flags.json === true) printJson(io, report)
  else io.stdout(formatEpoch(report))
}

const tallyOfDirectory = async (io: CliIo, flags: TallyFlags, weekText: string): Promise<DigestedTally> => {
  const dir = resolve(flags.dir)
  const { rpc } = flags
  await using client = rpc === undefined ? null : openRpcClient({ ...flags, rpc }, realWorld())
  return await fromDirectory(
    dir,
    async (weeks) => {
      const week = await resolveWeek(weeks, weekText)
      const isAnchored = weeks.weeks().records.some((one) => one.week === week && one.anchor !== null)
      return isAnchored
        ? await verifiedTally(io, weeks, week, { is: 'store' })
        : await tallyOfWeek(weeks, week, io.signal)
    },
    async () => tallyOfText(await textFromDaemon(dir, `/tally/${encodeURIComponent(weekText)}`, io.signal)),
    client === null ? {} : { rpc: { client, signal: io.signal } },
  )
}

const tallyOfStranger = async (
  io: CliIo,
  flags: TallyFlags & { profile: string; rpc: string },
  weekText: string,
): Promise<DigestedTally> => {
  const { bundle, peers } = flags
  if (bundle !== undefined) {
    const file = await openBundleFile(bundle)
    return await withFollowedWeeks(io, flags, async (weeks) => {
      const stream = file.open()
      return await verifiedTally(io, weeks, await resolveWeek(weeks, weekText), { is: 'bundle', stream })
    })
  }
  const troubles = new Set<string>()
  await using asked = new AsyncDisposableStack()
  return await withFollowedWeeks(
    io,
    flags,
    async (weeks) => await verifiedTally(io, weeks, await resolveWeek(weeks, weekText), { is: 'store' }),
    async (network) => {
      const progress = createProgress(io, realWorld())
      const named = await openNamedPeers({
        network,
        peers: peers!,
        logger: pino({ level: 'silent' }),
        world: realWorld(),
        onTrouble(peer, reason) {
          if (troubles.has(peer)) return
          troubles.add(peer)
          io.stderr(`${peer} could not be asked: ${reason}\n`)
        },
        maxEffort: flags.maxEffort,
        onToll: sayToll(io),
      })
      asked.use(named)
      asked.defer(() => progress.end())
      return {
        draw: (checkpoint, signal) => named.draw(checkpoint, signal),
        missingHint:
          'None of the peers has it, nor those that they know. Name others with --peers, or a --bundle.',
        onEpoch: ({ epoch, done, total }) => progress.show(`epoch ${epoch} is at hand`, done / total),
      }
    },
  )
}

const verifiedTally = async (
  io: CliIo,
  weeks: StoredWeeks,
  week: Week,
  from: WeekFrom,
): Promise<DigestedTally> => {
  const progress = createProgress(io, realWorld())
  try {
    const { tally } = await tallyOfAnchored(weeks, week, from, nativeEngine(), {
      signal: io.signal,
      onProgress: ({ attestations, total }) =>
        progress.show(`verifying: ${attestations} of ${total} attestations`, attestations / total),
    })
    return tally
  } finally {
    progress.end()
  }
}

/** From the store itself, or, while a daemon has it open, from that daemon. */
export const fromDirectory = async <T>(
  dir: string,
  fromStore: (sources: StoredWeeks, network: Network, store: Store) => Promise<T>,
  fromDaemon: () => Promise<T>,
  options: StoredWeeksOptions = {},
): Promise<T> => {
  const network = await networkOfDirectory(dir)
  let store
  try {
    store = await openStore({ directory: dir, networkId: network.networkId })
  } catch (error) {
    if (isSecnodeError(error, 'STORE_LOCKED')) return await fromDaemon()
    throw error
  }
  try {
    return await fromStore(await openStoredWeeks(network, store, options), network, store)
  } finally {
    await store.close()
  }
}

const tallyOfText = (text: string): DigestedTally => {
  const read = readTally(JSON.parse(text))
  if (read.is === 'bad') throw new SecnodeError('TALLY_ANSWER', `the daemon's tally is wrong: ${read.path}`)
  return read.tally
}

const formatEpoch = (report: EpochReport): string =>
  [
    `epoch ${report.epoch}  week ${report.week}`,
    '',
    formatTable(
      ['seat', 'host', 'outcome', 'said by its challengers'],
      report.seats.map(({ seat, host, outcome, said }) => [
        String(seat),
        host,
        outcome,
        Object.entries(said)
          .map(([word, count]) => `${word} ×${count}`)
          .join(', '),
      ]),
      new Set([0]),
    ),
    '',
  ].join('\n')
