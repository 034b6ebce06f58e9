import { z } from 'zod'
import { EpochNumber, HeightNumber } from '../../../protocol/index.ts'

/** Schemas with a name of their own in the OpenAPI document. */
export const components = z.registry<{ id: string }>()

export const named = <T extends z.ZodType>(id: string, schema: T): T => {
  components.add(schema, { id })
  return schema
}

export const Count = z.int().min(0)

/** Base units in decimal: JSON's own numbers would lose the last digits. */
export const Amount = z.string().regex(/^(0|[1-9][0-9]{0,18})$/)

export const SignedAmount = z.string().regex(/^-?(0|[1-9][0-9]{0,18})$/)

export const Time = z.iso.datetime()

export const Hex32 = z.string().regex(/^[0-9a-f]{64}$/)

export const Base64 = z.base64()

export const CidText = z.string().regex(/^b[a-z2-7]{20,128}$/)

export const WeekState = z.enum(['open', 'frozen', 'certified', 'anchored', 'pending'])

export const StandingWord = z.enum(['credited', 'valid', 'undecided', 'invalid'])

export const Text = z.string().max(4_096)

/** One page of a list. */
export const pageSchema = <T extends z.ZodType>(id: string, item: T) =>
  named(
    id,
    z.strictObject({
      items: z.array(item),
      page: z.int().min(1),
      limit: z.int().min(1),
      /** Of the whole list. */
      total: Count,
    }),
  )

export const ErrorAnswer = named(
  'Error',
  z.strictObject({
    error: z.strictObject({
      code: z.string().regex(/^[A-Z_]+$/),
      message: Text,
      hint: Text.optional(),
    }),
  }),
)
export type ErrorAnswer = z.infer<typeof ErrorAnswer>

/** A moment of the chain: the first block of an epoch, and its median time past. */
export const Moment = named(
  'Moment',
  z.strictObject({ epoch: EpochNumber, height: HeightNumber, time: Time.nullable() }),
)
export type Moment = z.infer<typeof Moment>

export const SignedText = named(
  'Signed',
  z.strictObject({ cid: CidText, payload: Base64, signature: Base64 }),
)
