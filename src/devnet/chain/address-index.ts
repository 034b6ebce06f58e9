import { bytesToHex } from '../../../protocol/index.ts'
import type { ChainFamily } from '../../chain/formats/types.ts'
import type { Coin } from './coin.ts'
import { scriptOwner } from './script-owner.ts'

/** A transaction of the best chain that paid or spent an owner's coins. */
export interface AddressEvent {
  txid: Uint8Array
  height: number
  /** Base units, per output made and coin spent. */
  deltas: readonly bigint[]
}

/**
 * Who owns which coins of the best chain, as `-addressindex` and zebrad keep it. An owner is a script template and
 * hash (`script-owner.ts`), so ZEN's outputs of one address are found together whatever block they refer to.
 */
export interface AddressIndex {
  unspent(owner: string): Coin[]
  /** In chain order. */
  events(owner: string): readonly AddressEvent[]
  addCoin(outpoint: string, coin: Coin): void
  removeCoin(outpoint: string, coin: Coin): void
  addTransaction(txid: Uint8Array, height: number, spent: readonly Coin[], made: readonly Coin[]): void
  /** Takes off the owners' latest transaction; only in the reverse order of `addTransaction`. */
  removeTransaction(txid: Uint8Array, spent: readonly Coin[], made: readonly Coin[]): void
}

export const createAddressIndex = (family: ChainFamily): AddressIndex => {
  const coinsByOwner = new Map<string, Map<string, Coin>>()
  const eventsByOwner = new Map<string, AddressEvent[]>()

  return {
    unspent: (owner) => [...(coinsByOwner.get(owner)?.values() ?? [])].sort(inChainOrder),
    events: (owner) => eventsByOwner.get(owner) ?? [],
    addCoin: (outpoint, coin) => {
      const owner = scriptOwner(coin.script, family)
      if (owner === null) return
      const owned = coinsByOwner.get(owner)
      if (owned === undefined) coinsByOwner.set(owner, new Map([[outpoint, coin]]))
      else owned.set(outpoint, coin)
    },
    removeCoin: (outpoint, coin) => {
      const owner = scriptOwner(coin.script, family)
      if (owner === null) return
      const owned = coinsByOwner.get(owner)
      owned?.delete(outpoint)
      if (owned?.size === 0) coinsByOwner.delete(owner)
    },
    addTransaction: (txid, height, spent, made) => {
      for (const [owner, deltas] of deltasByOwner(spent, made, family)) {
        const events = eventsByOwner.get(owner)
        const event = { txid, height, deltas }
        if (events === undefined) eventsByOwner.set(owner, [event])
        else events.push(event)
      }
    },
    removeTransaction: (txid, spent, made) => {
      for (const owner of deltasByOwner(spent, made, family).keys()) {
        const last = eventsByOwner.get(owner)?.pop()
        if (last === undefined || bytesToHex(last.txid) !== bytesToHex(txid)) {
          throw new Error('blocks were taken off in another order than they were put on')
        }
      }
    },
  }
}

const deltasByOwner = (
  spent: readonly Coin[],
  made: readonly Coin[],
  family: ChainFamily,
): Map<string, bigint[]> => {
  const deltas = new Map<string, bigint[]>()
  const add = (coin: Coin, delta: bigint): void => {
    const owner = scriptOwner(coin.script, family)
    if (owner === null) return
    const own = deltas.get(owner)
    if (own === undefined) deltas.set(owner, [delta])
    else own.push(delta)
  }
  for (const coin of spent) add(coin, -coin.value)
  for (const coin of made) add(coin, coin.value)
  return deltas
}

/** By height, place in the block, place in the transaction; so choosing coins gives the same answer everywhere. */
const inChainOrder = (a: Coin, b: Coin): number =>
  a.height - b.height || a.position - b.position || a.index - b.index
