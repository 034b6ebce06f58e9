import { expect, test } from 'vitest'
import { addressOfStake, epochStart } from '../../../protocol/index.ts'
import { caughtUp, derivedRows, follow } from './following.ts'
import { startEmbedded } from './embedded.ts'

test.each(['devnet', 'zen-devnet'] as const)(
  'R-CHAIN-1 R-CHAIN-4 %s: a whole node of the family is followed, its wallet’s announcements are found, through a reorganisation',
  async (profile) => {
    await using embedded = await startEmbedded(profile)
    const { network, chain, url, user, password } = embedded
    const { genesis } = network.profile
    const { confirmations } = genesis
    const withUser = url.replace('//', `//${user}:${password}@`)
    const addresses: string[] = []
    for (const number of [0, 1]) addresses.push(await embedded.announce(number))
    chain.mine(1)
    addresses.push(await embedded.announce(2))
    chain.mine(epochStart(genesis, 3) - chain.tip.height + confirmations)

    await using life = await follow(network, withUser)
    const { follower } = life
    await caughtUp(follower, epochStart(genesis, 3))
    const seatsNow = async () =>
      (await follower.seatsAfter(follower.confirmedHeight))!.map(({ stake }) =>
        addressOfStake(genesis.chain, stake),
      )
    expect(await seatsNow()).toEqual(addresses)
    // The first two were active after b(0) already, the third only after the next block.
    expect((await follower.snapshotOf(2))!.map(({ host }) => host)).toEqual([
      'n0.devnet.test',
      'n1.devnet.test',
    ])
    expect(await follower.snapshotOf(3)).toHaveLength(3)
    const raw = await follower.readTransaction(genesis.activationHeight, 1, AbortSignal.timeout(90_000))
    const { transactions } = chain.tree.parse(chain.tree.at(genesis.activationHeight)!)
    expect(Buffer.compare(raw, transactions[1]!.bytes)).toBe(0)

    // The blocks with the announcements go; these wait in the memory pool and are mined again, later.
    const depth = chain.tip.height - genesis.activationHeight + 1
    chain.reorganise(depth, depth + 1)
    await caughtUp(follower, chain.tip.height - confirmations)
    expect(await seatsNow()).toEqual([])
    chain.mine(1 + confirmations)
    await caughtUp(follower, chain.tip.height - confirmations)
    expect(new Set(await seatsNow())).toEqual(new Set(addresses))

    await using fresh = await follow(network, withUser)
    await caughtUp(fresh.follower, chain.tip.height - confirmations)
    expect(await derivedRows(life.store)).toEqual(await derivedRows(fresh.store))
  },
)
