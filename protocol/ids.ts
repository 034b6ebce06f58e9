import { z } from 'zod'

const networkIdPattern = /^[0-9a-f]{32}$/

/** First 32 hex digits of the hash of a network's genesis part (R-NET-1). */
export const NetworkId = z.string().regex(networkIdPattern).brand<'NetworkId'>()
export type NetworkId = z.infer<typeof NetworkId>

export const isNetworkId = (text: string): text is NetworkId => networkIdPattern.test(text)

/** An ISO 8601 week, `2026-W47` (R-EPOCH-2). */
export const Week = z
  .string()
  .regex(/^[0-9]{4}-W(0[1-9]|[1-4][0-9]|5[0-3])$/)
  .brand<'Week'>()
export type Week = z.infer<typeof Week>

/** Position in order of first announcement, from 0 (R-REG-3). */
export type Seat = number
/** Number of an epoch, from 0 (R-EPOCH-1). */
export type Epoch = number
/** Height of a block. */
export type Height = number

const maxCount = 0xffff_ffff
/** No height is above it. */
export const maxHeight: Height = maxCount

/** Schema of a seat: an integer from 0 on. */
export const SeatNumber = z.int().min(0).max(maxCount)
/** Schema of an epoch: an integer from 0 on. */
export const EpochNumber = z.int().min(0).max(maxCount)
/** Schema of a block height: an integer from 0 on. */
export const HeightNumber = z.int().min(0).max(maxCount)

/** A byte string of exactly `length` bytes. */
export const bytesOf = (length: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length === length, {
    error: `must be ${length} bytes`,
  })

/** A byte string of at most `maxBytes`. */
export const bytesUpTo = (maxBytes: number) =>
  z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= maxBytes, {
    error: `must be at most ${maxBytes} bytes`,
  })
