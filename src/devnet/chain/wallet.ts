import { SecnodeError } from '../../errors.ts'
import { serializeTransaction } from '../../chain/formats/transaction.ts'
import type { BlockTree } from './block-tree.ts'
import type { Coin } from './coin.ts'
import { coinsOf, outpointKey, unconfirmedHeight } from './coins.ts'
import type { Mempool, MempoolVerdict } from './mempool.ts'
import { branchIdAt, type ChainParameters } from './parameters.ts'
import { draftPayment, type Payee } from './payment.ts'
import { rejectionText } from './rejection.ts'
import { scriptOwner } from './script-owner.ts'
import { createShieldedParts, type RandomBytes, type ShieldedPayment } from './shielded-outputs.ts'
import { signInputs } from './sign-inputs.ts'
import type { WalletKeys } from './wallet-keys.ts'

export interface WalletCoin extends Coin {
  owner: string
  /** 0 in the mempool. */
  confirmations: number
}

export interface CoinQuery {
  minConfirmations?: number
  maxConfirmations?: number
  /** Only coins of these owners; all of the wallet unless given. */
  owners?: readonly string[]
}

export interface Payment {
  payees: readonly Payee[]
  shielded?: readonly ShieldedPayment[]
  /** Owner whose coins pay; any of the wallet unless given. */
  from?: string
  minConfirmations?: number
  /** Base units; null for what the rules of the family ask. */
  fee?: bigint | null
  /** Owner who gets the change; a new key of the wallet unless given. */
  changeTo?: string
}

/**
 * The node's wallet. It has no book of its own: its coins are those that the chain's address index knows for its keys.
 * It spends the oldest mature coins first, and never one that is locked, so that a stake stays where it is.
 */
export interface Wallet {
  readonly keys: WalletKeys
  /** Spendable now: mature, not locked, not spent in the mempool; in chain order. */
  coins(query?: CoinQuery): WalletCoin[]
  lock(outpoint: string): void
  unlock(outpoint: string): void
  unlockAll(): void
  locked(): string[]
  /**
   * Makes one transaction and hands it to the mempool; its txid. Throws WALLET_INSUFFICIENT_FUNDS, and
   * WALLET_REJECTED if the mempool refuses.
   */
  pay(payment: Payment): Uint8Array
}

export interface WalletParts {
  parameters: ChainParameters
  tree: BlockTree
  mempool: Mempool
  keys: WalletKeys
  submitTransaction: (bytes: Uint8Array) => MempoolVerdict
  randomBytes: RandomBytes
}

export const createWallet = (parts: WalletParts): Wallet => {
  const { parameters, tree, mempool, keys, submitTransaction, randomBytes } = parts
  const lockedOutpoints = new Set<string>()

  const confirmationsOf = (coin: Coin): number =>
    coin.height === unconfirmedHeight ? 0 : tree.tip.height - coin.height + 1

  /** A coinbase may be spent in the next block. */
  const isMature = (coin: Coin): boolean =>
    !coin.isCoinbase || tree.tip.height + 1 - coin.height >= parameters.coinbaseMaturity

  const unconfirmedCoins = (owners: ReadonlySet<string>): Coin[] =>
    mempool
      .entries()
      .flatMap(({ transaction }) => coinsOf(transaction, unconfirmedHeight, 0))
      .filter(({ script }) => owners.has(scriptOwner(script, parameters.family) ?? ''))

  const coins = (query: CoinQuery = {}): WalletCoin[] => {
    const { minConfirmations = 1, maxConfirmations = Infinity } = query
    const owners = query.owners ?? keys.all().map(({ owner }) => owner)
    const confirmed = owners.flatMap((owner) => tree.coins.addresses.unspent(owner))
    const unconfirmed = minConfirmations > 0 ? [] : unconfirmedCoins(new Set(owners))
    return [...confirmed.sort(inChainOrder), ...unconfirmed]
      .filter((coin) => {
        const outpoint = outpointKey(coin.txid, coin.index)
        return isMature(coin) && !lockedOutpoints.has(outpoint) && mempool.spender(outpoint) === undefined
      })
      .map((coin) => ({
        ...coin,
        owner: scriptOwner(coin.script, parameters.family)!,
        confirmations: confirmationsOf(coin),
      }))
      .filter(({ confirmations }) => confirmations >= minConfirmations && confirmations <= maxConfirmations)
  }

  const pay = (payment: Payment): Uint8Array => {
    const { payees, shielded = [], from, minConfirmations = 1, fee = null } = payment
    const height = tree.tip.height + 1
    const shieldedParts = createShieldedParts(shielded, randomBytes)
    const available = coins({ minConfirmations, ...(from === undefined ? {} : { owners: [from] }) })
    const draft = draftPayment({
      parameters,
      height,
      payees,
      shielded: shieldedParts,
      available,
      fee,
      changeTo: () => payment.changeTo ?? keys.next().owner,
      reference: replayReference(tree),
    })
    const branchId = branchIdAt(parameters, height)
    const signed = signInputs(shieldedParts.sign(draft.fields, branchId), draft.spent, keys, { branchId })
    if (!signed.isComplete) throw new Error('the wallet cannot sign for its own coins')
    const verdict = submitTransaction(serializeTransaction(signed.fields))
    if (verdict.is === 'accept') return verdict.entry.transaction.txid
    throw new SecnodeError(
      'WALLET_REJECTED',
      `the transaction was refused: ${rejectionText(verdict.rejection)}`,
    )
  }

  return {
    keys,
    coins,
    lock: (outpoint) => void lockedOutpoints.add(outpoint),
    unlock: (outpoint) => void lockedOutpoints.delete(outpoint),
    unlockAll: () => lockedOutpoints.clear(),
    locked: () => [...lockedOutpoints],
    pay,
  }
}

/** The block that new outputs of ZEN refer to (zend CBH_DELTA_HEIGHT); null in Zcash. */
export const replayReference = (tree: BlockTree): { hash: Uint8Array; height: number } | null => {
  if (tree.parameters.family !== 'zen') return null
  const { hash, height } = tree.at(Math.max(0, tree.tip.height - tree.parameters.replay.referenceDepth))!
  return { hash, height }
}

const inChainOrder = (a: Coin, b: Coin): number =>
  a.height - b.height || a.position - b.position || a.index - b.index
