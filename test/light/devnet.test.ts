import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  certifiersOfView,
  cidOf,
  decodeCheckpoint,
  type Epoch,
  merklePath,
  parseAnchor,
  type Senior,
  seniorLeaf,
  type SnapshotLeaf,
  type Week,
} from '../../protocol/index.ts'
import { weekDataOfNode } from '../../src/web/control/routes/weeks.ts'
import { exportBundle } from '../../src/week/bundle.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { type DevnetByHand, startByHand } from '../devnet/anchored-by-hand.ts'
import { until } from '../net/local-hosts.ts'
import { type LightCheckpoint, verifyLight } from './verifier.ts'

const signal = AbortSignal.timeout(900_000)
/** Of the epochs 2 … 4, 5 … 7, 8 … 10, 11 … 13, 14 … 16; block F of a week is the second after its last epoch. */
const trusted = '2026-W47' as Week
const second = '2026-W48' as Week
const pending = '2026-W49' as Week
const listing = '2026-W50' as Week
const newest = '2026-W51' as Week
const freezeEpochOf = new Map<Week, Epoch>([
  [trusted, 6],
  [second, 9],
  [listing, 15],
  [newest, 18],
])

let net: DevnetByHand
beforeAll(async () => {
  net = await startByHand(91, signal)
}, 300_000)
afterAll(async () => await net.close())

/** Anchors the week, and gives of it what the light file has. */
const anchored = async (week: Week): Promise<LightCheckpoint> => {
  const node = net.nodeAt(0)
  await until(() => node.daemon.finality.dueAnchor()?.week === week)
  const record = node.follower.weeks().records.find((one) => one.week === week)!
  const memo = await net.anchor(node, week)
  const certificate = parseAnchor(memo)
  if (certificate.is !== 'accept') throw new Error(certificate.code)
  const { networkId, profile } = net.devnet.network
  const drawn = certifiersOfView({ ...profile, networkId }, record, certificate.value.view)
  const list = record.list!.seniors
  await until(() => node.daemon.finality.anchored.get(week) !== undefined)

  const source = weekDataOfNode(node, signal)
  const out = new PassThrough()
  const [bundle] = await Promise.all([buffer(out), exportBundle(source, week, sinkOf(out), { sha256 })])
  const payload = (await source.checkpointOf(week))!
  return {
    payload,
    anchor: { height: node.daemon.finality.anchored.get(week)!.anchor.height, memo },
    certifiers: drawn.map((senior) => ({ ...senior, path: pathOf(list, senior) })),
    snapshots: await snapshotsOf(payload),
    bundle: new Uint8Array(bundle),
  }
}

const pathOf = (list: readonly Senior[], { seat }: Senior) =>
  merklePath(
    list.map(seniorLeaf),
    list.findIndex((senior) => senior.seat === seat),
  )

const snapshotsOf = async (payload: Uint8Array): Promise<Map<Epoch, SnapshotLeaf[]>> => {
  const decoded = decodeCheckpoint(payload)
  if (decoded.is !== 'ok') throw new Error('the checkpoint cannot be read')
  const epochs = decoded.value.weeks.flatMap((week) => week.epochs.map(({ epoch }) => epoch))
  const contexts = await Promise.all(epochs.map((epoch) => net.nodeAt(0).daemon.epochs.get(epoch)))
  return new Map(
    contexts.map((context) => [
      context!.epoch,
      context!.snapshot.map(({ seat, stake, peer, host }) => ({ seat, stake, peer, host })),
    ]),
  )
}

test('R-CP-1 R-TALLY-7 three weeks of a devnet and a pending one come out alike without a chain', async () => {
  const checkpoints: LightCheckpoint[] = []
  for (const [week, freezeEpoch] of freezeEpochOf) {
    await net.mineTo(net.at(freezeEpoch, 3))
    checkpoints.push(await anchored(week))
  }
  const node = net.nodeAt(0)
  const headers = new Map<number, Uint8Array>()
  for (let height = net.at(0); height <= checkpoints.at(-1)!.anchor.height; height++) {
    headers.set(height, (await node.follower.hashAt(height))!)
  }
  const { genesis, schedule } = net.devnet.network.profile
  const light = verifyLight(
    { genesis, schedule, trusted: cidOf(checkpoints[0]!.payload) },
    headers,
    checkpoints,
  )

  const weeks = [second, pending, listing, newest]
  expect([...light.tallies.keys()]).toEqual(weeks)
  expect(light.provisional).toEqual(new Set([newest]))
  for (const week of weeks) {
    const { document, digest } = await net.tally(node, week)
    expect(document.totals.paidSeats).toBe(5)
    expect(light.tallies.get(week)!.digest).toBe(digest)
  }
}, 600_000)
