import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { PayloadCid } from './codec.ts'
import { Week } from './ids.ts'
import { isWeek } from './week.ts'

/** R-NET-4: no anchor of this checkpoint of the week is valid. */
export const VoidedAnchor = z.strictObject({
  week: Week.refine(isWeek, { error: 'must be an existing week' }),
  /** CID in base32. */
  checkpoint: z.string().refine((text) => isPayloadCid(text), { error: 'must be the CID of a checkpoint' }),
})
export type VoidedAnchor = z.infer<typeof VoidedAnchor>

/** In rising order of week, and of checkpoint within a week; none twice. */
export const VoidedAnchors = z
  .array(VoidedAnchor)
  .max(1_000)
  .refine((rows) => rows.every((row, i) => i === 0 || textOf(rows[i - 1]!) < textOf(row)), {
    error: 'must be in rising order of week and checkpoint, none twice',
  })

/** Rows of two profiles that only one of them has. */
export const differingVoids = (
  one: readonly VoidedAnchor[],
  other: readonly VoidedAnchor[],
): VoidedAnchor[] => {
  const only = (a: readonly VoidedAnchor[], b: readonly VoidedAnchor[]): VoidedAnchor[] => {
    const known = new Set(b.map(textOf))
    return a.filter((row) => !known.has(textOf(row)))
  }
  return [...only(one, other), ...only(other, one)]
}

export const isVoided = (voided: readonly VoidedAnchor[], week: Week, checkpoint: CID): boolean =>
  voided.some((row) => row.week === week && row.checkpoint === checkpoint.toString())

const textOf = ({ week, checkpoint }: VoidedAnchor): string => `${week} ${checkpoint}`

const isPayloadCid = (text: string): boolean => {
  try {
    const cid = CID.parse(text)
    return cid.toString() === text && PayloadCid.safeParse(cid).success
  } catch {
    return false
  }
}
