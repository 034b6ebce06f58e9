import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { reversedHex } from '../../../../protocol/index.ts'
import { readVectorJson, readVectorText } from '../../../vectors/read.ts'
import { differences, extras } from './answer-shape.ts'
import { type TestNode, startPaidNode } from './test-node.ts'

/**
 * The embedded chain's answers beside those that zebrad gave (test/vectors/zebra-rpc): the same names, JSON types and
 * formats. Values differ, as the chains do.
 */

/** A snapshot of insta: YAML between two lines of dashes, then JSON. */
const readSnapshot = (name: string): unknown => {
  const body = readVectorText(`zebra-rpc/${name}.snap`).split('\n---\n')[1]
  if (body === undefined) throw new Error(`${name} is no snapshot`)
  const value = JSON.parse(body) as unknown
  return typeof value === 'object' && value !== null && 'Ok' in value ? value.Ok : value
}

const readFailure = (name: string): { code: number; message: string } =>
  (readSnapshot(name) as { Err: { code: number; message: string } }).Err

let node: TestNode
let txid = ''
let miner = ''
beforeAll(async () => {
  ;({ node, miner, txid } = await startPaidNode('zcash', 10))
})
afterAll(async () => node[Symbol.asyncDispose]())

describe('zebrad: names, types and formats of recorded answers', () => {
  test('getblockheader', async () => {
    expect(
      differences(
        await node.call('getblockheader', '5', true),
        readSnapshot('get_block_header_height_verbose@mainnet_10'),
      ),
    ).toEqual([])
  })

  test('getblock with verbosity 1', async () => {
    expect(
      differences(
        await node.call('getblock', '5', 1),
        readSnapshot('get_block_verbose_height_verbosity_1@mainnet_10'),
      ),
      // That block is older than NU5.
    ).toEqual(['too many .finalorchardroot: hash'])
    // Of another node and a block with notes.
    expect(
      extras(await node.call('getblock', '13', 1), readVectorJson('zebra-rpc/getblock_response_1.json'), [
        '.size',
        ...['', '[]'].flatMap((suffix) =>
          ['chainSupply', 'valuePools'].flatMap((pool) =>
            ['id', 'monitored', 'chainValue', 'chainValueZat', 'valueDelta', 'valueDeltaZat'].map(
              (field) => `.${pool}${suffix}.${field}`,
            ),
          ),
        ),
        '.valuePools',
      ]),
    ).toEqual([])
  })

  test('getblock with verbosity 2', async () => {
    // That block's coinbase is of version 1; ours is of version 5, which has these beside.
    expect(
      extras(
        await node.call('getblock', '5', 2),
        readSnapshot('get_block_verbose_height_verbosity_2@mainnet_10'),
        ['.finalorchardroot', '.tx[].authdigest', '.tx[].versiongroupid', '.tx[].expiryheight'],
      ),
    ).toEqual([])
    expect(
      extras(await node.call('getblock', '13', 2), readVectorJson('zebra-rpc/getblock_response_2.json'), [
        '.tx[].in_active_chain',
        '.tx[].height',
        '.tx[].confirmations',
        '.tx[].time',
        '.tx[].blockhash',
        '.tx[].blocktime',
        // That block spends no transparent coin.
        '.tx[].vin[].txid',
        '.tx[].vin[].vout',
        '.tx[].vin[].scriptSig.asm',
        '.tx[].vin[].scriptSig.hex',
      ]),
    ).toEqual([])
  })

  test('getrawtransaction', async () => {
    const coinbase = reversedHex(node.chain.tree.at(5)!.txids[0]!)
    const recorded = readSnapshot('getrawtransaction_verbosity=1@mainnet_10')
    expect(
      extras(await node.call('getrawtransaction', coinbase, 1), recorded, [
        '.authdigest',
        '.versiongroupid',
        '.expiryheight',
      ]),
    ).toEqual([])
    expect(
      extras(
        await node.call('getrawtransaction', txid, 1),
        readVectorJson('zebra-rpc/getrawtransaction_response_true.json'),
        [
          '.in_active_chain',
          '.vin[].txid',
          '.vin[].vout',
          '.vin[].sequence',
          '.vin[].scriptSig.asm',
          '.vin[].scriptSig.hex',
          '.vShieldedSpend',
        ],
      ),
    ).toEqual([])
    expect(
      differences(
        await node.call('getrawtransaction', txid, 0),
        readSnapshot('getrawtransaction_verbosity=0@mainnet_10'),
      ),
    ).toEqual([])
  })

  test('getblockchaininfo', async () => {
    const ours = await node.call('getblockchaininfo')
    expect(
      extras(ours, readSnapshot('get_blockchain_info@mainnet_10'), [
        '.verificationprogress',
        '.estimatedheight',
      ]),
    ).toEqual([])
    // All that clients read of it.
    expect(ours).toMatchObject({
      // As zebrad names it.
      chain: 'test',
      blocks: 22,
      headers: 22,
      bestblockhash: reversedHex(node.chain.tip.hash),
      upgrades: { '37a5165b': { name: 'NU6.3', activationheight: 1, status: 'active' } },
      consensus: { chaintip: '37a5165b', nextblock: '37a5165b' },
    })
  })

  test.for([
    ['getinfo', [], 'get_info@mainnet_10'],
    ['getnetworkinfo', [], 'get_network_info@mainnet_10'],
    ['getmempoolinfo', [], 'get_mempool_info'],
    ['getrawmempool', [], 'get_raw_mempool@mainnet_10'],
    ['getblockcount', [], 'get_block_count@mainnet_10'],
    ['getbestblockhash', [], 'get_best_block_hash@mainnet_10'],
    ['getblockhash', [3], 'get_block_hash_valid@mainnet_10'],
  ] as const)('%s', async ([method, params, snapshot]) => {
    expect(differences(await node.call(method, ...params), readSnapshot(snapshot))).toEqual([])
  })

  test.for([
    ['getaddressbalance', 'get_address_balance@mainnet_10'],
    ['getaddressutxos', 'get_address_utxos@mainnet_10'],
    ['getaddresstxids', 'get_address_tx_ids_valid_multi_block@mainnet_10'],
  ] as const)('%s', async ([method, snapshot]) => {
    expect(differences(await node.call(method, { addresses: [miner] }), readSnapshot(snapshot))).toEqual([])
  })

  test('validateaddress and z_validateaddress', async () => {
    expect(
      differences(
        await node.call('validateaddress', miner),
        readSnapshot('validate_address_basic@mainnet_10'),
      ),
    ).toEqual([])
    expect(
      differences(
        await node.call('z_validateaddress', miner),
        readSnapshot('z_validate_address_basic@mainnet_10'),
      ),
    ).toEqual([])
  })

  test('errors, to the letter', async () => {
    await expect(node.failure('getblock', '999', 0)).resolves.toEqual(
      readFailure('get_block_invalid_excessive_height_verbosity_0@mainnet_10'),
    )
    await expect(node.failure('getrawtransaction', 'aBadC0de')).resolves.toEqual(
      readFailure('getrawtransaction_invalid_txid@mainnet_10'),
    )
    await expect(node.failure('getrawtransaction', '00'.repeat(32))).resolves.toEqual(
      readFailure('getrawtransaction_unknown_txid@mainnet_10'),
    )
  })
})
