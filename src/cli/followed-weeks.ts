import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Height } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { makeDirectory } from '../service/data-dir.ts'
import { openStore } from '../store/open.ts'
import type { Store } from '../store/store.ts'
import { followTo } from '../week-io/follow-chain.ts'
import { openStoredWeeks, type StoredWeeks, type StoredWeeksOptions } from '../week-io/stored-week.ts'
import { realWorld } from '../world.ts'
import { defaultCacheDir } from './cache-dir.ts'
import type { CliIo } from './io.ts'
import { createProgress } from './progress.ts'
import { openRpcClient, type RpcOptions } from './rpc-options.ts'

export interface FollowedOptions extends RpcOptions {
  profile: string
  cache?: string
}

/** The options of commands that need nothing but a chain node. */
export const withCacheOption = (command: Command): Command =>
  command.option('--cache <dir>', "keep the chain that was followed there (default: the user's cache folder)")

/** Follows a chain node up to its last confirmed block, from where the cache ends, and gives its weeks. */
export const withFollowedWeeks = async <T>(
  io: CliIo,
  options: FollowedOptions,
  use: (weeks: StoredWeeks, network: Network) => Promise<T>,
  /** Where the data of weeks is asked for; opened when the chain was followed. */
  more: (network: Network) => Promise<Omit<StoredWeeksOptions, 'rpc'>> = () => Promise.resolve({}),
): Promise<T> => {
  const network = await loadNetwork(options.profile)
  const directory = resolve(options.cache ?? defaultCacheDir(network.networkId))
  await makeDirectory(directory)
  await using rpc = openRpcClient(options, realWorld())
  await using store = await openStore({ directory, networkId: network.networkId })
  await followWithProgress(io, network, rpc, store)
  const weeks = await openStoredWeeks(network, store, {
    rpc: { client: rpc, signal: io.signal },
    ...(await more(network)),
  })
  return await use(weeks, network)
}

/** Follows a chain node into a store. Errors: as of `followTo`. */
export const followWithProgress = async (
  io: CliIo,
  network: Network,
  rpc: RpcClient,
  store: Store,
  birthday?: Height,
): Promise<void> => {
  const world = realWorld()
  const progress = createProgress(io, world)
  let first: Height | null = null
  try {
    await followTo({
      network,
      rpc,
      store,
      world,
      height: null,
      ...(birthday === undefined ? {} : { birthday }),
      signal: io.signal,
      onProgress: ({ height, target, secondsLeft }) => {
        first ??= height
        const left = secondsLeft === null ? '' : `, ${Math.ceil(secondsLeft)} s left`
        const part = target === first ? 1 : (height - first) / (target - first)
        progress.show(`following the chain: block ${height} of ${target}${left}`, part)
      },
    })
  } finally {
    progress.end()
  }
}
