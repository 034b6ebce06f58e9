import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hash160, type OutputTemplate } from '../../protocol/index.ts'
import { isRpcError } from '../../src/chain-node/rpc/errors.ts'
import {
  getAddressUtxos,
  getBlockCount,
  getTransactionPlace,
  getTxOut,
  sendRawTransaction,
} from '../../src/chain-node/rpc/methods.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { caughtUp, follow } from '../chain-node/follower/following.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf, regtest } from './networks.ts'
import { type KeyCoin, matureCoins, mineIn, spend } from './treasury.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

const key = keyOf('miner')
const own: OutputTemplate = { kind: 'p2pkh', hash160: hash160(key.publicKey) }
/** NU6.3, which all blocks of this chain are in. */
const branchId = 0x37a5165b
/** ZIP 317 at its first marginal fee: two logical actions at 5,000. */
const fee = 10_000n

let zebrad: Zebrad
let coins: KeyCoin[]
beforeAll(async () => {
  zebrad = await startZebrad({ miner: { address: addressOf(key) } })
  await mine(zebrad.rpc, 120)
  coins = await matureCoins(zebrad.rpc, key)
})
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

const pay = (coin: KeyCoin, changes: { fee?: bigint; branchId?: number } = {}): Transaction =>
  spend({
    key,
    coins: [coin],
    outputs: [{ value: coin.value - (changes.fee ?? fee), to: own }],
    branchId: changes.branchId ?? branchId,
  })

const send = async ({ bytes, txid }: Transaction): Promise<Uint8Array> =>
  sendRawTransaction(zebrad.rpc, bytes, txid)

/** How zebrad begins when its verifier refuses. */
const failed =
  'failed to validate tx: WtxId("private"), error: transaction did not pass consensus validation: '

const refusalOf = async (transaction: Transaction): Promise<[number | undefined, string | undefined]> => {
  const error: unknown = await send(transaction).then(
    () => null,
    (reason: unknown) => reason,
  )
  if (!isRpcError(error, 'RPC_REFUSED')) throw error ?? new Error('it was taken')
  return [error.rpcCode, error.rpcMessage]
}

describe('a transaction of version 5 that is built and signed here', () => {
  test('ZIP 244 ZIP 317 is taken, mined, and read back by the follower as it was', async () => {
    const network = await regtest()
    const { confirmations } = network.profile.genesis
    const transaction = pay(coins[0]!)
    expect(await send(transaction)).toEqual(transaction.txid)
    expect(await getTxOut(zebrad.rpc, coins[0]!.txid, coins[0]!.index)).toBeNull()
    expect(await getTxOut(zebrad.rpc, transaction.txid, 0)).toMatchObject({
      confirmations: 0,
      coinbase: false,
    })
    await mineIn(zebrad.rpc, transaction.txid)
    const place = (await getTransactionPlace(zebrad.rpc, transaction.txid))!
    expect(place.hex).toEqual(transaction.bytes)
    await mine(zebrad.rpc, confirmations)

    await using life = await follow(network, zebrad.url, { birthday: 0 })
    await caughtUp(life.follower, (await getBlockCount(zebrad.rpc)) - confirmations)
    expect(await life.follower.transactionCountAt(place.height!)).toBe(2)
    const read = await life.follower.readTransaction(place.height!, 1, AbortSignal.timeout(5_000))
    expect(Buffer.compare(read, transaction.bytes)).toBe(0)
  })

  test('sending it again is no error while it waits, and none once it is mined', async () => {
    const transaction = pay(coins[1]!)
    await send(transaction)
    expect(await send(transaction)).toEqual(transaction.txid)
    await mineIn(zebrad.rpc, transaction.txid)
    expect(await send(transaction)).toEqual(transaction.txid)
  })

  test('a wrong branch id is refused in the node’s words', async () => {
    expect(await refusalOf(pay(coins[2]!, { branchId: 0x5437f330 }))).toEqual([
      -25,
      `${failed}transaction uses an incorrect consensus branch id`,
    ])
    // A branch that nobody knows cannot even be read.
    expect(await refusalOf(pay(coins[2]!, { branchId: 0x12345678 }))).toEqual([
      -22,
      'io error: invalid consensus branch id 0x12345678',
    ])
  })

  test('a fee that does not pay for all actions is refused: 1,000 an action on Regtest', async () => {
    const words = `${failed}failed to verify ZIP-317 transaction rules, transaction was not inserted to mempool: Unpaid actions is higher than the limit`
    expect(await refusalOf(pay(coins[3]!, { fee: 0n }))).toEqual([-25, words])
    expect(await refusalOf(pay(coins[3]!, { fee: 1_999n }))).toEqual([-25, words])
    // getstandardfee says 1,000; ours is the 5,000 of ZIP 317 as it was, which nodes of before relay as well.
    await send(pay(coins[3]!, { fee: 2_000n }))
    expect(await refusalOf(pay(coins[4]!, { fee: -1n }))).toEqual([
      -25,
      `${failed}could not calculate the transaction fee`,
    ])
  })

  test('a second spend of a coin, an immature coinbase, a coin that is none, a signature over another amount', async () => {
    const first = pay(coins[5]!)
    await send(first)
    expect(await refusalOf(pay(coins[5]!, { fee: 20_000n }))).toEqual([
      -25,
      'any transaction with the same effects will be rejected from the mempool until the next chain tip block: transaction rejected because another transaction in the mempool has already spent some of its inputs',
    ])
    await mineIn(zebrad.rpc, first.txid)
    await mine(zebrad.rpc, 1)
    const begun = performance.now()
    const utxos = await getAddressUtxos(zebrad.rpc, [addressOf(key)])
    const { txid, outputIndex: index, satoshis: value } = utxos.at(-1)!
    // zebrad waits a minute for an input that it does not find; a spent one may come back by a reorganisation.
    const [spent, unknown, immature, wrongAmount] = await Promise.all([
      refusalOf(pay(coins[5]!, { fee: 30_000n })),
      refusalOf(pay({ ...coins[6]!, txid: new Uint8Array(32).fill(7) })),
      refusalOf(pay({ txid, index, value })),
      refusalOf(pay({ ...coins[6]!, value: coins[6]!.value - 1n })),
    ])
    const notFound = `${failed}could not find transparent input UTXO in the best chain or mempool`
    expect([spent, unknown]).toEqual([
      [-25, notFound],
      [-25, notFound],
    ])
    expect(performance.now() - begun).toBeGreaterThan(30_000)
    expect(immature).toEqual([-25, expect.stringContaining('immature transparent coinbase spend: ')])
    expect(wrongAmount).toEqual([
      -25,
      `${failed}could not verify a transparent script: script verification failed`,
    ])
  })
})
