import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import type { MempoolEntry } from '../mempool.ts'
import { coinsJson } from './amount-json.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'
import { optional, readBoolean } from './params.ts'

/** What waits for a block. */
export const mempoolMethods = ({ chain }: NodeContext): RpcMethods => ({
  getrawmempool: {
    usage: 'getrawmempool ( verbose )',
    minParams: 0,
    maxParams: 1,
    run: ([verbose]) => {
      const entries = chain.mempool.entries()
      if (!optional(verbose, readBoolean, false))
        return entries.map((entry) => reversedHex(entry.transaction.txid))
      return Object.fromEntries(
        entries.map((entry) => [reversedHex(entry.transaction.txid), entryJson(entry, entries)]),
      )
    },
  },
  getmempoolinfo: {
    usage: 'getmempoolinfo',
    minParams: 0,
    maxParams: 0,
    run: () => ({
      size: chain.mempool.entries().length,
      bytes: chain.mempool.totalBytes(),
      // Memory of the entries; here what their bytes take.
      usage: chain.mempool.totalBytes(),
    }),
  },
})

const entryJson = (
  { transaction, fee, arrivedMs, height }: MempoolEntry,
  entries: MempoolEntry[],
): unknown => {
  const waiting = new Set(entries.map((entry) => bytesToHex(entry.transaction.txid)))
  return {
    size: transaction.bytes.length,
    fee: coinsJson(fee),
    time: Math.floor(arrivedMs / 1000),
    height,
    startingpriority: 0,
    currentpriority: 0,
    depends: transaction.inputs
      .filter(({ previousTxid }) => waiting.has(bytesToHex(previousTxid)))
      .map(({ previousTxid }) => reversedHex(previousTxid)),
  }
}
