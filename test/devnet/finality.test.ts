import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { type Week, weekAfter } from '../../protocol/index.ts'
import { type DevnetControl, type PlayedDevnet, playDevnet } from '../../src/devnet/network.ts'
import type { AssembledNode } from '../../src/service/assemble.ts'
import { freezeHeight } from '../../src/week/open-epochs.ts'
import { realWorld } from '../../src/world.ts'

const epochs = 3

let dir: string | null = null
let devnet: PlayedDevnet | null = null

afterEach(async () => {
  await devnet?.stop()
  if (dir !== null) await rm(dir, { recursive: true, force: true })
  devnet = null
  dir = null
})

/** A week in which the last `count` nodes stop when block F is about to be confirmed. */
const playWithStopped = async (seed: number, nodes: number, count: number): Promise<PlayedDevnet> => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-finality-'))
  devnet = await playDevnet({
    nodes,
    epochs,
    seed,
    with: {},
    profile: 'devnet',
    dir,
    blockMs: 300,
    world: realWorld(),
    signal: AbortSignal.timeout(1_100_000),
    onProgress: () => undefined,
    afterBlock: async (control) => {
      const { plan, network, chain, nodes: all } = control.prepared
      const { genesis } = network.profile
      const frozen = freezeHeight(genesis, plan.lastEpoch) + genesis.confirmations
      const blocks = chain.tip.height - (frozen - 1)
      if (blocks === 0) for (const node of all.slice(nodes - count)) await control.stop(node)
    },
  })
  return devnet
}

const anchorsOf = (running: readonly AssembledNode[], week: Week): Set<string> =>
  new Set(
    running.map(({ daemon }) => {
      const found = daemon.finality.anchored.get(week)
      return found === undefined ? 'none' : `${found.anchor.week} ${found.anchor.checkpoint.toString()}`
    }),
  )

const digestsOf = async (running: readonly AssembledNode[], week: Week): Promise<Set<string>> =>
  new Set(
    await Promise.all(
      running.map(async ({ weeks }) => (await weeks.tally(week, AbortSignal.timeout(600_000))).digest),
    ),
  )

const startAll = async (control: DevnetControl): Promise<void> => {
  for (const node of control.prepared.nodes) if (!control.isRunning(node)) await control.start(node)
}

/** Mines until every running node has the week complete; fails after `maxBlocks`. */
const mineUntilAnchored = async (played: PlayedDevnet, week: Week, maxBlocks: number): Promise<void> => {
  for (let mined = 0; anchorsOf(played.running(), week).has('none'); mined++) {
    if (mined === maxBlocks) throw new Error(`week ${week} is not anchored after ${maxBlocks} blocks`)
    await played.control.mineOne()
  }
}

test('R-CP-4 with 3 of 12 certifiers stopped in the freeze the week is certified', async () => {
  const played = await playWithStopped(31, 12, 3)
  expect(played.result).toMatchObject({ state: 'anchored', agree: true, payout: 'exact', rebuilt: true })
  expect(anchorsOf(played.running(), played.result.week).size).toBe(1)
}, 1_200_000)

test('R-CP-4 R-CP-6 with 5 of 12 stopped it waits; the next week covers it, and there is one result', async () => {
  const played = await playWithStopped(32, 12, 5)
  const { plan } = played.prepared
  // 3 · 7 is not more than 2 · 12: no anchor came in the window, and nobody was paid.
  expect(played.result).toMatchObject({ state: 'pending', payout: null })
  expect(anchorsOf(played.running(), plan.week)).toEqual(new Set(['none']))

  await startAll(played.control)
  // Each of the weeks that follow has as many blocks as this one: at most three of them, and the way to a freeze.
  const { epochBlocks } = played.prepared.network.profile.genesis
  await mineUntilAnchored(played, plan.week, (4 * epochs + 3) * epochBlocks)
  const running = played.running()
  expect(running).toHaveLength(12)
  const anchors = anchorsOf(running, plan.week)
  expect(anchors.size).toBe(1)
  expect([...anchors][0]! >= weekAfter(plan.week)).toBe(true)
  expect((await digestsOf(running, plan.week)).size).toBe(1)
}, 1_200_000)

test('R-CHAIN-2 R-CP-5 a reorganisation that takes the anchor away: it is anchored again, for all alike', async () => {
  const played = await playWithStopped(33, 4, 0)
  const { chain, plan } = played.prepared
  expect(played.result).toMatchObject({ state: 'anchored', agree: true })
  const anchorOf = (node: AssembledNode) => node.daemon.finality.anchored.get(plan.week)?.anchor
  const before = anchorOf(played.running()[0]!)!
  // From below the anchor's block on; its transaction waits in the memory pool again.
  const depth = chain.tip.height - before.height + 1
  chain.reorganise(depth, depth + 1)
  await played.control.mineOne()
  await mineUntilAnchored(played, plan.week, 60)
  const after = played.running().map((node) => anchorOf(node)!)
  for (const anchor of after) {
    expect(anchor.height).toBeGreaterThanOrEqual(before.height)
    expect(anchor.blockHash).not.toEqual(before.blockHash)
    expect(anchor).toEqual(after[0])
  }
  const digests = await digestsOf(played.running(), plan.week)
  expect(digests.size).toBe(1)
  // Another block has the anchor now, and the document names it.
  expect(digests.has(played.digest)).toBe(false)
}, 1_200_000)
