import { z } from 'zod'
import { hash160, type OutputTemplate } from '../../protocol/index.ts'
import { p2pkhScript } from '../../src/chain/formats/script.ts'
import { parseTransaction, serializeTransaction } from '../../src/chain/formats/transaction.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { type SigningKey, signaturesOf } from '../../src/chain/input-signatures.ts'
import type { RpcClient } from '../../src/chain-node/rpc/client.ts'
import { getAddressUtxos, getBlockCount, getRawTransaction } from '../../src/chain-node/rpc/methods.ts'
import { unsignedTransaction } from '../../src/payout/transactions.ts'
import { mine } from './blocks.ts'
import { addressOf } from './networks.ts'
import { untilTrue } from './zebrad.ts'

/** An output of one key. */
export interface KeyCoin {
  txid: Uint8Array
  index: number
  value: bigint
}

export interface SpendRequest {
  key: SigningKey
  coins: readonly KeyCoin[]
  outputs: readonly { value: bigint; to: OutputTemplate }[]
  branchId: number
}

/** A transparent transaction of version 5, signed here (ZIP 244). What is not in its outputs is the fee. */
export const spend = ({ key, coins, outputs, branchId }: SpendRequest): Transaction => {
  const unsigned = unsignedTransaction({ family: 'zcash', branchId, reference: null }, coins, outputs)
  const script = p2pkhScript(hash160(key.publicKey))
  const spentOutputs = coins.map(({ value }) => ({ value, script }))
  const inputs = unsigned.inputs.map((input, inputIndex) => {
    const place = { fields: unsigned, inputIndex, spentOutputs, redeemScript: null }
    const signed = signaturesOf(place, [], key)
    if (signed.signatures !== signed.required) throw new Error('this key does not own that coin')
    return { ...input, script: signed.script }
  })
  return parseTransaction(serializeTransaction({ ...unsigned, inputs }), 'zcash')
}

/** A key's coins that may be spent in the next block even if they are coinbases, oldest first. */
export const matureCoins = async (rpc: RpcClient, key: SigningKey): Promise<KeyCoin[]> => {
  const next = (await getBlockCount(rpc)) + 1
  const utxos = await getAddressUtxos(rpc, [addressOf(key)])
  return utxos
    .filter(({ height }) => next - height >= 100)
    .map(({ txid, outputIndex, satoshis }) => ({ txid, index: outputIndex, value: satoshis }))
}

const TxidList = z.array(z.string())

/** Mines until the node has the transaction in a block, as its template may be older than the transaction. */
export const mineIn = async (rpc: RpcClient, txid: Uint8Array): Promise<void> => {
  await untilTrue(async () => {
    await mine(rpc, 1)
    const waiting = await rpc.call('getrawmempool', [], TxidList)
    return !waiting.includes(Buffer.from(txid).reverse().toString('hex'))
  }, 60_000)
  if ((await getRawTransaction(rpc, txid)) === null)
    throw new Error('the transaction left the memory pool unmined')
}
