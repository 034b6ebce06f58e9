import { CID } from 'multiformats/cid'
import { z } from 'zod'
import { isWeek, type Week } from '../../protocol/index.ts'

/** Digits only: `1e3` and `0x10` are no numbers of seats. */
export const NumberText = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,9})$/, { error: 'must be a whole number' })
  .transform(Number)
  .refine((number) => number <= 0xffff_ffff, { error: 'must be below 2^32' })

export const WeekText = z
  .string()
  .refine(isWeek, { error: 'must be an ISO week such as 2026-W47' })
  .transform((text) => text as Week)

/** Of a list, from 1. */
export const PageNumber = NumberText.refine((page) => page >= 1 && page <= 1_000_000, {
  error: 'must be from 1 on',
}).default(1)

/** A parameter that comes twice is not one: what is left of it fits no schema. */
export const singleValues = (queries: Record<string, string[]>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(queries).map(([name, values]) => {
      const [value = '', ...others] = values.map(withoutControls)
      return [withoutControls(name), others.length === 0 ? value : values]
    }),
  )

/** Answers repeat what was asked for: escapes of a terminal, and what turns the direction of a text, are not in it. */
const withoutControls = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')

export const none = z.strictObject({})
export const CidParameter = z
  .string()
  .regex(/^b[a-z2-7]{58}$/, { error: 'must be a CID in base32' })
  .transform((text, context) => {
    try {
      return CID.parse(text)
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a CID in base32' })
      return z.NEVER
    }
  })
/** Own nodes: as many as a wallet has. */
export const Stakes = z
  .string()
  .regex(/^[1-9A-HJ-NP-Za-km-z]{20,64}(,[1-9A-HJ-NP-Za-km-z]{20,64}){0,19}$/, {
    error: 'must be up to 20 addresses with commas between them',
  })
  .transform((text) => text.split(','))

export const maxLimit = 200
export const paging = {
  page: PageNumber,
  limit: NumberText.refine((limit) => limit >= 1 && limit <= maxLimit, {
    error: `must be from 1 to ${maxLimit}`,
  }).default(50),
}
export const Paged = z.strictObject(paging)
export const OfSeat = z.strictObject({ seat: NumberText })
export const OfWeek = z.strictObject({ week: WeekText })
export const WeekPaged = z.strictObject({ ...paging, week: WeekText.optional() })
