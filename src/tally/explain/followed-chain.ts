import type { Height } from '../../../protocol/index.ts'
import { latestBirthday } from '../../chain/follower/chain-state.ts'
import { type Follower, openFollower } from '../../chain/follower/follower.ts'
import type { FollowerStatus } from '../../chain/follower/status.ts'
import type { Network } from '../../chain/profiles.ts'
import type { RpcClient } from '../../chain/rpc/client.ts'
import { messageOf, SecnodeError } from '../../errors.ts'
import { createBls } from '../../keys/bls.ts'
import type { Store } from '../../store/store.ts'
import type { World } from '../../world.ts'

/**
 * Follows a chain node from shortly before the activation until block `height` is confirmed, and stops. Errors, all
 * with exit code 3: EXPLAIN_CHAIN (the node gives no usable answer), EXPLAIN_CHAIN_SHORT (it has not come that far).
 */
export const followTo = async (options: {
  network: Network
  rpc: RpcClient
  store: Store
  world: World
  height: Height
  signal: AbortSignal
  onProgress(height: Height): void
}): Promise<Follower> => {
  const { network, height, signal } = options
  const follower = await openFollower({
    network,
    rpc: options.rpc,
    store: options.store,
    bls: createBls(),
    world: options.world,
    birthday: latestBirthday(network.profile.genesis),
  })
  follower.start()
  try {
    const status = await follower.statusWhen((now) => {
      if (now.is === 'catching-up') options.onProgress(now.height)
      return isAnswer(now) || (now.is === 'catching-up' && now.height >= height)
    }, signal)
    if (status.is === 'failed') throw status.error
    if (status.is === 'node-lies' || status.is === 'node-unreachable') {
      throw new SecnodeError('EXPLAIN_CHAIN', `the chain cannot be read: ${messageOf(status.error)}`, {
        exitCode: 3,
        ...(status.error.hint === undefined ? {} : { hint: status.error.hint }),
        cause: status.error,
      })
    }
  } finally {
    await follower.stop()
  }
  if (follower.confirmedHeight < height) {
    throw new SecnodeError(
      'EXPLAIN_CHAIN_SHORT',
      `the chain node has block ${follower.confirmedHeight} confirmed, block ${height} is needed`,
      { exitCode: 3, hint: 'Wait until it has caught up, or name another one with --rpc.' },
    )
  }
  return follower
}

/** All that waiting would not change. */
const isAnswer = ({ is }: FollowerStatus): boolean =>
  is === 'following' ||
  is === 'node-behind' ||
  is === 'node-lies' ||
  is === 'node-unreachable' ||
  is === 'failed'
