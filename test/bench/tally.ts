import { fork } from 'node:child_process'
import { generateKeyPairSync, sign, verify } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createTallyOfJudged, encodeCheckpoint, cidOf } from '../../protocol/index.ts'
import { exportBundle } from '../../src/week/bundle.ts'
import { readBundle } from '../../src/week/read-bundle.ts'
import { verifyWeek } from '../../src/week/verify-week.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'
import { createProgress } from './progress.ts'
import { frameOfWeek, madeParams, madeWeek, type MadeWeek, makeWeek, snapshotOfWeek } from './tally-week.ts'

/**
 * Rebuilds and verifies a whole week from a bundle: every block, every root, every authenticity (R-ATT-4), then the
 * tally. The bundle is made once, by a process of its own, and kept in `bench-data/`. The reference is the time that
 * native Ed25519 alone would need for one signature of each attestation on as many threads, measured before.
 * Goal: 40,000 seats in 60 s and 1.5 GB on two cores.
 *
 * Options: `--seats <n>` (1,000), `--epochs <n>` (42), `--unlinked <share>` (0), `--threads <n>` (the machine's).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: {
      seats: { type: 'string', default: '1000' },
      epochs: { type: 'string', default: '42' },
      unlinked: { type: 'string', default: '0' },
      threads: { type: 'string', default: String(availableParallelism()) },
      // What the process that makes the bundle is given.
      make: { type: 'boolean', default: false },
    },
  })
  const week: MadeWeek = {
    seats: numberOf('seats', values.seats, 4, 100_000),
    epochs: numberOf('epochs', values.epochs, 1, 100),
    unlinked: Number(values.unlinked),
  }
  if (!(week.unlinked >= 0 && week.unlinked <= 1))
    throw new RangeError('--unlinked takes a share from 0 to 1')
  const threads = numberOf('threads', values.threads, 0, 64)
  if (values.make) {
    await make(week, availableParallelism())
    return
  }
  if (!existsSync(fileOf(week, 'car'))) await makeInAnotherProcess(options)
  await verifyAndTally(week, threads)
}

const numberOf = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`--${name} takes a number from ${least} to ${most}`)
  }
  return value
}

const folder = new URL('../../bench-data/', import.meta.url)
const fileOf = ({ seats, epochs, unlinked }: MadeWeek, ending: string): string =>
  fileURLToPath(new URL(`tally-${seats}-${epochs}-${unlinked}.${ending}`, folder))

/** The memory that making takes must not be taken for that of verifying. */
const makeInAnotherProcess = (options: string[]): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('./main.ts', import.meta.url)), ['tally', ...options, '--make'])
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`making the bundle failed with code ${code}`)),
    )
  })

const make = async (week: MadeWeek, threads: number): Promise<void> => {
  await mkdir(folder, { recursive: true })
  const signing = createProgress('signing')
  const { source, peers } = await makeWeek(week, threads, (done) => signing.set(done, week.seats))
  signing.end()
  await writeFile(fileOf(week, 'peers'), peers)
  const writing = createProgress('writing')
  const unfinished = fileOf(week, 'part')
  await exportBundle(source, madeWeek, sinkOf(createWriteStream(unfinished)), {
    sha256,
    onProgress: ({ attestations, total }) => writing.set(attestations, total),
  })
  writing.end()
  await rename(unfinished, fileOf(week, 'car'))
}

/** Native verifications in a second on one thread, with the key imported before. */
const nativeRate = (): number => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const message = Buffer.alloc(320, 1)
  const signature = sign(null, message, privateKey)
  let verified = 0
  const start = performance.now()
  while (performance.now() - start < 1_000) {
    for (let i = 0; i < 100; i++) if (verify(null, message, publicKey, signature)) verified++
  }
  return (verified * 1_000) / (performance.now() - start)
}

const verifyAndTally = async (week: MadeWeek, threads: number): Promise<void> => {
  const rate = nativeRate()
  const snapshot = snapshotOfWeek(await readFile(fileOf(week, 'peers')))
  const anchored = await rootOf(week)
  const frame = frameOfWeek(week)
  const progress = createProgress('verifying')
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  const verified = await verifyWeek(
    readBundle(createReadStream(fileOf(week, 'car'), { highWaterMark: 1_048_576 }), { sha256 }),
    { anchored, frame, snapshotOf: async () => snapshot, paramsOf: () => madeParams },
    nativeEngine(threads),
    { onProgress: ({ attestations, total }) => progress.set(attestations, total) },
  )
  progress.end()
  const verifiedMs = performance.now() - start
  const { equivocators, epochs } = verified.weeks.get(madeWeek)!
  const { document, digest } = createTallyOfJudged({
    networkId: frame.networkId,
    chain: 'zcash-main',
    week: madeWeek,
    state: 'anchored',
    params: madeParams,
    checkpoint: verified.cid,
    anchor: { height: 1, hash: new Uint8Array(32) },
    equivocators,
    fund: 10_000n * 100_000_000n,
    epochs,
  })
  const seconds = (performance.now() - start) / 1_000
  const cpu = process.cpuUsage(cpuBefore)
  const referenceSeconds = verified.attestations / (rate * Math.max(1, threads))
  process.stdout.write(
    `${JSON.stringify({
      bench: 'tally',
      ...week,
      threads,
      attestations: verified.attestations,
      signatures: verified.signatures,
      seconds: round(seconds),
      // Of all threads: what the seconds would be on free cores is about this divided by their number.
      cpuSeconds: round((cpu.user + cpu.system) / 1_000_000),
      tallySeconds: round(seconds - verifiedMs / 1_000),
      peakMemoryMb: Math.round(process.resourceUsage().maxRSS / 1_024),
      nativeVerificationsPerSecond: Math.round(rate),
      referenceSeconds: round(referenceSeconds),
      ratio: round(seconds / referenceSeconds),
      paidSeats: document.totals.paidSeats,
      digest,
    })}\n`,
  )
}

const round = (value: number): number => Math.round(value * 100) / 100

/** The root that the file names: here there is no chain to anchor it. */
const rootOf = async (week: MadeWeek) => {
  for await (const part of readBundle(createReadStream(fileOf(week, 'car')), { sha256 })) {
    if (part.is === 'checkpoint') return cidOf(encodeCheckpoint(part.checkpoint))
  }
  throw new Error('an empty bundle')
}
