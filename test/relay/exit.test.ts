import { createServer, type Server } from 'node:http'
import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { createRpcClient, type RpcClient } from '../../src/chain-node/rpc/client.ts'
import { createExit, maxExitCalls, txidOf } from '../../src/relay/exit.ts'
import { reversedHex } from '../../protocol/index.ts'
import { realWorld } from '../../src/world.ts'
import { createStoppedClock } from '../fixtures/stopped-clock.ts'
import { until } from '../net/local-hosts.ts'
import { looseTransactions } from '../chain/formats/real-bytes.ts'

const forever = new AbortController().signal
/** Of the neighbour whom transactions come from. */
const peer = new Uint8Array(32)
const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** A transaction of Zcash's mainnet, as it was mined. */
const { bytes: transaction } = looseTransactions.find(({ name }) => name === 'tx394b54bb.hex')!
const txid = txidOf('zcash', transaction)

/** Another one, which spends what the chain node does not find. */
const { bytes: lost } = looseTransactions.find(({ name }) => name !== 'tx394b54bb.hex')!

interface Call {
  id: number
  params: string[]
}

/** A chain node that answers each call as `answer` says; `gone` comes when nobody waits for the answer any longer. */
const startNode = async (
  answer: (call: Call, gone: Promise<unknown>) => Promise<object> | object,
): Promise<RpcClient> => {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    const gone = once(response, 'close')
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const call = JSON.parse(Buffer.concat(chunks).toString()) as Call
      void Promise.resolve(answer(call, gone)).then((body) =>
        response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...body })),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const rpc = createRpcClient({
    url: `http://127.0.0.1:${port}`,
    world: realWorld(),
    maxConcurrent: maxExitCalls,
  })
  opened.push(rpc, { close: () => (server.closeAllConnections(), server.close()) })
  return rpc
}

describe('R-RELAY-5 the exit', () => {
  test('R-RELAY-5 hands over the very bytes, and answers with the txid, also of what its node has already', async () => {
    const calls: string[][] = []
    const rpc = await startNode(({ params }) => {
      calls.push(params)
      return calls.length === 1
        ? { result: reversedHex(txid) }
        : { error: { code: -27, message: 'transaction already in block chain' } }
    })
    const exit = createExit('zcash', rpc, realWorld())
    expect(await exit.broadcast(transaction, peer, forever)).toEqual(['sent', txid])
    expect(await exit.broadcast(transaction, peer, forever)).toEqual(['sent', txid])
    const hex = Buffer.from(transaction).toString('hex')
    expect(calls).toEqual([[hex], [hex]])
  })

  test("R-RELAY-5 passes on its node's refusal, printable and bounded", async () => {
    const rpc = await startNode(() => ({
      error: { code: -26, message: `64: dust\u001B[2J${'x'.repeat(600)}` },
    }))
    const answer = await createExit('zcash', rpc, realWorld()).broadcast(transaction, peer, forever)
    expect(answer).toEqual(['node-refused', -26, `64: dust?[2J${'x'.repeat(500)}`])
  })

  test('R-RELAY-5 refuses what is no whole transaction, or too large, and asks its node nothing', async () => {
    let calls = 0
    const rpc = await startNode(() => {
      calls++
      return { result: reversedHex(txid) }
    })
    const exit = createExit('zcash', rpc, realWorld())
    const refused = async (bytes: Uint8Array) => await exit.broadcast(bytes, peer, forever)
    const malformed = ['refused', 'malformed-transaction']
    expect(await refused(new Uint8Array(300))).toEqual(malformed)
    expect(await refused(transaction.subarray(1))).toEqual(malformed)
    expect(await refused(transaction.subarray(0, -1))).toEqual(malformed)
    expect(await refused(Uint8Array.of(...transaction, 0))).toEqual(malformed)
    expect(await refused(new Uint8Array(100_001))).toEqual(['refused', 'too-large'])
    expect(calls).toBe(0)
  })

  test('R-RELAY-5 says so when its node is not there, without a word of why', async () => {
    const gone = createRpcClient({ url: 'http://127.0.0.1:9', world: realWorld() })
    opened.push(gone)
    expect(await createExit('zcash', gone, realWorld()).broadcast(transaction, peer, forever)).toEqual([
      'refused',
      'node-unavailable',
    ])
    const rpc = await startNode(() => ({ error: { code: -28, message: 'Loading block index...' } }))
    expect(await createExit('zcash', rpc, realWorld()).broadcast(transaction, peer, forever)).toEqual([
      'refused',
      'node-unavailable',
    ])
  })
})

/** A chain node that takes `transaction` at once, and refuses `lost` when the test says so, as zebrad does after a minute. */
const startLateNode = async () => {
  let refuse = (): void => undefined
  const refusal = new Promise<void>((resolve) => (refuse = resolve))
  const node = { seen: 0, lostSeen: 0, open: 0, mostOpen: 0 }
  const rpc = await startNode(async ({ params }, gone) => {
    node.seen++
    if (params[0] !== Buffer.from(lost).toString('hex')) return { result: reversedHex(txid) }
    node.lostSeen++
    node.mostOpen = Math.max(node.mostOpen, ++node.open)
    await Promise.race([refusal, gone])
    node.open--
    return { error: { code: -25, message: 'could not find an input' } }
  })
  const clock = createStoppedClock()
  return { node, refuse, clock, exit: createExit('zcash', rpc, clock) }
}

const peerOf = (i: number): Uint8Array => new Uint8Array(32).fill(i + 1)
const unavailable = ['refused', 'node-unavailable']
const notFound = ['node-refused', -25, 'could not find an input']

describe('an exit whose node takes its time', () => {
  test('R-RELAY-5 waits for a refusal that comes after a minute, and for none that does not come', async () => {
    const { node, refuse, clock, exit } = await startLateNode()
    const first = exit.broadcast(lost, peer, forever)
    await until(() => node.lostSeen === 1)
    clock.pass(60_000)
    const second = exit.broadcast(lost, peer, forever)
    await until(() => node.lostSeen === 2)
    clock.pass(14_999)
    refuse()
    expect(await Promise.all([first, second])).toEqual([notFound, notFound])
    expect(clock.timers()).toBe(0)

    const silent = await startLateNode()
    const third = silent.exit.broadcast(lost, peer, forever)
    await until(() => silent.node.lostSeen === 1)
    silent.clock.pass(75_000)
    expect(await third).toEqual(unavailable)
    await until(() => silent.node.open === 0)
  })

  test('R-RELAY-6 asks its node for two at a time, and of the others some dozens wait', async () => {
    const { node, refuse, exit } = await startLateNode()
    const answers = Array.from({ length: 70 }, (_, i) => exit.broadcast(lost, peerOf(i % 10), forever))
    await until(() => node.lostSeen === 2)
    const tooMany = await Promise.all(answers.slice(66))
    expect(tooMany).toEqual([unavailable, unavailable, unavailable, unavailable])
    refuse()
    for (const answer of await Promise.all(answers.slice(0, 66))) expect(answer).toEqual(notFound)
    expect(node.mostOpen).toBe(2)
    // Whoever has gone takes no place.
    const gone = new AbortController()
    gone.abort(new Error('gone'))
    await expect(exit.broadcast(transaction, peer, gone.signal)).rejects.toThrow('gone')
  })

  test('R-RELAY-6 a flood of transactions that spend nothing delays others by its turn, and waits in a few places', async () => {
    const { node, refuse, clock, exit } = await startLateNode()
    const flood = Array.from({ length: 40 }, (_, i) => exit.broadcast(lost, peerOf(i % 20), forever))
    const honest = exit.broadcast(transaction, peer, forever)
    for (let seen = 2; seen <= flood.length; seen += 2) {
      // Two that it works on, and those that it is waited for.
      await until(() => node.lostSeen === seen && node.open <= maxExitCalls)
      clock.pass(1_000)
    }
    expect(await honest).toEqual(['sent', txid])
    await until(() => node.open === 16)
    // While they wait, there is no delay at all for anybody else.
    expect(await exit.broadcast(transaction, peer, forever)).toEqual(['sent', txid])
    refuse()
    const answers = await Promise.all(flood)
    expect(answers.slice(0, 16)).toEqual(Array.from({ length: 16 }, () => notFound))
    expect(answers.slice(16)).toEqual(Array.from({ length: 24 }, () => unavailable))
    expect(clock.timers()).toBe(0)
  })

  test('R-RELAY-6 neighbours that fill all places keep nobody out who has fewer: their latest give way', async () => {
    const { node, refuse, clock, exit } = await startLateNode()
    // Five of them, with sixteen each: 66 places.
    const flood = Array.from({ length: 80 }, (_, i) => exit.broadcast(lost, peerOf(i % 5), forever))
    const refused = Promise.all(flood.slice(66))
    expect(await refused).toEqual(Array.from({ length: 14 }, () => unavailable))
    const honest = Array.from({ length: 3 }, () => exit.broadcast(transaction, peerOf(9), forever))
    expect(await Promise.all(flood.slice(63, 66))).toEqual(Array.from({ length: 3 }, () => unavailable))
    const done: unknown[] = []
    for (const one of honest) void one.then((answer) => done.push(answer))
    // All 66 come to their turn, two at a time and a second each. No second passes while an answer is on its way.
    for (let seen = 2; seen <= 66; seen += 2) {
      await until(() => node.seen >= seen && done.length === node.seen - node.lostSeen)
      clock.pass(1_000)
    }
    expect(done).toEqual(Array.from({ length: 3 }, () => ['sent', txid]))
    // The sixteen places of those that wait for what they spend are shared, too.
    refuse()
    const rest = await Promise.all(flood.slice(0, 63))
    for (let peerNumber = 0; peerNumber < 5; peerNumber++) {
      const waited = rest.filter(([is], i) => i % 5 === peerNumber && is === 'node-refused')
      expect(waited.length).toBeGreaterThanOrEqual(3)
    }
  })

  test('R-RELAY-6 one neighbour has a quarter of the places, those of before and those of now', async () => {
    const { node, refuse, clock, exit } = await startLateNode()
    const flood = Array.from({ length: 17 }, () => exit.broadcast(lost, peer, forever))
    expect(await flood.pop()).toEqual(unavailable)
    for (let seen = 2; seen <= flood.length; seen += 2) {
      await until(() => node.lostSeen === seen)
      clock.pass(1_000)
    }
    await until(() => node.open === 4)
    const other = exit.broadcast(lost, peerOf(7), forever)
    await until(() => node.open === 5)
    clock.pass(1_000)
    // A place is free again as soon as whoever had it has gone.
    const gone = new AbortController()
    const leaving = exit.broadcast(lost, peerOf(8), gone.signal)
    await until(() => node.open === 6)
    clock.pass(1_000)
    gone.abort(new Error('gone'))
    await expect(leaving).rejects.toThrow('gone')
    await until(() => node.open === 5)
    refuse()
    expect(await other).toEqual(notFound)
    const answers = await Promise.all(flood)
    expect(answers.filter(([is]) => is === 'node-refused')).toHaveLength(4)
  })
})
