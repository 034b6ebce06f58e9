import { hash160 } from '../../../protocol/index.ts'
import { serializeTransaction, parseTransaction } from '../../../src/chain/formats/transaction.ts'
import { nullDataScript, p2pkhScript } from '../../../src/chain/formats/script.ts'
import type {
  ChainFamily,
  Transaction,
  TransactionFields,
  TransactionOutput,
} from '../../../src/chain/formats/types.ts'
import {
  createEmbeddedChain,
  type EmbeddedChain,
  type EmbeddedChainOptions,
} from '../../../src/devnet/chain/chain.ts'
import type { Coin } from '../../../src/devnet/chain/coin.ts'
import { newTransaction } from '../../../src/devnet/chain/new-transaction.ts'
import { branchIdAt, COIN } from '../../../src/devnet/chain/parameters.ts'
import { rejectionText } from '../../../src/devnet/chain/rejection.ts'
import { signInputs, type SignOptions } from '../../../src/devnet/chain/sign-inputs.ts'
import { replayReference, type WalletCoin } from '../../../src/devnet/chain/wallet.ts'

export const families = ['zcash', 'zen'] as const satisfies readonly ChainFamily[]

/** 2026-11-16 00:00 UTC, the Monday of week 47. */
export const startTime = 1_794_787_200

/** Bytes that look random and are the same in every run. */
export const countingBytes = (): ((length: number) => Uint8Array) => {
  let state = 1
  return (length) =>
    Uint8Array.from({ length }, () => {
      // xorshift32
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return state & 0xff
    })
}

export const testWorld = () => ({
  now: () => 1_794_800_000_000,
  monotonicMs: () => 0,
  randomBytes: countingBytes(),
})

export const treasuryScript = p2pkhScript(new Uint8Array(20).fill(0x77))

/** A chain whose coinbases mature after two blocks, with nothing mined. */
export const createTestChain = (
  family: ChainFamily,
  options: Partial<EmbeddedChainOptions> = {},
): EmbeddedChain =>
  createEmbeddedChain({
    family,
    startTime,
    coinbaseMaturity: 2,
    treasury: { script: treasuryScript, amountPerBlock: 5n * COIN },
    walletSeed: new Uint8Array(32).fill(7),
    world: testWorld(),
    ...options,
  })

/** A chain with coins that can be spent. */
export const createFundedChain = (
  family: ChainFamily,
  options: Partial<EmbeddedChainOptions> = {},
): EmbeddedChain => {
  const chain = createTestChain(family, options)
  chain.mine(12)
  return chain
}

export const someHash160 = (fill: number): Uint8Array => new Uint8Array(20).fill(fill)

/** An output as the chain's family wants it: with a reference to a block in ZEN. */
export const payTo = (chain: EmbeddedChain, hash: Uint8Array, value: bigint): TransactionOutput => ({
  value,
  script: p2pkhScript(hash, replayReference(chain.tree)),
})

export const dataOutput = (chain: EmbeddedChain, text: string): TransactionOutput => ({
  value: 0n,
  script: nullDataScript(new TextEncoder().encode(text), replayReference(chain.tree)),
})

export interface Spend {
  coins: readonly Coin[]
  outputs: readonly TransactionOutput[]
  change?: (fields: TransactionFields) => TransactionFields
  sign?: Partial<SignOptions>
  /** After signing. */
  tamper?: (fields: TransactionFields) => TransactionFields
}

/** A signed transaction that spends coins of the wallet, with whatever the test changes before or after. */
export const spendCoins = (
  chain: EmbeddedChain,
  { coins, outputs, change, sign, tamper }: Spend,
): Uint8Array => {
  const height = chain.tip.height + 1
  const unsigned: TransactionFields = {
    ...newTransaction(chain.parameters, height),
    inputs: coins.map(({ txid, index }) => ({
      previousTxid: txid,
      previousIndex: index,
      script: new Uint8Array(),
      sequence: 0xffffffff,
    })),
    outputs,
  }
  const changed = change?.(unsigned) ?? unsigned
  const branchId = branchIdAt(chain.parameters, height)
  const { fields } = signInputs(changed, coins, chain.wallet.keys, { branchId, ...sign })
  return serializeTransaction(tamper?.(fields) ?? fields)
}

export const fee = 100_000n

/** Spends a coin whole, but for the fee, to one recipient. */
export const spendWhole = (
  chain: EmbeddedChain,
  coin: Coin,
  options: Omit<Spend, 'coins' | 'outputs'> & { to?: Uint8Array } = {},
): Uint8Array =>
  spendCoins(chain, {
    coins: [coin],
    outputs: [payTo(chain, options.to ?? someHash160(1), coin.value - fee)],
    ...options,
  })

/** The wallet's oldest coin that can be spent. */
export const firstCoin = (chain: EmbeddedChain): WalletCoin => {
  const [coin] = chain.wallet.coins()
  if (coin === undefined) throw new Error('the test chain has no coins')
  return coin
}

/** What the mempool says: the txid's transaction, or the reason as the daemons print it. */
export const submit = (chain: EmbeddedChain, bytes: Uint8Array): string => {
  const verdict = chain.submitTransaction(bytes)
  return verdict.is === 'accept' ? 'accepted' : rejectionText(verdict.rejection)
}

export const parseFor = (chain: EmbeddedChain, bytes: Uint8Array): Transaction =>
  parseTransaction(bytes, chain.parameters.family)

/** hash160 of a new key of the wallet. */
export const walletHash = (chain: EmbeddedChain): Uint8Array => hash160(chain.wallet.keys.next().publicKey)
