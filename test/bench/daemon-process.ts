import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { pino } from 'pino'
import type { SnapshotRow } from '../../protocol/index.ts'
import { messageOf } from '../../src/errors.ts'
import type { Config } from '../../src/service/config.ts'
import { type Running, startNode } from '../../src/service/service.ts'
import { openDoors } from '../../src/web/doors.ts'
import { realWorld, type World } from '../../src/world.ts'
import { pollSeconds } from './daemon-poll.ts'

/**
 * The daemon of the benchmark in a process of its own, as `secnode start` runs it, but that it asks the benchmark for
 * addresses and tells it what it costs.
 */
export type Command =
  | { is: 'start'; config: Config }
  /** What this process used since the last measurement. `watch`: how the event loop fares until the next one. */
  | { is: 'measure'; watch: boolean }
  | { is: 'handled'; height: number }
  | { is: 'take'; messages: Uint8Array[] }
  | { is: 'held'; epoch: number }
  | { is: 'exchange'; row: SnapshotRow; from: number; to: number }
  | { is: 'look' }
  | { is: 'peers' }
  | { is: 'work' }
  | { is: 'resolved'; id: number; addresses: readonly string[] }
  | { is: 'stop' }

/** Since the last measurement. Times in milliseconds, sizes in MB. */
export interface Measurement {
  wallMs: number
  /** Of all threads. */
  cpuMs: number
  /** Longest time that the event loop was held, by the clock; on a busy machine others' work counts too. */
  heldMs: number
  /** The most processor time that the main thread used between two turns of a timer of 10 ms. */
  heldCpuMs: number
  rssMb: number
  /** Of it pages of files: LevelDB maps its tables, and the kernel takes them back when it needs them. */
  filesMb: number
  peakRssMb: number
  heapMb: number
  heapTotalMb: number
  externalMb: number
}

const logger = pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true }))
const real = realWorld()
/** The timer after which the chain node is looked at again. */
let poll: { cancel(): void; run(): void } | null = null
/** Blocks come faster here: the next look at the chain node comes when there is one. All other timers are real. */
const world: World = {
  ...real,
  setTimer(ms, run) {
    const cancel = real.setTimer(ms, run)
    if (Math.round(ms) === Math.round(1_000 * pollSeconds)) poll = { cancel, run }
    return cancel
  },
}
const lookNow = (): void => {
  const due = poll
  poll = null
  due?.cancel()
  due?.run()
}
let running: Running | null = null

const resolving = new Map<number, (addresses: readonly string[]) => void>()
let lastId = 0
const resolveHost = (host: string): Promise<readonly string[]> =>
  new Promise((resolve) => {
    const id = ++lastId
    resolving.set(id, resolve)
    process.send!({ is: 'resolve', id, host })
  })

let since = { atMs: performance.now(), cpu: process.cpuUsage() }
let watch: { histogram: ReturnType<typeof monitorEventLoopDelay>; stop(): number } | null = null

const watchLoop = (): NonNullable<typeof watch> => {
  const histogram = monitorEventLoopDelay({ resolution: 10 })
  histogram.enable()
  let mostMs = 0
  let before = process.threadCpuUsage()
  const timer = setInterval(() => {
    const used = process.threadCpuUsage(before)
    before = process.threadCpuUsage()
    mostMs = Math.max(mostMs, (used.user + used.system) / 1_000)
  }, 10)
  return {
    histogram,
    stop() {
      clearInterval(timer)
      histogram.disable()
      return mostMs
    },
  }
}

const mb = (bytes: number): number => Math.round(bytes / 104_857.6) / 10

const measure = (isWatched: boolean): Measurement => {
  const cpu = process.cpuUsage(since.cpu)
  const wallMs = performance.now() - since.atMs
  const heldCpuMs = watch?.stop() ?? 0
  const heldMs = watch === null ? 0 : Math.max(0, watch.histogram.max / 1e6)
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  watch = isWatched ? watchLoop() : null
  since = { atMs: performance.now(), cpu: process.cpuUsage() }
  return {
    wallMs,
    cpuMs: (cpu.user + cpu.system) / 1_000,
    heldMs,
    heldCpuMs,
    rssMb: mb(rss),
    filesMb: mb(
      1_024 * Number(/^RssFile:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? 0),
    ),
    peakRssMb: mb(1_024 * process.resourceUsage().maxRSS),
    heapMb: mb(heapUsed),
    heapTotalMb: mb(heapTotal),
    externalMb: mb(external),
  }
}

const carryOut = async (command: Command): Promise<unknown> => {
  if (command.is === 'start') {
    running = await startNode(command.config, { logger, world, openDoors, daemon: { resolveHost } })
    running.failed.catch((error: unknown) => {
      logger.error({ err: error }, 'the daemon failed')
      process.exit(1)
    })
    return null
  }
  if (command.is === 'measure') return measure(command.watch)
  const { daemon } = running!.node
  switch (command.is) {
    case 'handled':
      while (daemon.handledHeight() < command.height) {
        lookNow()
        await wait(5)
      }
      return daemon.handledHeight()
    case 'take': {
      // As gossip hands them over: some under way at once, each a promise of its own.
      const answers = await Promise.all(
        command.messages.map((bytes) => daemon.collector.take(bytes, 'gossip')),
      )
      return answers.filter(({ is }) => is !== 'reject').length
    }
    case 'held': {
      const context = await daemon.epochs.get(command.epoch)
      return context === undefined ? 0 : await daemon.collector.countOf(context)
    }
    case 'exchange':
      return await daemon.sync.exchange(command.row, command.from, command.to, AbortSignal.timeout(60_000))
    case 'look': {
      const { findings } = await running!.node.diagnosis.look()
      return findings.map(({ code }) => code)
    }
    case 'peers':
      return daemon.host.peers().filter(({ isRegistered }) => isRegistered).length
    case 'work': {
      const state = daemon.challenger.state()
      return {
        stage: state?.stage ?? null,
        found: state?.targets.map((target) =>
          target.is === 'found' ? target.finding.evidence.verdict : target.is,
        ),
        certifier: daemon.finality.certifier.state() !== null,
      }
    }
    case 'stop':
      await running!.stop()
      return null
    case 'resolved':
      return null
  }
}

process.on('message', ({ id, command }: { id: number; command: Command }) => {
  if (command.is === 'resolved') {
    resolving.get(command.id)?.(command.addresses)
    resolving.delete(command.id)
    return
  }
  carryOut(command).then(
    (value) => process.send!({ is: 'answer', id, value }),
    (error: unknown) =>
      process.send!({ is: 'answer', id, error: error instanceof Error ? error.stack : messageOf(error) }),
  )
})
process.on('disconnect', () => process.exit(0))
