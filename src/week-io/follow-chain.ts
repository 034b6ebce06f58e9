import type { Height } from '../../protocol/index.ts'
import { latestBirthday } from '../chain-node/follower/chain-state.ts'
import { type Follower, openFollower } from '../chain-node/follower/follower.ts'
import type { FollowerStatus } from '../chain-node/follower/status.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import type { Store } from '../store/store.ts'
import type { World } from '../world.ts'

export interface FollowToOptions {
  network: Network
  rpc: RpcClient
  /** What it holds already is not read again. */
  store: Store
  world: World
  /** The block that must be confirmed; null for all that are. */
  height: Height | null
  /** First block of an empty store; ten blocks before the activation by default, the least that the rules need. */
  birthday?: Height
  signal: AbortSignal
  onProgress?(progress: { height: Height; target: Height; secondsLeft: number | null }): void
}

/**
 * Follows a chain node until block `height` is confirmed, or to its last confirmed block, and stops. Errors, all with
 * exit code 3: CHAIN_UNREADABLE (the node gives no usable answer), CHAIN_SHORT (it has not come that far).
 */
export const followTo = async (options: FollowToOptions): Promise<Follower> => {
  const { network, signal } = options
  const height = options.height ?? Number.POSITIVE_INFINITY
  const follower = await openFollower({
    network,
    rpc: options.rpc,
    store: options.store,
    bls: createBls(),
    world: options.world,
    birthday: options.birthday ?? latestBirthday(network.profile.genesis),
  })
  follower.start()
  try {
    let last: FollowerStatus | null = null
    while (last === null || !isEnough(last, height)) {
      const before: FollowerStatus | null = last
      last = await follower.statusWhen((now) => now !== before, signal)
      if (last.is === 'catching-up') options.onProgress?.(last)
    }
    if (last.is === 'failed') throw last.error
    if (last.is === 'node-lies' || last.is === 'node-unreachable') {
      throw new SecnodeError('CHAIN_UNREADABLE', `the chain cannot be read: ${messageOf(last.error)}`, {
        exitCode: 3,
        ...(last.error.hint === undefined ? {} : { hint: last.error.hint }),
        cause: last.error,
      })
    }
  } finally {
    await follower.stop()
  }
  if (options.height !== null && follower.confirmedHeight < height) {
    throw new SecnodeError(
      'CHAIN_SHORT',
      `the chain node has block ${follower.confirmedHeight} confirmed, block ${height} is needed`,
      { exitCode: 3, hint: 'Wait until it has caught up, or name another one with --rpc.' },
    )
  }
  return follower
}

const isEnough = (status: FollowerStatus, height: Height): boolean =>
  isAnswer(status) || (status.is === 'catching-up' && status.height >= height)

/** All that waiting would not change. */
const isAnswer = ({ is }: FollowerStatus): boolean =>
  is === 'following' ||
  is === 'node-behind' ||
  is === 'node-lies' ||
  is === 'node-unreachable' ||
  is === 'failed'
