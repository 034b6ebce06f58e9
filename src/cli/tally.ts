import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { type DigestedTally, formatTally, readTally } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import type { ChainView } from '../node/chain-view.ts'
import { networkOfDirectory } from '../node/data-dir.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { type EpochReport, reportEpoch, tallyOfWeek } from '../tally/answers.ts'
import type { WeekSources } from '../tally/gather.ts'
import { openStoredWeeks } from '../tally/stored-week.ts'
import { askDaemon } from './control-client.ts'
import { type CliIo, printJson } from './io.ts'
import { formatTable, formatWeek } from './week-table.ts'

interface TallyFlags {
  week: string
  dir: string
  epoch?: number
  json?: true
}

const epochNumber = (text: string): number => {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('It must be the number of an epoch.')
  return Number(text)
}

export const tallyCommand = (io: CliIo): Command =>
  new Command('tally')
    .description("compute a week's tally from a node's store")
    .option('--week <week>', 'an ISO week, `current` or `last`', 'last')
    .option('--dir <dir>', 'data directory of the node', 'data')
    .option('--epoch <n>', 'show one epoch instead: what each seat was said to be', epochNumber)
    .option('--json', 'print the canonical document')
    .addHelpText(
      'after',
      '\nExamples:\n  secnode tally --week 2026-W47 --dir data\n  secnode tally --week current --json\n  secnode tally --epoch 1204\n',
    )
    .action(async (flags: TallyFlags) => {
      const dir = resolve(flags.dir)
      if (flags.epoch !== undefined) {
        const epoch = flags.epoch
        const report = await fromDirectory(
          dir,
          (sources) => reportEpoch(sources, epoch),
          async () => JSON.parse(await askDaemon(dir, `/epoch/${epoch}`, io.signal)) as EpochReport,
        )
        if (flags.json === true) printJson(io, report)
        else io.stdout(formatEpoch(report))
        return
      }
      const tally = await fromDirectory(
        dir,
        (sources) => tallyOfWeek(sources, flags.week, io.signal),
        async () => tallyOfText(await askDaemon(dir, `/tally/${encodeURIComponent(flags.week)}`, io.signal)),
      )
      if (flags.json === true) io.stdout(`${formatTally(tally)}\n`)
      else io.stdout(formatWeek(tally.document, tally.digest))
    })

/** From the store itself, or, while a daemon has it open, from that daemon. */
export const fromDirectory = async <T>(
  dir: string,
  fromStore: (sources: WeekSources & { chain: ChainView }, network: Network, store: Store) => Promise<T>,
  fromDaemon: () => Promise<T>,
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
    return await fromStore(await openStoredWeeks(network, store), network, store)
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
