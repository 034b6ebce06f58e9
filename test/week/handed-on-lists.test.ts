import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  beaconOf,
  bytesToHex,
  type Certificate,
  certifiersOf,
  type Checkpoint,
  cidOf,
  coin,
  decodeCheckpoint,
  encodeCheckpoint,
  type Epoch,
  epochRoot,
  epochStart,
  fillFrame,
  formatAnchor,
  paramsOfWeek,
  type Seat,
  signersOf,
  startOfWeek,
  voteMessage,
  type Week,
  weekAfter,
  type WeekRecord,
} from '../../protocol/index.ts'
import { seniorListOf } from '../../protocol/seniors.ts'
import { p2pkhScript } from '../../src/chain/formats/script.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { networkOf } from '../../src/chain/profiles.ts'
import { frameOfWeek } from '../../src/week/anchored-frame.ts'
import { createEpochBook } from '../../src/week/epoch-book.ts'
import { aggregateVotes, blsPublicKeyOf, signVote } from '../../src/keys/bls.ts'
import { createCheckpointStore } from '../../src/store/checkpoints.ts'
import { coinbasesOf } from '../../src/store/coinbases.ts'
import { weeksAt } from '../../src/store/week-rows.ts'
import { tallyOfWeek } from '../../src/week/answers.ts'
import { createFundBook } from '../../src/week-io/fund.ts'
import { openStoredWeeks } from '../../src/week-io/stored-week.ts'
import { caughtUp, follow, type Following } from '../chain-node/follower/following.ts'
import {
  announcementOf,
  createTestChain,
  memoTransaction,
  ownerOf,
  pay,
  seedOf,
  spendOf,
  testNetwork,
  transferOf,
} from '../chain-node/follower/test-chain.ts'
import { startTestNode, type TestNode } from '../chain-node/follower/test-node.ts'

/**
 * Six seats; in the second week one leaves and three announce other voting keys, so that week has two seniors of its own.
 * The first two weeks are anchored, the third is not, the fourth covers it, and the fifth is certified by its predecessor's.
 */
const plain = testNetwork({ epochBlocks: 6 })
const miner = seedOf('miner').subarray(0, 20)
const script = bytesToHex(p2pkhScript(miner))
const network = networkOf({
  ...plain.profile,
  schedule: plain.profile.schedule.map((row) => ({
    ...row,
    params: {
      ...row.params,
      viewBlocks: 2,
      anchorBlocks: 4,
      fund: { kind: 'treasury', scripts: [{ from: 0, script }] },
    },
  })),
})
const { genesis, schedule } = network.profile
const { networkId } = network
const epochsPerWeek = 3
const names = ['2026-W47' as Week]
while (names.length < 6) names.push(weekAfter(names.at(-1)!))
const [first, second, third, fourth, fifth] = names as [Week, Week, Week, Week, Week, Week]
const freezeOf = (week: Week): number => epochStart(genesis, epochsPerWeek * (names.indexOf(week) + 1) + 1)

const chain = createTestChain()
let node: TestNode
let following: Following
const checkpoints = new Map<Week, Checkpoint>()

/** Weeks begin where the sixth of eleven times is the first one in them. */
const timeOf = (height: number): number => {
  const index = Math.floor((height + 5 - genesis.activationHeight) / (epochsPerWeek * genesis.epochBlocks))
  return startOfWeek(names[Math.max(0, index)]!) + 60 * (1 + height)
}

const mine = (...transactions: Transaction[]): void => {
  const height = chain.tip.height + 1
  chain.mine(transactions, timeOf(height))
}

/** Mines up to a height; what `at` has for one on the way goes into its block. */
const mineTo = (height: number, at: ReadonlyMap<number, () => Transaction[]> = new Map()): void => {
  while (chain.tip.height < height) mine(...(at.get(chain.tip.height + 1)?.() ?? []))
}

const recordOf = (week: Week): WeekRecord =>
  following.follower.weeks().records.find((record) => record.week === week)!

const followed = async (): Promise<void> =>
  caughtUp(following.follower, chain.tip.height - genesis.confirmations)

/** The voting secret of a seat in a list: it may have announced another key since. */
const secretOf = (seat: Seat, bls: Uint8Array): Uint8Array =>
  [0, 1]
    .map((key) => ownerOf(seat).votingSecret(key))
    .find((secret) => bytesToHex(blsPublicKeyOf(secret)) === bytesToHex(bls))!

/** A checkpoint of a frozen week without a single attestation, stored, certified by all of view 0, and anchored. */
const anchor = async (
  week: Week,
  change: (checkpoint: Checkpoint) => Checkpoint = (same) => same,
): Promise<void> => {
  mineTo(freezeOf(week) + genesis.confirmations)
  await followed()
  const { follower, store } = following
  const fund = createFundBook(genesis, network.facts.family, follower, store)
  const framed = await frameOfWeek(
    {
      genesis,
      networkId,
      schedule,
      epochs: createEpochBook(genesis, networkId, schedule, follower),
      weeks: () => follower.weeks(),
      seatsAfter: (epoch) => follower.registryAt(epoch),
      snapshotSummaryOf: (epoch) => follower.snapshotSummaryOf(epoch),
      incomeOf: (name, epochs, signal) =>
        fund.ofWeek(paramsOfWeek(schedule, name).fund, epochs.first, epochs.last, signal),
    },
    week,
    new AbortController().signal,
  )
  const empty = { count: 0, root: epochRoot([]) }
  const checkpoint = change(
    fillFrame(
      framed!.frame,
      () => empty,
      () => [],
    ),
  )
  checkpoints.set(week, checkpoint)
  const payload = encodeCheckpoint(checkpoint)
  const cid = cidOf(payload)
  const kept = createCheckpointStore(store)
  await kept.put(week, [payload])
  for (const { epochs } of checkpoint.weeks) {
    for (const { epoch } of epochs) await kept.putContents(cid, epoch, [])
  }
  const { list, freeze, last } = recordOf(week)
  const beacon = beaconOf(networkId, last! + 2, freeze!.hash!)
  const certifiers = certifiersOf(list!.seniors, beacon, 0, paramsOfWeek(schedule, week).certifiers)
  const vote = { week, view: 0, checkpoint: cid, freezeHash: freeze!.hash! }
  const message = voteMessage(networkId, vote)
  const certificate: Certificate = {
    ...vote,
    signers: signersOf(new Set(certifiers.keys()), certifiers.length),
    signature: aggregateVotes(certifiers.map(({ seat, bls }) => signVote(secretOf(seat, bls), message)))!,
  }
  mine(memoTransaction(formatAnchor(certificate), [pay(miner, coin)]))
  mineTo(chain.tip.height + genesis.confirmations)
  await followed()
}

beforeAll(async () => {
  node = await startTestNode(chain)
  mineTo(genesis.activationHeight - 1)
  const announcements = [0, 1, 2, 3, 4, 5].map((seat) =>
    announcementOf(network, ownerOf(seat), genesis.activationHeight - 1),
  )
  mine(...announcements)
  following = await follow(network, node.url)
  await anchor(first)
  const change = epochStart(genesis, epochsPerWeek + 1) + genesis.confirmations + 5
  mineTo(
    change,
    new Map([
      [
        change,
        () => [
          transferOf([pay(miner, genesis.minStake)], [spendOf(announcements[0]!, 0)]),
          ...[1, 2, 3].map((seat) =>
            announcementOf(network, ownerOf(seat), change - 1, 1, genesis.minStake, 1),
          ),
        ],
      ],
    ]),
  )
  await anchor(second)
  await anchor(fourth)
  await anchor(fifth, (checkpoint) => ({ ...checkpoint, previous: null }))
})

afterAll(async () => {
  await following?.[Symbol.asyncDispose]()
  await node?.[Symbol.asyncDispose]()
})

/** The list of all six with their first keys. */
const whole = () =>
  seniorListOf(
    [0, 1, 2, 3, 4, 5].map((seat) => ({ seat, bls: blsPublicKeyOf(ownerOf(seat).votingSecret(0)) })),
  )
const committed = (week: Week) => {
  const { previous, handsOn } = checkpoints.get(week)!
  return {
    previous: previous?.checkpoint.toString() ?? null,
    count: handsOn.count,
    root: bytesToHex(handsOn.root),
  }
}
const cidOfWeek = (week: Week): string => cidOf(encodeCheckpoint(checkpoints.get(week)!)).toString()

describe('R-CP-2 a list that is handed on', () => {
  test('certifies with votes of seats that left and of keys that were replaced', () => {
    expect(recordOf(first).anchor?.week).toBe(first)
    // Two seats of the second week's own would not have been enough.
    expect(recordOf(second).anchor?.week).toBe(second)
    const seats = following.follower.weeks()
    expect(seats.records.map(({ week, anchor: found }) => [week, found?.week ?? null])).toEqual([
      [first, first],
      [second, second],
      [third, fourth],
      [fourth, fourth],
      [fifth, fifth],
      [names[5], null],
    ])
  })

  test('R-CP-1 is what each checkpoint commits to, with the one before', () => {
    const root = bytesToHex(whole().root)
    expect(committed(first)).toEqual({ previous: null, count: 6, root })
    // The second week has two seniors, too few: it hands on the list that it was certified from.
    expect(committed(second)).toEqual({ previous: cidOfWeek(first), count: 6, root })
    const own = seniorListOf(
      [1, 2, 3, 4, 5].map((seat) => ({
        seat,
        bls: blsPublicKeyOf(ownerOf(seat).votingSecret(seat < 4 ? 1 : 0)),
      })),
    )
    expect(committed(fourth)).toEqual({ previous: cidOfWeek(second), count: 5, root: bytesToHex(own.root) })
    expect(following.follower.weeks().handedOn).toMatchObject({ week: fifth, list: { seniors: own.seniors } })
  })

  test('R-CP-6 a pending week is tallied under the checkpoint that lists it', async () => {
    const weeks = await openStoredWeeks(network, following.store)
    for (const [week, by] of [
      [first, first],
      [second, second],
      [third, fourth],
      [fourth, fourth],
    ] as const) {
      const { document } = await tallyOfWeek(weeks, week, AbortSignal.timeout(60_000))
      expect(document).toMatchObject({ week, state: 'anchored', checkpoint: cidOfWeek(by) })
      // 18 blocks of ten coins, and two coins kept for fees.
      expect(document.totals.fund).toBe((178n * coin).toString())
    }
    expect(checkpoints.get(fourth)!.weeks.map(({ week, income }) => [week, income])).toEqual([
      [third, 180n * coin],
      [fourth, 180n * coin],
    ])
  })

  test('R-CP-1 a checkpoint that leaves out the one before is not what the chain says, though certified', async () => {
    const weeks = await openStoredWeeks(network, following.store)
    await expect(tallyOfWeek(weeks, fifth, AbortSignal.timeout(60_000))).rejects.toMatchObject({
      code: 'ANCHORED_INVALID',
      message: expect.stringContaining('checkpoint-previous') as string,
    })
  })

  test('R-CHAIN-2 is read back from the store as it was, and goes with the blocks that go', async () => {
    const { follower, store } = following
    const height = chain.tip.height - genesis.confirmations
    expect(await weeksAt(store, height)).toEqual(follower.weeks())
    expect(await coinbasesOf(store, height, height + 2)).toEqual([
      [{ value: 10n * coin, script: p2pkhScript(miner) }],
      undefined,
    ])
    const before = await weeksAt(store, freezeOf(fifth) - 1)
    chain.rollBack(chain.tip.height - freezeOf(fifth) + 1)
    mine()
    for (let i = 0; i < genesis.confirmations; i++) chain.mine([], timeOf(chain.tip.height + 1) + 1)
    await followed()
    expect(recordOf(fourth)).toEqual(before.records.find(({ week }) => week === fourth))
    expect(recordOf(fifth)).toMatchObject({ anchor: null, commits: { handsOn: { count: 5 } } })
    expect(await coinbasesOf(store, freezeOf(fifth) + 1, freezeOf(fifth) + 2)).toEqual([undefined])
  })
})

test('R-CP-1 a payload is read back with all that the weeks commit to', () => {
  for (const checkpoint of checkpoints.values()) {
    expect(decodeCheckpoint(encodeCheckpoint(checkpoint))).toEqual({ is: 'ok', value: checkpoint })
  }
  const epochs: readonly Epoch[] = checkpoints
    .get(fourth)!
    .weeks.flatMap((week) => week.epochs.map(({ epoch }) => epoch))
  expect(epochs).toEqual([6, 7, 8, 9, 10, 11])
})
