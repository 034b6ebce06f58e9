import {
  type Announcement,
  checkUnprovedAnnouncement,
  isAnnouncementMemo,
  isReplayed,
  parseMemo,
  stakeKey,
} from './announcement.ts'
import type { BlsVerifier } from './bls.ts'
import { bytesToHex, equalBytes } from './bytes.ts'
import type { Height, NetworkId, Seat } from './ids.ts'
import type { Genesis } from './params.ts'
import { reject, type Validation } from './validation.ts'

/** `<txid in internal order, hex>:<index>`. */
export type OutpointKey = string

/** Returns the key of an outpoint. `txid` is 32 bytes in internal order. */
export const outpointKey = (txid: Uint8Array, index: number): OutpointKey => `${bytesToHex(txid)}:${index}`

/** What the rules see of a transaction. */
export interface ChainTransaction {
  spends: readonly OutpointKey[]
  /** Its P2PKH outputs, in order. */
  payments: readonly ChainPayment[]
  /** R-CHAIN-4: the memo that counts, or null. */
  memo: string | null
}

/** A payment to a P2PKH address that a transaction makes. */
export interface ChainPayment {
  outpoint: OutpointKey
  /** hash160, 20 bytes. */
  payee: Uint8Array
  value: bigint
}

/** What the rules see of a confirmed block. */
export interface ChainBlock {
  height: Height
  /** 32 bytes, internal order. */
  hash: Uint8Array
  previousHash: Uint8Array
  /** Seconds since 1970, as its header has it. */
  time: number
  /** In block order; ZEN certificates are listed apart. */
  transactions: readonly ChainTransaction[]
  /** Outputs that certificates spend (R-REG-5); what they pay does not count. */
  certificateSpends: readonly OutpointKey[]
}

/** R-CHAIN-4: only such transactions are tried for an announcement's memo. */
export const isAnnouncementCandidate = (
  genesis: Genesis,
  transaction: Pick<ChainTransaction, 'payments'>,
): boolean => transaction.payments.some((payment) => payment.value >= genesis.minStake)

/** Where in the chain an announcement stands. */
export interface ChainPosition {
  height: Height
  /** Index of the transaction in its block. */
  index: number
}

/** A seat and the announcement in force (R-REG-3). Never changed in place. */
export interface SeatRecord {
  seat: Seat
  /** hash160 of the stake address. */
  stake: Uint8Array
  peer: Uint8Array
  host: string
  p2p: number
  tls: number
  bls: Uint8Array
  /** First height after which `bls` has been its key without a break: what seniority asks for (R-CP-2). */
  blsSince: Height
  /** Of the announcement in force. */
  at: Height
  announced: ChainPosition
  /** First height after which it has been active without a break; null if retired (R-REG-5). */
  activeSince: Height | null
}

/** An output that is the stake of a seat. */
export interface StakeOutput {
  outpoint: OutpointKey
  seat: Seat
  value: bigint
}

/** The state after block `height`. Changed by `applyChange` and `revertChange` only. */
export interface Registry {
  readonly genesis: Genesis
  readonly networkId: NetworkId
  height: Height
  readonly seats: SeatRecord[]
  readonly seatByStake: Map<string, Seat>
  /** Unspent outputs that count towards a stake, and where each belongs. */
  readonly outputsBySeat: Map<Seat, Map<OutpointKey, bigint>>
  /** Sums of `outputsBySeat`, so that dust sent to a stake costs nothing at each block. */
  readonly balanceBySeat: Map<Seat, bigint>
  readonly seatByOutpoint: Map<OutpointKey, Seat>
}

/** What one block does: enough to apply it, to take it back and to write it to a store. */
export interface RegistryChange {
  height: Height
  seats: readonly { before: SeatRecord | null; after: SeatRecord }[]
  created: readonly StakeOutput[]
  removed: readonly StakeOutput[]
  /** Announcements of this block that were refused, for the log of whoever wonders. */
  refused: readonly { index: number; code: string }[]
}

/** Returns the registry before the activation height: without seats. */
export const createRegistry = (genesis: Genesis, networkId: NetworkId): Registry => ({
  genesis,
  networkId,
  height: genesis.activationHeight - 1,
  seats: [],
  seatByStake: new Map(),
  outputsBySeat: new Map(),
  balanceBySeat: new Map(),
  seatByOutpoint: new Map(),
})

/**
 * R-REG-1…5: what a block changes, judged transaction by transaction against the state after the previous one. Pure:
 * the registry is only read. The block must be the next one; throws for another.
 */
export const judgeBlock = (registry: Registry, block: ChainBlock, bls: BlsVerifier): RegistryChange => {
  if (block.height !== registry.height + 1) {
    throw new Error(`block ${block.height} does not follow ${registry.height}`)
  }
  const seats = new Map<Seat, SeatRecord>()
  const seatsOfNewStakes = new Map<string, Seat>()
  const created = new Map<OutpointKey, StakeOutput>()
  const removed = new Map<OutpointKey, StakeOutput>()
  const touched = new Set<Seat>()
  const refused: { index: number; code: string }[] = []

  const seatOfStake = (stake: Uint8Array): Seat | undefined => {
    const key = stakeKey(stake)
    return seatsOfNewStakes.get(key) ?? registry.seatByStake.get(key)
  }
  const record = (seat: Seat): SeatRecord | undefined => seats.get(seat) ?? registry.seats[seat]

  const remove = (outpoint: OutpointKey): void => {
    const fresh = created.get(outpoint)
    if (fresh !== undefined) {
      created.delete(outpoint)
      touched.add(fresh.seat)
      return
    }
    const seat = registry.seatByOutpoint.get(outpoint)
    if (seat === undefined || removed.has(outpoint)) return
    removed.set(outpoint, { outpoint, seat, value: registry.outputsBySeat.get(seat)!.get(outpoint)! })
    touched.add(seat)
  }

  /** R-REG-5: from the latest announcement on, what came before it no longer counts. */
  const forgetOutputs = (seat: Seat): void => {
    for (const outpoint of registry.outputsBySeat.get(seat)?.keys() ?? []) remove(outpoint)
    for (const output of created.values()) if (output.seat === seat) created.delete(output.outpoint)
  }

  const announce = (judged: Validation<Announcement>, index: number): void => {
    if (judged.is !== 'accept') {
      refused.push({ index, code: judged.code })
      return
    }
    const announcement = judged.value
    const known = seatOfStake(announcement.stake)
    // Judged once more: an earlier transaction of this block may have raised it (R-REG-3).
    if (known !== undefined && isReplayed(announcement, record(known)!.at)) {
      refused.push({ index, code: 'announcement-replayed' })
      return
    }
    const seat = known ?? registry.seats.length + seatsOfNewStakes.size
    if (known === undefined) seatsOfNewStakes.set(stakeKey(announcement.stake), seat)
    else forgetOutputs(seat)
    seats.set(seat, {
      seat,
      stake: announcement.stake,
      peer: announcement.peer,
      host: announcement.host,
      p2p: announcement.p2p,
      tls: announcement.tls,
      bls: announcement.bls,
      blsSince: blsSince(registry.seats[seat], announcement.bls, block.height),
      at: announcement.at,
      announced: { height: block.height, index },
      activeSince: known === undefined ? null : record(known)!.activeSince,
    })
    touched.add(seat)
  }

  const announcements = judgeAnnouncements(registry, block, bls)
  for (const [index, transaction] of block.transactions.entries()) {
    for (const outpoint of transaction.spends) remove(outpoint)
    const judged = announcements.get(index)
    if (judged !== undefined) announce(judged, index)
    for (const payment of transaction.payments) {
      const seat = seatOfStake(payment.payee)
      if (seat === undefined) continue
      created.set(payment.outpoint, { outpoint: payment.outpoint, seat, value: payment.value })
      touched.add(seat)
    }
  }
  for (const outpoint of block.certificateSpends) remove(outpoint)

  const balances = balancesAfter(registry, created.values(), removed.values())
  for (const seat of touched) {
    const current = record(seat)!
    const isStaked = balances(seat) >= registry.genesis.minStake
    const activeSince = isStaked ? activeFrom(current, seats.has(seat), block.height) : null
    if (activeSince !== current.activeSince) seats.set(seat, { ...current, activeSince })
  }

  return {
    height: block.height,
    seats: [...seats.values()]
      .sort((a, b) => a.seat - b.seat)
      .map((after) => ({ before: registry.seats[after.seat] ?? null, after })),
    created: [...created.values()],
    removed: [...removed.values()],
    refused,
  }
}

/**
 * The announcements of a block by index of transaction, each judged by R-REG-1 and R-REG-2 against the state before the
 * block, and all proofs of possession together.
 */
const judgeAnnouncements = (
  registry: Registry,
  block: ChainBlock,
  bls: BlsVerifier,
): ReadonlyMap<number, Validation<Announcement>> => {
  const judged = new Map<number, Validation<Announcement>>()
  for (const [index, transaction] of block.transactions.entries()) {
    if (transaction.memo === null || !isAnnouncementMemo(transaction.memo)) continue
    judged.set(index, judgeUnproved(registry, block.height, transaction, transaction.memo))
  }
  const claims = [...judged].flatMap(([index, judgement]) =>
    judgement.is === 'accept' ? [{ index, ...judgement.value }] : [],
  )
  const isProved = bls.verifyPossessions(registry.networkId, claims)
  for (const [i, { index }] of claims.entries()) {
    if (isProved[i] !== true) judged.set(index, reject('announcement-possession'))
  }
  return judged
}

const judgeUnproved = (
  { genesis, networkId, seatByStake, seats }: Registry,
  height: Height,
  transaction: ChainTransaction,
  memo: string,
): Validation<Announcement> => {
  const parsed = parseMemo(genesis.chain, memo)
  if (parsed.is !== 'accept') return parsed
  const announcement = parsed.value
  if (!paysItsStake(genesis, transaction, announcement)) return reject('announcement-without-stake')
  const seat = seatByStake.get(stakeKey(announcement.stake))
  const lastAt = seat === undefined ? null : seats[seat]!.at
  const checked = checkUnprovedAnnouncement(genesis, networkId, announcement, height, lastAt)
  return checked.is === 'accept' ? parsed : checked
}

/** R-REG-5: falling below retires a seat and only a new announcement revives it. */
const activeFrom = (current: SeatRecord, announcedNow: boolean, height: Height): Height | null =>
  current.activeSince ?? (announcedNow ? height : null)

/** Judged by what stood after the block before, so a key that goes and comes back within one block has stayed. */
const blsSince = (before: SeatRecord | undefined, bls: Uint8Array, height: Height): Height =>
  before !== undefined && equalBytes(before.bls, bls) ? before.blsSince : height

/** R-REG-1: at least one output of minStake to the stake address, not a sum. */
const paysItsStake = (
  genesis: Genesis,
  transaction: ChainTransaction,
  announcement: Announcement,
): boolean => {
  const stake = stakeKey(announcement.stake)
  return transaction.payments.some(
    (payment) => payment.value >= genesis.minStake && stakeKey(payment.payee) === stake,
  )
}

/** R-REG-5: what each seat holds after the block's last transaction, in base units. */
const balancesAfter = (
  { balanceBySeat }: Registry,
  created: Iterable<StakeOutput>,
  removed: Iterable<StakeOutput>,
): ((seat: Seat) => bigint) => {
  const createdBySeat = sumBySeat(created)
  const removedBySeat = sumBySeat(removed)
  return (seat) =>
    (balanceBySeat.get(seat) ?? 0n) + (createdBySeat.get(seat) ?? 0n) - (removedBySeat.get(seat) ?? 0n)
}

const sumBySeat = (outputs: Iterable<StakeOutput>): Map<Seat, bigint> => {
  const sums = new Map<Seat, bigint>()
  for (const output of outputs) sums.set(output.seat, (sums.get(output.seat) ?? 0n) + output.value)
  return sums
}

const setOutput = (registry: Registry, output: StakeOutput): void => {
  let outputs = registry.outputsBySeat.get(output.seat)
  if (outputs === undefined) registry.outputsBySeat.set(output.seat, (outputs = new Map()))
  outputs.set(output.outpoint, output.value)
  registry.balanceBySeat.set(output.seat, (registry.balanceBySeat.get(output.seat) ?? 0n) + output.value)
  registry.seatByOutpoint.set(output.outpoint, output.seat)
}

const dropOutput = (registry: Registry, output: StakeOutput): void => {
  const outputs = registry.outputsBySeat.get(output.seat)!
  outputs.delete(output.outpoint)
  if (outputs.size === 0) {
    registry.outputsBySeat.delete(output.seat)
    registry.balanceBySeat.delete(output.seat)
  } else registry.balanceBySeat.set(output.seat, registry.balanceBySeat.get(output.seat)! - output.value)
  registry.seatByOutpoint.delete(output.outpoint)
}

/** Brings the registry to the state after the change's block. */
export const applyChange = (registry: Registry, change: RegistryChange): void => {
  for (const output of change.removed) dropOutput(registry, output)
  for (const { after } of change.seats) {
    registry.seats[after.seat] = after
    registry.seatByStake.set(stakeKey(after.stake), after.seat)
  }
  for (const output of change.created) setOutput(registry, output)
  registry.height = change.height
}

/** Takes back the change that was applied last (R-CHAIN-2). */
export const revertChange = (registry: Registry, change: RegistryChange): void => {
  for (const output of change.created) dropOutput(registry, output)
  for (const { before, after } of [...change.seats].reverse()) {
    if (before === null) {
      registry.seats.length = after.seat
      registry.seatByStake.delete(stakeKey(after.stake))
    } else registry.seats[before.seat] = before
  }
  for (const output of change.removed) setOutput(registry, output)
  registry.height = change.height - 1
}

/** A seat as an epoch sees it: fixed before its beacon is known (R-EPOCH-5). */
export type SnapshotRow = Pick<
  SeatRecord,
  'seat' | 'stake' | 'peer' | 'host' | 'p2p' | 'tls' | 'bls' | 'announced'
>

/** In rising order of seat. */
export type Snapshot = readonly SnapshotRow[]

/**
 * R-EPOCH-5: snapshot(e) from the registry as it stands after block b(e − 1): the seats active after every block
 * from b(e − 2) on. Epochs 0 and 1 have none.
 */
export const takeSnapshot = (registry: Registry, activeFromHeight: Height): Snapshot =>
  registry.seats.filter((record) => record.activeSince !== null && record.activeSince <= activeFromHeight)
