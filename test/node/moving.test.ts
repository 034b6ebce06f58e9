import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { coin, epochStart, type Seat } from '../../protocol/index.ts'
import { getNewAddress, sendMany } from '../../src/chain-node/rpc/methods.ts'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import { makeBackup, restoreBackup } from '../../src/service/backup.ts'
import { type Config, loadConfig } from '../../src/service/config.ts'
import { realWorld } from '../../src/world.ts'
import { silent } from '../net/local-hosts.ts'

const world = realWorld()
let dir: string
let devnet: PreparedDevnet
let seat: Seat

/** The node, caught up with the chain's tip. */
const started = async (config: Config): Promise<AssembledNode> => {
  const node = await assembleNode(config, { logger: silent, world })
  await node.start()
  const { confirmations } = devnet.network.profile.genesis
  await node.follower.statusWhen(
    ({ is }) =>
      is === 'following' && node.follower.confirmedHeight === devnet.chain.tip.height - confirmations,
    AbortSignal.timeout(90_000),
  )
  return node
}

const mineEpochs = (epochs: number): void => {
  devnet.chain.mine(epochs * devnet.network.profile.genesis.epochBlocks)
}

/** As the snapshot of the newest epoch has it. */
const snapshotRow = async ({ daemon, follower }: AssembledNode) => {
  const { genesis } = devnet.network.profile
  let epoch = 0
  while (epochStart(genesis, epoch + 1) <= follower.confirmedHeight) epoch++
  return (await daemon.epochs.get(epoch))?.rowOf(seat)
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-moving-'))
  devnet = await prepareDevnet(
    { nodes: 4, epochs: 6, seed: 82, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  for (const node of devnet.nodes) await devnet.announce(node)
  devnet.chain.mine(1)
  mineEpochs(3)
  const node = await started(devnet.nodes[1]!.config)
  seat = node.daemon.node.ownSeat()!
  await node.stop()
})
afterAll(async () => {
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

describe('a backup', () => {
  const backupOf = (): Promise<string> => makeBackup(devnet.nodes[1]!.configFile, world)

  test('restored in another directory it is the same node in the same seat', async () => {
    const to = join(dir, 'elsewhere')
    const restored = await restoreBackup(await backupOf(), { to, world })
    expect(restored.config.dir).toBe(join(to, 'data'))
    expect(restored.config.keys).toBe(join(to, 'node.key'))
    expect(restored.config.profile).toBe(join(to, 'profile.json'))
    for (const name of ['node.key', 'secnode.yaml', 'profile.json']) {
      expect(statSync(join(to, name)).mode & 0o077).toBe(0)
    }
    const node = await started(restored.config)
    expect(node.daemon.host.peerId).toBe(devnet.nodes[1]!.keys.peerId)
    expect(node.daemon.node.ownSeat()).toBe(seat)
    expect(await snapshotRow(node)).toBeDefined()
    await node.stop()
  })

  test('keeps the comments of the configuration, and every field that does not name a place', async () => {
    const from = join(dir, 'commented')
    mkdirSync(from)
    const { config } = devnet.nodes[1]!
    const text = readFileSync(devnet.nodes[1]!.configFile, 'utf8')
    const file = join(from, 'secnode.yaml')
    writeFileSync(
      file,
      `# What operators write for themselves.\n${text.replace(/^dir: .*$/m, 'dir: rows # all of it')}`,
    )
    const restored = await restoreBackup(await makeBackup(file, world), { to: join(dir, 'again'), world })
    expect(readFileSync(restored.configFile, 'utf8')).toContain('# What operators write for themselves.')
    expect(restored.config).toEqual({
      ...config,
      dir: join(dir, 'again', 'rows'),
      keys: join(dir, 'again', 'node.key'),
      profile: join(dir, 'again', 'profile.json'),
    })
    expect(await loadConfig(restored.configFile)).toEqual(restored.config)
  })

  test('overwrites nothing; a second time it is the same', async () => {
    const to = join(dir, 'twice')
    const text = await backupOf()
    const first = await restoreBackup(text, { to, world })
    expect(await restoreBackup(text, { to, world })).toEqual(first)
    const other = await makeBackup(devnet.nodes[2]!.configFile, world)
    await expect(restoreBackup(other, { to, world })).rejects.toMatchObject({ code: 'BACKUP_IN_THE_WAY' })
    expect(await loadConfig(first.configFile)).toEqual(first.config)
    expect(existsSync(join(to, 'data'))).toBe(false)
  })

  test('one that was damaged is refused, and nothing is written', async () => {
    const to = join(dir, 'damaged')
    const text = await backupOf()
    const damaged = [
      text.slice(0, -10),
      text.replace('n1.devnet.test', 'n2.devnet.test').replace('host: n1', 'host: n2'),
      text.replace('secnode backup 1', 'secnode backup 2'),
      '[]',
    ]
    for (const bad of damaged) {
      await expect(restoreBackup(bad, { to, world })).rejects.toMatchObject({ code: 'BACKUP_DAMAGED' })
    }
    expect(existsSync(to)).toBe(false)
  })
})

/** An address of the wallet with enough for another announcement. */
const purse = async (): Promise<string> => {
  const address = await getNewAddress(devnet.rpc)
  await sendMany(devnet.rpc, { [address]: devnet.network.profile.genesis.minStake + 2n * coin }, 1)
  devnet.chain.mine(1)
  return address
}

describe('R-REG-3 a later announcement', () => {
  test('of another host: the seat stays, and the snapshot names the new host two epochs later', async () => {
    await devnet.announce(devnet.nodes[1]!, { from: await purse(), host: 'moved.devnet.test' })
    mineEpochs(1)
    const { config } = devnet.nodes[1]!
    const before = await started({ ...config, dir: join(dir, 'moved') })
    expect(before.daemon.node.ownSeat()).toBe(seat)
    // Who is asked in an epoch was fixed before its beacon was known (R-EPOCH-5): the old name serves until then.
    expect((await snapshotRow(before))?.host).toBe('n1.devnet.test')
    await before.stop()
    mineEpochs(2)
    const hosts = { ...config.hosts, 'moved.devnet.test': config.listen.address }
    const after = await started({ ...config, dir: join(dir, 'moved'), host: 'moved.devnet.test', hosts })
    expect(after.daemon.node.ownSeat()).toBe(seat)
    expect(await snapshotRow(after)).toMatchObject({ seat, host: 'moved.devnet.test' })
    await after.stop()
  })

  test('of other keys: the seat stays', async () => {
    const keys = createNodeKeys((length) => world.randomBytes(length))
    await devnet.announce(devnet.nodes[1]!, { from: await purse(), keys })
    mineEpochs(3)
    const node = await started({ ...devnet.nodes[1]!.config, dir: join(dir, 'keys') })
    expect(node.daemon.node.ownSeat()).toBe(seat)
    expect((await snapshotRow(node))?.peer).toEqual(keys.peerKey)
    await node.stop()
  })
})
