import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hash160, type OutputTemplate } from '../../protocol/index.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { createRpcClient, type RpcClient } from '../../src/chain-node/rpc/client.ts'
import { createExit, type Exit, maxExitCalls } from '../../src/relay/exit.ts'
import { realWorld } from '../../src/world.ts'
import { startRelayNetwork } from '../relay/relay-network.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf } from './networks.ts'
import { type KeyCoin, matureCoins, spend } from './treasury.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

const key = keyOf('miner')
const own: OutputTemplate = { kind: 'p2pkh', hash160: hash160(key.publicKey) }
const branchId = 0x37a5165b
const forever = new AbortController().signal
const notFound = [
  'node-refused',
  -25,
  expect.stringContaining('could not find transparent input UTXO in the best chain or mempool'),
]

let zebrad: Zebrad
let rpc: RpcClient
let exit: Exit
let coins: KeyCoin[]
beforeAll(async () => {
  zebrad = await startZebrad({ miner: { address: addressOf(key) } })
  await mine(zebrad.rpc, 120)
  coins = await matureCoins(zebrad.rpc, key)
  rpc = createRpcClient({ url: zebrad.url, world: realWorld(), maxConcurrent: maxExitCalls })
  exit = createExit('zcash', rpc, realWorld())
})
afterAll(async () => {
  await rpc?.close()
  await zebrad?.[Symbol.asyncDispose]()
})

const pay = (coin: KeyCoin): Transaction =>
  spend({ key, coins: [coin], outputs: [{ value: coin.value - 10_000n, to: own }], branchId })
/** Spends a coin that is nowhere. */
const payLost = (i: number): Transaction => pay({ ...coins[0]!, txid: new Uint8Array(32).fill(i + 1) })
const peerOf = (i: number): Uint8Array => new Uint8Array(32).fill(i)

describe('the exit of the relay', () => {
  test('R-RELAY-5 its refusal after a minute comes back through three hops', async () => {
    await using network = await startRelayNetwork({
      hops: 3,
      block: 10,
      exit: (bytes, signal) => exit.broadcast(bytes, peerOf(0), signal),
    })
    const circuit = await network.build(await network.client(), [0, 1, 2])
    const begun = performance.now()
    expect(await circuit.broadcast(payLost(100).bytes, forever)).toEqual(notFound)
    expect(performance.now() - begun).toBeGreaterThan(30_000)
  })

  test('R-RELAY-6 forty of them wait in a few places, and keep nobody else from the node', async () => {
    const flood = Array.from({ length: 40 }, (_, i) =>
      exit.broadcast(payLost(i).bytes, peerOf(i % 20), forever),
    )
    let isFloodOver = false
    void Promise.all(flood).then(() => (isFloodOver = true))
    const { bytes, txid } = pay(coins[1]!)
    expect(await exit.broadcast(bytes, peerOf(30), forever)).toEqual(['sent', txid])
    const next = pay(coins[2]!)
    expect(await exit.broadcast(next.bytes, peerOf(30), forever)).toEqual(['sent', next.txid])
    expect(isFloodOver).toBe(false)
    const answers = await Promise.all(flood)
    for (const answer of answers.slice(0, 16)) expect(answer).toEqual(notFound)
    for (const answer of answers.slice(16)) expect(answer).toEqual(['refused', 'node-unavailable'])
  })
})
