import { afterEach, describe, expect, test } from 'vitest'
import { createRpcClient, type RpcClient } from '../../../src/chain-node/rpc/client.ts'
import { isRpcError } from '../../../src/chain-node/rpc/errors.ts'
import {
  getAddressBalance,
  getAddressUtxos,
  getBestBlockHash,
  getBlockchainInfo,
  getBlockCount,
  getBlockHash,
  getBlockHashes,
  getBlockHeader,
  getNetworkInfo,
  getRawBlock,
  getRawTransaction,
  getTransactionPlace,
  getTxOut,
  generate,
  invalidateBlock,
  sendMany,
  sendRawTransaction,
  signMessage,
  submitBlock,
  validateAddress,
  zGetOperationResult,
  zGetOperationStatus,
  zSendMany,
} from '../../../src/chain-node/rpc/methods.ts'
import { coins, hashText } from '../../../src/chain-node/rpc/values.ts'
import { realWorld } from '../../../src/world.ts'
import { readVectorJson, readVectorText } from '../../vectors/read.ts'
import { refusal, reply, result, type RpcRequest, startServer } from './loopback-server.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing[Symbol.asyncDispose]()
})

interface Node {
  rpc: RpcClient
  requests: { method: string; params: unknown[] }[]
}

const nodeThat = async (answer: (request: RpcRequest) => unknown): Promise<Node> => {
  const requests: Node['requests'] = []
  const server = await startServer((body: RpcRequest | RpcRequest[], response) => {
    const one = (request: RpcRequest): unknown => {
      requests.push({ method: request.method, params: request.params })
      return answer(request)
    }
    reply(response, 200, Array.isArray(body) ? body.map(one) : one(body))
  })
  const rpc = createRpcClient({ url: server.url, world: realWorld(), backoff: { firstMs: 1, maxMs: 1 } })
  open.push(rpc, server)
  return { rpc, requests }
}

const nodeAnswering = async (value: unknown): Promise<Node> => nodeThat((request) => result(request, value))
const nodeRefusing = async (code: number, message: string): Promise<Node> =>
  nodeThat((request) => refusal(request, code, message))

/** The JSON of a recorded answer of zebrad: an insta snapshot has a YAML head, and `Ok` around some values. */
const snapshot = (name: string): unknown => {
  const text = readVectorText(`zebra-rpc/${name}.snap`).split('---\n').slice(2).join('---\n')
  const value = JSON.parse(text) as { Ok?: unknown } | null
  return value !== null && typeof value === 'object' && 'Ok' in value ? value.Ok : value
}

const tipText = '00074c46a4aa8172df8ae2ad1848a2e084e1b6989b7d9e6132adc938bf835b36'
const txidText = '851bf6fbf7a976327817c738c489d7fa657752445430922d94c983c0b9ed4609'
const txid = new Uint8Array(Buffer.from(txidText, 'hex').reverse())

describe('recorded answers of a real node are understood', () => {
  test('getblockchaininfo, getnetworkinfo, getblockcount', async () => {
    const info = await getBlockchainInfo(
      (await nodeAnswering(readVectorJson('zebra-rpc/getblockchaininfo_response.json'))).rpc,
    )
    expect(info).toMatchObject({ chain: 'main', blocks: 2_932_117 })
    expect(info.consensus?.nextblock).toBe('c8e71055')
    expect(info.upgrades?.['c2d6d0b4']).toMatchObject({ name: 'NU5', activationheight: 1_687_104 })
    const network = await getNetworkInfo((await nodeAnswering(snapshot('get_network_info@mainnet_10'))).rpc)
    expect(network.subversion).toBe('RPC test')
    expect(await getBlockCount((await nodeAnswering(snapshot('get_block_count@mainnet_10'))).rpc)).toBe(
      1_687_104,
    )
  })

  test('hashes come in internal byte order', async () => {
    const best = await nodeAnswering(snapshot('get_best_block_hash@mainnet_10'))
    const hash = await getBestBlockHash(best.rpc)
    expect(hashText(hash)).toBe(tipText)
    expect(hash[31]).toBe(0x00)
    expect(hash[0]).toBe(0x36)
    const byHeight = await nodeAnswering(snapshot('get_block_hash_valid@mainnet_10'))
    expect(await getBlockHash(byHeight.rpc, 10)).toEqual(hash)
    expect(await getBlockHashes(byHeight.rpc, 10, 3)).toEqual([hash, hash, hash])
    expect(byHeight.requests.map(({ params }) => params)).toEqual([[10], [10], [11], [12]])
  })

  test.each([
    ['zcashd and zend', -8, 'Block height out of range'],
    ['zebrad', -1, 'Provided index is greater than the current tip'],
  ])('getblockhash above the tip is null: %s', async (_name, code, message) => {
    expect(await getBlockHash((await nodeRefusing(code, message)).rpc, 10)).toBeNull()
    await expect(getBlockHash((await nodeRefusing(-1, 'Invalid params')).rpc, 10)).rejects.toThrow(
      'Invalid params',
    )
  })

  test('getblockheader', async () => {
    const node = await nodeAnswering(snapshot('get_block_header_height_verbose@mainnet_10'))
    const header = await getBlockHeader(node.rpc, txid)
    expect(header).toMatchObject({ height: 1, confirmations: 10, time: 1_477_671_596 })
    expect(hashText(header!.merkleroot)).toBe(txidText)
    expect(node.requests[0]?.params).toEqual([txidText, true])
  })

  test('getrawtransaction, raw and verbose, and unknown', async () => {
    const raw = await nodeAnswering(snapshot('getrawtransaction_verbosity=0@mainnet_10'))
    const bytes = await getRawTransaction(raw.rpc, txid)
    const verbose = await nodeAnswering(snapshot('getrawtransaction_verbosity=1@mainnet_10'))
    const place = await getTransactionPlace(verbose.rpc, txid)
    expect(place).toMatchObject({ height: 1, confirmations: 10, hex: bytes })
    const { Err } = snapshot('getrawtransaction_unknown_txid@mainnet_10') as {
      Err: { code: number; message: string }
    }
    expect(await getRawTransaction((await nodeRefusing(Err.code, Err.message)).rpc, txid)).toBeNull()
  })

  test('getaddressutxos and getaddressbalance, amounts as numbers or as strings', async () => {
    const utxos = await getAddressUtxos((await nodeAnswering(snapshot('get_address_utxos@mainnet_10'))).rpc, [
      't3V',
    ])
    expect(utxos).toHaveLength(10)
    expect(utxos[0]).toMatchObject({ outputIndex: 1, satoshis: 12_500n, height: 1 })
    const node = await nodeAnswering(snapshot('get_address_balance@mainnet_10'))
    expect(await getAddressBalance(node.rpc, ['t3V'])).toMatchObject({
      balance: 687_500n,
      received: 687_500n,
    })
    expect(node.requests[0]?.params).toEqual([{ addresses: ['t3V'] }])
    const asText = await nodeAnswering({ balance: '4200000000', received: '4200000000', immature: '0' })
    expect(await getAddressBalance(asText.rpc, ['t3V'])).toMatchObject({ balance: 4_200_000_000n })
  })

  test('validateaddress', async () => {
    const node = await nodeAnswering(snapshot('validate_address_basic@mainnet_10'))
    expect(await validateAddress(node.rpc, 't3f')).toMatchObject({ isvalid: true, isscript: true })
  })
})

describe('getblock', () => {
  test('asks with the height as a string and verbosity 0', async () => {
    const node = await nodeAnswering('00ff10')
    expect(await getRawBlock(node.rpc, 1_687_106)).toEqual(Uint8Array.of(0x00, 0xff, 0x10))
    expect(node.requests).toEqual([{ method: 'getblock', params: ['1687106', 0] }])
  })

  test('a height above the tip is null, another refusal is an error', async () => {
    expect(await getRawBlock((await nodeRefusing(-8, 'Block height out of range')).rpc, 9)).toBeNull()
    const other = getRawBlock((await nodeRefusing(-1, 'Block not available (pruned data)')).rpc, 9)
    await expect(other).rejects.toSatisfy((error) => isRpcError(error, 'RPC_REFUSED') && error.rpcCode === -1)
  })

  test.each(['xyz', '0', '00f', '00zz00', 7, { hex: '00' }])('%j is no raw block', async (answer) => {
    await expect(getRawBlock((await nodeAnswering(answer)).rpc, 9)).rejects.toSatisfy(
      (error) => isRpcError(error, 'RPC_WRONG_SHAPE') && error.message.includes('getblock'),
    )
  })
})

describe('amounts', () => {
  test('gettxout reads decimals exactly, up to all the money', async () => {
    const amounts: [number, bigint][] = [
      [0.00000001, 1n],
      [0.1 + 0.2 - 0.3 + 0.29, 29_000_000n],
      [42, 4_200_000_000n],
      [20_999_999.97690001, 2_099_999_997_690_001n],
      [21_000_000, 2_100_000_000_000_000n],
    ]
    for (const [value, expected] of amounts) {
      const output = {
        bestblock: tipText,
        confirmations: 1,
        value,
        scriptPubKey: { hex: '6a' },
        coinbase: false,
      }
      expect(await getTxOut((await nodeAnswering(output)).rpc, txid, 0)).toMatchObject({ value: expected })
    }
    expect(await getTxOut((await nodeAnswering(null)).rpc, txid, 0)).toBeNull()
    const tooMuch = {
      bestblock: tipText,
      confirmations: 1,
      value: 21_000_000.1,
      scriptPubKey: { hex: '6a' },
      coinbase: false,
    }
    await expect(getTxOut((await nodeAnswering(tooMuch)).rpc, txid, 0)).rejects.toSatisfy((error) =>
      isRpcError(error, 'RPC_WRONG_SHAPE'),
    )
  })

  test('amounts are written as plain decimals', () => {
    expect(JSON.stringify([0n, 1n, 4_200_000_000n, 2_099_999_997_690_001n].map(coins))).toBe(
      '[0.00000000,0.00000001,42.00000000,20999999.97690001]',
    )
  })

  test('every amount survives the way to a JSON number and back', async () => {
    const node = await nodeThat((request) =>
      result(request, Object.values((request.params[1] ?? {}) as object)[0]),
    )
    for (const amount of [0n, 1n, 99_999_999n, 100_000_000n, 2_099_999_997_690_001n]) {
      // The server echoes the number; reading it as a txid must fail, what it received is what counts.
      await expect(sendMany(node.rpc, { t1: amount }, 1)).rejects.toSatisfy((error) =>
        isRpcError(error, 'RPC_OUTCOME_UNKNOWN'),
      )
      const sent = Object.values(node.requests.at(-1)!.params[1] as Record<string, number>)[0]!
      expect(BigInt(Math.round(sent * 1e8))).toBe(amount)
    }
    await expect(sendMany(node.rpc, { t1: -1n }, 1)).rejects.toBeInstanceOf(RangeError)
  })
})

describe('the wallet', () => {
  test('z_sendmany leaves out what is not given, and writes amounts with 8 decimals', async () => {
    const node = await nodeAnswering('opid-1')
    const recipients = [{ address: 'zs1', amount: 1n, memo: new TextEncoder().encode('hi') }]
    expect(await zSendMany(node.rpc, { from: 't1', recipients })).toBe('opid-1')
    await zSendMany(node.rpc, { from: 't1', recipients, fee: 10_000n, last: false })
    await zSendMany(node.rpc, { from: 't1', recipients, fee: null, last: 'AllowRevealedSenders' })
    const sent = [{ address: 'zs1', amount: 0.00000001, memo: '6869' }]
    expect(node.requests.map(({ params }) => params)).toEqual([
      ['t1', sent, 1],
      ['t1', sent, 1, 0.0001, false],
      ['t1', sent, 1, null, 'AllowRevealedSenders'],
    ])
  })

  test('operations', async () => {
    const operations = [
      { id: 'opid-1', status: 'success', creation_time: 1, result: { txid: txidText }, execution_secs: 0.1 },
      {
        id: 'opid-2',
        status: 'failed',
        creation_time: 1,
        error: { code: -6, message: 'Insufficient funds' },
      },
    ]
    const node = await nodeAnswering(operations)
    const [first, second] = await zGetOperationStatus(node.rpc, ['opid-1', 'opid-2'])
    expect(first).toMatchObject({ status: 'success', result: { txid } })
    expect(second?.error).toMatchObject({ code: -6 })
    await zGetOperationResult(node.rpc)
    expect(node.requests.map(({ params }) => params)).toEqual([[['opid-1', 'opid-2']], []])
  })

  test('signmessage, generate, submitblock, invalidateblock', async () => {
    expect(await signMessage((await nodeAnswering('c2ln')).rpc, 't1', 'text')).toBe('c2ln')
    expect((await generate((await nodeAnswering([tipText])).rpc, 1)).map(hashText)).toEqual([tipText])
    expect(await submitBlock((await nodeAnswering(null)).rpc, Uint8Array.of(1))).toBeNull()
    expect(await submitBlock((await nodeAnswering('duplicate')).rpc, Uint8Array.of(1))).toBe('duplicate')
    const node = await nodeAnswering(null)
    await invalidateBlock(node.rpc, txid)
    expect(node.requests).toEqual([{ method: 'invalidateblock', params: [txidText] }])
  })

  test('sending a transaction again is no error', async () => {
    expect(await sendRawTransaction((await nodeAnswering(txidText)).rpc, Uint8Array.of(1), txid)).toEqual(
      txid,
    )
    const known: [number, string][] = [
      [-27, 'transaction already in block chain'],
      [-26, '18: txn-already-in-mempool'],
    ]
    for (const [code, message] of known) {
      expect(
        await sendRawTransaction((await nodeRefusing(code, message)).rpc, Uint8Array.of(1), txid),
      ).toEqual(txid)
    }
    await expect(
      sendRawTransaction((await nodeRefusing(-26, '16: bad-txns-inputs-spent')).rpc, Uint8Array.of(1), txid),
    ).rejects.toSatisfy((error) => isRpcError(error, 'RPC_REFUSED') && error.rpcCode === -26)
  })
})
