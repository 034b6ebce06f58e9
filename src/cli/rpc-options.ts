import type { Command } from 'commander'
import { createRpcClient, type RpcClient } from '../chain-node/rpc/client.ts'
import type { RpcAuth } from '../chain-node/rpc/credentials.ts'
import { SecnodeError } from '../errors.ts'
import type { World } from '../world.ts'

export interface RpcOptions {
  rpc: string
  rpcUser?: string
  rpcPassword?: string
  rpcCookie?: string
}

/** The options of every command that talks to a chain node. */
export const withRpcOptions = (command: Command): Command =>
  withRpcAuth(
    command.requiredOption('--rpc <url>', 'JSON-RPC of the chain node, e.g. http://127.0.0.1:18232'),
  )

/** The same for commands that can do without one; `what` says what it is for. */
export const withOptionalRpc = (command: Command, what: string): Command =>
  withRpcAuth(command.option('--rpc <url>', `JSON-RPC of a chain node, ${what}`))

const withRpcAuth = (command: Command): Command =>
  command
    .option('--rpc-user <name>', 'its user')
    .option('--rpc-password <password>', 'its password')
    .option('--rpc-cookie <file>', 'its cookie file, instead of user and password')

export const openRpcClient = (options: RpcOptions, world: World): RpcClient => {
  const auth = authOf(options)
  return createRpcClient({ url: options.rpc, world, ...(auth === undefined ? {} : { auth }) })
}

const authOf = ({ rpcUser, rpcPassword, rpcCookie }: RpcOptions): RpcAuth | undefined => {
  if (rpcCookie !== undefined) {
    if (rpcUser === undefined && rpcPassword === undefined) return { kind: 'cookie', path: rpcCookie }
    throw usage('--rpc-cookie does not go with --rpc-user and --rpc-password')
  }
  if (rpcUser === undefined && rpcPassword === undefined) return undefined
  if (rpcUser === undefined || rpcPassword === undefined)
    throw usage('--rpc-user and --rpc-password go together')
  return { kind: 'password', user: rpcUser, password: rpcPassword }
}

const usage = (message: string): SecnodeError => new SecnodeError('USAGE', message, { exitCode: 2 })
