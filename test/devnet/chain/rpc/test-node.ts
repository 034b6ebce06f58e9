import type { ChainFamily } from '../../../../src/chain/formats/types.ts'
import type { EmbeddedChain, EmbeddedChainOptions } from '../../../../src/devnet/chain/chain.ts'
import { createRpcMethods, dialectOf } from '../../../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../../../src/devnet/chain/rpc-server.ts'
import { createFundedChain, testWorld } from '../test-chain.ts'

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
