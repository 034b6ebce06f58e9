import { challengersOf, type Committees } from '../committee.ts'
import { bytesToHex } from '../bytes.ts'
import { Verdict } from '../verdict.ts'
import type { EpochClasses } from './classes.ts'

/** A valid seat's address of an epoch: the IPv4 address or IPv6 /64, and how many challengers name it. */
interface NamedAddress {
  index: number
  /** 4 or 8 bytes. */
  address: Uint8Array
  namedBy: number
}

/** What R-TALLY-3 finds wrong with a valid seat. */
export type AddressFault = 'no address' | 'address shared' | 'prefix full'

/** An IPv6 host has its /64 to itself, so that is what counts as one address. */
const significant = (address: Uint8Array): Uint8Array =>
  address.length === 4 ? address : address.subarray(0, 8)

/** R-TALLY-3: by index of the snapshot, for valid seats only. */
export const addressFaults = (
  epoch: EpochClasses,
  committees: Committees,
  maxPerPrefix: number,
): Map<number, AddressFault> => {
  const faults = new Map<number, AddressFault>()
  // Addresses stand in an attestation for its verdicts 0 only: where each begins is counted once per attestation.
  const offsets = epoch.attested.map((attestation) => {
    let zeros = 0
    return attestation?.verdicts.map((verdict) => (verdict === Verdict.valid ? zeros++ : 0))
  })
  let named: NamedAddress[] = []
  for (let index = 0; index < committees.size; index++) {
    if (epoch.classes[index] !== Verdict.valid) continue
    const counts = new Map<string, { address: Uint8Array; namedBy: number }>()
    for (const [i, challenger] of challengersOf(committees, index).entries()) {
      const attestation = epoch.attested[challenger]
      if (attestation === undefined || attestation.verdicts[i] !== Verdict.valid) continue
      const address = significant(attestation.addresses[offsets[challenger]![i]!]!)
      const key = bytesToHex(address)
      const count = counts.get(key)
      if (count === undefined) counts.set(key, { address, namedBy: 1 })
      else count.namedBy++
    }
    const most = [...counts.values()].find(({ namedBy }) => 2 * namedBy > committees.k)
    if (most === undefined) faults.set(index, 'no address')
    else named.push({ index, ...most })
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

/** Of those in one group the `keep` that most challengers name stay (ties: lowest seat); the others get `fault`. */
const keepPerGroup = (
  named: readonly NamedAddress[],
  groupOf: (address: Uint8Array) => Uint8Array,
  keep: number,
  fault: AddressFault,
  faults: Map<number, AddressFault>,
): NamedAddress[] => {
  const groups = Map.groupBy(named, ({ address }) => bytesToHex(groupOf(address)))
  const kept: NamedAddress[] = []
  for (const group of groups.values()) {
    const ranked = group.sort((a, b) => b.namedBy - a.namedBy || a.index - b.index)
    kept.push(...ranked.slice(0, keep))
    for (const { index } of ranked.slice(keep)) faults.set(index, fault)
  }
  return kept
}
