import {
  anchorWindowAt,
  differingVoids,
  type BlsVerifier,
  type ChainWeeks,
  type Epoch,
  epochOfHeight,
  epochStart,
  type Genesis,
  type Height,
  judgeBlock,
  type LeafHashes,
  medianTimePast,
  paramsOfWeek,
  type RegistryChange,
  type Seat,
  type SeatRecord,
  type Snapshot,
  snapshotRootInSteps,
  snapshotRootOf,
  stakeKey,
  stepWeeksInSteps,
  takeSnapshot,
} from '../../../protocol/index.ts'
import { inSlices } from '../../async/slices.ts'
import { createSequence } from '../../async/serial.ts'
import { SecnodeError } from '../../errors.ts'
import {
  type ChainIndex,
  createChainIndex,
  deleteHeader,
  type HeaderRow,
  putHeader,
} from '../../store/chain-index.ts'
import { deleteCoinbase, putCoinbase } from '../../store/coinbases.ts'
import type { SnapshotSummary } from '../../store/registry-encoding.ts'
import { deleteSnapshot, openRegistryRows } from '../../store/registry-rows.ts'
import type { Store, StoreOperation } from '../../store/store.ts'
import {
  deleteWeeksAbove,
  putVoidedOfWeeks,
  putWeeks,
  voidedOfWeeks,
  weeksAt,
} from '../../store/week-rows.ts'
import type { Network } from '../../chain/profiles.ts'
import { chainBlockOf } from './chain-block.ts'
import type { FollowedBlock } from './events.ts'
import type { CheckedBlock } from '../checked-blocks.ts'

/**
 * Everything that is derived from the chain, in the store and in memory. Each change is one atomic, durable batch:
 * header rows (the last of them is the cursor), registry, undo rows and snapshots. After a failed write the object is
 * of no more use; opening it again finds the state before that write.
 */
export interface ChainState {
  readonly index: ChainIndex
  /** The first height that is followed. */
  readonly birthday: Height
  /** The block stored last; undefined before the first. */
  readonly cursor: HeaderRow | undefined
  /** Stores the next blocks, at least one, each linked to the one before. */
  connect(blocks: readonly CheckedBlock[]): Promise<FollowedBlock[]>
  /** Takes back at most `maxBlocks` blocks above `height`; gives them from the highest down. */
  disconnect(height: Height, maxBlocks: number): Promise<HeaderRow[]>
  snapshotOf(epoch: Epoch): Promise<Snapshot | undefined>
  snapshotSummaryOf(epoch: Epoch): Promise<SnapshotSummary | undefined>
  seatsAfter(height: Height): Promise<SeatRecord[] | undefined>
  /** The weeks as of the cursor (R-CP-1…6). */
  weeks(): ChainWeeks
  /** The seat of a stake (hash160) as of the cursor. */
  seatOfStake(stake: Uint8Array): Seat | undefined
  /** What is registered for a stake (hash160) as of the cursor. */
  standingOf(stake: Uint8Array): SeatStanding | undefined
}

/** A seat, and the base units that count towards its stake (R-REG-5). */
export interface SeatStanding {
  record: SeatRecord
  balance: bigint
}

/** In one batch. */
const blocksTakenBack = 500

/** MTP(h) is the median over h − 10 … h (R-CHAIN-3). */
const timesForMedian = 11

/** The last height at which following may begin: the registry needs MTP from the activation on (R-CHAIN-3). */
export const latestBirthday = (genesis: Genesis): Height =>
  Math.max(0, genesis.activationHeight - (timesForMedian - 1))

/**
 * Opens what the store holds. An empty store begins at `birthday`; one that was begun keeps its own, which must not
 * be later: FOLLOW_BIRTHDAY.
 */
export const openChainState = async (
  store: Store,
  network: Network,
  bls: BlsVerifier,
  wantedBirthday: Height,
): Promise<ChainState> => {
  const { genesis } = network.profile
  const index = createChainIndex(store)
  const birthday = await birthdayOf(index, genesis, wantedBirthday)
  let cursor = await index.cursor()
  const rows = await openRegistryRows(store, genesis, network.networkId, cursor?.height ?? -1)
  let weeks = await weeksAt(store, cursor?.height ?? -1)
  const hasTreasury = network.profile.schedule.some(({ params }) => params.fund.kind === 'treasury')
  const { schedule, voided } = network.profile
  const rules = { genesis, networkId: network.networkId, schedule, voided }
  /** Of the snapshots before, while many blocks come at once: 12 MB at 40,000 seats, for half of the time of a root. */
  let leafHashes: LeafHashes = new WeakMap()
  /** Seats in the snapshots taken in the batch at hand, which is not written yet. */
  const snapshotSizes = new Map<Epoch, number>()
  const turns = createSequence()

  /** Times of the last blocks up to the cursor, oldest first. */
  let times: number[] = []
  const loadTimes = async (): Promise<void> => {
    times = []
    if (cursor === undefined) return
    const from = Math.max(birthday, cursor.height - timesForMedian + 1)
    for await (const { time } of index.headers(from, cursor.height + 1)) times.push(time)
  }
  await loadTimes()

  const headerOf = ({ block, height }: CheckedBlock): HeaderRow => {
    times = [...times.slice(-(timesForMedian - 1)), block.header.time]
    // Below height 10 the median is over what there is; after a start in the middle it is not known at first.
    const isKnown = times.length === timesForMedian || birthday === 0
    return {
      height,
      hash: block.header.hash.slice(),
      time: block.header.time,
      medianTimePast: isKnown ? medianTimePast(times) : null,
      transactionCount: block.transactions.length,
    }
  }

  /** The registry's part of a block from the activation on: its operations are appended. */
  const connectRegistry = async (
    { block, height }: CheckedBlock,
    operations: StoreOperation[],
  ): Promise<RegistryChange | null> => {
    const epoch = epochOfHeight(genesis, height)
    if (epoch === null) return null
    const window = anchorWindowAt(rules, weeks, height)
    const anchorParams = window === null ? null : paramsOfWeek(rules.schedule, window.week)
    const { chainBlock, anchorCandidates } = await chainBlockOf(network, block, height, anchorParams)
    const stepped = await inSlices(
      stepWeeksInSteps(
        rules,
        weeks,
        {
          height,
          hash: block.header.hash.slice(),
          medianTime: medianTimePast(times),
          snapshotSeats:
            height === epochStart(genesis, epoch)
              ? (snapshotSizes.get(epoch) ?? (await rows.snapshotSummaryOf(epoch))?.seats ?? 0)
              : 0,
          // Before the registry takes the block in.
          seatsBefore: () => rows.registry.seats,
          candidates: anchorCandidates,
        },
        bls,
      ),
    )
    if (stepped.weeks !== weeks) {
      weeks = stepped.weeks
      operations.push(putWeeks(height, weeks))
    }
    if (hasTreasury) operations.push(putCoinbase(height, block.transactions[0]!.outputs))
    await rows.prepare(chainBlock)
    const change = judgeBlock(rows.registry, chainBlock, bls)
    operations.push(...rows.connect(change))
    // R-EPOCH-5: snapshot(e) after block b(e − 1), of the seats active since b(e − 2).
    if (epoch >= 1 && height === epochStart(genesis, epoch)) {
      const snapshot = takeSnapshot(rows.registry, epochStart(genesis, epoch - 1))
      const root = await inSlices(snapshotRootInSteps(snapshot, leafHashes))
      operations.push(...rows.putSnapshot(epoch + 1, snapshot, root))
      snapshotSizes.set(epoch + 1, snapshot.length)
    }
    return change
  }

  const connect = async (blocks: readonly CheckedBlock[]): Promise<FollowedBlock[]> =>
    turns.run(async () => {
      const operations: StoreOperation[] = []
      const followed: FollowedBlock[] = []
      for (const fetched of blocks) {
        const header = headerOf(fetched)
        operations.push(putHeader(header))
        const change = await connectRegistry(fetched, operations)
        followed.push({ ...header, previousHash: fetched.block.header.previousHash.slice(), change })
      }
      await store.batch(operations, { sync: true })
      rows.settle()
      snapshotSizes.clear()
      // At the tip the next snapshot is hours away.
      if (blocks.length === 1) leafHashes = new WeakMap()
      cursor = followed.at(-1)
      return followed
    })

  const disconnect = async (height: Height, maxBlocks: number): Promise<HeaderRow[]> =>
    turns.run(async () => {
      if (cursor === undefined || cursor.height <= height) return []
      const lowest = Math.max(height + 1, cursor.height - maxBlocks + 1)
      const operations: StoreOperation[] = []
      const gone: HeaderRow[] = []
      for await (const row of index.headers(lowest, cursor.height + 1, 'falling')) {
        const epoch = epochOfHeight(genesis, row.height)
        if (epoch !== null) {
          operations.push(...(await rows.disconnect()))
          if (row.height === epochStart(genesis, epoch)) operations.push(...deleteSnapshot(epoch + 1))
          if (hasTreasury) operations.push(deleteCoinbase(row.height))
        }
        operations.push(deleteHeader(row.height))
        gone.push(row)
      }
      operations.push(...(await deleteWeeksAbove(store, lowest - 1)))
      await store.batch(operations, { sync: true })
      rows.settle()
      cursor = await index.cursor()
      weeks = await weeksAt(store, cursor?.height ?? -1)
      await loadTimes()
      return gone
    })

  /**
   * R-NET-4: the weeks in the store were stepped under other voided anchors. Blocks from the freeze of the first week that
   * they are about are taken back, and followed again under those of the profile.
   */
  const applyVoided = async (): Promise<void> => {
    const differing = differingVoids(await voidedOfWeeks(store), voided)
    if (differing.length === 0) return
    const names = new Set(differing.map(({ week }) => week))
    const from = weeks.records.find(({ week, freeze }) => freeze !== null && names.has(week))?.freeze?.height
    let isBack = from === undefined
    while (!isBack) isBack = (await disconnect(from! - 1, blocksTakenBack)).length === 0
    await store.batch([putVoidedOfWeeks(voided)], { sync: true })
  }
  await applyVoided()

  /** R-EPOCH-5: the first two epochs have no seats; whether b(e − 1) was followed all the same. */
  const isEmpty = (epoch: Epoch): boolean =>
    epoch < 2 && cursor !== undefined && cursor.height >= epochStart(genesis, epoch - 1)

  return {
    index,
    birthday,
    get cursor() {
      return cursor
    },
    connect,
    disconnect,
    snapshotOf: async (epoch) => (isEmpty(epoch) ? [] : turns.run(async () => rows.snapshotOf(epoch))),
    snapshotSummaryOf: async (epoch) =>
      isEmpty(epoch)
        ? { seats: 0, root: snapshotRootOf([]) }
        : turns.run(async () => rows.snapshotSummaryOf(epoch)),
    seatsAfter: async (height) =>
      turns.run(async () =>
        cursor === undefined || height > cursor.height || height < genesis.activationHeight
          ? undefined
          : rows.seatsAfter(height),
      ),
    weeks: () => weeks,
    seatOfStake: (stake) => rows.registry.seatByStake.get(stakeKey(stake)),
    standingOf: (stake) => {
      const seat = rows.registry.seatByStake.get(stakeKey(stake))
      const record = seat === undefined ? undefined : rows.registry.seats[seat]
      return record === undefined
        ? undefined
        : { record, balance: rows.registry.balanceBySeat.get(record.seat) ?? 0n }
    },
  }
}

const birthdayOf = async (index: ChainIndex, genesis: Genesis, wanted: Height): Promise<Height> => {
  const latest = latestBirthday(genesis)
  if (wanted > latest) {
    throw new SecnodeError('FOLLOW_BIRTHDAY', `the chain cannot be followed from ${wanted} on only`, {
      hint: `The rules need every block from ${latest} on: ten blocks before the activation of the network.`,
      exitCode: 2,
    })
  }
  const first = await index.birthday()
  if (first === undefined) return wanted
  if (first.height > wanted) {
    throw new SecnodeError('FOLLOW_BIRTHDAY', `the data directory begins at block ${first.height} only`, {
      hint: `Start with a new --dir to follow from ${wanted} on.`,
      exitCode: 2,
    })
  }
  return first.height
}
