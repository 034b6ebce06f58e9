import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  coin,
  epochOfHeight,
  epochStart,
  hash,
  startOfWeek,
  type TallyDocument,
  type Week,
  weekOfTime,
} from '../../protocol/index.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { getBlockCount, sendRawTransaction } from '../../src/chain-node/rpc/methods.ts'
import { createDevnetCa } from '../../src/devnet/certificates.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { createNodeKeyFile } from '../../src/keys/node-key.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import type { Config } from '../../src/service/config.ts'
import { profileJson } from '../../src/service/data-dir.ts'
import { freezeHeight } from '../../src/week/open-epochs.ts'
import { realWorld } from '../../src/world.ts'
import { newDirectory } from '../store/directories.ts'
import { announcementBy } from './announcement.ts'
import { assembleFromTemplate, getTemplate, mine, submit } from './blocks.ts'
import { addressOf, keyOf, regtest, regtestWith } from './networks.ts'
import { type Proxy, startProxy } from './proxy.ts'
import { payShielded } from './sender.ts'
import { type KeyCoin, matureCoins, mineIn } from './treasury.ts'
import { allUpgrades, startZebrad, type Zebrad } from './zebrad.ts'

/**
 * Five daemons on two real nodes play a week: announced by shielded transactions, they challenge one another with
 * samples of zebrad's blocks, attest, certify, and their certificate, posted as a shielded memo, fixes the week.
 */
const count = 5
const minerKey = keyOf('miner')
const signal = AbortSignal.timeout(900_000)

interface Node {
  config: Config
  assembled: AssembledNode
}

let zebrad: Zebrad
let other: Zebrad
let proxy: Proxy
let network: Network
let purse: KeyCoin[]
const nodes: Node[] = []
/** Memos of certificates, as the daemons without a wallet log them. */
const memos = new Set<string>()
let blockTime: number

const pace = createPace(realWorld())

/** A block at a time of our own: the header's clock runs as the test wants. */
const mineOne = async (stepSeconds: number): Promise<void> => {
  const template = await getTemplate(zebrad.rpc)
  blockTime += stepSeconds
  await submit(zebrad.rpc, assembleFromTemplate(template, blockTime))
  const { confirmations } = network.profile.genesis
  await pace.untilQuiet(
    () => nodes.map(({ assembled }) => assembled),
    template.height - confirmations,
    signal,
  )
}

const send = async (address: string, value: bigint, memo: string, coins: KeyCoin[]): Promise<Uint8Array> => {
  const transaction = await payShielded({
    height: (await getBlockCount(zebrad.rpc)) + 1,
    activationHeights: allUpgrades,
    key: minerKey,
    coins,
    outputs: [
      { address, value },
      { address: network.profile.genesis.announceAddress, value: coin / 1_000n, memo },
    ],
    fee: 100_000n,
  })
  return sendRawTransaction(zebrad.rpc, transaction.bytes, transaction.txid)
}

beforeAll(async () => {
  zebrad = await startZebrad({ miner: { address: addressOf(minerKey) }, hasCookie: true })
  await mine(zebrad.rpc, 146)
  // A node of its own for some of the daemons: what they sample comes from other disks.
  other = await startZebrad({
    miner: { address: addressOf(minerKey) },
    hasCookie: true,
    peers: [zebrad.peerAddress],
  })
  proxy = await startProxy(zebrad.url)
  const directory = newDirectory()
  const ca = await createDevnetCa(Date.now())
  const base = (await regtest()).profile
  network = await regtestWith({
    roots: [ca.caPem],
    schedule: [
      {
        from: '2011-W01' as Week,
        params: { ...base.schedule[0]!.params, samples: 64, responseMs: 5_000, feeReserve: 0n },
      },
    ],
  })
  const profileFile = join(directory, 'profile.json')
  writeFileSync(profileFile, profileJson(network.profile))
  const hosts = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`n${i}.devnet.test`, `127.88.1.${1 + i}`]),
  )
  purse = await matureCoins(zebrad.rpc, minerKey)
  for (const [i, [host, address]] of Object.entries(hosts).entries()) {
    const folder = join(directory, `n${i}`)
    mkdirSync(folder)
    const { certPem, keyPem } = await ca.issue({ host })
    writeFileSync(join(folder, 'cert.pem'), certPem)
    writeFileSync(join(folder, 'key.pem'), keyPem, { mode: 0o600 })
    let drawn = 0
    const keys = await createNodeKeyFile(join(folder, 'node.key'), (length) =>
      hash('zebrad test', 'node', i, drawn++).slice(0, length),
    )
    const stakeKey = keyOf('stake', i)
    const [p2p, tls] = [19_734, 19_735]
    const announced = { stakeKey, peerId: keys.peerId, host, p2p, tls, blsSecret: keys.blsSecretKey }
    const { memo } = announcementBy(network, announced, await getBlockCount(zebrad.rpc))
    const txid = await send(addressOf(stakeKey), network.profile.genesis.minStake, memo, purse.splice(0, 7))
    await mineIn(zebrad.rpc, txid)
    const isFirst = i === 0
    const node = i % 2 === 0 ? zebrad : other
    const config: Config = {
      profile: profileFile,
      dir: join(folder, 'data'),
      host,
      stake: addressOf(stakeKey),
      listen: { address, p2p, tls },
      certificate: { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') },
      keys: join(folder, 'node.key'),
      rpc: { url: isFirst ? proxy.url : node.url, cookie: node.cookiePath },
      hosts,
      syncSeconds: 1,
      spreadSeconds: 0,
      pollSeconds: 0.1,
      web: false,
      log: 'info',
    }
    const logger = pino(
      { level: 'info' },
      {
        write: (line: string) => {
          const { memo: logged } = JSON.parse(line) as { memo?: string }
          if (logged !== undefined) memos.add(logged)
        },
      },
    )
    const assembled = await assembleNode(config, {
      logger,
      world: realWorld(),
      daemon: {
        hostLimits: {
          maxNewPerSecondPerAddress: 500,
          maxStrangersPerAddress: 500,
          maxPendingPerAddress: 500,
        },
      },
    })
    nodes.push({ config, assembled })
  }
  const tip = await getTemplate(zebrad.rpc)
  blockTime = tip.curtime
  await Promise.all(nodes.map(({ assembled }) => assembled.start()))
}, 400_000)
afterAll(async () => {
  await Promise.all(nodes.map(({ assembled }) => assembled.stop()))
  await proxy?.[Symbol.asyncDispose]()
  await other?.[Symbol.asyncDispose]()
  await zebrad?.[Symbol.asyncDispose]()
})

const tallyOf = async (
  { assembled }: Node,
  week: Week,
): Promise<{ document: TallyDocument; digest: string }> => await assembled.weeks.tally(week, signal)

describe('a network of daemons on zebrad', () => {
  test('R-CHAL-2 R-CHAL-5 R-TALLY-4 all challenge all with samples of zebrad’s blocks, and all are credited; an anchor by memo fixes the week', async () => {
    const { genesis, schedule } = network.profile
    const { confirmations, epochBlocks } = genesis
    const firstEpoch = epochOfHeight(genesis, await getBlockCount(zebrad.rpc))!
    // Two epochs until the snapshots have them, and two that count.
    const lastEpoch = firstEpoch + 5
    const week = weekOfTime(blockTime)
    proxy.reset()
    const measuredFrom = epochStart(genesis, firstEpoch + 3) + confirmations
    const begun = { height: 0, ms: 0 }
    while ((await getBlockCount(zebrad.rpc)) < epochStart(genesis, lastEpoch + 1) - 12) {
      await mineOne(1)
      const height = await getBlockCount(zebrad.rpc)
      if (height === measuredFrom) {
        proxy.reset()
        begun.height = height
        begun.ms = performance.now()
      }
    }
    const measured = {
      blocks: (await getBlockCount(zebrad.rpc)) - begun.height,
      calls: Object.fromEntries(proxy.calls),
      medianNodeMs: proxy.nodeMs.toSorted((a, b) => a - b)[Math.floor(proxy.nodeMs.length / 2)],
    }
    // Into the next week: then this one can end.
    const secondsLeft = startOfWeek(week) + 604_800 - blockTime
    for (let i = 0; i < 12; i++) await mineOne(i === 0 ? secondsLeft + 60 : 1)
    let last = lastEpoch
    const weekIsOver = (): number | null | undefined =>
      nodes[0]!.assembled.follower.weeks().records.find((record) => record.week === week)?.last
    while ((weekIsOver() ?? null) === null) {
      await mineOne(1)
      if ((await getBlockCount(zebrad.rpc)) > epochStart(genesis, lastEpoch + 6)) break
    }
    last = weekIsOver()!
    expect(last).toBeGreaterThanOrEqual(firstEpoch + 4)
    const freeze = freezeHeight(genesis, last)
    const { anchorBlocks } = schedule[0]!.params
    let posted: string | null = null
    while ((await getBlockCount(zebrad.rpc)) < freeze + confirmations + anchorBlocks) {
      await mineOne(1)
      const [memo] = memos
      if (memo !== undefined && posted === null) {
        posted = memo
        const coins = (await matureCoins(zebrad.rpc, minerKey)).slice(-2)
        // The bond goes back to its sender (R-CHAIN-4).
        await mineIn(zebrad.rpc, await send(addressOf(minerKey), schedule[0]!.params.anchorBond, memo, coins))
        blockTime = (await getTemplate(zebrad.rpc)).curtime
      }
      if (nodes.every(({ assembled }) => assembled.daemon.finality.anchored.get(week) !== undefined)) break
    }
    expect(posted).toMatch(/^secnode:1 anchor week=/)
    const tallies = await Promise.all(nodes.map((node) => tallyOf(node, week)))
    expect(new Set(tallies.map(({ digest }) => digest)).size).toBe(1)
    const { document } = tallies[0]!
    expect(document.state).toBe('anchored')
    expect(document.seats).toHaveLength(count)
    const counted = document.epochs.filter(({ seats }) => seats === count)
    expect(counted.length).toBeGreaterThanOrEqual(2)
    for (const { amount, outcomes } of document.seats) {
      expect(BigInt(amount)).toBeGreaterThan(0n)
      expect(outcomes.filter((outcome) => outcome === 'credited').length).toBeGreaterThanOrEqual(
        counted.length - 1,
      )
      expect(outcomes.filter((outcome) => outcome !== null && outcome.startsWith('invalid'))).toEqual([])
    }
    process.stderr.write(
      `${JSON.stringify({ week, epochs: document.epochs, epochBlocks, measured, outcomes: document.seats.map(({ outcomes }) => outcomes) })}\n`,
    )
  }, 600_000)
})
