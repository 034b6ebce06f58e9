import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coin } from '../../protocol/index.ts'
import { getAddressUtxos, getNewAddress, sendMany } from '../../src/chain-node/rpc/methods.ts'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import { type AnchorWallet, createAnchorWallet } from '../../src/node/anchor-wallet.ts'
import { realWorld } from '../../src/world.ts'

const signal = new AbortController().signal
const memo = 'secnode:1 anchor week=2026-W47'

let dir: string
let devnet: PreparedDevnet

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-anchor-wallet-'))
  devnet = await prepareDevnet(
    { nodes: 1, epochs: 3, seed: 97, with: {}, profile: 'devnet' },
    join(dir, 'devnet'),
    realWorld(),
  )
})
afterAll(async () => {
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

/** A hot wallet with these coins on its one address, and the values of what lies there after each anchor. */
const walletWith = async (amounts: readonly bigint[]) => {
  const { network, rpc, chain } = devnet
  const from = await getNewAddress(rpc)
  for (const amount of amounts) {
    await sendMany(rpc, { [from]: amount }, 1)
    chain.mine(1)
  }
  const wallet: AnchorWallet = createAnchorWallet(network, rpc, from, coin, realWorld())
  const post = async (): Promise<bigint[]> => {
    await wallet.post(memo, signal)
    chain.mine(1)
    return (await getAddressUtxos(rpc, [from], { signal })).map(({ satoshis }) => satoshis)
  }
  return { wallet, post }
}

describe('the hot wallet for anchors', () => {
  test('R-CHAIN-4 pays one week after the other: what it does not spend is there for the next one', async () => {
    const { wallet, post } = await walletWith([2n * coin])
    for (let week = 1; week <= 5; week++) {
      const left = await post()
      expect(left).toHaveLength(1)
      expect(left[0]).toBeGreaterThan(2n * coin - BigInt(week) * 200_000n)
      expect(left[0]).toBeGreaterThanOrEqual(coin)
    }
    expect(await wallet.balance(signal)).toBeGreaterThan(wallet.needed)
  })

  test('with no more than one anchor takes it pays that one', async () => {
    const { wallet, post } = await walletWith([coin + 110_000n])
    expect(wallet.needed).toBe(coin + 110_000n)
    expect(await post()).toEqual([coin])
    await expect(wallet.post(memo, signal)).rejects.toMatchObject({ code: 'ANCHOR_WALLET' })
  })

  test('small coins that somebody sends there keep it from nothing', async () => {
    // To spend all of them would cost more than there is room for.
    const small = Array.from({ length: 24 }, () => 20_000n)
    const { post } = await walletWith([2n * coin, ...small])
    expect(await post()).toContain(coin)
  })
})
