import { type ChildProcess, execFile, fork } from 'node:child_process'
import { createPublicKey, verify as nativeVerify } from 'node:crypto'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import {
  attestationMessage,
  type Epoch,
  epochPhases,
  protocols,
  syncRequestCodec,
  topicsOf,
} from '../../protocol/index.ts'
import { sparing } from '../../src/cli/sparing.ts'
import { until } from '../net/local-hosts.ts'
import { type AttestedEpoch, type BenchNetwork, createBenchNetwork } from './daemon-network.ts'
import type { Command, Measurement } from './daemon-process.ts'
import { createProgress } from './progress.ts'

/**
 * What one daemon of a large network costs, through a week and its freeze: a daemon as `secnode start` runs it, with its
 * store on disk and its libp2p host on loopback, in a process of its own that does nothing else. Around it, in this
 * process: the chain node with blocks of 75 s, the other seats' attestations, and the seats that it looks up, which
 * answer challenges, probes and sync. Blocks come as fast as the daemon takes them; what is paid by the second is
 * measured by the second. The goals (design): under 300 MB, and 5 % of a core between epochs.
 *
 * Options: `--seats <n>` (40,000), `--epochs <n>` of the week (3), `--rest <seconds>` (60), `--gossip <seconds>` (0) of
 * attestations by real gossip at the rate of such a network, with whatever else the daemon does meanwhile, `--profile` writes a processor profile of the daemon to `bench-data/`;
 * `--flags <flags>` are the daemon's own of Node, beside those that `secnode start` sets.
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: {
      seats: { type: 'string', default: '40000' },
      epochs: { type: 'string', default: '3' },
      rest: { type: 'string', default: '60' },
      gossip: { type: 'string', default: '0' },
      profile: { type: 'boolean', default: false },
      flags: { type: 'string', default: '' },
    },
  })
  const seats = numberOf('seats', values.seats, 100, 100_000)
  const epochs = numberOf('epochs', values.epochs, 2, 42)
  const restSeconds = numberOf('rest', values.rest, 5, 3_600)
  const gossipSeconds = numberOf('gossip', values.gossip, 0, 300)
  const dir = await mkdtemp(join(tmpdir(), 'secnode-bench-'))
  const network = await createBenchNetwork({ seats, epochs }, dir)
  const daemon = createProcess(await compile(), network, values.profile, values.flags)
  try {
    await play(network, daemon, { seats, restSeconds, gossipSeconds })
  } finally {
    await daemon.end()
    await network.close()
    await rm(dir, { recursive: true, force: true })
  }
}

const numberOf = (name: string, text: string, least: number, most: number): number => {
  const value = Number(text)
  if (Number.isInteger(value) && value >= least && value <= most) return value
  throw new RangeError(`--${name} takes a number from ${least} to ${most}`)
}

/** Of the design, section 4. */
const goals = { memoryMb: 300, corePercent: 5 }
/** Seconds between blocks of a Zcash chain, and over which an epoch's attestations are spread. */
const blockSeconds = 75
const spreadSeconds = 300
const syncSeconds = 30

const play = async (
  network: BenchNetwork,
  daemon: BenchProcess,
  options: { seats: number; restSeconds: number; gossipSeconds: number },
): Promise<void> => {
  const { seats, restSeconds, gossipSeconds } = options
  const { week } = network
  const { genesis, schedule } = network.network.profile
  const { attestBlocks, viewBlocks } = schedule[0]!.params
  const phases = (epoch: Epoch) => epochPhases(genesis, attestBlocks, epoch)
  const print = (name: string, measured: Measurement, more: object = {}): void => {
    process.stdout.write(
      `${JSON.stringify({ bench: 'daemon', case: name, seats, ...rounded(measured), ...more })}\n`,
    )
  }
  const measured = (): Promise<Measurement> => daemon.measure(true)
  const handled = async (height: number): Promise<void> => {
    network.confirm(height)
    await daemon.handled(height)
  }
  const perSecond = seats / spreadSeconds

  // It starts in the epoch before the first that counts: in its own first one it attests nothing (R-ATT-5).
  network.confirm(network.height(week.first) - 20)
  await daemon.start()
  await daemon.handled(network.height(week.first) - 20)
  print('start', await measured(), { followed: network.height(week.first) - 20 })

  let native = 0
  /** By case, in per cent of a core: what a daemon does all day between epochs. */
  const share = { rest: 0, blocks: 0, sync: 0 }

  const takeAll = async (made: AttestedEpoch, from: number): Promise<void> => {
    const progress = createProgress(`attestations of epoch ${made.epoch}`)
    let taken = 0
    for (let i = from; i < made.messages.length; i += 64) {
      const some = made.messages.slice(i, i + 64)
      taken += (await daemon.ask({ is: 'take', messages: some })) as number
      progress.set(i + some.length, made.messages.length)
    }
    progress.end()
    if (taken !== made.messages.length - from) throw new Error('an attestation was refused')
  }

  for (let epoch = week.first; epoch <= week.last; epoch++) {
    await handled(network.height(epoch) - 1)
    await measured()
    await handled(network.height(epoch))
    await daemon.ask({ is: 'look' })
    print('epoch change', await measured(), { epoch })

    if (epoch === week.first + 1) {
      await neighboursOf(network, daemon)
      await daemon.measure(false)
      await wait(1_000 * restSeconds)
      const rest = await measured()
      share.rest = percent(rest.cpuMs, rest.wallMs)
      print('rest', rest, { corePercent: round(share.rest), ofGoal: round(share.rest / goals.corePercent) })
    } else await measured()

    // The window: one block after the other, visits when they are due.
    const first = network.height(epoch) + 1
    const { attests } = phases(epoch)
    for (let height = first; height <= attests; height++) await handled(height)
    await until(async () => ((await daemon.ask({ is: 'work' })) as Work).stage === 'done', 60_000)
    const window = await measured()
    const blocks = attests - first + 1
    share.blocks = percent(window.cpuMs / blocks, 1_000 * blockSeconds)
    print('window', window, {
      epoch,
      cpuMsPerBlock: round(window.cpuMs / blocks),
      corePercent: round(share.blocks),
      ...((await daemon.ask({ is: 'work' })) as Work),
    })

    // Signed now, so that no peer can give it away before.
    const made = await network.attest(epoch)
    if (native === 0) native = nativeCost(network, made)
    let from = 0
    if (epoch === week.first + 1 && gossipSeconds > 0) {
      from = await gossip(network, daemon, made, { perSecond, seconds: gossipSeconds }, async (arrived) => {
        const cost = await measured()
        print('attestations by gossip', cost, {
          attestations: arrived,
          copies,
          cpuMsPer1000: round((1_000 * cost.cpuMs) / arrived),
          corePercent: round(percent((cost.cpuMs / arrived) * perSecond, 1_000)),
          ofNative: round(cost.cpuMs / arrived / native),
        })
      })
    }
    await takeAll(made, from)
    const cost = await measured()
    const taken = made.messages.length - from
    print('attestations', cost, {
      epoch,
      attestations: taken,
      cpuMsPer1000: round((1_000 * cost.cpuMs) / taken),
      corePercent: round(percent((cost.cpuMs / taken) * perSecond, 1_000)),
      nativeCpuMsPer1000: round(1_000 * native),
      ofNative: round(cost.cpuMs / taken / native),
    })
    for (let height = attests + 1; height < network.height(epoch + 1); height++) await handled(height)
    print('blocks while attestations stand', await measured(), { epoch })
  }

  share.sync = await syncing(network, daemon, print)
  await page(network, daemon, print)

  // Both epochs after the week, up to block F, whose beacon draws this seat among the certifiers.
  await handled(network.height(week.last + 2) - 1)
  network.mineFreeze()
  const blockF = network.height(week.last + 2)
  await measured()
  await handled(blockF)
  const isCertifier = ((await daemon.ask({ is: 'work' })) as Work).certifier
  print('freeze', await measured(), { isCertifier })
  // The view opens `confirmations` later, and somebody proposes: this seat when its rank's turn comes.
  await handled(blockF + genesis.confirmations + viewBlocks)
  await wait(5_000)
  print('checkpoint', await measured(), { epochs: week.last - week.first + 1 })

  await daemon.measure(false)
  await wait(10_000)
  const last = await daemon.measure(false)
  const corePercent = share.rest + share.blocks + share.sync
  print('goal', last, {
    corePercent: round(corePercent),
    ofCoreGoal: round(corePercent / goals.corePercent),
    ofMemoryGoal: round(last.rssMb / goals.memoryMb),
    peakOfMemoryGoal: round(last.peakRssMb / goals.memoryMb),
  })
}

interface Work {
  stage: string | null
  certifier: boolean
}

/** The daemon looks for eight; a few of them suffice to pass messages on. */
const neighboursOf = async (network: BenchNetwork, daemon: BenchProcess): Promise<void> => {
  await until(async () => ((await daemon.ask({ is: 'peers' })) as number) >= 8, 120_000)
  await until(() => network.neighbours().length >= copies, 60_000)
}

/** Neighbours that send the same message at once, before each knows that the daemon has it. */
const copies = 3

/** Sends as many as a network of this size does in this time, at its rate; gives how many. */
const gossip = async (
  network: BenchNetwork,
  daemon: BenchProcess,
  made: AttestedEpoch,
  { perSecond, seconds }: { perSecond: number; seconds: number },
  done: (arrived: number) => Promise<void>,
): Promise<number> => {
  await neighboursOf(network, daemon)
  const topic = topicsOf(network.network.networkId).attestations.name
  const wanted = Math.min(made.messages.length, Math.floor(perSecond * seconds))
  const before = (await daemon.ask({ is: 'held', epoch: made.epoch })) as number
  await daemon.measure(true)
  const begunMs = performance.now()
  let sent = 0
  while (sent < wanted) {
    const due = Math.min(wanted, Math.ceil(((performance.now() - begunMs) / 1_000) * perSecond))
    for (; sent < due; sent++) {
      const neighbours = network.neighbours()
      for (let i = 0; i < copies; i++) {
        void neighbours[(sent + i) % neighbours.length]!.publish(topic, made.messages[sent]!)
      }
    }
    await wait(5)
  }
  // What gossip loses sync brings later: here the validator, with the rest.
  const held = async (): Promise<number> =>
    ((await daemon.ask({ is: 'held', epoch: made.epoch })) as number) - before
  for (let i = 0; i < 20 && (await held()) < sent; i++) await wait(100)
  await done(await held())
  return sent
}

/** R-SYNC-1, both sides: what one comparison of the week costs. Per cent of a core at one of each in 30 s. */
const syncing = async (
  network: BenchNetwork,
  daemon: BenchProcess,
  print: (name: string, measured: Measurement, more?: object) => void,
): Promise<number> => {
  const { week, config, rows, ownSeat } = network
  const rounds = 10
  await neighboursOf(network, daemon)
  const rowsUp = network.neighbourRows()
  await daemon.measure(true)
  let fetched = 0
  for (let i = 0; i < rounds; i++) {
    const row = rowsUp[i % rowsUp.length]!
    const outcome = await daemon.ask({ is: 'exchange', row, from: week.first, to: week.last })
    fetched += (outcome as { fetched: number }).fetched
  }
  const asking = await daemon.measure(true)
  print('sync, asking', asking, { cpuMsEach: round(asking.cpuMs / rounds), fetched })
  const [neighbour] = network.neighbours()
  const target = {
    peerKey: rows[ownSeat]!.peer,
    address: { ip: config.listen.address, port: config.listen.p2p },
  }
  const signal = AbortSignal.timeout(60_000)
  for (let i = 0; i < rounds; i++) {
    await neighbour!.request(
      target,
      protocols.sync,
      syncRequestCodec.encode(['roots', week.first, week.last - week.first + 1]),
      { timeoutMs: 30_000, maxResponseBytes: 400_000, signal },
    )
  }
  const asked = await daemon.measure(true)
  print('sync, asked', asked, { cpuMsEach: round(asked.cpuMs / rounds) })
  return percent((asking.cpuMs + asked.cpuMs) / rounds, 1_000 * syncSeconds)
}

/** The view of the network, asked for once a second without an ETag; the first answer is made from everything. */
const page = async (
  network: BenchNetwork,
  daemon: BenchProcess,
  print: (name: string, measured: Measurement, more?: object) => void,
): Promise<void> => {
  const { web } = network.config
  if (web === false) throw new Error('the page is off')
  const url = `http://${web.address}:${web.port}/api/v1/network`
  const get = async (): Promise<void> => {
    const answer = await fetch(url)
    if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`)
    await answer.arrayBuffer()
  }
  await daemon.measure(true)
  await get()
  print('page, first', await daemon.measure(true))
  const seconds = 20
  for (let i = 0; i < seconds; i++) {
    await get()
    await wait(1_000)
  }
  const cost = await daemon.measure(true)
  print('page, once a second', cost, { corePercent: round(percent(cost.cpuMs, cost.wallMs)) })
}

/** Processor milliseconds of one native verification, of the same kind of message. */
const nativeCost = (network: BenchNetwork, { signedBySeat }: AttestedEpoch): number => {
  const { networkId } = network.network
  const rows = signedBySeat.flatMap((signed, seat) => {
    if (signed === undefined || seat >= 4_000) return []
    const { peer } = network.rows[seat]!
    const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), peer])
    return [
      {
        key: createPublicKey({ key: der, format: 'der', type: 'spki' }),
        message: attestationMessage(networkId, signed.payload),
        signature: signed.signature,
      },
    ]
  })
  const before = process.cpuUsage()
  for (const { key, message, signature } of rows) {
    if (!nativeVerify(null, message, key, signature))
      throw new Error('an attestation of the benchmark is not valid')
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000 / rows.length
}

const percent = (cpuMs: number, wallMs: number): number => (100 * cpuMs) / wallMs
const round = (value: number): number => Number(value.toPrecision(3))
const rounded = (measured: Measurement): Record<string, number> =>
  Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, round(value as number)]))

interface BenchProcess {
  start(): Promise<void>
  ask(command: Exclude<Command, { is: 'resolved' }>): Promise<unknown>
  measure(watch: boolean): Promise<Measurement>
  handled(height: number): Promise<void>
  end(): Promise<void>
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const dataDir = join(root, 'bench-data')

/** As it is published: compiled. Node's own stripping of types costs a process 35 MB. */
const compile = async (): Promise<string> => {
  const outDir = join(dataDir, 'daemon-build')
  await mkdir(dataDir, { recursive: true })
  const config = join(dataDir, 'daemon-tsconfig.json')
  const compilerOptions = { noEmit: false, outDir, rootDir: root }
  const include = [join(root, 'test/bench/daemon-process.ts')]
  await writeFile(config, JSON.stringify({ extends: '../tsconfig.json', compilerOptions, include }))
  await promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config])
  await cp(join(root, 'src/web/assets'), join(outDir, 'src/web/assets'), { recursive: true })
  return join(outDir, 'test/bench/daemon-process.js')
}

const createProcess = (
  file: string,
  network: BenchNetwork,
  isProfiled: boolean,
  flags: string,
): BenchProcess => {
  const profiling = ['--cpu-prof', `--cpu-prof-dir=${dataDir}`]
  const child: ChildProcess = fork(file, [], {
    serialization: 'advanced',
    execArgv: [
      ...sparing.execArgv,
      ...(isProfiled ? profiling : []),
      ...flags.split(' ').filter((flag) => flag !== ''),
    ],
    env: { ...process.env, ...sparing.env },
  })
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  let last = 0
  let isOver = false
  child.on('message', (message: { is: string; id: number; host: string; value: unknown; error?: string }) => {
    if (message.is === 'resolve') {
      network.answerFor(message.host).then(
        (addresses) => child.send({ id: 0, command: { is: 'resolved', id: message.id, addresses } }),
        () => child.send({ id: 0, command: { is: 'resolved', id: message.id, addresses: [] } }),
      )
      return
    }
    const asked = waiting.get(message.id)
    waiting.delete(message.id)
    if (message.error === undefined) asked?.resolve(message.value)
    else asked?.reject(new Error(message.error))
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', (code) => {
      for (const { reject } of waiting.values()) reject(new Error(`the daemon ended with ${code}`))
      isOver = true
      resolve()
    })
  })
  const ask: BenchProcess['ask'] = (command) => {
    if (isOver) return Promise.reject(new Error('the daemon ended'))
    const answer = Promise.withResolvers<unknown>()
    waiting.set(++last, answer)
    child.send({ id: last, command })
    return answer.promise
  }
  return {
    ask,
    start: async () => void (await ask({ is: 'start', config: network.config })),
    measure: async (watch) => (await ask({ is: 'measure', watch })) as Measurement,
    handled: async (height) => void (await ask({ is: 'handled', height })),
    async end() {
      if (!isOver) {
        await ask({ is: 'stop' }).catch(() => undefined)
        child.disconnect()
      }
      await exited
    },
  }
}
