import { z } from 'zod'
import {
  bytesToHex,
  hexToBytes,
  lastClassOf,
  mayBeHop,
  type Outcome,
  SeatNumber,
  saysEnough,
} from '../../protocol/index.ts'
import type { PathHop } from './circuit.ts'

/** A seat that may be a hop, and where it was seen last. */
export interface RelaySeat extends PathHop {
  /** Announced port of libp2p. */
  p2p: number
  /** 4 or 16 bytes, as challengers observed it; null if it must be looked up. */
  address: Uint8Array | null
}

/** An epoch that is closed, as its attestations have it. */
export interface ClosedEpoch {
  /** In the order of its snapshot. */
  seats: readonly { seat: number }[]
  /** How many attestations are at hand. */
  attested: number
  /** What came out for the seat at this index of `seats`. */
  outcomeAt(index: number): Outcome
  /** Where most challengers observed it: 4 or 16 bytes, or null. */
  addressAt(index: number): Uint8Array | null
}

/**
 * R-RELAY-1: of the active seats those that were valid in the closed epochs (newest first), as far as these say something:
 * an epoch of which fewer than half of the attestations are at hand says nothing.
 */
export const relaySeats = (
  active: readonly Omit<RelaySeat, 'address'>[],
  closed: readonly ClosedEpoch[],
): RelaySeat[] => {
  const known = closed.filter(({ attested, seats }) => saysEnough(attested, seats.length))
  const indexes = known.map(({ seats }) => new Map(seats.map(({ seat }, index) => [seat, index])))
  /** In each of these epochs that have the seat. */
  const eachOf = <T>(seat: number, valueAt: (epoch: ClosedEpoch, index: number) => T): (T | null)[] =>
    known.map((epoch, i) => {
      const index = indexes[i]!.get(seat)
      return index === undefined ? null : valueAt(epoch, index)
    })
  return active
    .filter(({ seat }) => mayBeHop(eachOf(seat, (epoch, index) => lastClassOf(epoch.outcomeAt(index)))))
    .map(({ seat, peer, host, p2p }) => ({
      seat,
      peer,
      host,
      p2p,
      address: eachOf(seat, (epoch, index) => epoch.addressAt(index)).find((one) => one !== null) ?? null,
    }))
}

const Hex = z.string().regex(/^([0-9a-f]{2})*$/)

/** What a daemon tells the command line of its own machine. */
export const RelaySeatsAnswer = z.object({
  /** Not to be drawn: the daemon's own. */
  ownSeat: SeatNumber.nullable(),
  seats: z.array(
    z.object({
      seat: SeatNumber,
      peer: Hex.length(64),
      host: z.string(),
      p2p: z.int(),
      address: Hex.nullable(),
    }),
  ),
})
export type RelaySeatsAnswer = z.infer<typeof RelaySeatsAnswer>

export const rowOfSeat = ({
  seat,
  peer,
  host,
  p2p,
  address,
}: RelaySeat): RelaySeatsAnswer['seats'][number] => ({
  seat,
  peer: bytesToHex(peer),
  host,
  p2p,
  address: address === null ? null : bytesToHex(address),
})

export const seatOfRow = ({
  seat,
  peer,
  host,
  p2p,
  address,
}: RelaySeatsAnswer['seats'][number]): RelaySeat => ({
  seat,
  peer: hexToBytes(peer),
  host,
  p2p,
  address: address === null ? null : hexToBytes(address),
})
