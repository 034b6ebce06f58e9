import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { getRawBlock } from '../../src/chain-node/rpc/methods.ts'
import { parseBlock } from '../../src/chain/formats/block.ts'
import type { Transaction } from '../../src/chain/formats/types.ts'
import { memoFromText, memosOf, memoText, type TransactionMemo } from '../../src/chain/notes/index.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { caughtUp, follow } from '../chain-node/follower/following.ts'
import { announcementOf } from './announcement.ts'
import { assembleFromTemplate, getTemplate, mine, submit } from './blocks.ts'
import { orchardRegtest, regtest } from './networks.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

/**
 * zebrad proves a shielded coinbase with the memo of its configuration. So real notes with our text, made by others'
 * code, come in all three pools: Sapling, Orchard before NU6.3, Ironwood after.
 */
const heights = { NU5: 1, NU6: 1, 'NU6.1': 1, 'NU6.2': 1, 'NU6.3': 120, NU7: 126 }

interface Noted {
  pool: TransactionMemo['pool']
  network: Network
  height: number
  memo: string
}

let zebrad: Zebrad
let sapling: Network
let orchard: Network
/** The blocks that carry our text. */
const noted: Noted[] = []
/** Those of `generate`: their memos are 512 random bytes. */
const random: { network: Network; height: number }[] = []

/** Two blocks with random memos to the announcement address, and one with an announcement that would be valid. */
const mineNotes = async (network: Network, pool: Noted['pool'], first: number): Promise<void> => {
  const { memo } = announcementOf(network, noted.length, first)
  await zebrad.stop()
  await zebrad.start({ miner: { address: network.profile.genesis.announceAddress, memo } })
  await mine(zebrad.rpc, 2)
  random.push({ network, height: first }, { network, height: first + 1 })
  const assembled = assembleFromTemplate(await getTemplate(zebrad.rpc))
  expect(assembled.height).toBe(first + 2)
  expect(assembled.roots.authData.ours).toEqual(assembled.roots.authData.theirs)
  expect(assembled.roots.commitment.ours).toEqual(assembled.roots.commitment.theirs)
  await submit(zebrad.rpc, assembled)
  noted.push({ pool, network, height: first + 2, memo })
}

const coinbaseAt = async (height: number): Promise<Transaction> =>
  parseBlock((await getRawBlock(zebrad.rpc, height))!, 'zcash').transactions[0]!

beforeAll(async () => {
  sapling = await regtest()
  orchard = await orchardRegtest()
  const { activationHeight } = sapling.profile.genesis
  zebrad = await startZebrad({
    activationHeights: heights,
    miner: { address: 'tmJymvcUCn1ctbghvTJpXBwHiMEB8P6wxNV' },
  })
  await mine(zebrad.rpc, activationHeight)
  await mineNotes(sapling, 'sapling', activationHeight + 1)
  await mineNotes(orchard, 'orchard', activationHeight + 4)
  await zebrad.stop()
  await zebrad.start({ miner: { address: 'tmJymvcUCn1ctbghvTJpXBwHiMEB8P6wxNV' } })
  await mine(zebrad.rpc, heights['NU6.3'] - (activationHeight + 6))
  await mineNotes(orchard, 'ironwood', heights['NU6.3'] + 1)
  await mineNotes(sapling, 'sapling', heights['NU6.3'] + 4)
  // Under NU7 the same pools stay.
  await mineNotes(orchard, 'ironwood', heights.NU7 + 1)
  await zebrad.stop()
  await zebrad.start({ miner: { address: 'tmJymvcUCn1ctbghvTJpXBwHiMEB8P6wxNV' } })
  await mine(zebrad.rpc, 10)
}, 600_000)
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

describe('memos in coinbases that zebrad made', () => {
  test('R-CHAIN-4 our text is found in Sapling, Orchard and Ironwood by the published viewing key alone', async () => {
    expect(noted.map(({ pool }) => pool)).toEqual(['sapling', 'orchard', 'ironwood', 'sapling', 'ironwood'])
    for (const { pool, network, height, memo } of noted) {
      const found = memosOf(await coinbaseAt(height), network.viewingKeys)
      expect(found).toMatchObject([{ pool, memo: memoFromText(memo) }])
      // What a block pays after its first halvings: some, and all of it.
      expect(found[0]!.amount).toBeGreaterThan(0n)
      const other = network === sapling ? orchard : sapling
      expect(memosOf(await coinbaseAt(height), other.viewingKeys)).toEqual([])
    }
  })

  test('R-CHAIN-4 random memos are read as what they are and do no harm', async () => {
    for (const { network, height } of random) {
      const found = memosOf(await coinbaseAt(height), network.viewingKeys)
      expect(found).toHaveLength(1)
      const text = memoText(found[0]!.memo)
      expect(text?.startsWith('secnode:') ?? false).toBe(false)
    }
  })

  test.each([
    ['Sapling', () => sapling],
    ['Orchard and Ironwood', () => orchard],
  ])(
    'R-CHAIN-4 R-REG-1 the follower passes coinbases over: a valid announcement in one is none (%s)',
    async (_pool, networkOf) => {
      const network = networkOf()
      const top = heights.NU7 + 3 + 10
      const { confirmations } = network.profile.genesis
      await using life = await follow(network, zebrad.url, { birthday: 0, isStarted: false })
      const changes: unknown[] = []
      const events = life.follower.events()
      const reading = (async () => {
        for await (const event of events) {
          if (event.kind === 'connected' && event.block.change !== null) {
            changes.push(...event.block.change.refused, ...event.block.change.seats)
          }
        }
      })()
      life.follower.start()
      await caughtUp(life.follower, top - confirmations)
      await life.follower.stop()
      await reading
      // Neither accepted nor refused: not even looked into.
      expect(changes).toEqual([])
      expect(await life.follower.seatsAfter(top - confirmations)).toEqual([])
    },
  )
})
