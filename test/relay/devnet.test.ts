import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import pino from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  cellBytes,
  cidOf,
  encodeCheckpoint,
  epochStart,
  keyOfPeerId,
  peerIdOfKey,
  registryRootOf,
  relayProtocol,
  reversedHex,
  type Seat,
} from '../../protocol/index.ts'
import { createPace } from '../../src/devnet/pace.ts'
import { prepareDevnet, type PreparedDevnet } from '../../src/devnet/prepare.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { startRelayClient } from '../../src/net/relay-client.ts'
import { type AssembledNode, assembleNode } from '../../src/service/assemble.ts'
import { type ControlServer, createControlServer } from '../../src/web/control/server.ts'
import { relaySeatsOf } from '../../src/node/relay-seats.ts'
import { broadcastThroughRelay } from '../../src/relay/broadcast.ts'
import { txidOf } from '../../src/relay/exit.ts'
import { openStore } from '../../src/store/open.ts'
import { openStoredWeeks } from '../../src/week-io/stored-week.ts'
import { realWorld } from '../../src/world.ts'
import { runInProcess } from '../cli/in-process.ts'
import { until } from '../net/local-hosts.ts'
import { bytesOf, recordStreams } from './recording.ts'
import { withinIdleMs } from './relay-network.ts'

// Five nodes, a chain and a wallet: from the first epoch that has closed with attestations on, any of them may be a hop.
const clientAddress = '127.141.200.9'
const world = realWorld()
const signal = AbortSignal.timeout(900_000)

let dir: string
let devnet: PreparedDevnet
const nodes: { assembled: AssembledNode; control: ControlServer }[] = []
/** Everything that the nodes write, at the level that writes all. */
let log = ''

const logger = pino(
  { level: 'trace' },
  new Writable({
    write(chunk, _encoding, done) {
      log += String(chunk)
      done()
    },
  }),
)

const assembled = () => nodes.map((node) => node.assembled)
const pace = createPace(world)
const mineUntil = async (tip: number): Promise<void> => {
  while (devnet.chain.tip.height < tip) {
    devnet.chain.mine(1)
    await pace.untilQuiet(
      assembled,
      devnet.chain.tip.height - devnet.network.profile.genesis.confirmations,
      signal,
    )
  }
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-relay-'))
  devnet = await prepareDevnet(
    { nodes: 5, epochs: 3, seed: 41, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    world,
  )
  for (const node of devnet.nodes) {
    await devnet.announce(node)
    const one = await assembleNode(node.config, {
      logger,
      world,
      daemon: { hostLimits: { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500 } },
    })
    nodes.push({ assembled: one, control: createControlServer(one, node.config.dir, logger) })
  }
  await Promise.all(
    nodes.map(async ({ assembled: one, control }) => {
      await one.start()
      await control.start()
    }),
  )
  const { genesis } = devnet.network.profile
  // Before a node signs anything it asks others what they know of it (R-ATT-5), when it is in a snapshot: from epoch 2 on.
  await mineUntil(epochStart(genesis, 2) + genesis.confirmations)
  await until(() => log.split('other seats were asked for own attestations').length > nodes.length)
  // Epoch 2 is closed when epoch 4 begins.
  await mineUntil(epochStart(genesis, 4) + genesis.confirmations)
})

afterAll(async () => {
  await Promise.all(nodes.map(({ control }) => control.stop()))
  await Promise.all(nodes.map((node) => node.assembled.stop()))
  await devnet.close()
  await rm(dir, { recursive: true, force: true })
})

const Coins = z.array(z.looseObject({ txid: z.string(), vout: z.int(), amount: z.number() }))
const Signed = z.looseObject({ hex: z.string(), complete: z.literal(true) })

/** A wallet's transactions, signed and not sent, that spend one coin, one for each of these fees. */
const signTransactions = async (...fees: readonly number[]): Promise<Uint8Array[]> => {
  const { rpc } = devnet
  const coins = await rpc.call('listunspent', [1], Coins)
  const { txid, vout, amount } = coins.find((coin) => coin.amount > 100)!
  return await Promise.all(
    fees.map(async (fee) => {
      const to = await rpc.call('getnewaddress', [], z.string())
      const params = [[{ txid, vout }], { [to]: amount - fee }]
      const unsigned = await rpc.call('createrawtransaction', params, z.string())
      const { hex } = await rpc.call('signrawtransaction', [unsigned], Signed)
      return new Uint8Array(Buffer.from(hex, 'hex'))
    }),
  )
}

const signTransaction = async (): Promise<Uint8Array> => {
  const [transaction] = await signTransactions(1)
  return transaction!
}

const send = async (transaction: Uint8Array, path?: readonly Seat[]) => {
  const { network } = devnet
  await using client = await startRelayClient({
    networkId: network.networkId,
    allowLoopback: true,
    localAddress: clientAddress,
    world,
  })
  const outcome = await broadcastThroughRelay({
    client,
    networkId: network.networkId,
    transaction,
    txid: txidOf('zcash', transaction),
    seats: await relaySeatsOf(assembled()[0]!.weeks),
    ownSeat: null,
    hops: 3,
    ...(path === undefined ? {} : { path }),
    prefixBits: network.profile.relayPrefixBits,
    addressOf: () => Promise.reject(new Error('all addresses are known')),
    solver: createPuzzleSolver({ world, maxEffort: 2 ** 20 }),
    world,
    signal,
  })
  return { ...outcome, peer: client.peerId }
}

const openLinks = (): number =>
  assembled().reduce((sum, { daemon }) => sum + daemon.host.openStreams(relayProtocol), 0)

const isInPool = (transaction: Uint8Array): boolean =>
  devnet.chain.mempool.get(txidOf('zcash', transaction)) !== undefined

/** What would give a node away, in every form that a message might have it in. */
const marksOf = (seat: Seat): Buffer[] => {
  const node = devnet.nodes.find(
    ({ keys }) => assembled()[seat]!.daemon.host.peerId === peerIdOfKey(keys.peerKey),
  )!
  return [
    Buffer.from(node.keys.peerKey),
    Buffer.from(peerIdOfKey(node.keys.peerKey)),
    Buffer.from(node.host),
    Buffer.from(node.ip),
    Buffer.from(node.ip.split('.').map(Number)),
  ]
}

/** Every run of 16 bytes of it, without the few that are alike in all transactions. */
const piecesOf = (transaction: Uint8Array): Buffer[] =>
  Array.from({ length: transaction.length - 16 }, (_, at) =>
    Buffer.from(transaction.slice(at, at + 16)),
  ).filter((piece) => new Set(piece).size > 4)

const holdsAny = (seen: Buffer, marks: readonly Buffer[]): boolean =>
  marks.some((mark) => seen.includes(mark))

describe('a wallet transaction through three hops', () => {
  test('R-RELAY-3 R-RELAY-4 each hop sees its neighbours and nothing else, in cells of one size', async () => {
    const transaction = await signTransaction()
    using recording = recordStreams()
    const outcome = await send(transaction, [0, 1, 2])
    expect(outcome).toMatchObject({ refusal: null, circuits: 1 })
    expect(isInPool(transaction)).toBe(true)

    // All that was written on a link, at any hop, was one cell.
    const wire = recording.wire()
    expect(wire).toHaveLength(6)
    for (const { sent } of wire) {
      expect(sent.length).toBeGreaterThan(0)
      for (const written of sent) expect(written.length).toBe(cellBytes)
    }

    // Client, first hop inwards and outwards, second, third: in the order in which they come about.
    const links = recording.links()
    expect(links.map(({ stream }) => stream.direction)).toEqual([
      'outbound',
      'inbound',
      'outbound',
      'inbound',
      'outbound',
      'inbound',
    ])
    for (const i of [0, 2, 4]) {
      expect(Buffer.concat(links[i]!.sent)).toEqual(Buffer.concat(links[i + 1]!.received))
      expect(Buffer.concat(links[i]!.received)).toEqual(Buffer.concat(links[i + 1]!.sent))
    }
    const [first, second, third] = [1, 3, 5].map((i) =>
      bytesOf(links[i], links[i + 1], recording.sessionOver(links[i]!)),
    ) as [Buffer, Buffer, Buffer]
    const client = [
      Buffer.from(keyOfPeerId(outcome.peer)!),
      Buffer.from(outcome.peer),
      Buffer.from(clientAddress),
      Buffer.from(clientAddress.split('.').map(Number)),
    ]
    const pieces = piecesOf(transaction)

    // The record is one: each hop is told the next, and the exit the transaction.
    expect(holdsAny(first, marksOf(1))).toBe(true)
    expect(holdsAny(second, marksOf(2))).toBe(true)
    expect(pieces.every((piece) => third.includes(piece))).toBe(true)
    // The first never sees the transaction, nor the third hop.
    expect(holdsAny(first, pieces)).toBe(false)
    expect(holdsAny(first, marksOf(2))).toBe(false)
    // The second sees neither end.
    expect(holdsAny(second, pieces)).toBe(false)
    expect(holdsAny(second, client)).toBe(false)
    // The exit never sees the client, nor the first hop.
    expect(holdsAny(third, client)).toBe(false)
    expect(holdsAny(third, marksOf(0))).toBe(false)
    for (const { daemon } of assembled().slice(1)) {
      for (const { peerId, address } of daemon.host.peers()) {
        expect(peerId).not.toBe(outcome.peer)
        expect(address?.ip).not.toBe(clientAddress)
      }
    }
    // No key that a client shows is shown twice, in this circuit or the next one, and none is that of its node.
    await send(await signTransaction())
    const shown = recording.clientKeys().map((key) => Buffer.from(key).toString('hex'))
    expect(shown).toHaveLength(2 * 6)
    expect(new Set([...shown, client[0]!.toString('hex')]).size).toBe(2 * 6 + 1)
    await until(() => openLinks() === 0, withinIdleMs)
  })

  test('R-RELAY-6 no log, at any level, names the client, the transaction or a circuit', async () => {
    const transaction = await signTransaction()
    log = ''
    const { peer, hops } = await send(transaction)
    await until(() => openLinks() === 0, withinIdleMs)
    expect(hops).toHaveLength(3)
    const txid = reversedHex(txidOf('zcash', transaction))
    const key = Buffer.from(keyOfPeerId(peer)!).toString('hex')
    for (const mark of [peer, key, clientAddress, txid, 'relay', 'circuit']) expect(log).not.toContain(mark)
  })

  test('R-RELAY-1 R-RELAY-5 hops are drawn from valid seats with the addresses that challengers saw; it is mined', async () => {
    const seats = await relaySeatsOf(assembled()[0]!.weeks)
    expect(seats.map(({ seat }) => seat)).toEqual([0, 1, 2, 3, 4])
    for (const { seat, address } of seats) expect(Buffer.from(address!)).toEqual(marksOf(seat)[4])
    const transaction = await signTransaction()
    expect(await send(transaction)).toMatchObject({ refusal: null, circuits: 1 })
    expect(isInPool(transaction)).toBe(true)
    await mineUntil(devnet.chain.tip.height + 1)
    expect(isInPool(transaction)).toBe(false)
    const txid = reversedHex(txidOf('zcash', transaction))
    const mined = await devnet.rpc.call(
      'getrawtransaction',
      [txid, 1],
      z.looseObject({ confirmations: z.int() }),
    )
    expect(mined.confirmations).toBe(1)
    // Once more: its node has it already, and that is as good.
    expect(await send(transaction)).toMatchObject({ refusal: null, circuits: 1 })
  })

  test("R-RELAY-5 the exit's node refuses a second spend of a coin, and says so in its own words", async () => {
    const [first, second] = await signTransactions(1, 2)
    expect(await send(first!)).toMatchObject({ refusal: null })
    const hex = Buffer.from(second!).toString('hex')
    const direct: unknown = await devnet.rpc
      .call('sendrawtransaction', [hex], z.string())
      .catch((error: unknown) => error)
    const { rpcCode, rpcMessage } = direct as { rpcCode: number; rpcMessage: string }
    expect(rpcMessage).toMatch(/\S/)
    const { refusal, circuits } = await send(second!)
    expect(refusal).toEqual({ code: rpcCode, words: rpcMessage })
    expect(circuits).toBe(1)
    const run = await runInProcess('relay', 'broadcast', hex, '--dir', devnet.nodes[0]!.config.dir)
    expect(run.stdout).toContain(`refused ${reversedHex(txidOf('zcash', second!))}: ${rpcMessage}`)
    expect(run.exitCode).toBe(1)
  })
})

const relayBroadcast = (transaction: Uint8Array, options: readonly (readonly string[])[]) =>
  runInProcess('relay', 'broadcast', Buffer.from(transaction).toString('hex'), ...options.flat())

describe('secnode relay', () => {
  test('R-RELAY-5 broadcast with the registry of a daemon; status tells numbers', async () => {
    const transaction = await signTransaction()
    const file = join(dir, 'signed.hex')
    await writeFile(file, `${Buffer.from(transaction).toString('hex')}\n`)
    const { dir: data } = devnet.nodes[3]!.config
    const sent = await runInProcess('relay', 'broadcast', file, '--dir', data, '--json')
    expect(sent.stderr).toContain('hop 3: seat')
    const txid = reversedHex(txidOf('zcash', transaction))
    const answer = JSON.parse(sent.stdout) as { hops: { seat: number; host: string; roundTripMs: number }[] }
    expect(answer).toMatchObject({ txid, refusal: null, circuits: 1, isInMemoryPool: null })
    expect(new Set(answer.hops.map(({ seat }) => seat)).size).toBe(3)
    // The daemon's own seat is drawn by nobody who asks through it.
    expect(answer.hops.map(({ seat }) => seat)).not.toContain(3)
    expect(sent.exitCode).toBe(0)
    expect(isInPool(transaction)).toBe(true)

    await until(() => openLinks() === 0, withinIdleMs)
    const exit = devnet.nodes[answer.hops[2]!.seat]!.config.dir
    const status = await runInProcess('relay', 'status', '--dir', exit, '--json')
    expect(JSON.parse(status.stdout)).toMatchObject({ circuits: { strangers: 0, registered: 0 }, effort: 0 })
    const text = await runInProcess('relay', 'status', '--dir', exit)
    expect(text.stdout).toMatch(/transactions {2}[1-9][0-9]* handed/)
  })

  test('R-RELAY-1 broadcast by anybody with a chain node, and --wait', async () => {
    const transaction = await signTransaction()
    const { config } = devnet.nodes[0]!
    const { url, user, password } = config.rpc
    const cache = join(dir, 'cache')
    const sent = await relayBroadcast(transaction, [
      ['--profile', config.profile, '--hosts', devnet.nodes[0]!.configFile, '--cache', cache],
      ['--rpc', url, '--rpc-user', user!, '--rpc-password', password!, '--wait', '20'],
    ])
    expect(sent.stderr).toContain('circuit 1')
    expect(sent.stdout).toBe(
      `sent ${reversedHex(txidOf('zcash', transaction))}\nthe memory pool of ${config.rpc.url} has it\n`,
    )
    expect(sent.exitCode).toBe(0)
    // Who was valid lately, and where, it asked of seats drawn at random, and verified.
    expect(sent.stderr).not.toContain('could not be asked')
    const { networkId } = devnet.network
    await using store = await openStore({ directory: cache, networkId })
    const seats = await relaySeatsOf(await openStoredWeeks(devnet.network, store))
    expect(seats).toHaveLength(5)
    for (const { seat, address } of seats) expect(Buffer.from(address!)).toEqual(marksOf(seat)[4])
  })

  test('R-CP-1 broadcast with a registry that another daemon serves, under the checkpoint that the user trusts', async () => {
    const { daemon, follower } = assembled()[2]!
    const { networkId } = devnet.network
    const rows = (await follower.registryAt(3))!
    const blank = new Uint8Array(32)
    const payload = (registryRoot: Uint8Array): Uint8Array =>
      encodeCheckpoint({
        networkId,
        week: devnet.plan.week,
        freezeHash: blank,
        previous: null,
        registryRoot,
        handsOn: { count: 0, root: blank },
        weeks: [
          {
            week: devnet.plan.week,
            paramsHash: blank,
            income: 0n,
            epochs: [{ epoch: 1, beacon: blank, seats: 0, snapshotRoot: blank, count: 0, root: blank }],
            proofPages: [],
          },
        ],
      })
    const good = payload(registryRootOf(rows))
    const other = payload(registryRootOf(rows.slice(1)))
    await daemon.checkpoints.put(devnet.plan.week, [good, other])
    const { ip, p2p, config, configFile } = devnet.nodes[2]!
    const transaction = await signTransaction()
    const run = (checkpoint: Uint8Array) =>
      relayBroadcast(transaction, [
        ['--json', '--hosts', configFile, '--profile', config.profile],
        ['--registry', `${ip}:${p2p}/${daemon.host.peerId}`, '--checkpoint', cidOf(checkpoint).toString()],
      ])
    const sent = await run(good)
    expect(sent.stderr).toContain(`the registry is that of week ${devnet.plan.week}: 5 seats`)
    expect(JSON.parse(sent.stdout)).toMatchObject({ refusal: null })
    // A checkpoint that its own chain contradicts is not served by an honest daemon.
    const refused = await run(other)
    expect(refused.exitCode).toBe(3)
    expect(refused.stderr).toContain('REGISTRY_MISSING')
  })

  test('mistakes are named before anything is sent', async () => {
    const { dir: data } = devnet.nodes[0]!.config
    const hex = Buffer.from(await signTransaction()).toString('hex')
    for (const [args, code] of [
      [[hex], 'USAGE'],
      [[hex, '--dir', data, '--wait'], 'USAGE'],
      [[hex, '--profile', 'devnet'], 'USAGE'],
      [[`${hex}00`, '--dir', data], 'TRANSACTION_MALFORMED'],
      [['00'.repeat(100_001), '--dir', data], 'TRANSACTION_TOO_LARGE'],
      [[hex, '--dir', data, '--path', '0,1,99'], 'RELAY_PATH'],
      [[hex, '--dir', data, '--hops', '8'], 'RELAY_TOO_FEW'],
    ] as const) {
      const run = await runInProcess('relay', 'broadcast', ...args)
      expect(run.stderr).toContain(`[${code}]`)
      expect(run.exitCode).toBe(code === 'RELAY_TOO_FEW' ? 3 : 2)
    }
    const both = await runInProcess('relay', 'broadcast', hex, '--dir', data, '--path', '0,1', '--hops', '3')
    expect(both.stderr).toContain("'--path <seats>' cannot be used with option '--hops <n>'")
    expect(both.exitCode).toBe(2)
  })
})
