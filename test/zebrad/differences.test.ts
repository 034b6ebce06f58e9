import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hash160, type OutputTemplate } from '../../protocol/index.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { createEmbeddedChain, type EmbeddedChain } from '../../src/devnet/chain/chain.ts'
import { p2pkhScript } from '../../src/chain/formats/script.ts'
import { createRpcMethods } from '../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../src/devnet/chain/rpc-server.ts'
import { realWorld } from '../../src/world.ts'
import { differences } from '../devnet/chain/rpc/answer-shape.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf } from './networks.ts'
import { type KeyCoin, matureCoins, spend } from './treasury.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

/**
 * The same questions to zebrad and to the embedded chain, which stands for it in all other tests: the same errors to
 * the letter, and answers with the same names, types and formats.
 */

const top = 120
const key = keyOf('miner')
const own: OutputTemplate = { kind: 'p2pkh', hash160: hash160(key.publicKey) }
const branchId = 0x37a5165b

let zebrad: Zebrad
let chain: EmbeddedChain
let server: RpcServer
beforeAll(async () => {
  zebrad = await startZebrad({ miner: { address: addressOf(key) } })
  await mine(zebrad.rpc, top)
  chain = createEmbeddedChain({
    family: 'zcash',
    startTime: 1_296_688_602,
    minerReward: 625_000_000n,
    minerScript: p2pkhScript(own.hash160),
    walletSeed: new Uint8Array(32).fill(7),
  })
  chain.mine(top)
  server = createRpcServer({
    methods: createRpcMethods(chain),
    dialect: 'zebrad',
    auth: { kind: 'none' },
    world: realWorld(),
  })
  await server.start()
})
afterAll(async () => {
  await server?.stop()
  await zebrad?.[Symbol.asyncDispose]()
})

interface Answer {
  status: number
  json: { result?: unknown; error?: { code: number; message: string; data?: string } }
}

const post = async (url: string, body: string): Promise<Answer> => {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
  })
  return { status: response.status, json: (await response.json()) as Answer['json'] }
}

const both = async (body: string): Promise<{ real: Answer; ours: Answer }> => ({
  real: await post(zebrad.url, body),
  ours: await post(server.url, body),
})

const callText = (method: string, params: readonly unknown[]): string =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })

const walletMethod =
  /^(z_(list|get)operation\w+|z_sendmany|send\w+|(create|decode|sign)rawtransaction|\w*(key|message|unspent|balance|account|newaddress))$/

/** `data` is where zebrad's parser stumbled; nobody should build on that. */
const withoutData = (error: Answer['json']['error']) =>
  error === undefined ? undefined : { code: error.code, message: error.message }

const nowhere = '00'.repeat(32)
const address = addressOf(key)

describe('requests and envelopes', () => {
  test.each([
    '{"id":1,"method":"getblockcount","params":[]}',
    '{"jsonrpc":"1.0","id":1,"method":"getblockcount","params":[]}',
    '{"jsonrpc":"2.0","id":1,"method":"nosuch","params":[]}',
    '{"id":1,"method":"nosuch","params":[]}',
    '{"jsonrpc":"2.0","id":1,"method":"getblockcount"}',
    '{"jsonrpc":"2.0","id":1,"method":"getblockcount","params":[1,2]}',
    '{"jsonrpc":"2.0","id":null,"method":"getblockcount","params":[]}',
    '{"jsonrpc":"2.0","id":1,"params":[]}',
    'no JSON',
    '7',
    '[]',
    '[{"jsonrpc":"2.0","id":1,"method":"getblockcount","params":[]},{"jsonrpc":"2.0","id":2,"method":"getblockhash","params":[999]}]',
    '[{"id":1,"method":"getblockcount","params":[]}]',
  ])('%s', async (body) => {
    const { real, ours } = await both(body)
    expect(ours).toEqual(real)
  })
})

describe('errors, to the letter', () => {
  test.each<[string, ...unknown[]]>([
    ['getblockhash', top + 1],
    ['getblockhash', -top - 5],
    ['getblockhash'],
    ['getblockhash', '0'],
    ['getblock', String(top + 1), 0],
    ['getblock', String(top + 1), 1],
    ['getblock', nowhere, 0],
    ['getblock', nowhere, 1],
    ['getblock', 'x', 0],
    ['getblock', 5, 0],
    ['getblock', '5', 7],
    ['getblock', '5', true],
    ['getblockheader', nowhere, true],
    ['getblockheader', nowhere, false],
    ['getblockheader', String(top + 1), true],
    ['getblockheader', 'x', true],
    ['getblockheader', '5', 1],
    ['getrawtransaction', nowhere, 0],
    ['getrawtransaction', nowhere, 1],
    ['getrawtransaction', '00', 0],
    ['getrawtransaction', 'zz'.repeat(32), 0],
    ['gettxout', '00', 0],
    ['gettxout', nowhere, -1],
    ['gettxout', nowhere],
    ['sendrawtransaction', 'zz'],
    ['sendrawtransaction', ''],
    ['sendrawtransaction', '0011'],
    ['sendrawtransaction'],
    ['getaddressutxos', { addresses: ['nonsense'] }],
    ['getaddressutxos'],
    ['getaddressbalance', { addresses: ['nonsense'] }],
    ['getaddressbalance', {}],
    ['getaddresstxids', { addresses: ['nonsense'] }],
    ['getaddresstxids', { addresses: [address], start: 5, end: 3 }],
    ['getaddressdeltas', { addresses: [address] }],
    ['getconnectioncount'],
    ['generate', 'x'],
    ['submitblock', 'zz'],
    ['invalidateblock', nowhere],
    ['invalidateblock', 'zz'],
    ['reconsiderblock', nowhere],
    ['reconsiderblock', 'zz'],
  ])('%s %j %j', async (method, ...params) => {
    const { real, ours } = await both(callText(method, params))
    expect(real.json.error).toBeDefined()
    expect(withoutData(ours.json.error)).toEqual(withoutData(real.json.error))
  })

  test('the embedded chain has methods of zcashd’s wallet beside, which zebrad lacks', async () => {
    const methods = Object.keys(createRpcMethods(chain))
    const known: string[] = []
    for (const method of methods) {
      // Without parameters nothing is done, but a method that is there says something else.
      if (method === 'generate') continue
      const { json } = await post(zebrad.url, callText(method, []))
      if (json.error?.code !== -32_601) known.push(method)
    }
    const beside = methods.filter((method) => !known.includes(method) && method !== 'generate')
    expect(beside.filter((method) => !walletMethod.test(method))).toEqual([])
    expect(beside).toEqual(expect.arrayContaining(['sendmany', 'signmessage', 'z_sendmany']))
  })
})

describe('answers: names, types and formats', () => {
  test.each<[string, ...unknown[]]>([
    ['getblockchaininfo'],
    ['getinfo'],
    ['getnetworkinfo'],
    ['getpeerinfo'],
    ['getmempoolinfo'],
    ['getrawmempool'],
    ['getrawmempool', true],
    ['getblockcount'],
    ['getbestblockhash'],
    ['getdifficulty'],
    ['getblockhash', 3],
    ['getblockhash', -1],
    ['getblock', '5', 0],
    ['getblock', '5', 1],
    ['getblock', '5', 2],
    ['getblock', String(top), 1],
    ['getblockheader', '5', true],
    ['getblockheader', '5', false],
    ['getblockheader', '5'],
    ['gettxout', nowhere, 0],
    ['getaddressbalance', { addresses: [address] }],
    ['getaddressutxos', { addresses: [address] }],
    ['getaddressutxos', { addresses: [] }],
    ['getaddresstxids', { addresses: [address] }],
    ['getaddresstxids', { addresses: [address], start: 1, end: 3 }],
    ['getaddresstxids', { addresses: [address], start: 1, end: 5_000 }],
    ['validateaddress', address],
    ['validateaddress', 'nonsense'],
    ['z_validateaddress', address],
    ['submitblock', '00'],
    ['generate', 0],
  ])('%s %j %j', async (method, ...params) => {
    const { real, ours } = await both(callText(method, params))
    expect(real.json.error).toBeUndefined()
    expect(ours.json.error).toBeUndefined()
    expect(differences(ours.json.result, real.json.result)).toEqual([])
  })

  test.each([0, 1])('getrawtransaction and gettxout of a coinbase, verbosity %i', async (verbosity) => {
    const coinbaseOf = async (url: string): Promise<string> => {
      const { json } = await post(url, callText('getblock', ['5', 1]))
      return (json.result as { tx: string[] }).tx[0]!
    }
    const [real, ours] = await Promise.all(
      [zebrad.url, server.url].map(async (url) => {
        const txid = await coinbaseOf(url)
        return Promise.all([
          post(url, callText('getrawtransaction', [txid, verbosity])),
          post(url, callText('gettxout', [txid, 0])),
          post(url, callText('gettxout', [txid, 9])),
        ])
      }),
    )
    for (const [i, answer] of ours!.entries()) {
      expect(differences(answer.json.result, real![i]!.json.result)).toEqual([])
    }
  })
})

describe('refusals of sendrawtransaction', () => {
  const mature = async (): Promise<{ real: KeyCoin[]; ours: KeyCoin[] }> => ({
    real: await matureCoins(zebrad.rpc, key),
    ours: Array.from({ length: 20 }, (_, i) => {
      const { transactions } = chain.tree.parse(chain.tree.at(i + 1)!)
      return { txid: transactions[0]!.txid, index: 0, value: transactions[0]!.outputs[0]!.value }
    }),
  })
  let coins: { real: KeyCoin[]; ours: KeyCoin[] }
  beforeAll(async () => {
    coins = await mature()
  })

  const pay = (coin: KeyCoin, changes: { fee?: bigint; branchId?: number } = {}): Transaction =>
    spend({
      key,
      coins: [coin],
      outputs: [{ value: coin.value - (changes.fee ?? 10_000n), to: own }],
      branchId: changes.branchId ?? branchId,
    })

  const sendBoth = async (
    make: (coins: KeyCoin[]) => Transaction,
  ): Promise<{ real: Answer['json']; ours: Answer['json'] }> => {
    const [real, ours] = await Promise.all(
      (
        [
          [zebrad.url, coins.real],
          [server.url, coins.ours],
        ] as const
      ).map(async ([url, own]) =>
        post(url, callText('sendrawtransaction', [Buffer.from(make(own).bytes).toString('hex')])),
      ),
    )
    return { real: real!.json, ours: ours!.json }
  }

  test.each<[string, (coins: KeyCoin[]) => Transaction]>([
    ['a wrong branch id', ([coin]) => pay(coin!, { branchId: 0x5437f330 })],
    ['no such branch id', ([coin]) => pay(coin!, { branchId: 0x12345678 })],
    ['no fee', ([coin]) => pay(coin!, { fee: 0n })],
    ['a fee for one action of two', ([coin]) => pay(coin!, { fee: 1_999n })],
    ['more out than in', ([coin]) => pay(coin!, { fee: -1n })],
    ['a signature over another amount', ([coin]) => pay({ ...coin!, value: coin!.value - 1n })],
    ['a coin that is none', ([coin]) => pay({ ...coin!, txid: new Uint8Array(32).fill(7) })],
  ])('%s', async (_name, make) => {
    const { real, ours } = await sendBoth(make)
    expect(real.error).toBeDefined()
    expect(ours.error).toEqual(real.error)
  })

  test('the same transaction twice, a second spend of a coin, and both again when the first is mined', async () => {
    const first = await sendBoth(([, coin]) => pay(coin!))
    expect([first.real.error, first.ours.error]).toEqual([undefined, undefined])
    const again = await sendBoth(([, coin]) => pay(coin!))
    expect(again.ours.error).toEqual(again.real.error)
    const second = await sendBoth(([, coin]) => pay(coin!, { fee: 20_000n }))
    expect(second.ours.error).toEqual(second.real.error)
    await mine(zebrad.rpc, 3)
    chain.mine(3)
    const mined = await sendBoth(([, coin]) => pay(coin!))
    expect(mined.ours.error).toEqual(mined.real.error)
    const spent = await sendBoth(([, coin]) => pay(coin!, { fee: 30_000n }))
    expect(spent.ours.error).toEqual(spent.real.error)
  })

  test('a coinbase that is too young: zebrad’s words, with this chain’s numbers', async () => {
    const young = async (url: string, height: number): Promise<KeyCoin> => {
      const { json } = await post(url, callText('getblock', [String(height), 2]))
      const { tx } = json.result as { tx: { txid: string; vout: { valueZat: number }[] }[] }
      return {
        txid: new Uint8Array(Buffer.from(tx[0]!.txid, 'hex').reverse()),
        index: 0,
        value: BigInt(tx[0]!.vout[0]!.valueZat),
      }
    }
    const height = chain.tip.height
    const [real, ours] = [await young(zebrad.url, height), await young(server.url, height)]
    const answers = [
      await post(zebrad.url, callText('sendrawtransaction', [Buffer.from(pay(real).bytes).toString('hex')])),
      await post(server.url, callText('sendrawtransaction', [Buffer.from(pay(ours).bytes).toString('hex')])),
    ]
    for (const { json } of answers) {
      expect(json.error).toEqual({
        code: -25,
        message: expect.stringContaining(
          'could not contextually validate transaction on best chain: immature transparent coinbase spend: ',
        ),
      })
    }
  })

  test.each<[string, bigint, readonly { value: bigint; to: OutputTemplate }[]]>([
    ['dust', 10_000n, [{ value: 10n, to: own }]],
    [
      'two outputs of data',
      20_000n,
      [1, 2].map((fill) => ({ value: 0n, to: { kind: 'nulldata', data: new Uint8Array(8).fill(fill) } })),
    ],
    ['a fee of a coin, which zebrad takes', 100_000_000n, []],
  ])('%s', async (_name, fee, more) => {
    const { real, ours } = await sendBoth((all) => {
      const coin = all.at(-1)!
      const value = coin.value - fee - more.reduce((sum, each) => sum + each.value, 0n)
      return spend({ key, coins: [coin], outputs: [{ value, to: own }, ...more], branchId })
    })
    expect(withoutData(ours.error)).toEqual(withoutData(real.error))
  })
})
