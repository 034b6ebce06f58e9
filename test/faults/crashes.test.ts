import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  bytesToHex,
  createStream,
  decodeAttestation,
  epochPhases,
  epochStart,
  formatTally,
  hash,
} from '../../protocol/index.ts'
import { prepareDevnet, type PreparedDevnet } from '../../src/devnet/prepare.ts'
import { freezeHeight } from '../../src/week/open-epochs.ts'
import type { NodeStatus } from '../../src/service/status.ts'
import { keyOf, prefixes } from '../../src/store/keys.ts'
import { openStore } from '../../src/store/open.ts'
import { openStoredWeeks } from '../../src/week-io/stored-week.ts'
import { realWorld } from '../../src/world.ts'
import { DaemonProcess } from './daemon-process.ts'

// A week of six daemons, each a process of its own: killed at random moments, one set back to an older copy of its
// data, and the chain reorganised across the first block of an epoch.
const seed = 20_261_122
const nodes = 6
const epochs = 4
const blockMs = 400

let dir: string
let devnet: PreparedDevnet
let daemons: DaemonProcess[]

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-crashes-'))
  devnet = await prepareDevnet({ nodes, epochs, seed: 7, with: {}, profile: 'devnet' }, dir, realWorld())
  daemons = devnet.nodes.map((node) => new DaemonProcess(node))
})

afterAll(async () => {
  await Promise.all(daemons.map((daemon) => daemon.kill()))
  await devnet.close()
  await rm(dir, { recursive: true, force: true })
})

const confirmations = (): number => devnet.network.profile.genesis.confirmations

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Looks again and again until the condition holds; the daemons need the processor more than this does. */
const until = async (what: string, isTrue: () => Promise<boolean>, maxMs = 300_000): Promise<void> => {
  const deadline = performance.now() + maxMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) {
      throw new Error(`${what}: not within ${maxMs} ms\n${daemons.map((daemon) => daemon.log).join('\n')}`)
    }
    await pause(20)
  }
}

const statuses = (): Promise<(NodeStatus | null)[]> =>
  Promise.all(daemons.filter(({ isRunning }) => isRunning).map((daemon) => daemon.status()))

const areAtTip = async (): Promise<boolean> => {
  const states = await statuses()
  return states.every(
    (state) => state !== null && state.chain.confirmedHeight >= devnet.chain.tip.height - confirmations(),
  )
}

/** Whether no daemon is on a visit. */
const areQuiet = async (): Promise<boolean> => {
  const states = await statuses()
  return states.every(
    (state) =>
      state !== null &&
      (state.work === null || state.work.targets.every((target) => target.state !== 'visiting')),
  )
}

/** Whether the window of an epoch ends with the next block: on a slow machine blocks come faster than visits end. */
const endsWindow = (): boolean => {
  const { genesis, schedule } = devnet.network.profile
  const height = devnet.chain.tip.height + 1 - confirmations()
  const epoch = Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)
  return epoch >= 0 && epochPhases(genesis, schedule[0]!.params.attestBlocks, epoch).attests === height
}

const mineOne = async (): Promise<void> => {
  if (endsWindow()) await until('visits at the end of the window', areQuiet)
  const minedAt = performance.now()
  devnet.chain.mine(1)
  await until('all daemons at the tip', areAtTip)
  await pause(Math.max(0, minedAt + blockMs - performance.now()))
}

test('R-ATT-5 R-CHAIN-2 R-ATT-3 crashes, an old copy and a deep reorganisation: one signature each, one tally', async () => {
  const stream = createStream(hash('crashes', seed))
  const { chain, plan, network } = devnet
  const { genesis } = network.profile
  for (const node of devnet.nodes) await devnet.announce(node)
  for (const daemon of daemons) daemon.start()

  const reorganiseAt = epochStart(genesis, plan.firstEpoch + 2) + genesis.confirmations + 1
  // Copied while the epoch's work has just begun, set back after it was attested: whoever went on from the copy would
  // close the epoch again, with less found.
  const copyAt = epochStart(genesis, plan.firstEpoch + 1) + genesis.confirmations
  const restoreAt = copyAt + genesis.epochBlocks - 1
  const last = freezeHeight(genesis, plan.lastEpoch) + Math.floor(genesis.epochBlocks / 2)
  const restored = daemons[nodes - 1]!
  const copy = join(dir, 'copy')
  let kills = 0
  let isReorganised = false
  while (chain.tip.height < last + genesis.confirmations - 1) {
    await mineOne()
    const { height } = chain.tip
    // Those that were killed come back after a block.
    for (const daemon of daemons) if (!daemon.isRunning) daemon.start()
    if (height === copyAt || height === restoreAt) {
      await restored.kill()
      if (height === copyAt) await restored.copyData(copy)
      else await restored.restoreData(copy)
      restored.start()
      await until('the set-back daemon at the tip', areAtTip)
      continue
    }
    if (!isReorganised && height >= reorganiseAt) {
      isReorganised = true
      const before = chain.tree.at(epochStart(genesis, plan.firstEpoch + 2))?.hash
      chain.reorganise(genesis.confirmations + 3, genesis.confirmations + 4)
      expect(chain.tree.at(epochStart(genesis, plan.firstEpoch + 2))?.hash).not.toEqual(before)
      continue
    }
    // At any moment of a block, not only between two: at most one of the others at a time.
    if (height > epochStart(genesis, plan.firstEpoch) && stream.below(3) === 0) {
      const victim = daemons[1 + stream.below(nodes - 2)]!
      await pause(stream.below(blockMs))
      await victim.kill()
      kills++
    }
  }
  for (const daemon of daemons) if (!daemon.isRunning) daemon.start()
  await until('all daemons answer', areAtTip)
  // Half an epoch of a real network is two hours of comparing stores: here it is until all make the same of theirs.
  const areAlike = async (): Promise<boolean> => {
    const tallies = await Promise.all(daemons.map((daemon) => daemon.tally(plan.week)))
    return tallies[0] !== null && new Set(tallies).size === 1
  }
  await until('all stores alike', areAlike)
  chain.mine(1)
  await until('all daemons at the tip', areAtTip)
  // The block may bring an anchor: then each has to fetch what it fixes.
  await until('all stores alike after the last block', areAlike)
  await Promise.all(daemons.map((daemon) => daemon.stop()))

  const documents = new Set<string>()
  const cids = new Map<string, Set<string>>()
  for (const { node } of daemons) {
    await using store = await openStore({ directory: node.config.dir, networkId: network.networkId })
    for await (const [, row] of store.range({
      gte: keyOf(prefixes.attestation),
      lt: keyOf(prefixes.attestation + 1),
    })) {
      const attestation = decodeAttestation(row.subarray(68))!
      const key = `${attestation.seat} ${attestation.epoch} ${bytesToHex(attestation.beacon)}`
      const known = cids.get(key) ?? new Set<string>()
      cids.set(key, known.add(bytesToHex(row.subarray(68))))
    }
    const weeks = await openStoredWeeks(network, store)
    expect([...(await weeks.equivocators(plan.week)).keys()]).toEqual([])
    const tally = await weeks.tally(plan.week, AbortSignal.timeout(600_000))
    documents.add(formatTally(tally))
  }
  const doubled = [...cids].filter(([, payloads]) => payloads.size > 1).map(([key]) => key)
  expect(doubled).toEqual([])
  expect(kills).toBeGreaterThan(2)
  expect(cids.size).toBeGreaterThan(nodes)
  expect(documents.size).toBe(1)
  // Whoever was killed may have missed the end of every epoch; the one that never was is paid.
  const [document] = [...documents].map(
    (text) => JSON.parse(text) as { seats: { seat: number; amount: string }[] },
  )
  const [first] = document!.seats
  expect(first!.seat).toBe(0)
  expect(BigInt(first!.amount)).toBeGreaterThan(0n)
}, 900_000)
