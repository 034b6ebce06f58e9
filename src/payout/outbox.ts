import { bytesToHex, utf8ToBytes, type Week, Week as WeekSchema } from '../../protocol/index.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily, Transaction } from '../chain/formats/types.ts'
import { SecnodeError } from '../errors.ts'
import { keyOf, prefixes, readU32, u32 } from '../store/keys.ts'
import { del, put, type Store } from '../store/store.ts'

/** A signed payout transaction as it was, or is to be, broadcast. */
export interface OutboxPart {
  part: number
  transaction: Transaction
}

/** What was signed for sending: written before it is broadcast, so that a crash loses nothing and changes nothing. */
export interface Outbox {
  weeks(): Promise<Week[]>
  /** In order of part. */
  ofWeek(week: Week): Promise<OutboxPart[]>
  /** All at once and durably, in the place of everything from the first of these parts on. */
  put(week: Week, parts: readonly OutboxPart[]): Promise<void>
}

export const createOutbox = (store: Store, family: ChainFamily): Outbox => ({
  async weeks() {
    const weeks = new Set<Week>()
    const range = { gte: keyOf(prefixes.payout), lt: keyOf(prefixes.payout + 1) }
    for await (const [key] of store.range(range)) weeks.add(weekOfKey(key))
    return [...weeks]
  },
  async ofWeek(week) {
    const parts: OutboxPart[] = []
    for await (const [key, value] of store.range(rangeOf(week, 0))) {
      parts.push({ part: readU32(key, key.length - 4), transaction: parseTransaction(value, family) })
    }
    return parts
  },
  async put(week, parts) {
    const old: Uint8Array[] = []
    for await (const [key] of store.range(rangeOf(week, parts[0]?.part ?? 0))) old.push(key)
    const fresh = parts.map(({ part, transaction }) => put(partKey(week, part), transaction.bytes))
    await store.batch([...old.map(del), ...fresh], { sync: true })
  },
})

/** Whether these bytes are a transaction of the chain, as every part of an outbox is. */
export const isTransaction = (bytes: Uint8Array, family: ChainFamily): boolean => {
  try {
    parseTransaction(bytes, family)
    return true
  } catch {
    return false
  }
}

const partKey = (week: Week, part: number): Uint8Array => keyOf(prefixes.payout, utf8ToBytes(week), u32(part))

const rangeOf = (week: Week, from: number) => ({ gte: partKey(week, from), lt: partKey(week, 0xffff_ffff) })

const weekOfKey = (key: Uint8Array): Week => {
  const text = new TextDecoder().decode(key.subarray(1, -4))
  const parsed = WeekSchema.safeParse(text)
  if (parsed.success) return parsed.data
  throw new SecnodeError('STORE_DAMAGED', `a payout row of the store has the key ${bytesToHex(key)}`, {
    hint: 'Move the directory away; what was sent before is on the chain, `secnode payout verify` finds it.',
  })
}
