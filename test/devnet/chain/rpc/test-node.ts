import { encodeAddress } from '../../../../src/chain/address.ts'
import type { ChainFamily } from '../../../../src/chain/formats/types.ts'
import {
  deriveSaplingKeys,
  deriveSproutKeys,
  encodeSaplingAddress,
  encodeSproutAddress,
} from '../../../../src/chain/notes/index.ts'
import type { EmbeddedChain, EmbeddedChainOptions } from '../../../../src/devnet/chain/chain.ts'
import { createRpcMethods, dialectOf } from '../../../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../../../src/devnet/chain/rpc-server.ts'
import { createFundedChain, someHash160, testWorld } from '../test-chain.ts'

export interface RpcFailure {
  code: number
  message: string
}

export interface TestNode extends AsyncDisposable {
  chain: EmbeddedChain
  server: RpcServer
  /** The result of a call over HTTP; throws the RPC error object. */
  call(method: string, ...params: unknown[]): Promise<unknown>
  /** The error of a call that must fail. */
  failure(method: string, ...params: unknown[]): Promise<RpcFailure>
  /** The raw text of an answer. */
  text(method: string, ...params: unknown[]): Promise<string>
}

/** A node of a chain with a few blocks and coins, behind a real HTTP server without authentication. */
export const startTestNode = async (
  family: ChainFamily,
  options: Partial<EmbeddedChainOptions> = {},
): Promise<TestNode> => {
  const chain = createFundedChain(family, options)
  const world = testWorld()
  const server = createRpcServer({
    methods: createRpcMethods(chain, { world }),
    dialect: dialectOf(family),
    auth: { kind: 'none' },
    world,
  })
  await server.start()
  const text = async (method: string, ...params: unknown[]): Promise<string> => {
    const response = await fetch(server.url, {
      method: 'POST',
      body: JSON.stringify({ id: 1, method, params }),
    })
    return response.text()
  }
  const ask = async (
    method: string,
    params: unknown[],
  ): Promise<{ result: unknown; error: RpcFailure | null }> =>
    JSON.parse(await text(method, ...params)) as { result: unknown; error: RpcFailure | null }
  return {
    chain,
    server,
    text,
    call: async (method, ...params) => {
      const { result, error } = await ask(method, params)
      if (error !== null) throw Object.assign(new Error(`${method}: ${error.message}`), error)
      return result
    },
    failure: async (method, ...params) => {
      const { result, error } = await ask(method, params)
      if (error === null) throw new Error(`${method} answered ${JSON.stringify(result)}`)
      return error
    },
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

/** The finished operation; asked for until it is there. */
export const untilFinished = async (node: TestNode, id: unknown): Promise<Record<string, unknown>> => {
  for (;;) {
    const [operation] = (await node.call('z_getoperationstatus', [id])) as Record<string, unknown>[]
    if (operation === undefined) throw new Error('the operation is unknown')
    if (operation['status'] !== 'queued' && operation['status'] !== 'executing') return operation
  }
}

/** Starts nodes that `stopAll` stops. */
export const createNodeStarter = () => {
  const open: TestNode[] = []
  return {
    start: async (...args: Parameters<typeof startTestNode>): Promise<TestNode> => {
      const node = await startTestNode(...args)
      open.push(node)
      return node
    },
    stopAll: async (): Promise<void> => {
      for (const node of open.splice(0)) await node[Symbol.asyncDispose]()
    },
  }
}

export const chainName = (family: ChainFamily) => `${family}-regtest` as const

/** An address whose key nobody has. */
export const payeeAddress = (family: ChainFamily, fill = 9): string =>
  encodeAddress(chainName(family), { kind: 'p2pkh', hash160: someHash160(fill) })

export const newAddress = async (node: TestNode): Promise<string> =>
  (await node.call('getnewaddress')) as string

/** The wallet's address that blocks pay to. */
export const minerAddress = async (node: TestNode): Promise<string> =>
  ((await node.call('getaddressesbyaccount', '')) as string[])[0]!

export const saplingKeys = deriveSaplingKeys(new Uint8Array(32).fill(3))
export const sproutKeys = deriveSproutKeys(new Uint8Array(32).fill(3))

/** Of the pool that the family's announcements go to. */
export const shieldedAddress = (family: ChainFamily): string =>
  family === 'zen'
    ? encodeSproutAddress(sproutKeys.address, 'regtest')
    : encodeSaplingAddress(saplingKeys.defaultAddress, 'regtest')

/** An element of `listunspent`. */
export interface Unspent {
  txid: string
  vout: number
  scriptPubKey: string
  amount: number
  address: string
}

/** A node whose miner has paid somebody 42 coins and a shielded address a little with a memo, mined so many blocks ago. */
export const startPaidNode = async (
  family: ChainFamily,
  blocks: number,
): Promise<{ node: TestNode; miner: string; txid: string }> => {
  const node = await startTestNode(family)
  const miner = await minerAddress(node)
  const operation = await node.call('z_sendmany', miner, [
    { address: await newAddress(node), amount: 42 },
    { address: shieldedAddress(family), amount: 0.001, memo: '61' },
  ])
  const { txid } = (await untilFinished(node, operation))['result'] as { txid: string }
  node.chain.mine(blocks)
  return { node, miner, txid }
}
