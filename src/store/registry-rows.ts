import { z } from 'zod'
import {
  applyChange,
  bytesOf,
  bytesToHex,
  type Canonical,
  type ChainBlock,
  compareBytes,
  createRegistry,
  decodeCanonical,
  encodeCanonical,
  type Epoch,
  EpochNumber,
  type Genesis,
  type Height,
  HeightNumber,
  hexToBytes,
  type NetworkId,
  outpointKey,
  type OutpointKey,
  parseMemo,
  type Registry,
  type RegistryChange,
  revertChange,
  type Seat,
  SeatNumber,
  type SeatRecord,
  type Snapshot,
  type SnapshotRow,
  stakeKey,
  type StakeOutput,
} from '../../protocol/index.ts'
import { storeDamaged } from './errors.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/**
 * The registry in memory and its rows in a store. `connect` and `disconnect` change the registry at once and give
 * the operations that make the rows follow: the caller writes them, in order, in the same batch as the header, and
 * then calls `settle`. If that batch fails the object is of no more use; open it again from the store.
 *
 * Seats and balances are in memory, outputs are not: stakes that gather payouts for years have millions. The registry
 * holds those that one block touches, from `prepare` to `connect`.
 */
export interface RegistryRows {
  readonly registry: Registry
  /** Fetches the outputs that judging this block, the next one, may ask for. */
  prepare(block: ChainBlock): Promise<void>
  connect(change: RegistryChange): StoreOperation[]
  /** Takes back the last block, which is `registry.height`. */
  disconnect(): Promise<StoreOperation[]>
  /** What was given out is written. */
  settle(): void
  /** Writes the snapshot of an epoch, as it was just taken from the registry. */
  putSnapshot(epoch: Epoch, snapshot: Snapshot): StoreOperation
  /** Undefined if there is none of this epoch. */
  snapshotOf(epoch: Epoch): Promise<Snapshot | undefined>
  /**
   * All seats as they stood after block `height`, computed backwards from the present: cost grows with the changes
   * since. Only while what `connect` and `disconnect` gave is written.
   */
  seatsAfter(height: Height): Promise<SeatRecord[]>
}

/** Reads the registry as it stands after block `height`, the cursor of the store. */
export const openRegistryRows = async (
  store: Store,
  genesis: Genesis,
  networkId: NetworkId,
  height: Height,
): Promise<RegistryRows> => {
  const registry = createRegistry(genesis, networkId)
  /** Version of the identity in force, by seat. */
  const versions: number[] = []

  /** Outputs made (or spent, null) by operations that are not written yet. */
  const pending = new Map<OutpointKey, StakeOutput | null>()

  const load = async (): Promise<void> => {
    const present: { activeSince: Height | null; balance: bigint }[] = []
    for await (const [key, row] of store.range(rangeOf(prefixes.seat))) {
      const [version, activeSince, balance] = decode(SeatRow, row, 'seat')
      if (readU32(key, 1) !== present.length) throw damaged('seat')
      versions.push(version)
      present.push({ activeSince, balance: BigInt(balance) })
    }
    const identities = await readIdentities(versions.map((version, seat) => ({ seat, version })))
    applyChange(registry, {
      height: Math.max(height, registry.height),
      seats: identities.map((identity, seat) => ({
        before: null,
        after: { ...identity, activeSince: present[seat]!.activeSince },
      })),
      created: [],
      removed: [],
      refused: [],
    })
    for (const [seat, { balance }] of present.entries()) {
      if (balance > 0n) registry.balanceBySeat.set(seat, balance)
    }
  }

  const readIdentities = async (wanted: readonly SeatVersion[]): Promise<SeatIdentity[]> => {
    const identities: SeatIdentity[] = []
    for (let start = 0; start < wanted.length; start += identitiesPerRead) {
      const part = wanted.slice(start, start + identitiesPerRead)
      const rows = await store.getMany(part.map(({ seat, version }) => identityKey(seat, version)))
      for (const [i, row] of rows.entries()) {
        if (row === undefined) throw damaged('identity')
        identities.push(decodeIdentity(part[i]!.seat, row))
      }
    }
    return identities
  }

  const readOutputs = async (outpoints: readonly OutpointKey[]): Promise<StakeOutput[]> => {
    const unknown = outpoints.filter((outpoint) => !pending.has(outpoint))
    const rows = await store.getMany(unknown.map(outputKey))
    const stored = unknown.flatMap((outpoint, i) => {
      const row = rows[i]
      if (row === undefined) return []
      const [seat, value] = decode(StakeOutputRow, row, 'stake output')
      return [{ outpoint, seat, value: BigInt(value) }]
    })
    return [...stored, ...outpoints.flatMap((outpoint) => pending.get(outpoint) ?? [])]
  }

  const outpointsOfSeat = async (seat: Seat): Promise<OutpointKey[]> => {
    const outpoints: OutpointKey[] = []
    const range = {
      gte: keyOf(prefixes.seatOutput, u32(seat)),
      lt: keyOf(prefixes.seatOutput, u32(seat + 1)),
    }
    for await (const [key] of store.range(range))
      outpoints.push(outpointKey(key.subarray(5, 37), readU32(key, 37)))
    for (const output of pending.values()) if (output?.seat === seat) outpoints.push(output.outpoint)
    return outpoints
  }

  const prepare = async (block: ChainBlock): Promise<void> => {
    // While nobody has a seat nothing of this counts: the long way up to the activation costs no reads.
    if (registry.seats.length === 0) return
    const outpoints = new Set(block.certificateSpends)
    const announcing = new Set<Seat>()
    for (const { spends, memo } of block.transactions) {
      for (const outpoint of spends) outpoints.add(outpoint)
      const announcement = memo === null ? null : parseMemo(genesis.chain, memo)
      const seat =
        announcement?.is === 'accept'
          ? registry.seatByStake.get(stakeKey(announcement.value.stake))
          : undefined
      if (seat !== undefined) announcing.add(seat)
    }
    // R-REG-5: what came before a new announcement no longer counts.
    for (const seat of announcing) for (const outpoint of await outpointsOfSeat(seat)) outpoints.add(outpoint)
    for (const output of await readOutputs([...outpoints])) hold(output)
  }

  const hold = ({ outpoint, seat, value }: StakeOutput): void => {
    const outputs = registry.outputsBySeat.get(seat) ?? new Map<OutpointKey, bigint>()
    registry.outputsBySeat.set(seat, outputs.set(outpoint, value))
    registry.seatByOutpoint.set(outpoint, seat)
  }

  /** Runs a change of the registry that knows a part of the outputs only, and keeps the balances whole. */
  const withBalances = (
    added: readonly StakeOutput[],
    taken: readonly StakeOutput[],
    change: () => void,
  ): Set<Seat> => {
    const balances = new Map<Seat, bigint>()
    const add = (seat: Seat, value: bigint): void => {
      balances.set(seat, (balances.get(seat) ?? registry.balanceBySeat.get(seat) ?? 0n) + value)
    }
    for (const { seat, value } of added) add(seat, value)
    for (const { seat, value } of taken) add(seat, -value)
    change()
    for (const [seat, balance] of balances) {
      if (balance > 0n) registry.balanceBySeat.set(seat, balance)
      else registry.balanceBySeat.delete(seat)
    }
    registry.outputsBySeat.clear()
    registry.seatByOutpoint.clear()
    for (const output of taken) pending.set(output.outpoint, null)
    for (const output of added) pending.set(output.outpoint, output)
    return new Set(balances.keys())
  }

  const putSeat = ({ seat, activeSince }: SeatRecord): StoreOperation =>
    put(
      seatKey(seat),
      encodeCanonical([versions[seat]!, activeSince, registry.balanceBySeat.get(seat) ?? 0n]),
    )

  const connect = (change: RegistryChange): StoreOperation[] => {
    const touched = withBalances(change.created, change.removed, () => applyChange(registry, change))
    const operations: StoreOperation[] = []
    for (const { before, after } of change.seats) {
      touched.add(after.seat)
      if (!isAnnounced(before, after)) continue
      versions[after.seat] = before === null ? 0 : versions[after.seat]! + 1
      operations.push(put(identityKey(after.seat, versions[after.seat]!), encodeIdentity(after)))
    }
    for (const seat of touched) operations.push(putSeat(registry.seats[seat]!))
    for (const output of change.removed) operations.push(...deleteOutput(output))
    for (const output of change.created) operations.push(...putOutput(output))
    if (operations.length > 0) operations.push(put(undoKey(change.height), encodeUndo(change)))
    return operations
  }

  const disconnect = async (): Promise<StoreOperation[]> => {
    const { height } = registry
    const operations: StoreOperation[] = []
    const row = await store.get(undoKey(height))
    if (row === undefined) {
      revertChange(registry, { height, seats: [], created: [], removed: [], refused: [] })
      return operations
    }
    operations.push(del(undoKey(height)))
    const [seatUndos, created, removed] = decodeUndo(row)
    // Before an announcement stood the version before it; without one only the activity changed.
    const announcedAgain = seatUndos.filter(({ seat, isAnnounced }) => isAnnounced && versions[seat]! > 0)
    const previous = await readIdentities(
      announcedAgain.map(({ seat }) => ({ seat, version: versions[seat]! - 1 })),
    )
    const previousBySeat = new Map(previous.map((identity) => [identity.seat, identity]))
    const seats = seatUndos.map(({ seat, isAnnounced, activeSince }) => {
      const after = registry.seats[seat]
      if (after === undefined) throw damaged('undo')
      if (!isAnnounced) return { before: { ...after, activeSince }, after }
      const identity = previousBySeat.get(seat)
      return { before: identity === undefined ? null : { ...identity, activeSince }, after }
    })
    for (const output of created) hold(output)
    const touched = withBalances(removed, created, () =>
      revertChange(registry, { height, seats, created, removed, refused: [] }),
    )
    for (const { before, after } of seats) {
      touched.add(after.seat)
      if (isAnnounced(before, after)) operations.push(del(identityKey(after.seat, versions[after.seat]!--)))
    }
    for (const seat of touched) {
      const record = registry.seats[seat]
      operations.push(record === undefined ? del(seatKey(seat)) : putSeat(record))
    }
    versions.length = registry.seats.length
    for (const output of created) operations.push(...deleteOutput(output))
    for (const output of removed) operations.push(...putOutput(output))
    return operations
  }

  const putSnapshot = (epoch: Epoch, snapshot: Snapshot): StoreOperation =>
    put(snapshotKey(epoch), encodeSnapshot(snapshot.map(({ seat }) => ({ seat, version: versions[seat]! }))))

  const snapshotOf = async (epoch: Epoch): Promise<Snapshot | undefined> => {
    const row = await store.get(snapshotKey(epoch))
    if (row === undefined) return undefined
    const rows: (SnapshotRow | undefined)[] = []
    const elsewhere: SeatVersion[] = []
    for (const { seat, version } of decodeSnapshot(row)) {
      // Most seats keep their identity for months: no read, and the snapshots share the record.
      const present = versions[seat] === version ? registry.seats[seat] : undefined
      if (present === undefined) elsewhere.push({ seat, version })
      rows.push(present)
    }
    const identities = (await readIdentities(elsewhere)).values()
    return rows.map((present) => present ?? identities.next().value!)
  }

  const seatsAfter = async (wantedHeight: Height): Promise<SeatRecord[]> => {
    const versionsThen = [...versions]
    const activeThen = registry.seats.map(({ activeSince }) => activeSince)
    const from = undoKey(wantedHeight + 1)
    const range = { gte: from, lt: undoKey(registry.height + 1), reverse: true }
    for await (const [, row] of store.range(range)) {
      const [seatUndos] = decodeUndo(row)
      for (const { seat, isAnnounced, activeSince } of seatUndos) {
        activeThen[seat] = activeSince
        if (isAnnounced) versionsThen[seat]!--
      }
    }
    // Seats are numbered in the order of the chain: those announced later are at the end, with version −1.
    const wanted = versionsThen
      .map((version, seat) => ({ seat, version }))
      .filter(({ version }) => version >= 0)
    const identities = await readIdentities(wanted)
    return identities.map((identity) => ({ ...identity, activeSince: activeThen[identity.seat]! }))
  }

  await load()
  return {
    registry,
    prepare,
    connect,
    disconnect,
    settle: () => pending.clear(),
    putSnapshot,
    snapshotOf,
    seatsAfter,
  }
}

export const deleteSnapshot = (epoch: Epoch): StoreOperation => del(snapshotKey(epoch))

/** Everything of a seat but its activity. */
type SeatIdentity = Omit<SeatRecord, 'activeSince'>

interface SeatVersion {
  seat: Seat
  version: number
}

/** One crossing to LevelDB for about 1 MB of rows. */
const identitiesPerRead = 4_000

const isAnnounced = (before: SeatRecord | null, after: SeatRecord): boolean =>
  before === null ||
  before.announced.height !== after.announced.height ||
  before.announced.index !== after.announced.index

const seatKey = (seat: Seat): Uint8Array => keyOf(prefixes.seat, u32(seat))
const identityKey = (seat: Seat, version: number): Uint8Array =>
  keyOf(prefixes.identity, u32(seat), u32(version))
const undoKey = (height: Height): Uint8Array => keyOf(prefixes.undo, u32(height))
const snapshotKey = (epoch: Epoch): Uint8Array => keyOf(prefixes.snapshot, u32(epoch))
const outputKey = (outpoint: OutpointKey): Uint8Array => {
  const { txid, index } = partsOfOutpoint(outpoint)
  return keyOf(prefixes.stakeOutput, txid, u32(index))
}

const seatOutputKey = ({ outpoint, seat }: StakeOutput): Uint8Array => {
  const { txid, index } = partsOfOutpoint(outpoint)
  return keyOf(prefixes.seatOutput, u32(seat), txid, u32(index))
}

const putOutput = (output: StakeOutput): StoreOperation[] => [
  put(outputKey(output.outpoint), encodeCanonical([output.seat, output.value])),
  put(seatOutputKey(output), new Uint8Array()),
]

const deleteOutput = (output: StakeOutput): StoreOperation[] => [
  del(outputKey(output.outpoint)),
  del(seatOutputKey(output)),
]

const partsOfOutpoint = (outpoint: OutpointKey): { txid: Uint8Array; index: number } => ({
  txid: hexToBytes(outpoint.slice(0, 64)),
  index: Number(outpoint.slice(65)),
})

const rangeOf = (prefix: number) => ({ gte: keyOf(prefix), lt: keyOf(prefix + 1) })

const damaged = (what: string): Error =>
  storeDamaged('the data directory', `a row of kind "${what}" does not fit`)

const decode = <T>(schema: z.ZodType<T>, row: Uint8Array, what: string): T => {
  const decoded = decodeCanonical(schema, row, maxRowBytes)
  if (decoded.is === 'bad') throw damaged(what)
  return decoded.value
}

/** The largest row is the undo of a block full of payouts: 60,000 outputs of 50 bytes. */
const maxRowBytes = 64 * 1024 * 1024

/** Below 2^53, as all the money is: the decoder gives a number. */
const Value = z.int().min(0)
const SeatRow = z.tuple([z.int().min(0), HeightNumber.nullable(), Value])
const StakeOutputRow = z.tuple([SeatNumber, Value])

const IdentityRow = z.tuple([
  bytesOf(20),
  bytesOf(32),
  z.string(),
  z.int().min(1).max(65_535),
  z.int().min(1).max(65_535),
  bytesOf(48),
  HeightNumber,
  HeightNumber,
  HeightNumber,
  z.int().min(0),
])

const encodeIdentity = (record: SeatIdentity): Uint8Array =>
  encodeCanonical([
    record.stake,
    record.peer,
    record.host,
    record.p2p,
    record.tls,
    record.bls,
    record.blsSince,
    record.at,
    record.announced.height,
    record.announced.index,
  ])

const decodeIdentity = (seat: Seat, row: Uint8Array): SeatIdentity => {
  const [stake, peer, host, p2p, tls, bls, blsSince, at, height, index] = decode(IdentityRow, row, 'identity')
  return { seat, stake, peer, host, p2p, tls, bls, blsSince, at, announced: { height, index } }
}

const UndoOutput = z.tuple([bytesOf(32), z.int().min(0), SeatNumber, Value])
const UndoRow = z.tuple([
  z.array(z.tuple([SeatNumber, z.boolean(), HeightNumber.nullable()])),
  z.array(UndoOutput),
  z.array(UndoOutput),
])

interface SeatUndo {
  seat: Seat
  isAnnounced: boolean
  /** As it was before the block. */
  activeSince: Height | null
}

/** Sorted throughout: two stores of one chain hold the same bytes, whatever reorganisations they went through. */
const encodeUndo = (change: RegistryChange): Uint8Array => {
  const outputs = (list: readonly StakeOutput[]): Canonical[] =>
    list
      .map(({ outpoint, seat, value }) => ({ ...partsOfOutpoint(outpoint), seat, value }))
      .sort((a, b) => compareBytes(a.txid, b.txid) || a.index - b.index)
      .map(({ txid, index, seat, value }) => [txid, index, seat, value])
  return encodeCanonical([
    change.seats
      .map(({ before, after }) => ({ before, after }))
      .sort((a, b) => a.after.seat - b.after.seat)
      .map(({ before, after }) => [after.seat, isAnnounced(before, after), before?.activeSince ?? null]),
    outputs(change.created),
    outputs(change.removed),
  ])
}

const decodeUndo = (row: Uint8Array): [SeatUndo[], StakeOutput[], StakeOutput[]] => {
  const [seats, created, removed] = decode(UndoRow, row, 'undo')
  const outputs = (list: typeof created): StakeOutput[] =>
    list.map(([txid, index, seat, value]) => ({
      outpoint: `${bytesToHex(txid)}:${index}`,
      seat,
      value: BigInt(value),
    }))
  return [
    seats.map(([seat, isAnnounced, activeSince]) => ({ seat, isAnnounced, activeSince })),
    outputs(created),
    outputs(removed),
  ]
}

const SnapshotList = z.array(EpochNumber)

/**
 * A flat list of pairs: seats skipped since the last one, version of the identity. Nearly always 0 and 0 of one byte
 * each, so 40,000 seats are 80 kB and LevelDB's compression makes little of that.
 */
const encodeSnapshot = (rows: readonly SeatVersion[]): Uint8Array => {
  let next = 0
  return encodeCanonical(
    rows.flatMap(({ seat, version }) => {
      const skipped = seat - next
      next = seat + 1
      return [skipped, version]
    }),
  )
}

const decodeSnapshot = (row: Uint8Array): SeatVersion[] => {
  const list = decode(SnapshotList, row, 'snapshot')
  const rows: SeatVersion[] = []
  let next = 0
  for (let i = 0; i + 1 < list.length; i += 2) {
    const seat = next + list[i]!
    rows.push({ seat, version: list[i + 1]! })
    next = seat + 1
  }
  return rows
}
