import { z } from 'zod'
import {
  bytesToHex,
  hexToBytes,
  lastClassOf,
  mayBeHop,
  type Outcome,
  SeatNumber,
  targetsOf,
  type Committees,
  saysEnough,
  Verdict,
  type AttestedVerdicts,
} from '../../protocol/index.ts'
import type { PathHop } from './circuit.ts'

/** A seat that may be a hop, and where it was seen last. */
export interface RelaySeat extends PathHop {
  /** Announced port of libp2p. */
  p2p: number
  /** 4 or 16 bytes, as challengers observed it; null if it must be looked up. */
  address: Uint8Array | null
}

/** An epoch that is closed, as its attestations have it. Rows in the order of its snapshot. */
export interface ClosedEpoch {
  seats: readonly { seat: number }[]
  committees: Committees
  attestations: readonly (AttestedVerdicts | undefined)[]
  outcomes: readonly Outcome[]
}

/**
 * R-RELAY-1: of the active seats those that were valid in the closed epochs (newest first), as far as these say something:
 * an epoch of which fewer than half of the attestations are at hand says nothing.
 */
export const relaySeats = (
  active: readonly Omit<RelaySeat, 'address'>[],
  closed: readonly ClosedEpoch[],
): RelaySeat[] => {
  const known = closed.filter(({ attestations }) =>
    saysEnough(attestations.filter((one) => one !== undefined).length, attestations.length),
  )
  const classes = known.map(
    ({ seats, outcomes }) => new Map(seats.map(({ seat }, index) => [seat, lastClassOf(outcomes[index]!)])),
  )
  const addresses = known.map(observedAddresses)
  return active
    .filter(({ seat }) => mayBeHop(classes.map((ofEpoch) => ofEpoch.get(seat) ?? null)))
    .map(({ seat, peer, host, p2p }) => ({
      seat,
      peer,
      host,
      p2p,
      address: addresses.map((ofEpoch) => ofEpoch.get(seat)).find((one) => one !== undefined) ?? null,
    }))
}

/** The address that most challengers observed, by seat. */
const observedAddresses = ({ seats, committees, attestations }: ClosedEpoch): Map<number, Uint8Array> => {
  const namesBySeat = new Map<number, Map<string, number>>()
  for (const [index, attestation] of attestations.entries()) {
    if (attestation === undefined) continue
    let next = 0
    for (const [i, target] of targetsOf(committees, index).entries()) {
      if (attestation.verdicts[i] !== Verdict.valid) continue
      const address = attestation.addresses[next++]
      if (address === undefined) break
      const { seat } = seats[target]!
      const names = namesBySeat.get(seat) ?? new Map<string, number>()
      namesBySeat.set(seat, names)
      const name = bytesToHex(address)
      names.set(name, (names.get(name) ?? 0) + 1)
    }
  }
  const most = (names: Map<string, number>): Uint8Array => {
    const [[name]] = [...names].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)) as [[string, number]]
    return hexToBytes(name)
  }
  return new Map([...namesBySeat].map(([seat, names]) => [seat, most(names)]))
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
