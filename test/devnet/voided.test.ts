import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Week } from '../../protocol/index.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { profileJson } from '../../src/service/data-dir.ts'
import { planOf } from '../../src/payout/check-file.ts'
import { until } from '../net/local-hosts.ts'
import { type DevnetByHand, startByHand } from './anchored-by-hand.ts'

const signal = AbortSignal.timeout(900_000)
/** Three epochs each: 2 … 4, 5 … 7, 8 … 10, 11 … 13. */
const weeks = ['2026-W47', '2026-W48', '2026-W49', '2026-W50'] as Week[]
const [first, second, captured, next] = weeks as [Week, Week, Week, Week]
const freezeEpochs = { captured: 12, next: 15 }

let net: DevnetByHand
beforeAll(async () => {
  net = await startByHand(88, signal)
}, 300_000)
afterAll(async () => await net.close())

const areComplete = (indexes: readonly number[], names: readonly Week[]): boolean =>
  indexes.every((i) => names.every((week) => net.nodeAt(i).daemon.finality.anchored.get(week) !== undefined))

test('R-NET-4 R-CP-6 an anchored checkpoint with two pending weeks behind it is voided: the next one lists all three, and the tally goes by that', async () => {
  const { devnet } = net
  await net.mineTo(net.at(freezeEpochs.captured, 3))
  await net.anchor(net.nodeAt(0), captured)
  await until(() => areComplete([0, 4], [first, second, captured]))
  const before = await net.tally(net.nodeAt(0), first)
  expect(before.document.state).toBe('anchored')
  const { checkpoint } = net.nodeAt(0).daemon.finality.anchored.get(captured)!.anchor
  for (const week of [first, second]) {
    expect((await net.tally(net.nodeAt(4), week)).document.checkpoint).toBe(checkpoint.toString())
  }

  // All but the last node take over the profile that voids it.
  const profile = {
    ...devnet.network.profile,
    voided: [{ week: captured, checkpoint: checkpoint.toString() }],
  }
  const profileFile = join(net.dir, 'voiding.json')
  writeFileSync(profileFile, profileJson(profile))
  const voiding = await loadNetwork(profileFile)
  expect(voiding.networkId).toBe(devnet.network.networkId)
  for (const i of [0, 1, 2, 3]) await net.restart(i, (config) => void (config.profile = profileFile))
  await net.rest(net.at(freezeEpochs.captured, 4))
  const stateOf = (index: number, week: Week) => net.nodeAt(index).daemon.finality.stateOf(week)
  expect([first, second].map((week) => stateOf(0, week))).toEqual(['pending', 'pending'])
  expect(stateOf(0, captured)).not.toBe('anchored')
  expect(stateOf(4, captured)).toBe('anchored')
  expect((await net.tally(net.nodeAt(0), first)).document).toMatchObject({
    state: 'pending',
    checkpoint: null,
  })
  // What was planned by the voided checkpoint is not paid any more.
  const payer = { payer: { kind: 'p2sh' as const, hash160: new Uint8Array(20) } }
  expect(() => planOf(voiding, before, payer, null)).toThrow(
    expect.objectContaining({ code: 'PAYOUT_VOIDED' }),
  )
  expect(planOf(devnet.network, before, payer, null).week).toBe(first)

  // In the window that is left the same set comes to the same checkpoint: nobody votes for it.
  await net.mineTo(net.at(freezeEpochs.next, 3))
  expect([first, second, captured].map((week) => stateOf(0, week))).toEqual(['pending', 'pending', 'pending'])
  await net.anchor(net.nodeAt(0), next)
  const voiders = [0, 1, 2, 3]
  await until(() => areComplete(voiders, weeks))
  for (const week of weeks) {
    const tallies = await Promise.all(voiders.map((i) => net.tally(net.nodeAt(i), week)))
    expect(new Set(tallies.map(({ digest }) => digest)).size).toBe(1)
    expect(tallies[0]!.document).toMatchObject({ state: 'anchored' })
    expect(tallies[0]!.document.checkpoint).not.toBe(checkpoint.toString())
  }

  // The node without the row: nothing was certified together, and it knows why it is alone.
  expect(stateOf(4, captured)).toBe('anchored')
  await until(() => net.nodeAt(4).daemon.finality.anchored.differing().length > 0)
  const { findings } = await net.nodeAt(4).diagnosis.look()
  const found = findings.find(({ code }) => code === 'checkpoint-differs')
  expect(found?.title).toContain(next)
  expect(found?.detail).toContain('lacks a row that voids one')
  expect((await net.nodeAt(0).diagnosis.look()).findings.map(({ code }) => code)).not.toContain(
    'checkpoint-differs',
  )

  // Without the row again, the store goes back to what the chain says by the first profile.
  await net.restart(0, (config) => void (config.profile = devnet.nodes[4]!.config.profile))
  await until(() => stateOf(0, captured) === 'anchored')
  expect((await net.tally(net.nodeAt(0), first)).digest).toBe(before.digest)
}, 600_000)
