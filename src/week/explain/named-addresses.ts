import {
  bytesToHex,
  challengersOf,
  type Committees,
  compareBytes,
  type EpochClasses,
} from '../../../protocol/index.ts'
import { addressOfBytes } from '../../net/resolve.ts'
import { addressOfVerdict } from './agreement.ts'

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
    const bytes = attestation === undefined ? undefined : addressOfVerdict(attestation, i)
    if (bytes === undefined) continue
    const group = bytesToHex(bytes.length === 4 ? bytes : bytes.subarray(0, 8))
    const known = byGroup.get(group)
    if (known === undefined) byGroup.set(group, { ip: addressOfBytes(bytes)?.ip ?? '', group, namedBy: 1 })
    else known.namedBy++
  }
  return [...byGroup.values()].sort((a, b) => b.namedBy - a.namedBy)
}

/** The address that more than half of the challengers name, as text; null without one (R-TALLY-3). */
export const majorityAddressText = (
  epoch: Pick<EpochClasses, 'attested' | 'named'>,
  committees: Committees,
  index: number,
): string | null =>
  (epoch.named[index] ?? null) === null ? null : namedAddresses(epoch, committees, index)[0]!.ip

/** Indexes of the other valid seats that more than half of their challengers saw at the same address (R-TALLY-3). */
export const sharingSeats = ({ named }: Pick<EpochClasses, 'named'>, index: number): number[] => {
  const own = named[index]?.address
  if (own === undefined) return []
  return [...named.keys()].filter((other) => {
    const address = named[other]?.address
    return other !== index && address !== undefined && compareBytes(address, own) === 0
  })
}
