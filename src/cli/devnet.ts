import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type DevnetProgress, playDevnet } from '../devnet/network.ts'
import { deviantKinds, parseDeviants } from '../devnet/plan.ts'
import { isGood, type Uncredited } from '../devnet/result.ts'
import { realWorld } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { formatTable, formatWeek } from './week-table.ts'

interface DevnetFlags {
  nodes: number
  epochs: number
  seed: number
  with?: string
  profile: 'devnet' | 'zen-devnet'
  blockMs: number
  slow: number
  dir?: string
  serve?: true
  json?: true
}

const between =
  (low: number, high: number) =>
  (text: string): number => {
    const value = Number(text)
    if (!/^[0-9]+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`It must be a whole number from ${low} to ${high}.`)
    }
    return value
  }

const kindsHelp = (): string =>
  Object.entries(deviantKinds)
    .map(([kind, does]) => `  ${kind.padEnd(14)} ${does}`)
    .join('\n')

export const devnetCommand = (io: CliIo): Command =>
  new Command('devnet')
    .description('play a whole week on this machine: a chain, real daemons, one tally')
    .option('--nodes <n>', 'honest nodes', between(4, 200), 8)
    .option('--epochs <n>', 'epochs of the week, from the first with a snapshot', between(3, 84), 6)
    .option('--seed <n>', 'fixes keys, addresses and names', between(0, 0xffff_ffff), 1)
    .option('--with <kinds>', 'misbehaving nodes on top, such as liar=1,offline=2')
    .addOption(
      new Option('--profile <name>', 'chain family').choices(['devnet', 'zen-devnet']).default('devnet'),
    )
    .option('--block-ms <n>', 'least time between blocks', between(50, 600_000), 300)
    .option('--slow <n>', 'time of the nodes passes so many times more slowly', between(1, 100), 1)
    .option('--dir <dir>', 'keep its files here: configurations, stores, logs')
    .option('--serve', 'keep it running after the week')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `\nMisbehaviours:\n${kindsHelp()}\n\nExamples:\n  secnode devnet\n  secnode devnet --nodes 8 --with liar=1,offline=1 --json\n`,
    )
    .action(async (flags: DevnetFlags) => await runDevnet(io, flags))

const runDevnet = async (io: CliIo, flags: DevnetFlags): Promise<void> => {
  const deviants = flags.with === undefined ? {} : parseDeviants(flags.with)
  const dir = flags.dir === undefined ? await mkdtemp(join(tmpdir(), 'secnode-devnet-')) : resolve(flags.dir)
  const progress = createProgress(io)
  try {
    const devnet = await playDevnet({
      nodes: flags.nodes,
      epochs: flags.epochs,
      seed: flags.seed,
      with: deviants,
      profile: flags.profile,
      blockMs: flags.blockMs,
      slow: flags.slow,
      dir,
      world: realWorld(),
      signal: io.signal,
      onProgress: (state) => progress.show(state),
    })
    progress.end()
    const { result, document, digest } = devnet
    try {
      if (flags.json === true) printJson(io, result)
      else {
        io.stdout(formatWeek(document, digest))
        io.stdout('\n')
        if (result.deviants.length > 0) {
          io.stdout(
            `${formatTable(
              ['seat', 'kind', 'reasons'],
              result.deviants.map(({ seat, kind, reasons }) => [String(seat), kind, reasons.join(', ')]),
              new Set([0]),
            )}\n`,
          )
        }
        io.stdout(
          result.agree
            ? `all ${Object.keys(result.digests).length} nodes agree, in ${result.seconds} s\n`
            : `the nodes disagree:\n${Object.entries(result.digests)
                .map(([seat, nodeDigest]) => `  seat ${seat}  ${nodeDigest}\n`)
                .join('')}`,
        )
        if (result.state === 'anchored') {
          io.stdout(
            `the week is anchored; payout ${result.payout}; from an empty disk ${result.rebuilt === true ? 'the same digest' : 'NOT the same digest'}\n`,
          )
        } else io.stdout(`the week is ${result.state}: no anchor in its window\n`)
        for (const failure of result.uncredited) io.stdout(`${uncreditedText(failure)}\n`)
      }
      io.setExitCode(isGood(result) ? 0 : 1)
      if (flags.serve === true) {
        const { nodes, server, guest } = devnet.prepared
        const page = nodes.map((node) => devnet.control.pageOf(node)).find((url) => url !== null)
        io.stderr(`the devnet runs on: files in ${dir}; Ctrl-C ends it\n`)
        io.stderr(`RPC of its chain node and wallet: ${server.url}, cookie ${guest.cookieFile}\n`)
        if (page !== undefined) io.stderr(`the page of a node: ${page}/\n`)
        io.stderr('a node of your own in it: docs/devnet.md\n')
        await devnet.serve(io.signal)
      }
    } finally {
      await devnet.stop()
    }
  } finally {
    progress.end()
    if (flags.dir === undefined) await rm(dir, { recursive: true, force: true })
  }
}

const uncreditedText = ({ node, seat, epoch, reason }: Uncredited): string =>
  `honest node ${node} (seat ${seat ?? '-'}) was not credited in epoch ${epoch}: ${reason}`

/** One line that is redrawn on a terminal; a line for each epoch elsewhere. */
const createProgress = (io: CliIo): { show(progress: DevnetProgress): void; end(): void } => {
  let shown = ''
  let isOpen = false
  return {
    show(progress) {
      const part = progress.lastHeight === 0 ? 0 : progress.height / progress.lastHeight
      const done = Math.floor(part * 30)
      const text = `${progress.stage}: epoch ${progress.epoch ?? '-'}, ${progress.running} of ${progress.nodes} nodes`
      if (io.isTerminal) {
        io.stderr(`\r\u001B[K[${'#'.repeat(done)}${'.'.repeat(30 - done)}] ${text}, block ${progress.height}`)
        isOpen = true
      } else if (text !== shown) io.stderr(`${text}\n`)
      shown = text
    },
    end() {
      if (isOpen) io.stderr('\r\u001B[K')
      isOpen = false
    },
  }
}
