import { cidOf, type Leaf, verifyAbsence, verifyLeaf } from '../../../protocol/index.ts'
import type { CaseAbsence } from './case-file.ts'
import { checkAttestation } from './checks.ts'
import type { EpochCheck } from './epoch-check.ts'

/** R-ATT-6: finds the attestations that are signed as they should be, once for each seat. */
export const verifySignatures = (epoch: EpochCheck): void => {
  const { setting, context, claimed, own, isFixed, shownBySeat, line } = epoch
  const { facts, file } = setting
  const ownBySeat = new Map(own.map((held) => [held.seat, held]))
  let last = -1
  for (const [i, shown] of claimed.attestations.entries()) {
    const subject = `attestation ${i + 1}`
    const { attestation, check } = checkAttestation(file.network, context, shown, facts.verify)
    if (attestation === null) {
      line('fails', subject, check.detail)
      continue
    }
    const { seat } = attestation
    if (shownBySeat.has(seat)) {
      line('fails', subject, `there is one of seat ${seat} already`)
      continue
    }
    if (seat < last) line('fails', 'attestations', 'are not in rising order of seat')
    last = seat
    shownBySeat.set(seat, { attestation, shown })
    const held = ownBySeat.get(seat)
    if (held !== undefined && !cidOf(shown.payload).equals(held.cid)) {
      line('fails', `seat ${seat}`, 'this store holds another attestation of it: it signed two')
    } else if (held === undefined && isFixed) {
      line('fails', `seat ${seat}`, 'its attestation is not in the anchored set, so it does not count')
    }
  }
  const count = shownBySeat.size
  if (count > 0) line('holds', 'attestations', `${count} signed with the keys of the snapshot`)
}

/** R-CP-7: whether the attestations stand in the set that counts. */
export const verifyInclusions = (epoch: EpochCheck): void => {
  const { setting, claimed, isFixed, shownBySeat, knownSeats, line } = epoch
  const { checkpoint, isAnchored } = setting
  let included = 0
  for (const [seat, { shown }] of shownBySeat) {
    if (shown.inclusion === null) {
      if (isAnchored && !isFixed && checkpoint !== null) {
        line('fails', `seat ${seat}`, 'no path shows that its attestation counts')
      }
      continue
    }
    const verified =
      checkpoint === null ? null : verifyLeaf(checkpoint, { attestation: shown.payload, ...shown.inclusion })
    if (verified?.is === 'accept') {
      included++
      knownSeats.add(seat)
    } else line('fails', `seat ${seat}`, `its path to the checkpoint: ${verified?.code ?? 'there is none'}`)
  }
  if (checkpoint === null) return
  if (included > 0) line('holds', 'inclusion', `${included} attestations stand under the checkpoint's root`)
  const listed = checkpoint.weeks.flatMap(({ epochs }) => epochs).find((one) => one.epoch === claimed.epoch)
  if (listed !== undefined && claimed.attested > listed.count) {
    line('fails', 'attested', `the checkpoint lists ${listed.count} attestations, not ${claimed.attested}`)
  }
}

/** R-CP-7: whether the seats that are said to have attested nothing stand under no root. */
export const verifyAbsences = ({
  setting,
  context,
  claimed,
  shownBySeat,
  knownSeats,
  line,
}: EpochCheck): void => {
  const { checkpoint } = setting
  let last = -1
  let proved = 0
  for (const { seat, before, after } of claimed.absences) {
    const subject = `seat ${seat}`
    const leafOf = (leaf: CaseAbsence['before']): Leaf | null =>
      leaf === null ? null : { attestation: leaf.payload, index: leaf.index, path: leaf.path }
    const absence = { epoch: claimed.epoch, seat, before: leafOf(before), after: leafOf(after) }
    if (seat <= last) line('fails', 'absences', 'are not in rising order of seat')
    else if (context.rowOf(seat) === undefined) line('fails', subject, 'is absent, and not in the snapshot')
    else if (shownBySeat.has(seat)) line('fails', subject, 'attested, and is said to be absent')
    else if (checkpoint === null) line('fails', subject, 'is said to be absent under no checkpoint')
    else {
      const verified = verifyAbsence(checkpoint, absence)
      if (verified.is === 'accept') {
        knownSeats.add(seat)
        proved++
      } else line('fails', subject, `that it is absent under the checkpoint's root: ${verified.code}`)
    }
    last = seat
  }
  if (proved > 0) line('holds', 'absences', `${proved} seats are absent under the checkpoint's root`)
}
