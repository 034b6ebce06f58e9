import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createRpcClient, type RpcClient, type RpcClientOptions } from '../../../src/chain-node/rpc/client.ts'
import { isRpcError, type RpcError } from '../../../src/chain-node/rpc/errors.ts'
import { isSecnodeError } from '../../../src/errors.ts'
import { realWorld, type World } from '../../../src/world.ts'
import { refusal, reply, result, type RpcRequest, startServer } from './loopback-server.ts'

const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const thing of open.splice(0)) await thing[Symbol.asyncDispose]()
})

const serve = async (...handler: Parameters<typeof startServer>) => {
  const server = await startServer(...handler)
  open.push(server)
  return server
}

const clientOf = (url: string, options: Partial<RpcClientOptions> = {}): RpcClient => {
  const client = createRpcClient({ url, world: realWorld(), backoff: { firstMs: 1, maxMs: 4 }, ...options })
  open.push(client)
  return client
}

const failureOf = async (call: Promise<unknown>): Promise<RpcError> => {
  const error: unknown = await call.then(
    () => new Error('the call did not fail'),
    (reason: unknown) => reason,
  )
  if (!isRpcError(error)) throw error
  return error
}

/** A server whose first answers fail in a given way and whose later ones are right. */
const failingFirst = async (
  times: number,
  fail: (request: RpcRequest, response: Parameters<typeof reply>[0]) => void,
) => {
  let calls = 0
  return serve((request: RpcRequest, response) => {
    if (calls++ < times) fail(request, response)
    else reply(response, 200, result(request, 7))
  })
}

describe('answers', () => {
  test('a call sends method and parameters and gives the result', async () => {
    const server = await serve((request: RpcRequest, response) => reply(response, 200, result(request, 5)))
    await expect(clientOf(server.url).call('getblockhash', [12, 'x'], z.number())).resolves.toBe(5)
    expect(server.received[0]?.body).toEqual({
      jsonrpc: '2.0',
      id: 1,
      method: 'getblockhash',
      params: [12, 'x'],
    })
    expect(server.received[0]?.authorization).toBeUndefined()
  })

  test('zebrad’s form of an answer, without the null, is read as well', async () => {
    const server = await serve((request: RpcRequest, response) =>
      reply(response, 200, { jsonrpc: '2.0', id: request.id, result: [1] }),
    )
    await expect(clientOf(server.url).call('m', [], z.array(z.number()))).resolves.toEqual([1])
  })

  test('the node’s refusal keeps its code and message (HTTP 500)', async () => {
    const server = await serve((request: RpcRequest, response) =>
      reply(response, 500, refusal(request, -8, 'Block height out of range')),
    )
    const error = await failureOf(clientOf(server.url).call('getblockhash', [1], z.string()))
    expect(error).toMatchObject({ code: 'RPC_REFUSED', rpcCode: -8, rpcMessage: 'Block height out of range' })
    expect(server.received).toHaveLength(1)
  })

  test.each([404, 200])('an unknown method is RPC_METHOD_UNKNOWN (HTTP %i)', async (status) => {
    const server = await serve((request: RpcRequest, response) =>
      reply(response, status, refusal(request, -32601, 'Method not found')),
    )
    const error = await failureOf(clientOf(server.url).call('z_nothing', [], z.unknown()))
    expect(error).toMatchObject({ code: 'RPC_METHOD_UNKNOWN', rpcCode: -32601, method: 'z_nothing' })
    expect(error.hint).toBeDefined()
  })

  test('a wrong shape names method and field', async () => {
    const server = await serve((request: RpcRequest, response) =>
      reply(response, 200, result(request, { blocks: [{ height: 'seven' }] })),
    )
    const schema = z.object({ blocks: z.array(z.object({ height: z.number() })) })
    const error = await failureOf(clientOf(server.url).call('getblockchaininfo', [], schema))
    expect(error.code).toBe('RPC_WRONG_SHAPE')
    expect(error.message).toMatch(/getblockchaininfo.*blocks\.0\.height/)
  })

  const badAnswers: [string, number, string][] = [
    ['a web page', 200, '<html>hello</html>'],
    ['a web page not found', 404, 'not found'],
    ['an empty answer', 200, ''],
    ['no object', 200, '17'],
    ['null', 200, 'null'],
    ['another id', 200, JSON.stringify({ result: 1, error: null, id: 999 })],
    ['an error that is none', 200, JSON.stringify({ result: 1, error: 'bad', id: 1 })],
    ['a redirect', 302, ''],
  ]
  test.each(badAnswers)('%s is RPC_BAD_ANSWER', async (_name, status, text) => {
    const server = await serve((_request, response) => reply(response, status, text))
    const error = await failureOf(clientOf(server.url).call('m', [], z.unknown()))
    expect(error.code).toBe('RPC_BAD_ANSWER')
    expect(server.received).toHaveLength(1)
  })

  test('an answer beyond the bound is cut off, be its length announced or not', async () => {
    let written = 0
    const server = await serve((_request, response) => {
      response.writeHead(200)
      const chunk = 'x'.repeat(64 * 1024)
      const more = (): void => {
        while (!response.destroyed && written < 50_000_000) {
          written += chunk.length
          if (!response.write(chunk)) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    })
    const error = await failureOf(
      clientOf(server.url, { maxAnswerBytes: 100_000 }).call('m', [], z.unknown()),
    )
    expect(error.code).toBe('RPC_TOO_LARGE')
    expect(written).toBeLessThan(50_000_000)
  })
})

describe('authentication', () => {
  let directory: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'secnode-test-'))
    open.push({ [Symbol.asyncDispose]: async () => rmSync(directory, { recursive: true, force: true }) })
  })

  const guarded = async (allowed: () => string) =>
    serve((request: RpcRequest, response, { headers }) => {
      const expected = `Basic ${Buffer.from(allowed()).toString('base64')}`
      if (headers.authorization === expected) reply(response, 200, result(request, true))
      else reply(response, 401, '')
    })

  test('user and password, given apart or in the URL', async () => {
    const server = await guarded(() => 'me:pässword%')
    const auth = { kind: 'password', user: 'me', password: 'pässword%' } as const
    await expect(clientOf(server.url, { auth }).call('m', [], z.boolean())).resolves.toBe(true)
    const withUser = server.url.replace('//', `//me:${encodeURIComponent('pässword%')}@`)
    const client = clientOf(withUser)
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
    expect(client.url).toBe(server.url)
  })

  test('a wrong password is RPC_AUTH at once, and the message does not contain it', async () => {
    const server = await guarded(() => 'me:right')
    const auth = { kind: 'password', user: 'me', password: 'wrong-secret' } as const
    const error = await failureOf(clientOf(server.url, { auth }).call('m', [], z.boolean()))
    expect(error.code).toBe('RPC_AUTH')
    expect(error.hint).toBeDefined()
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('wrong-secret')
    expect(server.received).toHaveLength(1)
  })

  test('the cookie is read again after the node was restarted', async () => {
    const path = join(directory, '.cookie')
    let secret = '__cookie__:first'
    writeFileSync(path, secret)
    const server = await guarded(() => secret)
    const client = clientOf(server.url, { auth: { kind: 'cookie', path } })
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
    secret = '__cookie__:second'
    writeFileSync(path, `${secret}\n`)
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
    expect(server.received).toHaveLength(3)
  })

  test('a cookie that the node does not take is RPC_AUTH, after one try', async () => {
    const path = join(directory, '.cookie')
    writeFileSync(path, '__cookie__:old')
    const server = await guarded(() => '__cookie__:new')
    const client = clientOf(server.url, { auth: { kind: 'cookie', path } })
    expect((await failureOf(client.call('m', [], z.boolean()))).code).toBe('RPC_AUTH')
    expect(server.received).toHaveLength(1)
  })

  /** zebrad closes the connection instead of answering 401. */
  const closing = async (allowed: () => string) =>
    serve((request: RpcRequest, response, { headers }) => {
      const expected = `Basic ${Buffer.from(allowed()).toString('base64')}`
      if (headers.authorization === expected) reply(response, 200, result(request, true))
      else response.socket?.destroy()
    })

  test('zebrad closes the connection on a cookie of before its restart: it is read again at once', async () => {
    const path = join(directory, '.cookie')
    let secret = '__cookie__:first'
    writeFileSync(path, secret)
    const server = await closing(() => secret)
    const client = clientOf(server.url, { auth: { kind: 'cookie', path }, maxAttempts: 1 })
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
    secret = '__cookie__:second'
    writeFileSync(path, secret)
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
    secret = '__cookie__:third'
    writeFileSync(path, secret)
    // Nobody knows whether this one was seen; but the next has the new cookie.
    const once = client.call('m', [], z.boolean(), { isRepeatable: false })
    expect((await failureOf(once)).code).toBe('RPC_OUTCOME_UNKNOWN')
    await expect(client.call('m', [], z.boolean(), { isRepeatable: false })).resolves.toBe(true)
  })

  test('a node that closes the connection again and again is RPC_UNREACHABLE, and the hint names the cookie', async () => {
    const path = join(directory, '.cookie')
    writeFileSync(path, '__cookie__:wrong-secret')
    const server = await closing(() => '__cookie__:right')
    const client = clientOf(server.url, { auth: { kind: 'cookie', path }, maxAttempts: 2 })
    const error = await failureOf(client.call('m', [], z.boolean()))
    expect(error).toMatchObject({ code: 'RPC_UNREACHABLE', isTransient: true })
    expect(error.message).toContain('closed the connection without an answer')
    expect(error.hint).toContain('--rpc-cookie')
    expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain('wrong-secret')
    expect(server.received).toHaveLength(2)
  })

  test('a missing cookie file is waited for, then RPC_COOKIE', async () => {
    const path = join(directory, '.cookie')
    const server = await guarded(() => '__cookie__:x')
    const client = clientOf(server.url, { auth: { kind: 'cookie', path }, maxAttempts: 3 })
    const error = await failureOf(client.call('m', [], z.boolean()))
    expect(error.code).toBe('RPC_COOKIE')
    expect(error.hint).toBeDefined()
    expect(server.received).toHaveLength(0)
    writeFileSync(path, '__cookie__:x')
    await expect(client.call('m', [], z.boolean())).resolves.toBe(true)
  })
})

describe('retries', () => {
  test('warming up (−28) is waited for', async () => {
    const server = await failingFirst(3, (request, response) =>
      reply(response, 500, refusal(request, -28, 'Loading block index...')),
    )
    await expect(clientOf(server.url).call('getblockcount', [], z.number())).resolves.toBe(7)
    expect(server.received).toHaveLength(4)
  })

  test('a node that keeps warming up is RPC_WARMING_UP with its text, after a bounded number of tries', async () => {
    const server = await failingFirst(100, (request, response) =>
      reply(response, 500, refusal(request, -28, 'Verifying blocks...')),
    )
    const error = await failureOf(clientOf(server.url, { maxAttempts: 4 }).call('m', [], z.number()))
    expect(error).toMatchObject({
      code: 'RPC_WARMING_UP',
      rpcMessage: 'Verifying blocks...',
      isTransient: true,
    })
    expect(server.received).toHaveLength(4)
  })

  test('the plain text "Work queue depth exceeded" (HTTP 500) is waited for', async () => {
    const server = await failingFirst(2, (_request, response) =>
      reply(response, 500, 'Work queue depth exceeded'),
    )
    await expect(clientOf(server.url).call('m', [], z.number())).resolves.toBe(7)
  })

  test('a proxy’s 503 is waited for, then RPC_BUSY', async () => {
    const server = await failingFirst(9, (_request, response) => reply(response, 503, 'no upstream'))
    expect((await failureOf(clientOf(server.url, { maxAttempts: 3 }).call('m', [], z.number()))).code).toBe(
      'RPC_BUSY',
    )
  })

  test('a connection that is reset is tried again', async () => {
    const server = await failingFirst(2, (_request, response) => response.socket?.resetAndDestroy())
    await expect(clientOf(server.url).call('m', [], z.number())).resolves.toBe(7)
  })

  test('an answer that breaks off in the middle is tried again', async () => {
    const server = await failingFirst(1, (_request, response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write('{"result":')
      setImmediate(() => response.destroy())
    })
    await expect(clientOf(server.url).call('m', [], z.number())).resolves.toBe(7)
  })

  test('a server that never answers is RPC_TIMEOUT', async () => {
    const server = await serve(() => undefined)
    const client = clientOf(server.url, { attemptMs: 1_500, maxAttempts: 2 })
    expect((await failureOf(client.call('m', [], z.number()))).code).toBe('RPC_TIMEOUT')
    expect(server.received).toHaveLength(2)
  })

  test('a server that drips its answer byte by byte does not outlast the deadline', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 5)
      response.on('close', () => clearInterval(drip))
    })
    const client = clientOf(server.url, { attemptMs: 60, maxAttempts: 1 })
    expect((await failureOf(client.call('m', [], z.number()))).code).toBe('RPC_TIMEOUT')
  })

  test('nobody on the port is RPC_UNREACHABLE with a hint', async () => {
    const closed = createTcpServer()
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve))
    const { port } = closed.address() as AddressInfo
    await new Promise((resolve) => closed.close(resolve))
    const error = await failureOf(
      clientOf(`http://127.0.0.1:${port}/`, { maxAttempts: 2 }).call('m', [], z.number()),
    )
    expect(error.code).toBe('RPC_UNREACHABLE')
    expect(error.message).toContain(`http://127.0.0.1:${port}/`)
    expect(error.hint).toBeDefined()
  })

  test('the pauses double up to their bound, with chance from the world, and stop at the deadline', async () => {
    const server = await failingFirst(100, (request, response) =>
      reply(response, 500, refusal(request, -28, 'Loading...')),
    )
    const pauses: number[] = []
    let now = 0
    // A clock that only the pauses move; timers of exchanges are those of the real world.
    const real = realWorld()
    const world: World = {
      ...real,
      monotonicMs: () => now,
      randomBytes: (length) => new Uint8Array(length).fill(0x80),
      setTimer: (ms, callback) => {
        if (ms === 30_000) return real.setTimer(ms, callback)
        pauses.push(ms)
        now += ms
        queueMicrotask(callback)
        return () => undefined
      },
    }
    const client = clientOf(server.url, {
      world,
      backoff: { firstMs: 100, maxMs: 500 },
      maxAttempts: 50,
      deadlineMs: 2_000,
    })
    expect((await failureOf(client.call('m', [], z.number()))).code).toBe('RPC_WARMING_UP')
    // Half of the full pause and half of it times 0x80808080 / 2^32.
    const part = 0.5 + 0.5 * (0x80808080 / 2 ** 32)
    expect(pauses).toEqual(
      [100, 200, 400, 500, 500, 500].map((full) => expect.closeTo(full * part, 6) as number),
    )
    expect(now).toBeLessThan(2_000)
  })
})

describe('calls that must not be done twice', () => {
  const once = { isRepeatable: false }

  test('a lost answer is RPC_OUTCOME_UNKNOWN, and nothing is sent again', async () => {
    const server = await failingFirst(1, (_request, response) => response.socket?.resetAndDestroy())
    const error = await failureOf(clientOf(server.url).call('z_sendmany', [], z.number(), once))
    expect(error).toMatchObject({ code: 'RPC_OUTCOME_UNKNOWN', mayHaveRun: true })
    expect(error.hint).toBeDefined()
    expect(server.received).toHaveLength(1)
  })

  test('a timeout is RPC_OUTCOME_UNKNOWN as well', async () => {
    const server = await serve(() => undefined)
    const error = await failureOf(
      clientOf(server.url, { attemptMs: 1_500 }).call('z_sendmany', [], z.number(), once),
    )
    expect(error.code).toBe('RPC_OUTCOME_UNKNOWN')
    expect(server.received).toHaveLength(1)
  })

  test('a refusal before the work (warming up, full queue) is waited for', async () => {
    let calls = 0
    const server = await failingFirst(2, (request, response) =>
      calls++ === 0
        ? reply(response, 500, refusal(request, -28, 'Loading wallet...'))
        : reply(response, 500, 'Work queue depth exceeded'),
    )
    await expect(clientOf(server.url).call('z_sendmany', [], z.number(), once)).resolves.toBe(7)
  })

  test('the node’s own refusal stays what it is', async () => {
    const server = await serve((request: RpcRequest, response) =>
      reply(response, 500, refusal(request, -6, 'Insufficient funds')),
    )
    const error = await failureOf(clientOf(server.url).call('sendmany', [], z.number(), once))
    expect(error).toMatchObject({ code: 'RPC_REFUSED', rpcCode: -6 })
  })

  test('they do not use kept-alive connections, other calls do', async () => {
    const server = await serve((request: RpcRequest, response) => reply(response, 200, result(request, 1)))
    const client = clientOf(server.url)
    await client.call('a', [], z.number())
    await client.call('b', [], z.number())
    await client.call('z_sendmany', [], z.number(), once)
    expect(server.received.map(({ connection }) => connection)).toEqual([0, 0, 1])
  })
})

describe('bounds and ends', () => {
  test('no more requests run at once than allowed, and no more wait than allowed', async () => {
    const held: (() => void)[] = []
    let running = 0
    let most = 0
    const server = await serve((request: RpcRequest, response) => {
      running++
      most = Math.max(most, running)
      held.push(() => {
        running--
        reply(response, 200, result(request, request.params[0]))
      })
      if (held.length === 2) for (const answer of held.splice(0)) answer()
    })
    const client = clientOf(server.url, { maxConcurrent: 2, maxWaiting: 4 })
    const calls = Array.from({ length: 6 }, async (_, i) => client.call('m', [i], z.number()))
    expect((await failureOf(client.call('m', [9], z.number()))).code).toBe('RPC_QUEUE_FULL')
    await expect(Promise.all(calls)).resolves.toEqual([0, 1, 2, 3, 4, 5])
    expect(most).toBe(2)
  })

  test('a signal ends a call that runs, one that waits for its turn, and one that pauses', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const server = await serve((request: RpcRequest, response) => {
      if (request.method === 'pause') reply(response, 500, 'Work queue depth exceeded')
      else stop.abort(reason)
    })
    const client = clientOf(server.url, { maxConcurrent: 1, backoff: { firstMs: 60_000, maxMs: 60_000 } })
    const pausing = client.call('pause', [], z.number(), { signal: stop.signal })
    const running = client.call('run', [], z.number(), { signal: stop.signal })
    const waiting = client.call('wait', [], z.number(), { signal: stop.signal })
    const ends = await Promise.allSettled([pausing, running, waiting])
    expect(ends.map((end) => (end.status === 'rejected' ? (end.reason as unknown) : end.value))).toEqual([
      reason,
      reason,
      reason,
    ])
    await expect(client.call('later', [], z.number(), { signal: stop.signal })).rejects.toBe(reason)
    expect(server.received.map(({ body }) => (body as RpcRequest).method)).toEqual(['pause', 'run'])
  })

  test('close ends what is under way with RPC_CLOSED', async () => {
    const server = await serve(() => void client.close())
    const client = clientOf(server.url)
    expect((await failureOf(client.call('m', [], z.number()))).code).toBe('RPC_CLOSED')
    expect((await failureOf(client.call('m', [], z.number()))).code).toBe('RPC_CLOSED')
  })

  test.each(['ftp://127.0.0.1/', '127.0.0.1:8232', 'nonsense'])('%s is no address of a node', (url) => {
    expect(() => createRpcClient({ url, world: realWorld() })).toThrow(
      expect.toSatisfy((error: unknown) => isSecnodeError(error, 'RPC_URL') && error.exitCode === 2),
    )
  })
})

describe('batches', () => {
  const calls = Array.from({ length: 250 }, (_, i) => [i])
  const squares = calls.map(([i]) => i! * i!)
  const square = (request: RpcRequest) => result(request, Number(request.params[0]) ** 2)

  test('many calls go in bounded batches, answered in any order', async () => {
    const server = await serve((requests: RpcRequest[], response) =>
      reply(response, 200, requests.map(square).reverse()),
    )
    await expect(clientOf(server.url).callMany('m', calls, z.number())).resolves.toEqual(squares)
    expect(server.received.map(({ body }) => (body as RpcRequest[]).length)).toEqual([100, 100, 50])
  })

  const refusals: [string, number, unknown][] = [
    [
      'an error object',
      200,
      { jsonrpc: '2.0', error: { code: -32005, message: 'Batched requests are not supported' }, id: null },
    ],
    ['plain text', 400, 'bad request'],
    ['HTTP 405', 405, ''],
  ]
  test.each(refusals)(
    'a node without batches (%s) is asked one by one, and not for batches again',
    async (_name, status, answer) => {
      const server = await serve((body: RpcRequest | RpcRequest[], response) => {
        if (Array.isArray(body)) reply(response, status, answer)
        else reply(response, 200, square(body))
      })
      const client = clientOf(server.url)
      await expect(client.callMany('m', calls, z.number())).resolves.toEqual(squares)
      await expect(client.callMany('m', calls, z.number())).resolves.toEqual(squares)
      expect(server.received.filter(({ body }) => Array.isArray(body))).toHaveLength(1)
    },
  )

  test('an error inside a batch is the call’s error; a short or foreign batch is RPC_BAD_ANSWER', async () => {
    const answers: ((requests: RpcRequest[]) => unknown[])[] = [
      (requests) =>
        requests.map((request, i) => (i === 7 ? refusal(request, -8, 'out of range') : square(request))),
      (requests) => requests.slice(1).map(square),
      (requests) => requests.map((request) => ({ ...square(request), id: request.id + 1_000 })),
    ]
    const codes: string[] = []
    for (const answer of answers) {
      const server = await serve((requests: RpcRequest[], response) => reply(response, 200, answer(requests)))
      const error = await failureOf(clientOf(server.url).callMany('m', calls.slice(0, 20), z.number()))
      codes.push(error.code)
    }
    expect(codes).toEqual(['RPC_REFUSED', 'RPC_BAD_ANSWER', 'RPC_BAD_ANSWER'])
  })

  test('a batch that meets a node still starting is sent again', async () => {
    let batches = 0
    const server = await serve((requests: RpcRequest[], response) =>
      reply(
        response,
        200,
        batches++ === 0
          ? requests.map((request) => refusal(request, -28, 'Loading...'))
          : requests.map(square),
      ),
    )
    await expect(clientOf(server.url).callMany('m', calls.slice(0, 5), z.number())).resolves.toEqual(
      squares.slice(0, 5),
    )
  })
})
