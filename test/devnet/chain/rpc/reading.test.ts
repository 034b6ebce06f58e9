import { afterEach, describe, expect, test } from 'vitest'
import { bytesToHex, reversedHex } from '../../../../protocol/index.ts'
import { encodeAddress } from '../../../../src/chain/address.ts'
import { families, firstCoin, parseFor, someHash160, spendWhole } from '../test-chain.ts'
import {
  chainName,
  createNodeStarter,
  minerAddress,
  newAddress,
  payeeAddress,
  shieldedAddress,
} from './test-node.ts'

const { start, stopAll } = createNodeStarter()
afterEach(stopAll)

describe.for(families)('%s: reading the chain', (family) => {
  test('getblock and getblockheader by height and hash, raw and verbose', async () => {
    const node = await start(family)
    const { chain } = node
    const hash = (await node.call('getblockhash', 7)) as string
    expect(hash).toBe(reversedHex(chain.tree.at(7)!.hash))
    const raw = bytesToHex(chain.tree.at(7)!.bytes)
    expect(await node.call('getblock', '7', 0)).toBe(raw)
    const isZen = family === 'zen'
    // zebrad takes numbers only.
    expect(await node.call('getblock', hash, isZen ? false : 0)).toBe(raw)
    const verbose = await node.call('getblock', hash)
    expect(verbose).toMatchObject({
      hash,
      height: 7,
      confirmations: 6,
      size: raw.length / 2,
      time: chain.tree.at(7)!.header.time,
      previousblockhash: await node.call('getblockhash', 6),
      nextblockhash: await node.call('getblockhash', 8),
    })
    if (isZen) expect(await node.call('getblock', '7', true)).toEqual(verbose)
    else await expect(node.failure('getblock', '7', true)).resolves.toMatchObject({ code: -1 })
    expect(await node.call('getblock', '7', 1)).toEqual(verbose)
    const header = (await node.call('getblockheader', hash, false)) as string
    expect(raw.startsWith(header)).toBe(true)
    expect(await node.call('getblockheader', hash)).toMatchObject({ hash, height: 7, confirmations: 6 })
    await expect(node.failure('getblock', '7', 4)).resolves.toMatchObject({ code: -8 })
  })

  test('genesis and tip know their only neighbours; a block off the best chain has -1 confirmations', async () => {
    const node = await start(family)
    expect(await node.call('getblock', '0')).not.toHaveProperty('previousblockhash')
    expect(await node.call('getblock', '12')).not.toHaveProperty('nextblockhash')
    const hash = (await node.call('getbestblockhash')) as string
    node.chain.reorganise(1, 2)
    expect(await node.call('getblockheader', hash)).toMatchObject({ confirmations: -1, height: 12 })
    expect(await node.call('getblock', hash)).not.toHaveProperty('nextblockhash')
    expect(await node.call('getblockcount')).toBe(13)
  })

  test('gettxout: there, in the mempool, spent', async () => {
    const node = await start(family)
    const coin = firstCoin(node.chain)
    const txid = reversedHex(coin.txid)
    expect(await node.call('gettxout', txid, 0)).toMatchObject({
      bestblock: reversedHex(node.chain.tip.hash),
      confirmations: 12,
      value: 50,
      coinbase: true,
      scriptPubKey: {
        hex: bytesToHex(coin.script),
        type: 'pubkeyhash',
        addresses: [await minerAddress(node)],
      },
    })
    const spending = spendWhole(node.chain, coin)
    await node.call('sendrawtransaction', bytesToHex(spending))
    expect(await node.call('gettxout', txid, 0)).toBeNull()
    expect(await node.call('gettxout', txid, 0, false)).toMatchObject({ value: 50 })
    const spendingTxid = reversedHex(parseFor(node.chain, spending).txid)
    expect(await node.call('gettxout', spendingTxid, 0)).toMatchObject({ confirmations: 0, coinbase: false })
    expect(await node.call('gettxout', spendingTxid, 0, false)).toBeNull()
    expect(await node.call('gettxout', 'ab'.repeat(32), 0)).toBeNull()
    await expect(node.failure('gettxout', 'xy', 0)).resolves.toMatchObject({ code: -8 })
  })

  test('getdifficulty, getpeerinfo, getconnectioncount', async () => {
    const node = await start(family)
    expect(await node.call('getdifficulty')).toBe(1)
    expect(await node.call('getpeerinfo')).toEqual([])
    if (family === 'zen') expect(await node.call('getconnectioncount')).toBe(0)
    else await expect(node.failure('getconnectioncount')).resolves.toMatchObject({ code: -32_601 })
  })

  test('too many or too few parameters get the usage; zebrad has no such words', async () => {
    const node = await start(family)
    const ofNode = family === 'zen' ? null : 'Invalid params'
    if (ofNode !== null) expect(await node.call('getblockcount', 1)).toBe(12)
    for (const [method, ...params] of [
      ['getblock'],
      ['getrawtransaction'],
      ['signmessage', 'a'],
      ['z_sendmany', 'a'],
    ] as const) {
      const failure = await node.failure(method, ...params)
      expect(failure.code).toBe(-1)
      const isWallets = method === 'signmessage' || method === 'z_sendmany'
      const expected =
        ofNode === null || isWallets ? expect.stringMatching(new RegExp(`^${method} `)) : ofNode
      expect(failure.message).toEqual(expected)
    }
  })
})

describe.for(families)('%s: addresses', (family) => {
  test('balance, outputs and txids follow payments and reorganisations', async () => {
    const node = await start(family)
    const address = payeeAddress(family)
    const query = { addresses: [address] }
    expect(await node.call('getaddressbalance', query)).toMatchObject({ balance: 0, received: 0 })
    const first = await node.call('sendmany', '', { [address]: 42 })
    node.chain.mine()
    const second = await node.call('sendmany', '', { [address]: '0.5' })
    node.chain.mine()
    expect(await node.call('getaddressbalance', query)).toMatchObject({
      balance: 4_250_000_000,
      received: 4_250_000_000,
    })
    expect(await node.call('getaddresstxids', query)).toEqual([first, second])
    expect(await node.call('getaddresstxids', { ...query, start: 14, end: 99 })).toEqual([second])
    expect(await node.call('getaddresstxids', { ...query, start: 1, end: 13 })).toEqual([first])
    const utxos = (await node.call('getaddressutxos', query)) as {
      txid: string
      satoshis: number
      height: number
    }[]
    expect(utxos.map(({ txid, satoshis, height }) => [txid, satoshis, height])).toEqual([
      [first, 4_200_000_000, 13],
      [second, 50_000_000, 14],
    ])
    expect(await node.call('getaddressutxos', { ...query, chainInfo: true })).toEqual({
      utxos,
      hash: reversedHex(node.chain.tip.hash),
      height: 14,
    })
    node.chain.reorganise(2, 3)
    expect(await node.call('getaddressbalance', query)).toMatchObject({ balance: 0, received: 0 })
    expect(await node.call('getaddresstxids', query)).toEqual([])
  })

  test('spent coins leave the balance, not what was received; several addresses add up once', async () => {
    const node = await start(family)
    const [miner, other] = [await minerAddress(node), await newAddress(node)]
    await node.call('sendmany', '', { [other]: 10 })
    node.chain.mine()
    const both = await node.call('getaddressbalance', { addresses: [miner, other, other] })
    // ZIP 317's least fee, and zend's usual one.
    const fee = 10_000
    // 13 coinbases of 50 with the fee, one of which was spent; 10 coins; the change is at a third address.
    expect(both).toMatchObject({ balance: 61_000_000_000 + fee, received: 66_000_000_000 + fee })
    expect(await node.call('getaddresstxids', { addresses: [miner] })).toHaveLength(14)
  })

  test.for([
    [{ addresses: ['nonsense'] }, -5],
    [{ addresses: [5] }, -5],
    [{ addresses: 'text' }, -1],
  ] as const)('a wrong query: %j', async ([query, code]) => {
    const node = await start(family)
    await expect(node.failure('getaddressbalance', query)).resolves.toMatchObject({ code })
  })

  test('no query at all', async () => {
    const node = await start(family)
    await expect(node.failure('getaddressbalance', {})).resolves.toMatchObject({
      code: family === 'zen' ? -5 : -1,
    })
  })

  test('validateaddress', async () => {
    const node = await start(family)
    expect(await node.call('validateaddress', 'nonsense')).toEqual({ isvalid: false })
    const main = encodeAddress(`${family}-main`, { kind: 'p2pkh', hash160: someHash160(1) })
    expect(await node.call('validateaddress', main)).toEqual({ isvalid: false })
    const script = encodeAddress(chainName(family), { kind: 'p2sh', hash160: someHash160(1) })
    expect(await node.call('validateaddress', script)).toMatchObject({ isvalid: true, isscript: true })
    expect(await node.call('z_validateaddress', shieldedAddress(family))).toMatchObject({ isvalid: true })
    expect(await node.call('z_validateaddress', 'nonsense')).toEqual({ isvalid: false })
  })
})

describe.for(families)('%s: mining', (family) => {
  test('generate, invalidateblock, reconsiderblock, submitblock', async () => {
    const node = await start(family)
    const hashes = (await node.call('generate', 3)) as string[]
    expect(hashes).toHaveLength(3)
    expect(await node.call('getbestblockhash')).toBe(hashes[2])
    expect(await node.call('invalidateblock', hashes[1])).toBeNull()
    expect(await node.call('getbestblockhash')).toBe(hashes[0])
    expect(await node.call('reconsiderblock', hashes[2])).toBeNull()
    expect(await node.call('getbestblockhash')).toBe(hashes[2])

    const twin = await start(family)
    for (const height of [13, 14, 15]) {
      expect(await twin.call('submitblock', await node.call('getblock', String(height), 0))).toBeNull()
    }
    expect(await twin.call('getbestblockhash')).toBe(hashes[2])
    expect(await twin.call('submitblock', await node.call('getblock', '15', 0))).toBe('duplicate')
    if (family === 'zen')
      await expect(twin.failure('submitblock', '00')).resolves.toMatchObject({ code: -22 })
    else expect(await twin.call('submitblock', '00')).toBe('rejected')
    await expect(node.failure('invalidateblock', 'ab'.repeat(32))).resolves.toMatchObject({
      code: family === 'zen' ? -5 : -1,
    })
    await expect(node.failure('invalidateblock', await node.call('getblockhash', 0))).resolves.toMatchObject({
      code: -8,
    })
    await expect(node.failure('generate', -1)).resolves.toMatchObject({ code: -8 })
    await expect(node.failure('generate', '1')).resolves.toMatchObject({ code: -1 })
  })
})
