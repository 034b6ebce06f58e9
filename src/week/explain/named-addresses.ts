import {
  addressText,
  type AttestedVerdicts,
  challengersOf,
  type JudgedVerdicts,
  Verdict,
} from '../../../protocol/index.ts'
import type { EpochContext } from '../epoch-book.ts'

/** An address that challengers saw a seat at, in their verdicts 0. */
export interface NamedAddress {
  /** As text; of several that count as one (R-TALLY-3) the first. */
  ip: string
  namedBy: number
}

/** A judged epoch with the attestations that it was judged from, as far as they are at hand. */
export interface AttestedEpoch {
  context: Pick<EpochContext, 'committees'>
  attestations: readonly (AttestedVerdicts | undefined)[]
  judged: JudgedVerdicts
}

/** The address of the i-th verdict of an attestation; undefined unless that is 0. */
export const addressOfVerdict = (
  { verdicts, addresses }: AttestedVerdicts,
  i: number,
): Uint8Array | undefined =>
  verdicts[i] === Verdict.valid
    ? addresses[verdicts.subarray(0, i).filter((verdict) => verdict === Verdict.valid).length]
    : undefined

/** The addresses that are named of the seat at `index` of the snapshot, most named first (R-TALLY-3). */
export const namedAddresses = (
  { context: { committees }, attestations, judged }: AttestedEpoch,
  index: number,
): NamedAddress[] => {
  const byNumber = new Map<number, NamedAddress>()
  for (const [i, challenger] of challengersOf(committees, index).entries()) {
    const attestation = attestations[challenger]
    const number = judged.addressNumberOf(challenger, i)
    if (attestation === undefined || number === undefined) continue
    const known = byNumber.get(number)
    if (known === undefined) {
      byNumber.set(number, { ip: addressText(addressOfVerdict(attestation, i)!) ?? '', namedBy: 1 })
    } else known.namedBy++
  }
  return [...byNumber.values()].sort((a, b) => b.namedBy - a.namedBy)
}

/** The address that more than half of the challengers name, as text; null without one (R-TALLY-3). */
export const majorityAddressText = (epoch: AttestedEpoch, index: number): string | null =>
  epoch.judged.namedByOf(index) === 0 ? null : namedAddresses(epoch, index)[0]!.ip
