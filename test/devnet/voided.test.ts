import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTallyOfJudged, type DigestedTally, epochStart, type Week } from '../../protocol/index.ts'
import { loadNetwork } from '../../src/chain/profiles.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { type PreparedDevnet, type PreparedNode, prepareDevnet } from '../../src/devnet/prepare.ts'
import { createAnchorWallet } from '../../src/node/anchor-wallet.ts'
import { type AssembledNode, assembleNode } from '../../src/node/assemble.ts'
import { profileJson } from '../../src/node/data-dir.ts'
import { gatherWeek } from '../../src/tally/gather.ts'
import { planOf } from '../../src/tally/payout/check-file.ts'
import { realWorld } from '../../src/world.ts'
import { silent, until } from '../net/local-hosts.ts'

const world = realWorld()
const signal = AbortSignal.timeout(900_000)
const hostLimits = { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 }
/** Three epochs each: 2 … 4, 5 … 7, 8 … 10, 11 … 13. The epochs before are a week without seats. */
const weeks = ['2026-W47', '2026-W48', '2026-W49', '2026-W50'] as Week[]
const [first, second, captured, next] = weeks as [Week, Week, Week, Week]
const freezeEpochs = { captured: 12, next: 15 }

let dir: string
let devnet: PreparedDevnet
const wallets: string[] = []
const running = new Map<PreparedNode, AssembledNode>()
const pace = createPace(world)

const start = async (node: PreparedNode): Promise<void> => {
  const assembled = await assembleNode(node.config, { logger: silent, world, daemon: { hostLimits } })
  running.set(node, assembled)
  await assembled.start()
}

const mineTo = async (height: number): Promise<void> => {
  const { confirmations } = devnet.network.profile.genesis
  while (devnet.chain.tip.height < height + confirmations) {
    devnet.chain.mine(1)
    await pace.untilQuiet(() => [...running.values()], devnet.chain.tip.height - confirmations, signal)
  }
}

const at = (epoch: number, offset = 0): number => epochStart(devnet.network.profile.genesis, epoch) + offset
const nodeAt = (index: number): AssembledNode => running.get(devnet.nodes[index]!)!

/** Posts the certificate that a node knows of this week, and mines it. */
const anchor = async (node: AssembledNode, week: Week, wallet: string): Promise<void> => {
  await until(() => node.daemon.finality.dueAnchor()?.week === week)
  const { memo } = node.daemon.finality.dueAnchor()!
  const { anchorBond } = devnet.network.profile.schedule[0]!.params
  await createAnchorWallet(devnet.network, devnet.rpc, wallet, anchorBond, world).post(memo, signal)
  await mineTo(devnet.chain.tip.height + 1)
}

const areComplete = (indexes: readonly number[], names: readonly Week[]): boolean =>
  indexes.every((i) => names.every((week) => nodeAt(i).daemon.finality.anchored.get(week) !== undefined))

const tally = async (node: AssembledNode, week: Week): Promise<DigestedTally> =>
  createTallyOfJudged(await gatherWeek(node.weeks, week, signal))

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-voided-'))
  devnet = await prepareDevnet(
    { nodes: 5, epochs: 3, seed: 88, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  for (const node of devnet.nodes) {
    wallets.push(node.config.anchor!.from)
    // What is anchored, and when, is the test's to say.
    delete node.config.anchor
    await devnet.announce(node)
  }
  await Promise.all(devnet.nodes.map(start))
}, 300_000)
afterAll(async () => {
  await Promise.all([...running.values()].map((node) => node.stop()))
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

test('R-NET-4 R-CP-6 an anchored checkpoint with two pending weeks behind it is voided: the next one lists all three, and the tally goes by that', async () => {
  await mineTo(at(freezeEpochs.captured, 3))
  await anchor(nodeAt(0), captured, wallets[0]!)
  await until(() => areComplete([0, 4], [first, second, captured]))
  const before = await tally(nodeAt(0), first)
  expect(before.document.state).toBe('anchored')
  const { checkpoint } = nodeAt(0).daemon.finality.anchored.get(captured)!.anchor
  for (const week of [first, second]) {
    expect((await tally(nodeAt(4), week)).document.checkpoint).toBe(checkpoint.toString())
  }

  // All but the last node take over the profile that voids it.
  const profile = {
    ...devnet.network.profile,
    voided: [{ week: captured, checkpoint: checkpoint.toString() }],
  }
  const profileFile = join(dir, 'voiding.json')
  writeFileSync(profileFile, profileJson(profile))
  const voiding = await loadNetwork(profileFile)
  expect(voiding.networkId).toBe(devnet.network.networkId)
  for (const node of devnet.nodes.slice(0, 4)) {
    await running.get(node)!.stop()
    node.config.profile = profileFile
    await start(node)
  }
  await pace.untilQuiet(() => [...running.values()], at(freezeEpochs.captured, 4), signal)
  const stateOf = (index: number, week: Week) => nodeAt(index).daemon.finality.stateOf(week)
  expect([first, second].map((week) => stateOf(0, week))).toEqual(['pending', 'pending'])
  expect(stateOf(0, captured)).not.toBe('anchored')
  expect(stateOf(4, captured)).toBe('anchored')
  expect((await tally(nodeAt(0), first)).document).toMatchObject({ state: 'pending', checkpoint: null })
  // What was planned by the voided checkpoint is not paid any more.
  const payer = { payer: { kind: 'p2sh' as const, hash160: new Uint8Array(20) } }
  expect(() => planOf(voiding, before, payer, null)).toThrow(
    expect.objectContaining({ code: 'PAYOUT_VOIDED' }),
  )
  expect(planOf(devnet.network, before, payer, null).week).toBe(first)

  // In the window that is left the same set comes to the same checkpoint: nobody votes for it.
  await mineTo(at(freezeEpochs.next, 3))
  expect([first, second, captured].map((week) => stateOf(0, week))).toEqual(['pending', 'pending', 'pending'])
  await anchor(nodeAt(0), next, wallets[1]!)
  const voiders = [0, 1, 2, 3]
  await until(() => areComplete(voiders, weeks))
  for (const week of weeks) {
    const tallies = await Promise.all(voiders.map((i) => tally(nodeAt(i), week)))
    expect(new Set(tallies.map(({ digest }) => digest)).size).toBe(1)
    expect(tallies[0]!.document).toMatchObject({ state: 'anchored' })
    expect(tallies[0]!.document.checkpoint).not.toBe(checkpoint.toString())
  }

  // The node without the row: nothing was certified together, and it knows why it is alone.
  expect(stateOf(4, captured)).toBe('anchored')
  await until(() => nodeAt(4).daemon.finality.anchored.differing().length > 0)
  const { findings } = await nodeAt(4).diagnosis.look()
  const found = findings.find(({ code }) => code === 'checkpoint-differs')
  expect(found?.title).toContain(next)
  expect(found?.detail).toContain('lacks a row that voids one')
  expect((await nodeAt(0).diagnosis.look()).findings.map(({ code }) => code)).not.toContain(
    'checkpoint-differs',
  )

  // Without the row again, the store goes back to what the chain says by the first profile.
  const [node] = devnet.nodes as [PreparedNode]
  await nodeAt(0).stop()
  node.config.profile = devnet.nodes[4]!.config.profile
  await start(node)
  await until(() => stateOf(0, captured) === 'anchored')
  expect((await tally(nodeAt(0), first)).digest).toBe(before.digest)
}, 600_000)
