import type { Committees } from '../committee.ts'

/**
 * One epoch's attestations laid out along the ring in typed arrays, so that tens of thousands of seats are judged with
 * little memory. At most 2^21 seats.
 */
export interface FlatEpoch {
  /** 1 where the seat at this position of the ring has an attestation in the set. n bytes. */
  attests: Uint8Array
  /** n · k codes: at [p · k + i] what the seat at position p says of the one at p + 1 + i. */
  verdicts: Uint8Array
  /**
   * n · k addresses as numbers, laid out alike; read where the verdict is 0. With IPv4 alone the addresses themselves,
   * otherwise as `createAddressNumbers` numbers them.
   */
  addresses: Uint32Array
}

/** Returns an epoch of these committees in which nobody has attested yet. */
export const createFlatEpoch = ({ size, k }: Pick<Committees, 'size' | 'k'>): FlatEpoch => ({
  attests: new Uint8Array(size),
  verdicts: new Uint8Array(size * k),
  addresses: new Uint32Array(size * k),
})

/**
 * The number of an address's prefix, below 2^24, or −1 if it has none of this length: one function for each length, in
 * the order in which R-TALLY-3 ranks them.
 */
export type FlatPrefixes = readonly ((address: number) => number)[]

/** /24 and /16. */
export const ipv4Prefixes: FlatPrefixes = [(address) => address >>> 8, (address) => address >>> 16]

/** The class of a seat that has no majority for either word (R-TALLY-1). */
export const undecided = 255

/** What a ruleset makes of an epoch (R-TALLY-0…4). All arrays but `outcomes` run along the ring. */
export interface FlatJudgement {
  /** At each index of the snapshot, a code of `outcomeNames`. */
  outcomes: Uint8Array
  /** Number of attestations that count. */
  attested: number
  /** 1 where the seat's attestation counts (R-TALLY-0). */
  counted: Uint8Array
  /** Abstentions in the seat's own attestation. */
  abstentions: Uint8Array
  /** 0 valid, 1…9 invalid with this reason, or `undecided` (R-TALLY-1). */
  classes: Uint8Array
  /** The address that more than half of a valid seat's challengers name (R-TALLY-3). */
  named: Uint32Array
  /** How many challengers name it; 0 without such an address. */
  namedBy: Uint8Array
}
