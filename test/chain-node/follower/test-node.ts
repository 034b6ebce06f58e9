import { equalBytes } from '../../../protocol/index.ts'
import { hashText } from '../../../src/chain-node/rpc/values.ts'
import { refusal, reply, result, type RpcRequest, startServer } from '../rpc/loopback-server.ts'
import type { TestChain } from './test-chain.ts'

export interface TestNode extends AsyncDisposable {
  url: string
  /** Requests so far, by method. */
  counts: Map<string, number>
  /**
   * Set to change answers: it is given the honest one and gives what is sent; undefined stands for the error that
   * real nodes answer to an unknown height or hash.
   */
  twist: (request: RpcRequest, honest: unknown) => unknown
}

/** A JSON-RPC server over the chain, with the three methods that a follower needs. */
export const startTestNode = async (chain: Pick<TestChain, 'best' | 'tip'>): Promise<TestNode> => {
  const counts = new Map<string, number>()
  const honest = ({ method, params }: RpcRequest): unknown => {
    const [first] = params
    switch (method) {
      case 'getblockcount':
        return chain.tip.height
      case 'getblockhash': {
        const found = chain.best[first as number]
        return found && hashText(found.block.header.hash)
      }
      case 'getblock': {
        const text = first as string
        const found =
          text.length === 64
            ? chain.best.find(({ block }) =>
                equalBytes(block.header.hash, new Uint8Array(Buffer.from(text, 'hex').reverse())),
              )
            : chain.best[Number(text)]
        return found && Buffer.from(found.bytes).toString('hex')
      }
      default:
        throw new Error(`the test node has no ${method}`)
    }
  }
  const answer = async (request: RpcRequest): Promise<unknown> => {
    counts.set(request.method, (counts.get(request.method) ?? 0) + 1)
    const value = await node.twist(request, honest(request))
    return value === undefined ? refusal(request, -8, 'Block height out of range') : result(request, value)
  }
  const server = await startServer(async (body: RpcRequest | RpcRequest[], response) => {
    reply(response, 200, await (Array.isArray(body) ? Promise.all(body.map(answer)) : answer(body)))
  })
  const node: TestNode = {
    url: server.url,
    counts,
    twist: (_request, value) => value,
    [Symbol.asyncDispose]: async () => server.close(),
  }
  return node
}
