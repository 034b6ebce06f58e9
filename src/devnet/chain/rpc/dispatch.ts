import { messageOf } from '../../../errors.ts'
import { fail, NodeRpcError, rpcCode } from './errors.ts'

/** One method: its usage line as `help` prints it, how many parameters it takes, and what it answers. */
export interface RpcMethod {
  usage: string
  minParams: number
  maxParams: number
  run(params: readonly unknown[]): unknown
}

export type RpcMethods = Readonly<Record<string, RpcMethod>>

export type RpcAnswer = { result: unknown } | { error: { code: number; message: string } }

/** Runs one call. What a method throws besides `NodeRpcError` is error -1, as a std::exception is in the daemons. */
export const dispatch = (methods: RpcMethods, name: string, params: unknown): RpcAnswer => {
  try {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) return fail('methodNotFound', 'Method not found')
    const list = params === undefined || params === null ? [] : params
    if (!Array.isArray(list)) return fail('invalidRequest', 'Params must be an array')
    if (list.length < method.minParams || list.length > method.maxParams) return fail('misc', method.usage)
    return { result: method.run(list as unknown[]) ?? null }
  } catch (error) {
    if (error instanceof NodeRpcError) return { error: { code: error.code, message: error.message } }
    return { error: { code: rpcCode.misc, message: messageOf(error) } }
  }
}
