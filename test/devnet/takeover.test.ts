import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { decodeAttestation, epochStart } from '../../protocol/index.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { type PreparedDevnet, type PreparedNode, prepareDevnet } from '../../src/devnet/prepare.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import type { Config } from '../../src/service/config.ts'
import { createReloads, runService } from '../../src/service/service.ts'
import { openDoors } from '../../src/web/doors.ts'
import type { NodeStatus } from '../../src/service/status.ts'
import type { TakeoverAnswer } from '../../src/web/control/schemas.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'
import { silent, until } from '../net/local-hosts.ts'

const world = realWorld()
const signal = AbortSignal.timeout(900_000)
const hostLimits = { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 }
/** The epoch in which the machine of the seat is stopped for good. */
const last = 5

let dir: string
let devnet: PreparedDevnet
let seatNode: PreparedNode
let standby: Config
let service: { abort: AbortController; done: Promise<void> } | null = null
/** Where the name of the seat leads: an address before the two machines, as a DNS record is. */
let leadsTo: string
const doors: { server: Server; sockets: Set<Socket> }[] = []
const running = new Map<PreparedNode, AssembledNode>()
const pace = createPace(world)
const said: string[] = []

const openDoor = async (address: string, port: number): Promise<void> => {
  const sockets = new Set<Socket>()
  const server = createServer((outer) => {
    const inner = connect(port, leadsTo)
    for (const socket of [outer, inner]) sockets.add(socket.on('error', () => undefined))
    pipeline(outer, inner, () => undefined)
    pipeline(inner, outer, () => undefined)
  })
  await new Promise<void>((resolve) => void server.listen(port, address, resolve))
  doors.push({ server, sockets })
}

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

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-takeover-'))
  devnet = await prepareDevnet(
    { nodes: 5, epochs: 14, seed: 86, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  seatNode = devnet.nodes[0]!
  leadsTo = seatNode.ip
  const door = seatNode.ip.replace(/\d+$/, '150')
  for (const port of [seatNode.p2p, seatNode.tls]) await openDoor(door, port)
  const hosts = { ...seatNode.config.hosts, [seatNode.host]: door }
  for (const node of devnet.nodes) node.config.hosts = hosts
  const { listen } = seatNode.config
  standby = {
    ...seatNode.config,
    hosts,
    dir: join(dir, 'standby'),
    listen: { ...listen, address: seatNode.ip.replace(/\d+$/, '151') },
    syncSeconds: 0.2,
    web: false,
  }
  for (const node of devnet.nodes) await devnet.announce(node)
  await Promise.all(devnet.nodes.map(start))
}, 300_000)
afterAll(async () => {
  service?.abort.abort()
  await service?.done
  await Promise.all([...running.values()].map((node) => node.stop()))
  for (const { server, sockets } of doors) {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

const run = async (...args: string[]) => await runInProcess(...args)

test('R-ATT-8 a seat moves to its standby by the operator’s word, with its history, and goes on earning', async () => {
  const configFile = join(dir, 'standby.yaml')
  writeFileSync(configFile, stringify(standby), { mode: 0o600 })
  const abort = new AbortController()
  const logger = pino({ level: 'info' }, { write: (line) => void said.push(line) })
  await mineTo(at(last - 1))
  service = {
    abort,
    done: runService({
      configFile,
      logger,
      world,
      signal: abort.signal,
      reloads: createReloads(),
      openDoors,
      isStandby: true,
      daemon: { hostLimits },
    }),
  }
  await until(() => isStandbyQuiet(at(last - 1)))
  await mineTo(at(last, 2))
  await until(async () => (await status()).signing.is === 'standby')
  expect((await status()).signing).toMatchObject({ is: 'standby', takeover: null })
  expect((await run('status', '--dir', standby.dir)).stdout).toContain('signs nothing: standby for seat')

  // Nothing without the word, and without what was signed.
  expect(await run('takeover', '--dir', standby.dir)).toMatchObject({ exitCode: 2 })
  expect(await run('takeover', '--i-stopped-it', '--dir', standby.dir)).toMatchObject({ exitCode: 2 })

  const stopped = running.get(seatNode)!
  running.delete(seatNode)
  await stopped.stop()
  const history = join(dir, 'seat.history')
  writeFileSync(join(dir, 'seat.yaml'), stringify(seatNode.config), { mode: 0o600 })
  const exported = await run('history', 'export', '--config', join(dir, 'seat.yaml'), '-o', history)
  expect(exported.exitCode).toBe(0)
  const taken = await run('takeover', '--i-stopped-it', '--history', history, '--dir', standby.dir, '--json')
  expect(taken.exitCode).toBe(0)
  const answer = JSON.parse(taken.stdout) as TakeoverAnswer
  expect(answer).toMatchObject({ fromEpoch: last + 1, history: { lastEpoch: last - 1 } })
  leadsTo = standby.listen.address

  // Of the epoch in which it was stopped it attested nothing; that is known in the middle of the next one.
  await mineTo(at(last + 1, 3))
  expect((await status()).signing).toMatchObject({ is: 'standby', takeover: { is: 'waiting' } })
  await mineTo(at(last + 1, 4))
  await until(async () => (await status().catch(() => null))?.signing.is === 'on')
  await mineTo(at(last + 5))

  const now = await status()
  expect(now).toMatchObject({ seat: answer.seat, peer: seatNode.keys.peerId })
  expect(now.findings.map(({ code }) => code)).toContain('took-over')
  const { daemon } = running.get(devnet.nodes[1]!)!
  const attested: number[] = []
  for (let epoch = last - 1; epoch <= last + 3; epoch++) {
    const context = (await daemon.epochs.get(epoch))!
    const [held] = await daemon.collector.heldOf(context, [answer.seat])
    if (held !== undefined && decodeAttestation(held.signed.payload) !== null) attested.push(epoch)
    expect((await daemon.collector.equivocators(context.week)).size).toBe(0)
  }
  // One whole epoch of silence, and the one in which it took over.
  expect(attested).toEqual([last - 1, last + 2, last + 3])
  expect(now.said.find(({ epoch }) => epoch === last + 3)?.is).toBe('valid')
}, 600_000)
