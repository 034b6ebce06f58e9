import {
  bytesToHex,
  equalBytes,
  type Fund,
  type Genesis,
  type Epoch,
  epochStart,
  type Height,
  hash,
  hexToBytes,
} from '../../protocol/index.ts'
import { parseTransaction } from '../chain/formats/transaction.ts'
import type { ChainFamily } from '../chain/formats/types.ts'
import { SecnodeError } from '../errors.ts'
import type { ChainView } from '../week/chain-view.ts'
import type { WeekFund } from '../week/ports.ts'
import { type CoinbaseOutput, coinbasesOf } from '../store/coinbases.ts'
import { keyOf, prefixes, u32 } from '../store/keys.ts'
import { put, type Store } from '../store/store.ts'

/** What came in for a week (R-TALLY-6), epoch by epoch, each added up once and remembered. */
export interface FundBook extends WeekFund {
  /** Base units that came in during the blocks of an epoch, all of which are confirmed. */
  ofEpoch(fund: Fund, epoch: Epoch, signal: AbortSignal): Promise<bigint>
}

/** The treasury script of a height, or null before the first. */
const scriptAt = (fund: Extract<Fund, { kind: 'treasury' }>, height: Height): Uint8Array | null => {
  const row = fund.scripts.findLast(({ from }) => from <= height)
  return row === undefined ? null : hexToBytes(row.script)
}

export const createFundBook = (
  genesis: Genesis,
  family: ChainFamily,
  chain: Pick<ChainView, 'hashAt' | 'readTransaction' | 'confirmedHeight'>,
  store: Store,
): FundBook => {
  /** R-TALLY-6: scripts are compared byte for byte. `kept` is what the follower kept of the coinbase, if it did. */
  const incomeOf = async (
    fund: Extract<Fund, { kind: 'treasury' }>,
    height: Height,
    kept: readonly CoinbaseOutput[] | undefined,
    signal: AbortSignal,
  ): Promise<bigint> => {
    const script = scriptAt(fund, height)
    if (script === null) return 0n
    const outputs = kept ?? parseTransaction(await chain.readTransaction(height, 0, signal), family).outputs
    return outputs.reduce((sum, output) => (equalBytes(output.script, script) ? sum + output.value : sum), 0n)
  }

  const ofEpoch = async (fund: Fund, epoch: Epoch, signal: AbortSignal): Promise<bigint> => {
    if (fund.kind === 'fixed') return 0n
    signal.throwIfAborted()
    const from = epochStart(genesis, epoch)
    const to = epochStart(genesis, epoch + 1)
    const lastHash = await chain.hashAt(to - 1)
    if (lastHash === undefined) {
      throw new SecnodeError('FUND_OPEN', `the blocks of epoch ${epoch} are not all confirmed yet`, {
        exitCode: 3,
        hint: 'Wait for the end of the week, or ask for an earlier one.',
      })
    }
    // Under the hash of its last block and the scripts, so neither a reorganisation nor a new schedule is missed.
    const scripts = hash('treasury scripts', ...fund.scripts.map(({ from, script }) => `${from}:${script}`))
    const key = keyOf(prefixes.income, u32(epoch), lastHash, scripts)
    const known = await store.get(key)
    if (known !== undefined) return BigInt(`0x${bytesToHex(known)}`)
    let income = 0n
    for (const [i, kept] of (await coinbasesOf(store, from, to)).entries()) {
      income += await incomeOf(fund, from + i, kept, signal)
    }
    // A reorganisation meanwhile mixed two branches: that sum is nobody's.
    const hashNow = await chain.hashAt(to - 1)
    if (hashNow === undefined || !equalBytes(hashNow, lastHash)) return await ofEpoch(fund, epoch, signal)
    await store.batch([put(key, hexToBytes(income.toString(16).padStart(16, '0')))])
    return income
  }

  return {
    ofEpoch,
    async ofWeek(fund, first, last, signal) {
      if (fund.kind === 'fixed') return fund.amount
      let income = 0n
      for (let epoch = first; epoch <= last; epoch++) income += await ofEpoch(fund, epoch, signal)
      return income
    },
  }
}
