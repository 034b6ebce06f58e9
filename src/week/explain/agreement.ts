import { type AttestedVerdicts, type EpochClasses, Verdict, verdictAgrees } from '../../../protocol/index.ts'

/** The address of the i-th verdict of an attestation; undefined unless that is 0. */
export const addressOfVerdict = (
  { verdicts, addresses }: AttestedVerdicts,
  i: number,
): Uint8Array | undefined =>
  verdicts[i] === Verdict.valid
    ? addresses[verdicts.subarray(0, i).filter((verdict) => verdict === Verdict.valid).length]
    : undefined

/** Whether the i-th verdict of the seat at `index`, on `target`, agrees (R-TALLY-2); null if it does not count. */
export const ownAgreement = (
  { attested, classes, named }: EpochClasses,
  index: number,
  target: number,
  i: number,
): boolean | null => {
  const own = attested[index]
  return own === undefined
    ? null
    : verdictAgrees(classes[target]!, named[target]!, own.verdicts[i]!, addressOfVerdict(own, i))
}
