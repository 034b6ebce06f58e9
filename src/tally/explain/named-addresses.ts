import {
  bytesToHex,
  challengersOf,
  type Committees,
  type EpochClasses,
  Verdict,
} from '../../../protocol/index.ts'
import { addressOfBytes } from '../../net/resolve.ts'

/** An address that challengers saw a seat at, in their verdicts 0. */
export interface NamedAddress {
  /** As text; of several in one IPv6 /64 the first. */
  ip: string
  /** What counts as one address (R-TALLY-3): the IPv4 address or the IPv6 /64, as hex. */
  group: string
  namedBy: number
}

/** The addresses that are named of the seat at `index` of the snapshot, most named first (R-TALLY-3). */
export const namedAddresses = (
  { attested }: Pick<EpochClasses, 'attested'>,
  committees: Committees,
  index: number,
): NamedAddress[] => {
  const byGroup = new Map<string, NamedAddress>()
  for (const [i, challenger] of challengersOf(committees, index).entries()) {
    const attestation = attested[challenger]
    if (attestation?.verdicts[i] !== Verdict.valid) continue
    const before = attestation.verdicts.subarray(0, i).filter((verdict) => verdict === Verdict.valid).length
    const bytes = attestation.addresses[before]!
    const group = bytesToHex(bytes.length === 4 ? bytes : bytes.subarray(0, 8))
    const known = byGroup.get(group)
    if (known === undefined) byGroup.set(group, { ip: addressOfBytes(bytes)?.ip ?? '', group, namedBy: 1 })
    else known.namedBy++
  }
  return [...byGroup.values()].sort((a, b) => b.namedBy - a.namedBy)
}

/** Indexes of the other valid seats that more than half of their challengers saw at the same address (R-TALLY-3). */
export const sharingSeats = (epoch: EpochClasses, committees: Committees, index: number): number[] => {
  const groupOf = (other: number): string | null => {
    const [most] = namedAddresses(epoch, committees, other)
    return most !== undefined && 2 * most.namedBy > committees.k ? most.group : null
  }
  const own = groupOf(index)
  if (own === null) return []
  return Array.from({ length: committees.size }, (_, other) => other).filter(
    (other) => other !== index && epoch.classes[other] === Verdict.valid && groupOf(other) === own,
  )
}
