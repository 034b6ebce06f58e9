import { messageOf } from '../../../errors.ts'
import type { RpcDialect } from './dialect.ts'
import { fail, NodeRpcError, rpcCode, WrongParam } from './errors.ts'

/** One method: its usage line as `help` prints it, how many parameters it takes, and what it answers. */
export interface RpcMethod {
  usage: string
  minParams: number
  maxParams: number
  /** zebrad has no such method: wrong parameters are refused in zcashd's words. */
  isZcashds?: true
  run(params: readonly unknown[]): unknown
}

export type RpcMethods = Readonly<Record<string, RpcMethod>>

export type RpcAnswer = { result: unknown } | { error: { code: number; message: string } }

/**
 * Runs one call. What a method throws besides `NodeRpcError` is error -1, as a std::exception is in the daemons.
 * zebrad passes over parameters that are too many, and has one text for those that are missing or of a wrong type.
 */
export const dispatch = (
  methods: RpcMethods,
  name: string,
  params: unknown,
  dialect: RpcDialect,
): RpcAnswer => {
  try {
    const method = Object.hasOwn(methods, name) ? methods[name] : undefined
    if (method === undefined) return fail('methodNotFound', 'Method not found')
    const list = params === undefined || params === null ? [] : params
    if (!Array.isArray(list)) return fail('invalidRequest', 'Params must be an array')
    if (isZebrads(method, dialect)) {
      if (list.length < method.minParams) return fail('misc', invalidParams)
      return { result: method.run(list.slice(0, method.maxParams) as unknown[]) ?? null }
    }
    if (list.length < method.minParams || list.length > method.maxParams) return fail('misc', method.usage)
    return { result: method.run(list as unknown[]) ?? null }
  } catch (error) {
    if (error instanceof WrongParam && isZebrads(methods[name], dialect)) {
      return { error: { code: rpcCode.misc, message: invalidParams } }
    }
    if (error instanceof NodeRpcError) return { error: { code: error.code, message: error.message } }
    return { error: { code: rpcCode.misc, message: messageOf(error) } }
  }
}

const invalidParams = 'Invalid params'

const isZebrads = (method: RpcMethod | undefined, dialect: RpcDialect): boolean =>
  dialect === 'zebrad' && method?.isZcashds !== true

/** Of a wallet, which zebrad has not. */
export const zcashds = (methods: RpcMethods): RpcMethods =>
  Object.fromEntries(Object.entries(methods).map(([name, method]) => [name, { ...method, isZcashds: true }]))
