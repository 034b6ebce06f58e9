import { createHmac } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { base64 } from '@scure/base'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  attestationMessage,
  challengersOf,
  cidOf,
  decodeAttestation,
  epochStart,
  indexOfSeat,
  Verdict,
  verifyEd25519,
} from '../../protocol/index.ts'
import type { SignedVerdict } from '../../src/service/alerts/finding.ts'
import { zGetOperationStatus, zSendMany } from '../../src/chain-node/rpc/methods.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { prepareDevnet, type PreparedDevnet, type PreparedNode } from '../../src/devnet/prepare.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import { type ControlServer, createControlServer } from '../../src/web/control/server.ts'
import type { FleetReport } from '../../src/service/fleet.ts'
import type { NodeStatus, PeerStatus } from '../../src/service/status.ts'
import { startWebServer } from '../../src/web/web-server.ts'
import { realWorld, type World } from '../../src/world.ts'
import { type Listener, startListener } from '../service/alerts/listener.ts'
import { runInProcess } from '../cli/in-process.ts'
import { testCa } from '../fixtures/certificates.ts'
import { silent, until } from '../net/local-hosts.ts'

/** Moves the nodes' clocks ahead, for what is a fault only after a while. */
let aheadMs = 0
const real = realWorld()
const world: World = { ...real, monotonicMs: () => real.monotonicMs() + aheadMs }
const signal = AbortSignal.timeout(900_000)
const secret = 'shared with the listener'
const limits = { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 }

/** A door before a port, as a router or a firewall is one: what goes through it breaks when it is closed. */
interface Door {
  open(): Promise<void>
  close(): Promise<void>
}

const createDoor = (address: string, port: number, toPort: number): Door => {
  const sockets = new Set<Socket>()
  const server = createServer((inside) => {
    const outside = connect({ host: address, port: toPort })
    for (const [socket, other] of [
      [inside, outside],
      [outside, inside],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  return {
    open: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, address, () => {
          server.off('error', reject)
          resolve()
        })
      }),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** The epoch in which the port is closed. */
const closed = 5

/** What the daemons log, line by line. */
const log: string[] = []
let dir: string
let listener: Listener
let prepared: PreparedDevnet
let door: Door
const running = new Map<PreparedNode, { assembled: AssembledNode; control: ControlServer }>()
const pace = createPace(world)

const start = async (node: PreparedNode): Promise<AssembledNode> => {
  const logger = pino({ base: { node: node.name } }, { write: (line) => void log.push(line) })
  const assembled = await assembleNode(node.config, { logger, world, daemon: { hostLimits: limits } })
  const control = createControlServer(assembled, node.config.dir, logger)
  running.set(node, { assembled, control })
  await assembled.start()
  await control.start()
  return assembled
}

const stop = async (node: PreparedNode): Promise<void> => {
  const { assembled, control } = running.get(node)!
  running.delete(node)
  await control.stop()
  await assembled.stop()
}

const assembled = (): AssembledNode[] => [...running.values()].map((one) => one.assembled)

/** Whether each that runs holds what each that runs has attested of an epoch: gossip takes no time that blocks wait for. */
const haveHeard = async (epoch: number): Promise<boolean> => {
  const daemons = assembled().map(({ daemon }) => daemon)
  const contexts = await Promise.all(daemons.map(({ epochs }) => epochs.get(epoch)))
  const signed = await Promise.all(
    daemons.map(async ({ node }, i) =>
      contexts[i] === undefined ? undefined : await node.attestations.ownSigned(epoch, contexts[i].beacon),
    ),
  )
  const held = await Promise.all(
    daemons.map(async ({ collector }, i) =>
      contexts[i] === undefined ? [] : await collector.held(contexts[i]),
    ),
  )
  const attested = signed.filter((one) => one !== undefined).length
  return held.every((rows) => rows.length >= attested)
}

/** Mines until this height is confirmed and all have dealt with it and looked at themselves. */
const mineTo = async (height: number): Promise<void> => {
  const { chain, network } = prepared
  const { confirmations } = network.profile.genesis
  while (chain.tip.height < height + confirmations) {
    chain.mine(1)
    await pace.untilQuiet(assembled, chain.tip.height - confirmations, signal)
  }
  const { activationHeight, epochBlocks } = network.profile.genesis
  const epoch = Math.floor((height - activationHeight) / epochBlocks)
  await until(async () => (await haveHeard(epoch - 1)) && (await haveHeard(epoch)))
  await Promise.all(assembled().map(({ diagnosis }) => diagnosis.look()))
}

const epochAt = (epoch: number, offset = 0): number =>
  epochStart(prepared.network.profile.genesis, epoch) + offset

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-closed-port-'))
  listener = await startListener()
  const options = { nodes: 5, epochs: 20, seed: 71, with: {}, profile: 'devnet' as const }
  prepared = await prepareDevnet(options, join(dir, 'net'), world)
  const [own] = prepared.nodes
  // The announced port is the door's; the daemon listens behind it.
  own!.config.listen.p2p = own!.p2p + 1_000
  own!.config.alerts = {
    from: 'warning',
    minIntervalSeconds: 0,
    timeoutSeconds: 60,
    webhooks: [{ url: listener.url, secret }],
    commands: [],
  }
  door = createDoor(own!.ip, own!.p2p, own!.config.listen.p2p)
  await door.open()
  for (const node of prepared.nodes) await prepared.announce(node)
  await Promise.all(prepared.nodes.map(start))
  // The first epochs have no seats, and while a network begins nodes have things to tell that are soon over.
  await mineTo(epochAt(closed) - 1)
  const { alerter } = running.get(own!)!.assembled
  await until(() => alerter.state().every(({ waiting }) => waiting === 0))
  listener.taken.length = 0
}, 900_000)

afterAll(async () => {
  await Promise.all([...running.keys()].map(stop))
  await prepared.close()
  await listener.close()
  await rm(dir, { recursive: true, force: true })
})

/** A command that looks at a node of this network. */
const ask = async (node: PreparedNode, ...args: string[]) =>
  await runInProcess(...args, '--dir', node.config.dir)

describe('a node whose port is closed', () => {
  test('R-TALLY-1 is told by its own daemon within one epoch, with verdicts that anybody can check', async () => {
    const own = prepared.nodes[0]!
    const { assembled: node } = running.get(own)!
    expect(node.diagnosis.current()!.findings.map(({ code }) => code)).toEqual(['announcement-differs'])
    // Nobody takes alerts just now; they wait, on the disk.
    listener.answer = 503
    await door.close()
    await mineTo(epochAt(closed + 1) - 1)
    const codes = node.diagnosis.current()!.findings.map(({ code, severity }) => `${severity} ${code}`)
    expect(codes).toContain('critical verdicts-bad')
    expect(codes).toContain('critical unreachable')
    expect(codes).toContain('warning visits-missing')
    const lines = log.map(
      (line) => JSON.parse(line) as { node: string; level: number; code?: string; remedy?: string },
    )
    expect(lines).toContainEqual(
      expect.objectContaining({
        node: own.name,
        level: 50,
        code: 'unreachable',
        remedy: expect.any(String) as string,
      }),
    )
    await until(() => listener.refused.length > 0)

    await stop(own)
    listener.answer = 200
    await start(own)
    await until(() => listener.taken.length >= 3)
    const byCode = new Map(listener.taken.map((received) => [received.alert.code, received]))
    expect(new Set(byCode.keys())).toEqual(new Set(['verdicts-bad', 'unreachable', 'visits-missing']))
    // None of them twice, whatever was tried before.
    expect(listener.taken).toHaveLength(3)

    const { alert, body, headers } = byCode.get('verdicts-bad')!
    expect(headers['secnode-signature']).toBe(
      `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    )
    expect(headers['secnode-alert-id']).toBe(alert.id)
    expect(alert).toMatchObject({
      is: 'firing',
      severity: 'critical',
      node: { network: prepared.network.networkId, host: own.host, peer: own.keys.peerId },
    })
    expect(alert.text).toContain(`epoch ${closed} is lost`)
    expect(alert.text).toContain('secnode doctor')
    // Whoever gets it can check every word of it: against the keys of the snapshot, by the rules alone.
    const verdicts = alert.evidence.filter((one): one is SignedVerdict => one.is === 'verdict')
    expect(verdicts.length).toBeGreaterThanOrEqual(2)
    const other = running.get(prepared.nodes[1]!)!.assembled.daemon
    const context = (await other.epochs.get(closed))!
    const ownSeat = alert.node.seat!
    const challengers = challengersOf(context.committees, indexOfSeat(context.snapshot, ownSeat)).map(
      (index) => context.snapshot[index]!.seat,
    )
    for (const verdict of verdicts) {
      const payload = base64.decode(verdict.attestation.payload)
      const attestation = decodeAttestation(payload)!
      const row = context.rowOf(verdict.seat)!
      const message = attestationMessage(prepared.network.networkId, payload)
      expect(verifyEd25519(row.peer, message, base64.decode(verdict.attestation.signature))).toBe(true)
      expect(cidOf(payload).toString()).toBe(verdict.attestation.cid)
      expect(attestation.evidence.toString()).toBe(verdict.evidence)
      expect(attestation.verdicts[challengers.indexOf(verdict.seat)]).toBe(Verdict.unreachable)
      expect(verdict).toMatchObject({ epoch: closed, word: 'unreachable', verdict: Verdict.unreachable })
      expect(verdict.saw).toContain('ECONNREFUSED')
    }
    // And what others saw when they were asked.
    const { evidence } = byCode.get('unreachable')!.alert
    expect(evidence.length).toBeGreaterThan(2)
    expect(
      evidence.every((one) => one.is === 'view' && one.port === 'p2p' && one.word === 'unreachable'),
    ).toBe(true)
  })

  test('is told once, and that it is over once the port is open again', async () => {
    const [own] = prepared.nodes
    await mineTo(epochAt(closed + 1, 4))
    expect(listener.taken).toHaveLength(3)
    await door.open()
    await mineTo(epochAt(closed + 3) - 1)
    const { diagnosis, daemon } = running.get(own!)!.assembled
    expect(diagnosis.current()!.findings.filter(({ severity }) => severity !== 'info')).toEqual([])
    await until(() => listener.taken.length >= 6)
    const told = listener.taken.map(({ alert }) => `${alert.is} ${alert.code}`)
    expect(told.toSorted()).toEqual([
      'firing unreachable',
      'firing verdicts-bad',
      'firing visits-missing',
      'recovered unreachable',
      'recovered verdicts-bad',
      'recovered visits-missing',
    ])
    expect(new Set(listener.taken.map(({ alert }) => alert.id)).size).toBe(6)
    const text = await daemon.metrics.registry.metrics()
    expect(text).toContain('secnode_alerts_total{outcome="sent",kind="webhook"} 6')
    expect(text).toContain('secnode_seat_verdicts{verdict="valid"} 4')
  })

  test('secnode status says what is wrong, who says so, and what to do', async () => {
    const own = prepared.nodes[0]!
    await door.close()
    const { network } = prepared
    await mineTo(Math.ceil(running.get(own)!.assembled.daemon.handledHeight() / 8) * 8 + 7)
    const shown = await ask(own, 'status')
    expect(shown.exitCode).toBe(0)
    expect(shown.stdout).toContain(`${own.host}  seat `)
    expect(shown.stdout).toContain(`network ${network.networkId}`)
    expect(shown.stdout).toMatch(
      /CRITICAL {2}\d of 4 challengers say unreachable: epoch \d+ is lost {2}\[verdicts-bad\]/,
    )
    expect(shown.stdout).toMatch(
      / {2}epoch \d+, seat \d n\d\.devnet\.test says unreachable: .*\(attestation bafy\w+, evidence bafy\w+\)/,
    )
    expect(shown.stdout).toContain('secnode doctor')
    // What was found with the last block may still be on its way.
    expect(shown.stdout).toMatch(/alerts by webhook to 127\.0\.0\.1:\d+: \d+ waiting/)
    const status = JSON.parse((await ask(own, 'status', '--json')).stdout) as NodeStatus
    expect(status).toMatchObject({ host: own.host, stake: 'active', chain: { status: 'following' } })
    expect(status.said[0]).toMatchObject({ k: 4, is: expect.stringMatching(/invalid|undecided/) as string })
    // The page of the node says the same, and leads to what was signed; its metrics do as well.
    const page = (await startWebServer(running.get(own)!.assembled, own.config.web, silent))!
    try {
      const html = await (await fetch(page.url())).text()
      expect(html).toContain('What this node finds of itself')
      expect(html).toMatch(/<code[^>]*>verdicts-bad<\/code>/)
      expect(html).toMatch(/href="\/nodes\/\d\/epochs\/\d+\/by\/\d">seat \d: unreachable: /)
      const metrics = await (await fetch(`${page.url()}/metrics`)).text()
      expect(metrics).toMatch(/secnode_findings\{code="verdicts-bad",severity="critical"\} 1/)
      expect(metrics).toMatch(/secnode_certificate_expiry_timestamp_seconds 1\d{9}/)
    } finally {
      await page.stop()
    }
    // Another node of the same network has nothing to say against itself.
    const other = JSON.parse((await ask(prepared.nodes[1]!, 'status', '--json')).stdout) as NodeStatus
    expect(other.findings.filter(({ severity }) => severity !== 'info')).toEqual([])
  })

  test('R-TALLY-1 secnode fleet shows all nodes of an owner from any one of them', async () => {
    const [own, other, third] = prepared.nodes
    const stakes = ['--stake', own!.address, other!.address, prepared.nodes[2]!.config.anchor!.from]
    const { stdout, exitCode } = await ask(third!, 'fleet', '--json', ...stakes)
    expect(exitCode).toBe(0)
    const { nodes } = JSON.parse(stdout) as FleetReport
    expect(nodes.map(({ host, state }) => [host, state])).toEqual([
      [own!.host, 'active'],
      [other!.host, 'active'],
      [null, 'not announced'],
    ])
    const lost = nodes[0]!.outcomes.find(({ epoch }) => epoch === closed)!
    expect(lost).toMatchObject({ outcome: 'invalid: unreachable', isOpen: false })
    expect(lost.failedBy).toHaveLength(4)
    expect(lost.failedBy.every(({ word }) => word === 'unreachable')).toBe(true)
    expect(nodes[1]!.outcomes.find(({ epoch }) => epoch === closed)).toMatchObject({
      outcome: 'credited',
      failedBy: [],
    })
    expect(nodes[0]!.score).toBeLessThan(nodes[1]!.score)
    expect(BigInt(nodes[0]!.expected!)).toBeLessThan(BigInt(nodes[1]!.expected!))
    expect(BigInt(nodes[0]!.expected!)).toBeGreaterThan(0n)
    // Another daemon sees the same.
    const same = await ask(other!, 'fleet', '--json', ...stakes)
    expect((JSON.parse(same.stdout) as FleetReport).nodes[0]!.outcomes.slice(0, 4)).toEqual(
      nodes[0]!.outcomes.slice(0, 4),
    )
    const shown = await ask(third!, 'fleet', ...stakes)
    expect(shown.stdout).toMatch(new RegExp(`${own!.host} +active +\\d+/\\d+ +\\d+\\.\\d{8} +.*x`))
    expect(shown.stdout).toContain(`epoch ${closed}  invalid: unreachable  (seat `)
    expect(shown.stdout).toContain('expected in all: ')
    const wrong = await ask(third!, 'fleet', '--stake', 'tmNobody')
    expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('[FLEET_STAKE]') as string })
  })

  test('secnode peers names the seats behind its connections', async () => {
    const { stdout } = await ask(prepared.nodes[1]!, 'peers', '--json')
    const peers = JSON.parse(stdout) as PeerStatus[]
    expect(peers.filter(({ isRegistered }) => isRegistered).length).toBeGreaterThan(1)
    for (const { seat, host, peer } of peers) {
      const node = prepared.nodes.find(({ keys }) => keys.peerId === peer)!
      expect([seat !== null, host]).toEqual([true, node.host])
    }
    expect((await ask(prepared.nodes[1]!, 'peers')).stdout).toMatch(/\d peers, \d of them registered/)
  })

  test('secnode alert test says who takes alerts, before one is needed', async () => {
    const own = prepared.nodes[0]!
    listener.answer = 200
    const before = listener.taken.length
    const taken = await ask(own, 'alert', 'test')
    expect(taken).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/^webhook 127\.0\.0\.1:\d+: taken\n$/) as string,
    })
    expect(listener.taken.slice(before).map(({ alert }) => alert.is)).toEqual(['test'])
    listener.answer = 403
    expect(await ask(own, 'alert', 'test', '--json')).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('it answers 403') as string,
    })
    expect(await ask(prepared.nodes[1]!, 'alert', 'test')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('[ALERTS_NONE]') as string,
    })
  })

  test('R-PROBE-1 R-REG-5 R-CHAIN-1 what else goes wrong is found on real parts: certificate, stake, chain node', async () => {
    const [, keeper, spender] = prepared.nodes
    const found = async (node: PreparedNode): Promise<string[]> => {
      const { findings } = await running.get(node)!.assembled.diagnosis.look()
      return findings.map(({ severity, code }) => `${severity} ${code}`)
    }
    const { daemon } = running.get(keeper!)!.assembled
    expect(await found(keeper!)).toEqual([])
    // A renewal that wrote half of it: the pair before it stays in use.
    const { cert, key } = keeper!.config.certificate
    const keyPem = await readFile(key, 'utf8')
    const soon = await testCa.issue({ host: keeper!.host, notAfter: new Date(Date.now() + 5 * 86_400_000) })
    await writeFile(cert, soon.certPem)
    expect(await daemon.reloadCertificate()).toBe(false)
    expect(await found(keeper!)).toEqual(['warning certificate-refused'])
    await writeFile(key, soon.keyPem)
    expect(await daemon.reloadCertificate()).toBe(true)
    expect(await found(keeper!)).toEqual(['warning certificate-expires'])
    expect(keyPem).not.toBe(soon.keyPem)

    // The wallet at home spends a stake.
    const operation = await zSendMany(prepared.rpc, {
      from: spender!.address,
      recipients: [{ address: keeper!.config.anchor!.from, amount: 2_000_000_000n }],
    })
    await until(async () => (await zGetOperationStatus(prepared.rpc, [operation]))[0]!.status === 'success')
    await mineTo(running.get(spender!)!.assembled.daemon.handledHeight() + 3)
    expect(await found(spender!)).toContain('critical stake-spent')
    expect(await found(keeper!)).not.toContain('critical stake-spent')

    await prepared.server.stop()
    const { follower } = running.get(keeper!)!.assembled
    await follower.statusWhen(({ is }) => is === 'node-unreachable', signal)
    expect(await found(keeper!)).not.toContain('critical chain-unreachable')
    aheadMs += 180_000
    expect(await found(keeper!)).toContain('critical chain-unreachable')
  })

  test('a daemon that does not run: what to do', async () => {
    const last = prepared.nodes[4]!
    await stop(last)
    for (const command of ['status', 'peers'] as const) {
      const shown = await ask(last, command)
      expect(shown.exitCode).toBe(3)
      expect(shown.stderr).toContain('[DAEMON_NOT_RUNNING]')
      expect(shown.stderr).toContain('secnode start --config')
    }
    const elsewhere = await runInProcess('status', '--dir', dir)
    expect(elsewhere).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('[DIR_UNKNOWN]') as string,
    })
  })
})
