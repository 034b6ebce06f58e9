import {
  applyChange,
  type ChainBlock,
  createRegistry,
  type Epoch,
  type Genesis,
  type Height,
  type NetworkId,
  type OutpointKey,
  parseMemo,
  type Registry,
  type RegistryChange,
  revertChange,
  type Seat,
  type SeatRecord,
  type Snapshot,
  type SnapshotRow,
  stakeKey,
  type StakeOutput,
} from '../../protocol/index.ts'
import { prefixes, readU32 } from './keys.ts'
import {
  damaged,
  decodeIdentity,
  decodeOutput,
  decodeSeat,
  decodeSnapshot,
  decodeSnapshotSummary,
  decodeUndo,
  deleteOutput,
  encodeIdentity,
  encodeSeat,
  encodeSnapshot,
  encodeSnapshotSummary,
  encodeUndo,
  identityKey,
  isAnnounced,
  outpointOfSeatOutput,
  outputKey,
  putOutput,
  rangeOf,
  rangeOfSeatOutputs,
  type SeatIdentity,
  seatKey,
  type SeatVersion,
  snapshotKey,
  snapshotRootKey,
  type SnapshotSummary,
  undoKey,
} from './registry-encoding.ts'
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
  /** Writes the snapshot of an epoch, as it was just taken from the registry, and its root (R-CP-1). */
  putSnapshot(epoch: Epoch, snapshot: Snapshot, root: Uint8Array): StoreOperation[]
  /** Undefined if there is none of this epoch. */
  snapshotOf(epoch: Epoch): Promise<Snapshot | undefined>
  /** What a checkpoint says of the snapshot, without reading it. */
  snapshotSummaryOf(epoch: Epoch): Promise<SnapshotSummary | undefined>
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
      const seat = decodeSeat(row)
      if (readU32(key, 1) !== present.length) throw damaged('seat')
      versions.push(seat.version)
      present.push(seat)
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
    const memory = createMemory(Math.min(wanted.length, seatsPerPiece) * bytesPerSeat)
    for (let start = 0; start < wanted.length; start += identitiesPerRead) {
      const part = wanted.slice(start, start + identitiesPerRead)
      const rows = await store.getMany(part.map(({ seat, version }) => identityKey(seat, version)))
      for (const [i, row] of rows.entries()) {
        if (row === undefined) throw damaged('identity')
        const identity = decodeIdentity(part[i]!.seat, row)
        identity.stake = memory.keep(identity.stake)
        identity.peer = memory.keep(identity.peer)
        identity.bls = memory.keep(identity.bls)
        identities.push(identity)
      }
    }
    return identities
  }

  const readOutputs = async (outpoints: readonly OutpointKey[]): Promise<StakeOutput[]> => {
    const unknown = outpoints.filter((outpoint) => !pending.has(outpoint))
    const rows = await store.getMany(unknown.map(outputKey))
    const stored = unknown.flatMap((outpoint, i) => {
      const row = rows[i]
      return row === undefined ? [] : [decodeOutput(outpoint, row)]
    })
    return [...stored, ...outpoints.flatMap((outpoint) => pending.get(outpoint) ?? [])]
  }

  const outpointsOfSeat = async (seat: Seat): Promise<OutpointKey[]> => {
    const outpoints: OutpointKey[] = []
    for await (const [key] of store.range(rangeOfSeatOutputs(seat))) outpoints.push(outpointOfSeatOutput(key))
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
    put(seatKey(seat), encodeSeat(versions[seat]!, activeSince, registry.balanceBySeat.get(seat) ?? 0n))

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

  const putSnapshot = (epoch: Epoch, snapshot: Snapshot, root: Uint8Array): StoreOperation[] => [
    put(snapshotKey(epoch), encodeSnapshot(snapshot.map(({ seat }) => ({ seat, version: versions[seat]! })))),
    put(snapshotRootKey(epoch), encodeSnapshotSummary({ seats: snapshot.length, root })),
  ]

  const snapshotSummaryOf = async (epoch: Epoch): Promise<SnapshotSummary | undefined> => {
    const row = await store.get(snapshotRootKey(epoch))
    return row === undefined ? undefined : decodeSnapshotSummary(row)
  }

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
    // As in a snapshot: whoever has not announced anew since needs no read, and shares its record.
    const present = wanted.map(({ seat, version }) =>
      versions[seat] === version ? registry.seats[seat] : undefined,
    )
    const elsewhere = (await readIdentities(wanted.filter((_, i) => present[i] === undefined))).values()
    return present.map((record, i) => {
      const activeSince = activeThen[wanted[i]!.seat]!
      if (record === undefined) return { ...elsewhere.next().value!, activeSince }
      return record.activeSince === activeSince ? record : { ...record, activeSince }
    })
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
    snapshotSummaryOf,
    seatsAfter,
  }
}

export const deleteSnapshot = (epoch: Epoch): StoreOperation[] => [
  del(snapshotKey(epoch)),
  del(snapshotRootKey(epoch)),
]

/**
 * Memory for the byte strings of many seats, in pieces of so many bytes: one by one, 100 bytes of a seat take 900, and a
 * large network has 40,000 of them in memory for good.
 */
const createMemory = (pieceBytes: number): { keep(bytes: Uint8Array): Uint8Array } => {
  let free = new Uint8Array(0)
  return {
    keep(bytes) {
      if (free.length < bytes.length) free = new Uint8Array(Math.max(pieceBytes, bytes.length))
      const kept = free.subarray(0, bytes.length)
      free = free.subarray(bytes.length)
      kept.set(bytes)
      return kept
    },
  }
}

/** Stake, peer and voting key: 20 + 32 + 48. */
const bytesPerSeat = 100
/** As long as one seat of a piece is used, so is all of it. */
const seatsPerPiece = 512

/** One crossing to LevelDB for about 1 MB of rows. */
const identitiesPerRead = 4_000
