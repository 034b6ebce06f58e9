import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestNode, startPaidNode } from './test-node.ts'

/** zend's answers: names in the order in which zend 5 pushes them (rpc/blockchain.cpp, rawtransaction.cpp, misc.cpp). */

let node: TestNode
let miner = ''
let txid = ''
beforeAll(async () => {
  ;({ node, miner, txid } = await startPaidNode('zen', 3))
})
afterAll(async () => node[Symbol.asyncDispose]())

const keysOf = (value: unknown): string[] => Object.keys(value as object)
const at = (value: unknown, ...path: (string | number)[]): unknown =>
  path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown>)[step], value)

describe('zend: names of the answers', () => {
  test('getblockchaininfo', async () => {
    const info = await node.call('getblockchaininfo')
    expect(keysOf(info)).toEqual([
      'chain',
      'blocks',
      'headers',
      'bestblockhash',
      'difficulty',
      'verificationprogress',
      'chainwork',
      'pruned',
      'commitments',
      'valuePools',
      'softforks',
    ])
    expect(keysOf(at(info, 'valuePools', 0))).toEqual(['id', 'monitored', 'chainValue', 'chainValueZat'])
    expect(keysOf(at(info, 'softforks', 0))).toEqual(['id', 'version', 'enforce', 'reject'])
    expect(at(info, 'chainwork')).toMatch(/^[0-9a-f]{64}$/)
  })

  test('getblockheader', async () => {
    const header = await node.call('getblockheader', await node.call('getblockhash', 5))
    expect(keysOf(header).sort()).toEqual(
      [
        'hash',
        'confirmations',
        'height',
        'version',
        'merkleroot',
        'time',
        'nonce',
        'solution',
        'bits',
        'difficulty',
        'chainwork',
        'scTxsCommitment',
        'scCumTreeHash',
        'previousblockhash',
        'nextblockhash',
      ].sort(),
    )
  })

  test('getblock', async () => {
    const block = await node.call('getblock', '5')
    expect(keysOf(block)).toEqual([
      'hash',
      'confirmations',
      'size',
      'height',
      'version',
      'merkleroot',
      'scTxsCommitment',
      'tx',
      'time',
      'nonce',
      'solution',
      'bits',
      'difficulty',
      'chainwork',
      'anchor',
      'scCumTreeHash',
      'valuePools',
      'previousblockhash',
      'nextblockhash',
    ])
    expect(keysOf(at(block, 'valuePools', 0))).toEqual([
      'id',
      'monitored',
      'chainValue',
      'chainValueZat',
      'valueDelta',
      'valueDeltaZat',
    ])
    // With verbosity 2 the transactions say neither where they are nor their hex.
    const verbose = await node.call('getblock', '13', 2)
    expect(keysOf(at(verbose, 'tx', 1))).toEqual([
      'txid',
      'size',
      'version',
      'locktime',
      'vin',
      'vout',
      'vjoinsplit',
    ])
  })

  test('getrawtransaction', async () => {
    const transaction = await node.call('getrawtransaction', txid, 1)
    expect(keysOf(transaction)).toEqual([
      'hex',
      'txid',
      'size',
      'version',
      'locktime',
      'vin',
      'vout',
      'vjoinsplit',
      'blockhash',
      'height',
      'confirmations',
      'time',
      'blocktime',
    ])
    expect(keysOf(at(transaction, 'vin', 0))).toEqual(['txid', 'vout', 'scriptSig', 'sequence'])
    expect(keysOf(at(transaction, 'vout', 0))).toEqual(['value', 'valueZat', 'n', 'scriptPubKey'])
    expect(keysOf(at(transaction, 'vout', 0, 'scriptPubKey'))).toEqual([
      'asm',
      'hex',
      'reqSigs',
      'type',
      'addresses',
    ])
    expect(at(transaction, 'vout', 0, 'scriptPubKey', 'type')).toBe('pubkeyhashreplay')
    expect(at(transaction, 'vout', 0, 'scriptPubKey', 'asm')).toMatch(
      /^OP_DUP OP_HASH160 [0-9a-f]{40} OP_EQUALVERIFY OP_CHECKSIG [0-9a-f]{64} \d+ OP_CHECKBLOCKATHEIGHT$/,
    )
    expect(keysOf(at(transaction, 'vjoinsplit', 0))).toEqual([
      'vpub_old',
      'vpub_oldZat',
      'vpub_new',
      'vpub_newZat',
      'anchor',
      'nullifiers',
      'commitments',
      'onetimePubKey',
      'randomSeed',
      'macs',
      'proof',
      'ciphertexts',
    ])
    expect(at(transaction, 'version')).toBe(-3)
    const waiting = await node.call('sendmany', '', { [miner]: 1 })
    expect(await node.call('getrawtransaction', waiting, 1)).toMatchObject({ height: -1, confirmations: 0 })
  })

  test('amounts are printed with eight decimals', async () => {
    expect(await node.text('getrawtransaction', txid, 1)).toContain(
      '"vpub_old":0.00100000,"vpub_oldZat":100000',
    )
  })

  test('gettxout: null for an immature coinbase', async () => {
    const coinbase = async (height: number) => at(await node.call('getblock', String(height)), 'tx', 0)
    expect(await node.call('gettxout', await coinbase(node.chain.tip.height), 0)).toBeNull()
    const old = await node.call('gettxout', await coinbase(5), 0)
    expect(keysOf(old)).toEqual([
      'bestblock',
      'confirmations',
      'value',
      'scriptPubKey',
      'version',
      'certificate',
      'coinbase',
      'backwardtransfer',
    ])
    expect(old).toMatchObject({
      confirmations: node.chain.tip.height - 4,
      value: 50,
      coinbase: true,
      version: 1,
    })
  })

  test('addresses', async () => {
    expect(await node.call('getaddressbalance', { addresses: [miner] })).toEqual({
      balance: expect.any(Number) as number,
      received: expect.any(Number) as number,
      immature: 0,
    })
    expect(await node.call('getaddressbalance', miner)).toEqual(
      await node.call('getaddressbalance', { addresses: [miner] }),
    )
    const utxos = await node.call('getaddressutxos', { addresses: [miner] })
    expect(keysOf(at(utxos, 0))).toEqual([
      'address',
      'txid',
      'outputIndex',
      'script',
      'satoshis',
      'height',
      'mature',
      'maturityHeight',
      'blocksToMaturity',
      'backwardTransfer',
    ])
    const valid = (await node.call('validateaddress', miner)) as Record<string, unknown>
    expect(Object.keys(valid)).toEqual([
      'isvalid',
      'address',
      'scriptPubKey',
      'ismine',
      'iswatchonly',
      'isscript',
      'pubkey',
      'iscompressed',
      'account',
    ])
    expect(valid['scriptPubKey']).toMatch(/^76a914[0-9a-f]{40}88ac20[0-9a-f]{64}00b4$/)
  })

  test('the node', async () => {
    expect(keysOf(await node.call('getinfo'))).toEqual([
      'version',
      'protocolversion',
      'walletversion',
      'balance',
      'blocks',
      'timeoffset',
      'connections',
      'proxy',
      'difficulty',
      'testnet',
      'keypoololdest',
      'keypoolsize',
      'paytxfee',
      'relayfee',
      'errors',
    ])
    expect(await node.call('getnetworkinfo')).toMatchObject({
      subversion: '/zen:2.0.18/',
      tls_cert_verified: false,
    })
  })

  test('the wallet', async () => {
    expect(keysOf(at(await node.call('listunspent'), 0))).toEqual([
      'txid',
      'vout',
      'isCert',
      'generated',
      'address',
      'account',
      'scriptPubKey',
      'amount',
      'satoshis',
      'confirmations',
      'spendable',
    ])
    const [operation] = (await node.call('z_getoperationstatus')) as [unknown]
    expect(keysOf(operation).sort()).toEqual(
      ['id', 'status', 'creation_time', 'result', 'execution_secs', 'method', 'params'].sort(),
    )
    expect(keysOf(at(operation, 'params'))).toEqual(['fromaddress', 'amounts', 'minconf', 'fee'])
  })

  test('errors, to the letter', async () => {
    const failures = {
      'a height as a number': await node.failure('getblock', 5),
      'a height above the tip': await node.failure('getblock', '999'),
      'no height': await node.failure('getblock', '5x'),
      'an unknown hash': await node.failure('getblock', 'ab'.repeat(32)),
      'a height out of range': await node.failure('getblockhash', -1),
      'an unknown header': await node.failure('getblockheader', 'ab'.repeat(32)),
      'an unknown transaction': await node.failure('getrawtransaction', 'ab'.repeat(32)),
      'a bad address': await node.failure('getaddressbalance', { addresses: ['ztbad'] }),
      'a wrong type': await node.failure('sendrawtransaction', 5),
      'bytes that are no transaction': await node.failure('sendrawtransaction', '0102'),
      'no method': await node.failure('getblocktemplatex'),
    }
    expect(failures).toEqual({
      'a height as a number': { code: -1, message: 'JSON value is not a string as expected' },
      'a height above the tip': { code: -8, message: 'Block height out of range' },
      'no height': { code: -8, message: 'Invalid block height parameter' },
      'an unknown hash': { code: -5, message: 'Block not found' },
      'a height out of range': { code: -8, message: 'Block height out of range' },
      'an unknown header': { code: -5, message: 'Block not found' },
      'an unknown transaction': { code: -5, message: 'No information available about transaction' },
      'a bad address': { code: -5, message: 'Invalid address' },
      'a wrong type': { code: -3, message: 'Expected type string, got number' },
      'bytes that are no transaction': { code: -22, message: 'TX decode failed' },
      'no method': { code: -32601, message: 'Method not found' },
    })
  })
})
