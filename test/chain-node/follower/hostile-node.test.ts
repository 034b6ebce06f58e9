import { describe, expect, test } from 'vitest'
import { parseBlock } from '../../../src/chain/formats/block.ts'
import { createRpcClient } from '../../../src/chain-node/rpc/client.ts'
import { createMemoryStore } from '../../../src/store/memory-store.ts'
import { followTo } from '../../../src/week-io/follow-chain.ts'
import { realWorld } from '../../../src/world.ts'
import { caughtUp, derivedRows, statusOf } from './following.ts'
import { activationHeight, confirmed, following, mineTo, network, nodeOf } from './scene.ts'
import { announcementOf, createTestChain, ownerOf, pay, type TestChain, transferOf } from './test-chain.ts'
import { type TestNode } from './test-node.ts'

describe('a node that cannot be trusted', () => {
  const height = activationHeight + 4

  /** Follows to the block before `height` and then meets the twisted answer. */
  const meeting = async (twist: (chain: TestChain) => TestNode['twist']) => {
    const chain = createTestChain()
    mineTo(chain, height - 1)
    const announcement = announcementOf(network, ownerOf(1), chain.tip.height)
    chain.mine([announcement, transferOf([pay(ownerOf(2).stake, 1n)])])
    mineTo(chain, height + 6)
    const node = await nodeOf(chain)
    node.twist = twist(chain)
    const { follower, store } = await following(network, node.url)
    const status = await statusOf(follower, 'node-lies')
    return { chain, node, follower, store, status }
  }
  const onBlock =
    (change: (bytes: Uint8Array) => Uint8Array): (() => TestNode['twist']) =>
    () =>
    ({ method, params }, honest) =>
      method === 'getblock' && params[0] === String(height)
        ? Buffer.from(change(new Uint8Array(Buffer.from(honest as string, 'hex')))).toString('hex')
        : honest

  /** The lock time of the last transaction is another: header and hash stay. */
  const withOtherTransaction = (bytes: Uint8Array): Uint8Array => {
    const copy = bytes.slice()
    copy[copy.length - 1]! ^= 1
    return copy
  }

  /** The last of three transactions twice: the merkle root of the family is the same (CVE-2012-2459). */
  const withLastTransactionTwice = (bytes: Uint8Array): Uint8Array => {
    const last = parseBlock(bytes, 'zen').transactions.at(-1)!.bytes
    const copy = new Uint8Array(Buffer.concat([bytes, last]))
    // 140 bytes of fields, the solution of 36 behind its length, then the count.
    expect(copy[177]).toBe(3)
    copy[177] = 4
    return copy
  }

  const lies: [string, string, (chain: TestChain) => TestNode['twist']][] = [
    ['bytes that are no block', 'unreadable-block', onBlock((bytes) => bytes.subarray(0, 200))],
    ['bytes after the block', 'unreadable-block', onBlock((bytes) => Buffer.concat([bytes, Buffer.of(0)]))],
    ['a wrong merkle root', 'wrong-merkle-root', onBlock(withOtherTransaction)],
    ['a transaction listed twice', 'wrong-merkle-root', onBlock(withLastTransactionTwice)],
    [
      'another block than the one asked for',
      'other-block',
      (chain) =>
        ({ method, params }, honest) =>
          method === 'getblock' && params[0] === String(height)
            ? Buffer.from(chain.best[height - 1]!.bytes).toString('hex')
            : honest,
    ],
    [
      'a hash that is not the block’s',
      'other-block',
      () =>
        ({ method, params }, honest) =>
          method === 'getblockhash' && params[0] === height ? '00'.repeat(32) : honest,
    ],
    [
      'a block that does not follow the one before',
      'broken-link',
      (chain) => {
        const stranger = createTestChain(1)
        mineTo(stranger, height)
        const twist: TestNode['twist'] = ({ method, params }, honest) => {
          const [first] = params
          const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
          if (method === 'getblock' && first === String(height)) return text(stranger.best[height]!.bytes)
          if (method === 'getblockhash' && first === height) {
            return text(stranger.best[height]!.block.header.hash.slice().reverse())
          }
          return honest
        }
        expect(chain.best).not.toHaveLength(0)
        return twist
      },
    ],
  ]
  test.each(lies)(
    'R-CHAIN-1 %s is CHAIN_NODE_LIES, is not stored, and is asked for again',
    async (_name, lie, twist) => {
      const { chain, node, follower, store, status } = await meeting(twist)
      expect(status).toMatchObject({ error: { code: 'CHAIN_NODE_LIES', lie, height } })
      expect(follower.confirmedHeight).toBe(height - 1)
      expect(await follower.headerAt(height)).toBeUndefined()
      expect((await derivedRows(store)).filter(([key]) => key.startsWith('10'))).toHaveLength(height)
      // It keeps trying, and goes on as soon as the node answers honestly.
      const asked = node.counts.get('getblock')!
      await expect.poll(() => node.counts.get('getblock')).toBeGreaterThan(asked)
      node.twist = (_request, honest) => honest
      await caughtUp(follower, confirmed(chain))
      expect(await follower.hashAt(height)).toEqual(chain.best[height]!.block.header.hash)
    },
  )

  test('R-CP-6 to whoever tallies, a node that gives what is no chain is one that gives nothing: exit code 3', async () => {
    const chain = createTestChain()
    mineTo(chain, height + 6)
    const node = await nodeOf(chain)
    node.twist = onBlock(withOtherTransaction)()
    const rpc = createRpcClient({ url: node.url, world: realWorld() })
    const followed = followTo({
      network,
      rpc,
      store: createMemoryStore(),
      world: realWorld(),
      height: null,
      signal: AbortSignal.timeout(60_000),
    })
    await expect(followed).rejects.toMatchObject({
      code: 'CHAIN_UNREADABLE',
      exitCode: 3,
      cause: { code: 'CHAIN_NODE_LIES' },
    })
    await rpc.close()
  })

  test('R-CHAIN-1 a fork that the node only claims takes nothing back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const node = await nodeOf(chain)
    const { follower, store } = await following(network, node.url)
    await caughtUp(follower, 38)
    const before = await derivedRows(store)
    node.twist = ({ method, params }, honest) =>
      method === 'getblockhash' && (params[0] as number) > 20 ? '11'.repeat(32) : honest
    expect(await statusOf(follower, 'node-lies')).toMatchObject({ error: { lie: 'other-block', height: 21 } })
    expect(await derivedRows(store)).toEqual(before)
  })

  test('R-CHAIN-1 a real block that does not follow ours at the fork takes nothing back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const node = await nodeOf(chain)
    const { follower, store } = await following(network, node.url)
    await caughtUp(follower, 38)
    const before = await derivedRows(store)
    const stranger = createTestChain(1)
    mineTo(stranger, 40)
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    node.twist = ({ method, params }, honest) => {
      const block = stranger.best[Number(params[0])]
      if (block === undefined || block.height <= 20) return honest
      if (method === 'getblockhash') return text(block.block.header.hash.slice().reverse())
      return method === 'getblock' ? text(block.bytes) : honest
    }
    expect(await statusOf(follower, 'node-lies')).toMatchObject({ error: { lie: 'broken-link', height: 21 } })
    expect(await derivedRows(store)).toEqual(before)
  })

  test('R-CHAIN-2 a chain that changes between two questions is no lie', async () => {
    const chain = createTestChain()
    mineTo(chain, 60)
    const node = await nodeOf(chain)
    let hasChanged = false
    node.twist = ({ method, params }, honest) => {
      // Hashes were given already; the blocks from 20 on come from another branch.
      if (method === 'getblock' && params[0] === '20' && !hasChanged) {
        hasChanged = true
        chain.rollBack(45)
        mineTo(chain, 62)
        return Buffer.from(chain.best[20]!.bytes).toString('hex')
      }
      return honest
    }
    const { follower, store } = await following(network, node.url, { isStarted: false })
    const states = new Set<string>()
    follower.start()
    await follower.statusWhen((status) => {
      states.add(status.is)
      return status.is === 'following' && status.height === 60
    }, AbortSignal.timeout(90_000))
    expect(states).not.toContain('node-lies')
    expect(hasChanged).toBe(true)
    await follower.stop()
    const fresh = await following(network, node.url)
    await caughtUp(fresh.follower, 60)
    expect(await derivedRows(store)).toEqual(await derivedRows(fresh.store))
  })

  test('a node that goes away is reported and followed again when it is back', async () => {
    const chain = createTestChain()
    mineTo(chain, 40)
    const node = await nodeOf(chain)
    const { follower } = await following(network, node.url)
    await caughtUp(follower, 38)
    node.twist = () => undefined
    const status = await statusOf(follower, 'node-unreachable')
    expect(status).toMatchObject({ error: { code: 'RPC_REFUSED' } })
    chain.mine()
    node.twist = (_request, honest) => honest
    await caughtUp(follower, 39)
  })
})
