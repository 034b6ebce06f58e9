import {
  compareBytes,
  dustLimit,
  maxPayoutInputs,
  type OutpointKey,
  outpointKey,
  outpointText,
  type Payer,
  payoutFee,
  plannedOutputs,
  type PlannedPayout,
  threadValue,
} from '../../protocol/index.ts'
import { encodeAddress } from '../chain/address.ts'
import { classifyScript } from '../chain/formats/script.ts'
import type { TransactionOutput } from '../chain/formats/types.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { getAddressUtxos, getTxOut } from '../chain-node/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import { isIndexMissing } from './chain-thread.ts'
import { isPayer, type PayerAccount } from './payer.ts'
import type { Outpoint } from './transactions.ts'

/** An output of the payer that may be spent. */
export interface Coin extends Outpoint {
  output: TransactionOutput
}

export const coinKey = ({ txid, index }: Outpoint): OutpointKey => outpointKey(txid, index)

/** The same choice for everybody who sees the same coins: largest first, then by outpoint. */
export const inSpendingOrder = (a: Coin, b: Coin): number => {
  if (a.output.value !== b.output.value) return a.output.value > b.output.value ? -1 : 1
  return compareBytes(a.txid, b.txid) || a.index - b.index
}

/** Says why an output must not be spent as a coin, as a thread output must not; null if it may. */
export type Reserved = (coin: Coin) => string | null

export interface CoinQuery {
  network: Network
  rpc: RpcClient
  payer: Payer
  /** Thread outputs are never spent as coins. */
  reserved: Reserved
  /** Coins named by hand, for a node without an index of addresses; null to ask the index. */
  named: readonly Outpoint[] | null
  signal: AbortSignal
}

/**
 * The payer's coins in the order of spending, each looked up once more before it is given, so that what is spent in
 * the memory pool, immature or too young is passed over. Errors: PAYOUT_NO_INDEX; PAYOUT_COIN for one named by hand.
 */
export async function* spendableCoins(query: CoinQuery): AsyncGenerator<Coin, void, undefined> {
  if (query.named !== null) {
    const coins: Coin[] = []
    for (const outpoint of query.named) {
      const coin = await lookUp(query, outpoint)
      if (typeof coin === 'string')
        throw coinError(outpoint, coin, { hint: 'Name other coins with --coin.', exitCode: 2 })
      coins.push(coin)
    }
    yield* coins.sort(inSpendingOrder)
    return
  }
  const { network, rpc, payer, reserved, signal } = query
  const address = encodeAddress(network.profile.genesis.chain, payer)
  const listed = await getAddressUtxos(rpc, [address], { signal }).catch(indexMissing)
  const candidates = listed
    .map(({ txid, outputIndex, satoshis, script }) => ({
      txid,
      index: outputIndex,
      output: { value: satoshis, script },
    }))
    .filter((coin) => reserved(coin) === null)
    .sort(inSpendingOrder)
  for (const candidate of candidates) {
    const coin = await lookUp(query, candidate)
    if (typeof coin !== 'string') yield coin
  }
}

/** On every network of the family. */
const coinbaseMaturity = 100

/** Zcash's public networks: what a coinbase pays must be shielded before anything else (design 2.12). */
const shieldedCoinbaseChains: ReadonlySet<string> = new Set(['zcash-main', 'zcash-test'])

/** The coin as the node has it, or why it cannot be spent. */
const lookUp = async (
  { network, rpc, payer, reserved, signal }: CoinQuery,
  { txid, index }: Outpoint,
): Promise<Coin | string> => {
  const found = await getTxOut(rpc, txid, index, { signal })
  if (found === null) return 'is spent, unknown or immature'
  const { chain, confirmations } = network.profile.genesis
  const { hex: script } = found.scriptPubKey
  if (!isPayer(classifyScript(script, network.facts.family), payer)) return 'is not an output of the payer'
  // What a reorganisation can take away would take the payout with it.
  if (found.confirmations <= confirmations) return `has ${found.confirmations} confirmations only`
  if (found.coinbase && found.confirmations < coinbaseMaturity) return 'is a coinbase that is not mature'
  if (found.coinbase && shieldedCoinbaseChains.has(chain))
    return 'is a coinbase, which must be shielded first'
  const coin = { txid, index, output: { value: found.value, script } }
  return reserved(coin) ?? coin
}

const indexMissing = (error: unknown): never => {
  if (isIndexMissing(error)) {
    throw new SecnodeError('PAYOUT_NO_INDEX', 'the chain node has no index of addresses to find coins with', {
      hint: 'Use zebrad, zend -addressindex or zcashd -insightexplorer; or name each coin with --coin <txid:index>.',
      cause: error,
      exitCode: 3,
    })
  }
  throw error
}

export const coinError = (
  outpoint: Outpoint,
  what: string,
  options: { hint: string; exitCode?: 1 | 2 },
): SecnodeError => new SecnodeError('PAYOUT_COIN', `coin ${outpointText(coinKey(outpoint))} ${what}`, options)

/** What one transaction of a payout spends besides the thread output, and gives back. */
export interface ChosenInputs {
  coins: readonly Coin[]
  /** Base units; 0 for none. */
  change: bigint
}

/**
 * Coins for a transaction, taken from `available` until they suffice. Change below `dustLimit` is not made: it goes to
 * the miner with the fee. Errors: PAYOUT_FUNDS (all coins together do not suffice), PAYOUT_CONSOLIDATE (more than
 * `maxPayoutInputs` would be needed).
 */
export const chooseInputs = async (
  planned: PlannedPayout,
  account: PayerAccount,
  threadOutput: TransactionOutput,
  available: AsyncIterator<Coin, void, undefined>,
): Promise<ChosenInputs> => {
  const { payer, spend } = account
  const wanted = planned.total + threadValue
  const coins: Coin[] = []
  let collected = threadOutput.value
  const feeFor = (change: bigint): bigint =>
    payoutFee(
      spend,
      coins.length + 1,
      plannedOutputs(planned, payer, change).map(({ to }) => to),
    )
  for (;;) {
    const change = collected - wanted - feeFor(1n)
    if (change >= dustLimit) return { coins, change }
    if (collected >= wanted + feeFor(0n)) return { coins, change: 0n }
    const next = await available.next()
    if (next.done === true) {
      const missing = wanted + feeFor(0n) - collected
      throw new SecnodeError(
        'PAYOUT_FUNDS',
        `the payer's coins do not suffice for part ${planned.marker.part}: ${missing} base units are missing`,
        {
          hint: 'Coins that are spent in the memory pool, immature or not confirmed deep enough do not count.',
          exitCode: 3,
        },
      )
    }
    if (coins.length + 1 === maxPayoutInputs) throw consolidationNeeded(planned)
    coins.push(next.value)
    collected += next.value.output.value
  }
}

export const consolidationNeeded = (planned: PlannedPayout): SecnodeError =>
  new SecnodeError(
    'PAYOUT_CONSOLIDATE',
    `part ${planned.marker.part} would need more than ${maxPayoutInputs} inputs, or be larger than nodes take: the payer's coins are too small`,
    { hint: 'Join them first with `secnode payout consolidate`, and build once that is confirmed.' },
  )
