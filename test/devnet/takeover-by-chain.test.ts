import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import {
  coin,
  decodeAttestation,
  type Epoch,
  epochStart,
  firstEpochOfAnnouncement,
  utf8ToBytes,
} from '../../protocol/index.ts'
import { getNewAddress, sendMany, signMessage, zSendMany } from '../../src/chain-node/rpc/methods.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { type PreparedDevnet, type PreparedNode, prepareDevnet } from '../../src/devnet/prepare.ts'
import { loadNodeKeyFile } from '../../src/keys/node-key.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import type { Config } from '../../src/service/config.ts'
import { createReloads, runService } from '../../src/service/service.ts'
import { openDoors } from '../../src/web/doors.ts'
import type { NodeStatus } from '../../src/service/status.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'
import { silent, until } from '../net/local-hosts.ts'

const world = realWorld()
const signal = AbortSignal.timeout(900_000)
const hostLimits = { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 }
/** In which the standby is announced; from the second one after it on the seat is its. */
const announcedIn: Epoch = 4
/** The week has epochs 2 … 7. */
const epochs = 6
const lastEpoch: Epoch = 1 + epochs

let dir: string
let devnet: PreparedDevnet
let seatNode: PreparedNode
let standby: Config
let standbyFile: string
let service: { abort: AbortController; done: Promise<void> } | null = null
const running = new Map<PreparedNode, AssembledNode>()
const pace = createPace(world)

const start = async (node: PreparedNode): Promise<void> => {
  const assembled = await assembleNode(node.config, { logger: silent, world, daemon: { hostLimits } })
  running.set(node, assembled)
  await assembled.start()
}

const status = async (): Promise<NodeStatus> => {
  const run = await runInProcess('status', '--json', '--dir', standby.dir)
  if (run.exitCode !== 0) throw new Error(run.stderr)
  return JSON.parse(run.stdout) as NodeStatus
}

/** The standby, or what it has become, has come to this height and visits nobody. */
const isStandbyQuiet = async (height: number): Promise<boolean> => {
  const now = await status().catch(() => null)
  return (
    now !== null &&
    now.chain.confirmedHeight >= height &&
    now.work?.targets.some(({ state }) => state === 'visiting') !== true
  )
}

const mineTo = async (height: number): Promise<void> => {
  const { confirmations } = devnet.network.profile.genesis
  while (devnet.chain.tip.height < height + confirmations) {
    devnet.chain.mine(1)
    const confirmed = devnet.chain.tip.height - confirmations
    await pace.untilQuiet(() => [...running.values()], confirmed, signal)
    if (service !== null) await until(() => isStandbyQuiet(confirmed))
  }
}

const at = (epoch: number, offset = 0): number => epochStart(devnet.network.profile.genesis, epoch) + offset

/** An address of the wallet with enough for another announcement. */
const purse = async (): Promise<string> => {
  const address = await getNewAddress(devnet.rpc)
  await sendMany(devnet.rpc, { [address]: devnet.network.profile.genesis.minStake + 2n * coin }, 1)
  devnet.chain.mine(1)
  return address
}

interface Signed {
  attestations: Epoch[]
  votes: { week: string; checkpoint: string }[]
}

/** What the store of a configuration has signed under the key that it has now. */
const signedBy = async (configFile: string): Promise<Signed> => {
  const run = await runInProcess('history', 'export', '--config', configFile, '-o', '-')
  if (run.exitCode !== 0) throw new Error(run.stderr)
  const { signed } = JSON.parse(run.stdout) as {
    signed: { attestations: { payload: string }[]; votes: Signed['votes'] }
  }
  return {
    attestations: signed.attestations.map(
      ({ payload }) => decodeAttestation(new Uint8Array(Buffer.from(payload, 'base64')))!.epoch,
    ),
    votes: signed.votes,
  }
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-by-chain-'))
  devnet = await prepareDevnet(
    { nodes: 5, epochs, seed: 87, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  seatNode = devnet.nodes[0]!
  const { host, ip } = devnet.plan.guest
  standby = {
    ...seatNode.config,
    host,
    dir: join(dir, 'standby'),
    certificate: { cert: devnet.guest.certFile, key: devnet.guest.keyFile },
    listen: { ...seatNode.config.listen, address: ip },
    syncSeconds: 0.2,
    web: false,
  }
  standbyFile = join(dir, 'standby.yaml')
  writeFileSync(standbyFile, stringify(standby), { mode: 0o600 })
  for (const node of devnet.nodes) await devnet.announce(node)
  await Promise.all(devnet.nodes.map(start))
}, 300_000)
afterAll(async () => {
  service?.abort.abort()
  await service?.done
  await Promise.all([...running.values()].map((node) => node.stop()))
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

/** The two calls, the wallet's signature between them, and the one payment. */
const announceStandby = async (): Promise<void> => {
  const { rpc } = devnet
  const run = async (...args: string[]): Promise<{ text: string; memo: string }> => {
    const ran = await runInProcess('takeover', '--by-chain', '--config', standbyFile, '--json', ...args)
    if (ran.exitCode !== 0) throw new Error(ran.stderr)
    return JSON.parse(ran.stdout) as { text: string; memo: string }
  }
  const { text } = await run()
  const { memo } = await run('--signature', await signMessage(rpc, seatNode.address, text))
  const { minStake, announceAddress } = devnet.network.profile.genesis
  await zSendMany(rpc, {
    from: await purse(),
    recipients: [
      { address: seatNode.address, amount: minStake },
      { address: announceAddress, amount: coin / 1_000n, memo: utf8ToBytes(memo) },
    ],
  })
}

test('R-ATT-8 R-CP-3 a standby takes the seat over by the chain while the old daemon runs: no epoch is lost, and it votes as a senior', async () => {
  await mineTo(at(announcedIn - 1))
  const abort = new AbortController()
  service = {
    abort,
    done: runService({
      configFile: standbyFile,
      logger: silent,
      world,
      signal: abort.signal,
      reloads: createReloads(),
      openDoors,
      isStandby: true,
      daemon: { hostLimits },
    }),
  }
  await mineTo(at(announcedIn))
  expect((await status()).signing).toMatchObject({ is: 'standby' })
  expect((await status()).findings.map(({ code }) => code)).not.toContain('announcement-differs')
  await announceStandby()
  await mineTo(at(announcedIn, 4))
  const keys = await loadNodeKeyFile(join(standby.dir, 'standby.key'))
  const old = running.get(seatNode)!
  expect(old.daemon.takeover.moved()).toMatchObject({ peer: keys.peerId, from: announcedIn + 2 })
  await until(async () => (await status().catch(() => null))?.signing.is === 'on')
  expect(keys.blsPublicKey).toEqual(seatNode.keys.blsPublicKey)
  const codes = (await status()).findings.map(({ code }) => code)
  expect(codes).toContain('took-over')
  expect(codes).not.toContain('verdicts-bad')

  // The week ends, is frozen and certified, and both run on. One node is away meanwhile: four of five have to vote, so
  // without the successor there is no certificate.
  await mineTo(at(lastEpoch + 2) - 1)
  const away = devnet.nodes[4]!
  await running.get(away)!.stop()
  running.delete(away)
  await mineTo(at(lastEpoch + 2, 6))
  const { week } = devnet.plan
  const { finality } = running.get(devnet.nodes[1]!)!.daemon
  await until(() => /^(?:certified|anchored)$/.test(finality.stateOf(week) ?? ''))
  await start(away)
  const successorFile = join(dir, 'successor.yaml')
  writeFileSync(successorFile, stringify({ ...standby, keys: join(standby.dir, 'standby.key') }), {
    mode: 0o600,
  })
  // The running daemon answers for its own keys.
  const bySuccessor = await signedBy(successorFile)
  const byOld: Signed = {
    attestations: (await old.history.read()).attestations.map(({ epoch }) => epoch),
    votes: (await old.history.read()).votes.map(({ week, checkpoint }) => ({
      week,
      checkpoint: checkpoint.toString(),
    })),
  }
  expect(byOld.attestations).toEqual([2, 3, 4, 5])
  expect(bySuccessor.attestations.slice(0, 3)).toEqual([6, 7, 8])
  expect(bySuccessor.votes.map((vote) => vote.week)).toContain(week)
  expect(byOld.votes).toEqual([])

  const other = running.get(devnet.nodes[1]!)!
  const seat = old.daemon.node.ownSeat()!
  for (let epoch = 2; epoch <= lastEpoch; epoch++) {
    const context = (await other.daemon.epochs.get(epoch))!
    expect((await other.daemon.collector.equivocators(context.week)).size).toBe(0)
    expect(await other.daemon.collector.heldOf(context, [seat])).toHaveLength(1)
  }
  // Its audits find the evidence of the old daemon's last attestations (R-EVID-2).
  const said = (await status()).said.map(({ epoch, is }) => [epoch, is])
  expect(said.slice(1)).toEqual([
    [lastEpoch + 1, 'valid'],
    [lastEpoch, 'valid'],
  ])

  // The way back: the successor's machine is lost, and the old daemon's own key is announced again.
  const lostIn = other.daemon.epochs.current()!
  service.abort.abort()
  await service.done
  service = null
  await devnet.announce(seatNode, { from: await purse() })
  await mineTo(at(lostIn + 1, 6))
  expect(old.daemon.takeover.moved()).toBe(null)
  const { genesis } = devnet.network.profile
  const from = firstEpochOfAnnouncement(genesis, old.follower.recordOf(seatNode.stake)!.announced.height)
  await mineTo(at(from + 1, 2))
  const after = (await old.history.read()).attestations.map(({ epoch }) => epoch)
  expect(after).toEqual([2, 3, 4, 5, from])
  // The block of the announcement may lie in the epoch after the loss: the next one is lost as well, and no more.
  expect(from - lostIn).toBeLessThanOrEqual(3)
}, 600_000)
