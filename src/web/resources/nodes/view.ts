import {
  bytesToHex,
  indexOfSeat,
  type Outcome,
  type Seat,
  type SeatRecord,
  type Snapshot,
  stakeOfAddress,
  Verdict,
} from '../../../../protocol/index.ts'
import type { NodeDetail, NodeRow, TlsState } from './schemas.ts'
import { addressOfBytes } from '../../../net/resolve.ts'
import {
  addressAt,
  type JudgedView,
  outcomeAt,
  type Standing,
  standingOf,
  wordsAbout,
} from '../../../week/judged-epoch.ts'
import { noSuchSeat, type Page, pageOf, type PageQuery, type ViewParts } from '../../view/parts.ts'
import { type RegisteredSeats, seatAt } from '../../view/registered-seats.ts'
import { seatOfWeek } from '../../view/week-view.ts'

/** Which of the seats. */
export interface NodeFilter {
  state?: NodeRow['state'] | undefined
  standing?: Standing | undefined
  /** Part of a host name. */
  host?: string | undefined
  /** Addresses of stakes: one's own nodes. */
  stakes?: readonly string[] | undefined
}

export const listNodes = async (
  parts: ViewParts,
  filter: NodeFilter,
  query: PageQuery,
  signal: AbortSignal,
): Promise<Page<NodeRow>> => {
  const { registered, latest, present } = await readRegister(parts, signal)
  const isWanted = (seat: SeatRecord): boolean => {
    if (filter.state !== undefined && stateOf(seat, present) !== filter.state) return false
    if (filter.host !== undefined && !seat.host.includes(filter.host)) return false
    if (filter.standing === undefined) return true
    const outcome = outcomeOf(seat.seat, latest)
    return outcome !== null && standingOf(outcome) === filter.standing
  }
  const chosen =
    filter.stakes === undefined
      ? registered.seats
      : seatsOfStakes(parts, filter.stakes).flatMap((seat) => registered.seats[seat] ?? [])
  const isAll = [filter.state, filter.host, filter.standing].every((value) => value === undefined)
  const wanted = isAll ? chosen : chosen.filter(isWanted)
  return pageOf(wanted, query, (seat) => rowOf(parts, registered, latest, present, seat))
}

/** Numbers of the seats whose stakes these are. */
export const seatsOfStakes = (parts: ViewParts, addresses: readonly string[]): Seat[] => {
  const { network, follower } = parts.node
  const seats = addresses.flatMap((address) => {
    const stake = stakeOfAddress(network.profile.genesis.chain, address)
    return stake === null ? [] : (follower.seatOfStake(stake) ?? [])
  })
  return [...new Set(seats)].sort((a, b) => a - b)
}

export const nodeDetail = async (parts: ViewParts, seat: Seat, signal: AbortSignal): Promise<NodeDetail> => {
  const { registered, latest, present } = await readRegister(parts, signal)
  const record = seatAt(registered, seat)
  if (record === undefined) throw noSuchSeat(seat)
  const { epochs, node } = parts.node.daemon
  const current = epochs.current()
  const week = current === null ? undefined : await epochs.weekOf(current)
  const view = week === undefined ? undefined : await parts.weekViews.get(week, signal)
  const row = view === undefined ? undefined : seatOfWeek(view, seat)
  return {
    ...rowOf(parts, registered, latest, present, record),
    isOwn: node.ownSeat() === seat,
    p2p: record.p2p,
    tls: record.tls,
    announced: { ...record.announced, at: record.at },
    activeSince: record.activeSince,
    blsKey: bytesToHex(record.bls),
    week:
      view === undefined || row === undefined
        ? null
        : {
            week: view.week,
            score: row.score,
            epochs: row.epochs,
            amount: view.fundMissing === null ? row.amount.toString() : null,
          },
    certificate: latest === undefined ? null : tlsStateOf(latest, seat),
  }
}

/** R-PROBE-1: what the challengers of an epoch found of the seat's TLS certificate; null if it was not in the snapshot. */
export const tlsStateOf = (view: JudgedView, seat: Seat): TlsState | null => {
  const index = indexOfSeat(view.snapshot, seat)
  if (index === -1) return null
  const words = wordsAbout(view, index)
  const count = (verdict: number): number => words.filter((word) => word.verdict === verdict).length
  const counts = [
    // Who calls it valid, or found fault with its evidence, had been through the probe before (R-VERD-1).
    ['valid', count(Verdict.valid) + count(Verdict.evidenceInvalid)],
    ['unreachable', count(Verdict.tlsUnreachable)],
    ['invalid', count(Verdict.tlsInvalid)],
    ['unbound', count(Verdict.tlsUnbound)],
  ] as const
  const [state, challengers] = counts.reduce((most, one) => (one[1] > most[1] ? one : most))
  const { host } = view.snapshot[index]!
  return 2 * challengers > view.context.committees.k
    ? { seat, host, state, epoch: view.epoch, challengers }
    : { seat, host, state: 'unknown', epoch: view.epoch, challengers: 0 }
}

interface ReadRegister {
  registered: RegisteredSeats
  /** The newest epoch that is over. */
  latest: JudgedView | undefined
  /** The present epoch's snapshot. */
  present: Snapshot
}

export const readRegister = async (parts: ViewParts, signal: AbortSignal): Promise<ReadRegister> => {
  const { epochs } = parts.node.daemon
  const [registered, latest] = await Promise.all([
    parts.register.read(),
    parts.node.weeks.judged.latest(signal),
  ])
  const context = await epochs.get(epochs.current() ?? 0)
  return { registered, latest, present: context?.snapshot ?? [] }
}

export const stateOf = (seat: SeatRecord, present: Snapshot): NodeRow['state'] => {
  if (indexOfSeat(present, seat.seat) !== -1) return 'active'
  return seat.activeSince === null ? 'retired' : 'waiting'
}

const outcomeOf = (seat: Seat, latest: JudgedView | undefined): Outcome | null => {
  const index = latest === undefined ? -1 : indexOfSeat(latest.snapshot, seat)
  return index === -1 ? null : outcomeAt(latest!, index)!
}

const rowOf = (
  { node }: ViewParts,
  registered: RegisteredSeats,
  latest: JudgedView | undefined,
  present: Snapshot,
  seat: SeatRecord,
): NodeRow => {
  const outcome = outcomeOf(seat.seat, latest)
  const index = latest === undefined ? -1 : indexOfSeat(latest.snapshot, seat.seat)
  const seenAt = index === -1 ? null : addressAt(latest!, index)
  return {
    seat: seat.seat,
    host: seat.host,
    stake: registered.addressOf(seat),
    peer: registered.peerIdOf(seat),
    state: stateOf(seat, present),
    outcome,
    standing: outcome === null ? null : standingOf(outcome),
    epoch: latest?.epoch ?? null,
    address: seenAt === null ? null : (addressOfBytes(seenAt)?.ip ?? null),
    version: node.daemon.node.versions.of(seat.seat)?.version ?? null,
  }
}
