import { createServer, type Server } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { createRpcClient, type RpcClient } from '../../src/chain/rpc/client.ts'
import { createExit, txidOf } from '../../src/relay/exit.ts'
import { reversedHex } from '../../protocol/index.ts'
import { realWorld } from '../../src/world.ts'
import { looseTransactions } from '../chain/formats/real-bytes.ts'

const forever = new AbortController().signal
const opened: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close()
})

/** A transaction of Zcash's mainnet, as it was mined. */
const { bytes: transaction } = looseTransactions.find(({ name }) => name === 'tx394b54bb.hex')!
const txid = txidOf('zcash', transaction)

/** A chain node that answers each call as `answer` says. */
const startNode = async (
  answer: (call: { id: number; params: string[] }) => Promise<object> | object,
): Promise<RpcClient> => {
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const call = JSON.parse(Buffer.concat(chunks).toString()) as { id: number; params: string[] }
      void Promise.resolve(answer(call)).then((body) =>
        response.end(JSON.stringify({ jsonrpc: '2.0', id: call.id, ...body })),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const rpc = createRpcClient({ url: `http://127.0.0.1:${port}`, world: realWorld() })
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
    const exit = createExit('zcash', rpc)
    expect(await exit.broadcast(transaction, forever)).toEqual(['sent', txid])
    expect(await exit.broadcast(transaction, forever)).toEqual(['sent', txid])
    const hex = Buffer.from(transaction).toString('hex')
    expect(calls).toEqual([[hex], [hex]])
  })

  test("R-RELAY-5 passes on its node's refusal, printable and bounded", async () => {
    const rpc = await startNode(() => ({
      error: { code: -26, message: `64: dust\u001B[2J${'x'.repeat(600)}` },
    }))
    const answer = await createExit('zcash', rpc).broadcast(transaction, forever)
    expect(answer).toEqual(['node-refused', -26, `64: dust?[2J${'x'.repeat(500)}`])
  })

  test('R-RELAY-5 refuses what is no whole transaction, or too large, and asks its node nothing', async () => {
    let calls = 0
    const rpc = await startNode(() => {
      calls++
      return { result: reversedHex(txid) }
    })
    const exit = createExit('zcash', rpc)
    const refused = async (bytes: Uint8Array) => await exit.broadcast(bytes, forever)
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
    expect(await createExit('zcash', gone).broadcast(transaction, forever)).toEqual([
      'refused',
      'node-unavailable',
    ])
    const rpc = await startNode(() => ({ error: { code: -28, message: 'Loading block index...' } }))
    expect(await createExit('zcash', rpc).broadcast(transaction, forever)).toEqual([
      'refused',
      'node-unavailable',
    ])
  })

  test('R-RELAY-6 asks its node for two at a time; of those that wait some dozens', async () => {
    let running = 0
    let most = 0
    const release: (() => void)[] = []
    const rpc = await startNode(async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => release.push(resolve))
      running--
      return { result: reversedHex(txid) }
    })
    const exit = createExit('zcash', rpc)
    const answers = Array.from({ length: 70 }, () => exit.broadcast(transaction, forever))
    const letAllGo = setInterval(() => release.splice(0).forEach((one) => one()), 5)
    const codes = (await Promise.all(answers)).map((answer) =>
      answer[0] === 'refused' ? answer[1] : answer[0],
    )
    clearInterval(letAllGo)
    expect(most).toBe(2)
    expect(codes.filter((code) => code === 'sent')).toHaveLength(66)
    expect(codes.filter((code) => code === 'node-unavailable')).toHaveLength(4)
    // Whoever has gone takes no place.
    const gone = new AbortController()
    gone.abort(new Error('gone'))
    await expect(exit.broadcast(transaction, gone.signal)).rejects.toThrow('gone')
  })
})
