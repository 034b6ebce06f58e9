import { type BlsVerifier, bytesToHex } from '../../../protocol/index.ts'
import {
  type Follower,
  type FollowerOptions,
  openFollower,
} from '../../../src/chain-node/follower/follower.ts'
import type { FollowerStatus } from '../../../src/chain-node/follower/status.ts'
import type { Network } from '../../../src/chain/profiles.ts'
import { createRpcClient } from '../../../src/chain-node/rpc/client.ts'
import { createBls } from '../../../src/keys/bls.ts'
import { prefixes } from '../../../src/store/keys.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import type { Store } from '../../../src/store/store.ts'
import { realWorld } from '../../../src/world.ts'

export interface Following extends AsyncDisposable {
  follower: Follower
  store: Store
}

const realBls = createBls()
const possessions = new Map<string, boolean>()

/** The real verifier, asked once for each proof: the tests follow the same announcements many times. */
export const bls: BlsVerifier = {
  ...realBls,
  verifyPossessions: (networkId, claims) =>
    claims.map((claim) => {
      const key = [networkId, ...[claim.bls, claim.stake, claim.pop].map(bytesToHex)].join()
      const isValid = possessions.get(key) ?? realBls.verifyPossessions(networkId, [claim])[0] === true
      possessions.set(key, isValid)
      return isValid
    }),
}

/** A follower with pauses of milliseconds, started unless told otherwise. */
export const follow = async (
  network: Network,
  url: string,
  options: Partial<FollowerOptions> & { isStarted?: boolean } = {},
): Promise<Following> => {
  const store = options.store ?? createMemoryStore()
  const rpc = createRpcClient({ url, world: realWorld(), backoff: { firstMs: 1, maxMs: 5 }, maxAttempts: 2 })
  const follower = await openFollower({
    network,
    rpc,
    bls,
    world: realWorld(),
    pollMs: 2,
    backoff: { firstMs: 2, maxMs: 10 },
    ...options,
    store,
  })
  if (options.isStarted !== false) follower.start()
  return {
    follower,
    store,
    [Symbol.asyncDispose]: async () => {
      await follower.stop()
      await rpc.close()
    },
  }
}

const deadline = (): AbortSignal => AbortSignal.timeout(90_000)

export const statusOf = async (follower: Follower, is: FollowerStatus['is']): Promise<FollowerStatus> =>
  follower.statusWhen((status) => status.is === is, deadline())

/** Waits until the block of this height was followed and the node has no more. */
export const caughtUp = async (follower: Follower, height: number): Promise<void> => {
  await follower.statusWhen((status) => {
    if (status.is === 'failed') throw status.error
    return status.is === 'following' && status.height === height
  }, deadline())
}

/** All rows that derive from the chain, as hex. */
export const derivedRows = async (store: Store): Promise<[string, string][]> => {
  const rows: [string, string][] = []
  const range = { gte: Uint8Array.of(prefixes.header), lt: Uint8Array.of(0x20) }
  for await (const [key, value] of store.range(range)) rows.push([bytesToHex(key), bytesToHex(value)])
  return rows
}
