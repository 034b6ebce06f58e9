import { type AttestedVerdicts, type Committees, Verdict } from '../../../protocol/index.ts'

/** A valid seat's address of an epoch: the IPv4 address or IPv6 /64, and how many challengers name it. */
export interface MajorityAddress {
  /** 4 or 8 bytes. */
  address: Uint8Array
  /** More than half of the assigned. */
  namedBy: number
}

interface NamedSeat extends MajorityAddress {
  index: number
}

/** What R-TALLY-3 finds wrong with a valid seat. */
export type AddressFault = 'no address' | 'address shared' | 'prefix full'

/** An IPv6 host has its /64 to itself, so that is what counts as one address. */
export const significant = (address: Uint8Array): Uint8Array =>
  address.length === 4 ? address : address.subarray(0, 8)

/** R-TALLY-3: at each index of the snapshot, null where the class is not valid or no address has a majority. */
export const majorityAddresses = (
  attested: readonly (AttestedVerdicts | undefined)[],
  classes: Uint8Array,
  { size, k, ring }: Committees,
): (MajorityAddress | null)[] => {
  const named: (MajorityAddress | null)[] = Array.from({ length: size }, () => null)
  const offsets = addressOffsets(attested, k)
  const candidates: Uint8Array[] = []
  for (let position = 0; position < size; position++) {
    const index = ring[position]!
    if (classes[index] !== Verdict.valid) continue
    candidates.length = 0
    for (let i = 0; i < k; i++) {
      const challenger = ring[(position + size - 1 - i) % size]!
      const attestation = attested[challenger]
      if (attestation === undefined || attestation.verdicts[i] !== Verdict.valid) continue
      candidates.push(attestation.addresses[offsets[challenger * k + i]!]!)
    }
    named[index] = majorityOf(candidates, k)
  }
  return named
}

/** R-TALLY-3: by index of the snapshot, for valid seats only. */
export const addressFaults = (
  epoch: { classes: Uint8Array; named: readonly (MajorityAddress | null)[] },
  maxPerPrefix: number,
): Map<number, AddressFault> => {
  const faults = new Map<number, AddressFault>()
  let named: NamedSeat[] = []
  for (const [index, most] of epoch.named.entries()) {
    if (most !== null) named.push({ index, ...most })
    else if (epoch.classes[index] === Verdict.valid) faults.set(index, 'no address')
  }
  named = keepPerGroup(named, (address) => address, 1, 'address shared', faults)
  if (maxPerPrefix > 0) {
    const v4 = named.filter(({ address }) => address.length === 4)
    const v6 = named.filter(({ address }) => address.length === 8)
    const per24 = keepPerGroup(v4, (address) => address.subarray(0, 3), maxPerPrefix, 'prefix full', faults)
    keepPerGroup(per24, (address) => address.subarray(0, 2), maxPerPrefix, 'prefix full', faults)
    keepPerGroup(v6, (address) => address.subarray(0, 6), maxPerPrefix, 'prefix full', faults)
  }
  return faults
}

/** Addresses stand in an attestation for its verdicts 0 only: at [index · k + i], which one is that of verdict i. */
const addressOffsets = (attested: readonly (AttestedVerdicts | undefined)[], k: number): Uint8Array => {
  const offsets = new Uint8Array(attested.length * k)
  for (const [index, attestation] of attested.entries()) {
    let zeros = 0
    for (let i = 0; i < k; i++) {
      offsets[index * k + i] = zeros
      if (attestation?.verdicts[i] === Verdict.valid) zeros++
    }
  }
  return offsets
}

/**
 * What more than k/2 name, in its significant bytes: if there is such an address it outlives every pairing of
 * different ones (Boyer and Moore's majority vote), and a second look counts it.
 */
const majorityOf = (candidates: readonly Uint8Array[], k: number): MajorityAddress | null => {
  let winner: Uint8Array | undefined
  let lead = 0
  for (const address of candidates) {
    if (lead === 0) winner = address
    lead += isSameHost(winner!, address) ? 1 : -1
  }
  if (winner === undefined) return null
  let namedBy = 0
  for (const address of candidates) if (isSameHost(winner, address)) namedBy++
  return 2 * namedBy > k ? { address: significant(winner), namedBy } : null
}

/** Equal in the significant bytes; both addresses have 4 bytes, or both have 16. */
const isSameHost = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  const length = Math.min(a.length, 8)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Of those in one group the `keep` that most challengers name stay (ties: lowest seat); the others get `fault`. */
const keepPerGroup = (
  named: readonly NamedSeat[],
  groupOf: (address: Uint8Array) => Uint8Array,
  keep: number,
  fault: AddressFault,
  faults: Map<number, AddressFault>,
): NamedSeat[] => {
  // One character a byte: a name of a group, of which there may be as many as seats.
  const groups = Map.groupBy(named, ({ address }) => String.fromCharCode(...groupOf(address)))
  const kept: NamedSeat[] = []
  for (const group of groups.values()) {
    if (group.length <= keep) {
      kept.push(...group)
      continue
    }
    const ranked = group.sort((a, b) => b.namedBy - a.namedBy || a.index - b.index)
    kept.push(...ranked.slice(0, keep))
    for (const { index } of ranked.slice(keep)) faults.set(index, fault)
  }
  return kept
}
