import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coin } from '../../protocol/index.ts'
import type { FollowedBlock } from '../../src/chain-node/follower/events.ts'
import type { Network } from '../../src/chain/profiles.ts'
import {
  getAddressUtxos,
  getBlockCount,
  getTransactionPlace,
  sendRawTransaction,
} from '../../src/chain-node/rpc/methods.ts'
import { caughtUp, follow } from '../chain-node/follower/following.ts'
import { announcementOf } from './announcement.ts'
import { mine } from './blocks.ts'
import { addressOf, keyOf, orchardRegtest, regtest } from './networks.ts'
import { payShielded } from './sender.ts'
import { type KeyCoin, matureCoins, mineIn, spend } from './treasury.ts'
import { startZebrad, type Zebrad } from './zebrad.ts'

/**
 * Real announcements: a transparent stake and a shielded memo in one transaction, proved and signed by librustzcash,
 * judged by zebrad, found by the follower. Orchard before NU6.3, Ironwood after it, Sapling on both sides.
 */
const heights = { NU5: 1, NU6: 1, 'NU6.1': 1, 'NU6.2': 1, 'NU6.3': 200 }
const key = keyOf('miner')
const fee = 100_000n

let zebrad: Zebrad
let sapling: Network
let orchard: Network
let purse: KeyCoin[]

/** In which pool the memo went, and where it was mined. */
interface Announced {
  network: Network
  number: number
  height: number
  pools: { sapling: number; orchard: number; ironwood: number }
}
const announced: Announced[] = []

const announce = async (
  network: Network,
  number: number,
  change = (memo: string) => memo,
): Promise<Announced> => {
  const height = (await getBlockCount(zebrad.rpc)) + 1
  const { address, memo } = announcementOf(network, number, height - 1)
  const coins = purse.splice(0, 8)
  const transaction = await payShielded({
    height,
    activationHeights: heights,
    key,
    coins,
    outputs: [
      { address, value: network.profile.genesis.minStake },
      { address: network.profile.genesis.announceAddress, value: coin / 1_000n, memo: change(memo) },
    ],
    fee,
  })
  await sendRawTransaction(zebrad.rpc, transaction.bytes, transaction.txid)
  await mineIn(zebrad.rpc, transaction.txid)
  const place = await getTransactionPlace(zebrad.rpc, transaction.txid)
  return {
    network,
    number,
    height: place!.height!,
    pools: {
      sapling: transaction.saplingOutputs.length,
      orchard: transaction.orchard?.actions.length ?? 0,
      ironwood: transaction.ironwood?.actions.length ?? 0,
    },
  }
}

beforeAll(async () => {
  sapling = await regtest()
  orchard = await orchardRegtest()
  zebrad = await startZebrad({ activationHeights: heights, miner: { address: addressOf(key) } })
  await mine(zebrad.rpc, 185)
  purse = await matureCoins(zebrad.rpc, key)
  announced.push(await announce(sapling, 0), await announce(orchard, 1))
  await mine(zebrad.rpc, heights['NU6.3'] - (await getBlockCount(zebrad.rpc)))
  announced.push(await announce(sapling, 2), await announce(orchard, 3))
}, 600_000)
afterAll(async () => zebrad?.[Symbol.asyncDispose]())

const seatsOn = async (network: Network) => {
  const top = (await getBlockCount(zebrad.rpc)) - network.profile.genesis.confirmations
  await using life = await follow(network, zebrad.url, { birthday: 0, isStarted: false })
  const blocks: FollowedBlock[] = []
  const events = life.follower.events()
  const reading = (async () => {
    for await (const event of events) if (event.kind === 'connected') blocks.push(event.block)
  })()
  life.follower.start()
  await caughtUp(life.follower, top)
  const seats = (await life.follower.seatsAfter(top))!
  await life.follower.stop()
  await reading
  return {
    seats,
    refused: blocks.flatMap(({ height, change }) =>
      (change?.refused ?? []).map((each) => ({ height, ...each })),
    ),
  }
}

describe('announcements by a wallet’s code on a real chain', () => {
  test('they went in Sapling, Orchard and Ironwood', () => {
    const used = announced.map(({ pools }) =>
      Object.entries(pools)
        .filter(([, count]) => count > 0)
        .map(([pool]) => pool),
    )
    expect(used).toEqual([['sapling'], ['orchard'], ['sapling'], ['ironwood']])
  })

  test.each([
    ['Sapling', () => sapling, [0, 2]],
    ['Orchard and Ironwood', () => orchard, [1, 3]],
  ] as const)(
    'R-REG-1 R-REG-3 R-REG-5 the follower registers them: %s',
    async (_pool, networkOf, numbers) => {
      await mine(zebrad.rpc, 4)
      const network = networkOf()
      const { seats, refused } = await seatsOn(network)
      expect(refused).toEqual([])
      expect(
        seats.map(({ seat, host, announced: at, activeSince }) => ({
          seat,
          host,
          height: at.height,
          isActive: activeSince !== null,
        })),
      ).toEqual(
        numbers.map((number, seat) => ({
          seat,
          host: `n${number}.devnet.test`,
          height: announced[number]!.height,
          isActive: true,
        })),
      )
    },
  )

  test('R-REG-2 one whose signature is another’s is refused, and takes no seat', async () => {
    const foreign = announcementOf(sapling, 5, await getBlockCount(zebrad.rpc))
    const { height } = await announce(sapling, 4, (memo) =>
      memo.replace(/ sig=.*$/, / sig=.*$/.exec(foreign.memo)![0]),
    )
    await mine(zebrad.rpc, 4)
    const { seats, refused } = await seatsOn(sapling)
    expect(seats).toHaveLength(2)
    expect(refused).toMatchObject([{ height, index: 1 }])
  })

  test('R-REG-5 spending the stake retires the seat', async () => {
    const stake = keyOf('stake', 0)
    const [utxo] = await getAddressUtxos(zebrad.rpc, [addressOf(stake)])
    const staked: KeyCoin = { txid: utxo!.txid, index: utxo!.outputIndex, value: utxo!.satoshis }
    const transaction = spend({
      key: stake,
      coins: [staked],
      outputs: [
        { value: staked.value - 10_000n, to: { kind: 'p2pkh', hash160: new Uint8Array(20).fill(1) } },
      ],
      branchId: 0x37a5165b,
    })
    await mine(zebrad.rpc, 1)
    await sendRawTransaction(zebrad.rpc, transaction.bytes, transaction.txid)
    await mineIn(zebrad.rpc, transaction.txid)
    await mine(zebrad.rpc, 4)
    const { seats } = await seatsOn(sapling)
    expect(seats.map(({ activeSince }) => activeSince !== null)).toEqual([false, true])
  })
})
