import { bytesToHex, hexToBytes } from '../../protocol/index.ts'
import { keyOf, prefixes, readU32, u32 } from './keys.ts'
import { del, put, type Store, type StoreOperation } from './store.ts'

/** A message that waits for a target (8 bytes); numbers rise in the order in which they are to be sent. */
export interface WaitingAlert {
  target: Uint8Array
  number: number
}

/** What changes together: a finding that is told, and the messages that tell it. */
export interface AlertChange {
  /** By 32 hex digits; null forgets. */
  findings?: ReadonlyMap<string, string | null>
  add?: readonly (WaitingAlert & { text: string })[]
  remove?: readonly WaitingAlert[]
}

/** Alerts that survive restarts: what was told of which finding, and what is still to be delivered (texts are JSON). */
export interface AlertStore {
  findings(): Promise<Map<string, string>>
  /** In order of target and number. */
  waiting(): Promise<(WaitingAlert & { text: string })[]>
  /** All of it or nothing, and durable before it returns. */
  write(change: AlertChange): Promise<void>
}

const waitingKey = ({ target, number }: WaitingAlert): Uint8Array =>
  keyOf(prefixes.alertWaiting, target, u32(number))

export const createAlertStore = (store: Store): AlertStore => ({
  async findings() {
    const found = new Map<string, string>()
    for await (const [key, row] of store.range(allOf(prefixes.alertFinding))) {
      found.set(bytesToHex(key.subarray(1)), new TextDecoder().decode(row))
    }
    return found
  },
  async waiting() {
    const found: (WaitingAlert & { text: string })[] = []
    for await (const [key, row] of store.range(allOf(prefixes.alertWaiting))) {
      found.push({
        target: key.slice(1, 9),
        number: readU32(key, 9),
        text: new TextDecoder().decode(row),
      })
    }
    return found
  },
  async write({ findings = new Map(), add = [], remove = [] }) {
    const operations: StoreOperation[] = []
    for (const [name, text] of findings) {
      const key = keyOf(prefixes.alertFinding, hexToBytes(name))
      operations.push(text === null ? del(key) : put(key, new TextEncoder().encode(text)))
    }
    for (const one of add) operations.push(put(waitingKey(one), new TextEncoder().encode(one.text)))
    for (const one of remove) operations.push(del(waitingKey(one)))
    if (operations.length > 0) await store.batch(operations, { sync: true })
  },
})

const allOf = (prefix: number) => ({ gte: keyOf(prefix), lt: keyOf(prefix + 1) })
