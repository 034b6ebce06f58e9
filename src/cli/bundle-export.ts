import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Command } from 'commander'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { resolveWeek } from '../week/answers.ts'
import { type BundleSummary, exportBundle, verifyBundle } from '../week/bundle.ts'
import { sha256, sinkOf } from '../week-io/native.ts'
import { realWorld } from '../world.ts'
import { openBundleFile } from './bundle-file.ts'
import { streamFromDaemon } from './control-client.ts'
import { type CliIo, printJson } from './io.ts'
import { createProgress, type Progress } from './progress.ts'
import { fromDirectory } from './tally.ts'

interface ExportFlags {
  week: string
  output: string
  withEvidence?: true
  dir: string
  json?: true
}

/** `secnode bundle export`: all data of an anchored week in one file. */
export const bundleExportCommand = (io: CliIo): Command =>
  new Command('export')
    .description('write all data of an anchored week into one file (CAR)')
    .option('--week <week>', 'an ISO week, `current` or `last`', 'last')
    .requiredOption('-o, --output <file>', 'write it there')
    .option('--with-evidence', 'with the evidence that is kept of it')
    .option('--dir <dir>', 'data directory of a node', 'data')
    .option('--json', 'print a JSON object')
    .addHelpText(
      'after',
      `
The file holds the checkpoint that the anchor names, its proofs of equivocation and every attestation under its roots:
\`secnode tally --bundle\` needs nothing else but a chain node. A running daemon writes it, and asks other nodes for what
it lacks; otherwise it comes from the store. The file appears whole or not at all.
Exit code 0: written; 3: the week has no anchor, or data is missing, which is named.

Example:
  $ secnode bundle export --week 2026-W47 -o week.car --dir data
  week.car: week 2026-W47, 1680000 attestations, 402653184 bytes`,
    )
    .action(async (flags: ExportFlags) => {
      const file = resolve(flags.output)
      const unfinished = `${file}.${process.pid}.part`
      const progress = createProgress(io, realWorld())
      try {
        const summary = await write(io, flags, unfinished, progress)
        await rename(unfinished, file).catch((error: unknown) => {
          throw cannotWrite(file, error)
        })
        const { bytes } = await openBundleFile(file)
        progress.end()
        if (flags.json === true) printJson(io, toJson(file, summary, bytes))
        else {
          const weeks = `week${summary.weeks.length > 1 ? 's' : ''} ${summary.weeks.join(', ')}`
          const evidence = flags.withEvidence === true ? `, ${summary.evidence} blocks of evidence` : ''
          io.stdout(
            `${flags.output}: ${weeks}, ${summary.attestations} attestations${evidence}, ${bytes} bytes\n`,
          )
        }
      } finally {
        progress.end()
        await rm(unfinished, { force: true })
      }
    })

const cannotWrite = (file: string, error: unknown): SecnodeError =>
  new SecnodeError('CLI_CANNOT_WRITE', `cannot write ${file}: ${messageOf(error)}`, {
    hint: 'Name another place with -o, or make room there.',
    cause: error,
  })

const write = async (
  io: CliIo,
  flags: ExportFlags,
  path: string,
  progress: Progress,
): Promise<BundleSummary> => {
  const dir = resolve(flags.dir)
  const out = createWriteStream(path)
  const failed = new Promise<never>((_, reject) =>
    out.on('error', (error) => reject(cannotWrite(path, error))),
  )
  failed.catch(() => undefined)
  const written = fromDirectory(
    dir,
    async (weeks) =>
      await exportBundle(weeks.data(io.signal), await resolveWeek(weeks, flags.week), sinkOf(out), {
        sha256,
        withEvidence: flags.withEvidence === true,
        signal: io.signal,
        onProgress: ({ attestations, total }) =>
          progress.show(`writing: ${attestations} of ${total} attestations`, attestations / total),
      }),
    async () => {
      const query = flags.withEvidence === true ? '?evidence' : ''
      const answer = await streamFromDaemon(
        dir,
        `/bundle/${encodeURIComponent(flags.week)}${query}`,
        io.signal,
      )
      let bytes = 0
      const counted = new PassThrough()
      counted.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        progress.show(`the daemon writes: ${bytes} bytes`)
      })
      await pipeline(answer, counted, out, { signal: io.signal })
      // Whatever happened on the way, what is handed on is whole.
      return await verifyBundle((await openBundleFile(path)).open(), { sha256, signal: io.signal })
    },
  )
  try {
    return await Promise.race([written, failed])
  } catch (error) {
    out.destroy()
    io.signal.throwIfAborted()
    throw isSecnodeError(error) ? error : cannotWrite(path, error)
  }
}

const toJson = (file: string, summary: BundleSummary, bytes: number) => ({
  file,
  checkpoint: summary.checkpoint.toString(),
  weeks: summary.weeks,
  blocks: summary.blocks,
  attestations: summary.attestations,
  evidence: summary.evidence,
  bytes,
})
