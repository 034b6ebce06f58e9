import { mkdtempSync, readFileSync, existsSync, rmSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createRpcClient } from '../../../../src/chain-node/rpc/client.ts'
import { getBlockCount, getRawBlock } from '../../../../src/chain-node/rpc/methods.ts'
import { createRpcMethods, dialectOf } from '../../../../src/devnet/chain/rpc/methods.ts'
import {
  createRpcServer,
  type RpcServer,
  type RpcServerOptions,
} from '../../../../src/devnet/chain/rpc-server.ts'
import { isSecnodeError } from '../../../../src/errors.ts'
import { realWorld } from '../../../../src/world.ts'
import { createTestChain, testWorld } from '../test-chain.ts'
import type { ChainFamily } from '../../../../src/chain/formats/types.ts'

const started: RpcServer[] = []
afterEach(async () => {
  for (const server of started.splice(0)) await server.stop()
})

const serve = async (family: ChainFamily, options: Partial<RpcServerOptions> = {}): Promise<RpcServer> => {
  const chain = createTestChain(family)
  chain.mine(3)
  const server = createRpcServer({
    methods: createRpcMethods(chain),
    dialect: dialectOf(family),
    auth: { kind: 'none' },
    world: testWorld(),
    ...options,
  })
  started.push(server)
  await server.start()
  return server
}

const post = async (server: RpcServer, body: string, headers: Record<string, string> = {}) => {
  const response = await fetch(server.url, { method: 'POST', body, headers })
  const text = await response.text()
  return { status: response.status, text, json: (): unknown => JSON.parse(text) }
}

const basic = (userAndPassword: string) => ({
  authorization: `Basic ${Buffer.from(userAndPassword).toString('base64')}`,
})

const countCall = '{"id":7,"method":"getblockcount","params":[]}'

describe('zend: errors travel with HTTP statuses', () => {
  test.for([
    [200, countCall, { result: 3, error: null, id: 7 }],
    [
      404,
      '{"id":1,"method":"nosuch","params":[]}',
      { result: null, error: { code: -32601, message: 'Method not found' }, id: 1 },
    ],
    [
      500,
      '{"id":"a","method":"getblock","params":["99"]}',
      { result: null, error: { code: -8, message: 'Block height out of range' }, id: 'a' },
    ],
    [500, '{"id":', { result: null, error: { code: -32700, message: 'Parse error' }, id: null }],
    [400, '7', { result: null, error: { code: -32600, message: 'Invalid Request object' }, id: null }],
    [400, '{"id":1}', { result: null, error: { code: -32600, message: 'Missing method' }, id: 1 }],
    [
      400,
      '{"id":1,"method":5}',
      { result: null, error: { code: -32600, message: 'Method must be a string' }, id: 1 },
    ],
    [
      400,
      '{"id":1,"method":"getinfo","params":{"a":1}}',
      { result: null, error: { code: -32600, message: 'Params must be an array' }, id: 1 },
    ],
    [
      404,
      '{"id":1,"method":"toString"}',
      { result: null, error: { code: -32601, message: 'Method not found' }, id: 1 },
    ],
  ] as const)('HTTP %i for %s', async ([status, body, answer]) => {
    const response = await post(await serve('zen'), body)
    expect(response.status).toBe(status)
    expect(response.json()).toEqual(answer)
  })

  test('a batch is an array of answers, wrong calls among right ones', async () => {
    const response = await post(await serve('zen'), `[${countCall},5,{"id":2,"method":"nosuch"}]`)
    expect(response.status).toBe(200)
    expect(response.json()).toEqual([
      { result: 3, error: null, id: 7 },
      { result: null, error: { code: -32600, message: 'Invalid Request object' }, id: null },
      { result: null, error: { code: -32601, message: 'Method not found' }, id: 2 },
    ])
    const tooMany = JSON.stringify(Array.from({ length: 10_001 }, () => 0))
    expect((await post(started[0]!, tooMany)).json()).toMatchObject({ error: { code: -32600 } })
  })
})

describe('zebrad: errors travel with HTTP 200 in the version of the request', () => {
  test.for([
    ['{"jsonrpc":"2.0","id":7,"method":"getblockcount","params":[]}', { jsonrpc: '2.0', result: 3, id: 7 }],
    [
      '{"jsonrpc":"2.0","id":7,"method":"nosuch"}',
      { jsonrpc: '2.0', error: { code: -32601, message: 'Method not found' }, id: 7 },
    ],
    [
      '{"jsonrpc":"1.0","id":7,"method":"getblockcount","params":[]}',
      { jsonrpc: '1.0', result: 3, error: null, id: 7 },
    ],
    [countCall, { result: 3, error: null, id: 7 }],
    [
      '{"id":7,"method":"getblock","params":["99",0]}',
      { result: null, error: { code: -8, message: 'Block not found' }, id: 7 },
    ],
  ] as const)('%s', async ([body, answer]) => {
    const response = await post(await serve('zcash'), body)
    expect(response.status).toBe(200)
    expect(response.json()).toEqual(answer)
  })

  test('in a batch every call must be JSON-RPC 2.0', async () => {
    const response = await post(
      await serve('zcash'),
      `[${countCall},{"jsonrpc":"2.0","id":8,"method":"getblockcount"}]`,
    )
    expect(response.json()).toEqual([
      { jsonrpc: '2.0', error: { code: -32600, message: 'Invalid request' }, id: 7 },
      { jsonrpc: '2.0', result: 3, id: 8 },
    ])
  })
})

describe('who may ask', () => {
  test('user and password', async () => {
    const server = await serve('zen', { auth: { kind: 'password', user: 'me', password: 'p:w' } })
    expect((await post(server, countCall)).status).toBe(401)
    expect((await post(server, countCall, basic('me:pw'))).status).toBe(401)
    expect((await post(server, countCall, { authorization: 'Bearer x' })).status).toBe(401)
    expect((await post(server, countCall, basic('me:p:w'))).json()).toMatchObject({ result: 3 })
  })

  test('a cookie file, there while the server runs, new at every start', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'secnode-cookie-'))
    const path = join(directory, '.cookie')
    try {
      const server = await serve('zcash', { auth: { kind: 'cookie', path } })
      const cookie = readFileSync(path, 'utf8')
      expect(cookie).toMatch(/^__cookie__:[0-9a-f]{64}$/)
      expect((await post(server, countCall, basic(cookie))).json()).toMatchObject({ result: 3 })
      await server.stop()
      expect(existsSync(path)).toBe(false)
      await server.start()
      expect(readFileSync(path, 'utf8')).not.toBe(cookie)
      // zebrad closes the connection on everybody else.
      await expect(post(server, countCall, basic(cookie))).rejects.toThrow('fetch failed')
      const password = readFileSync(path, 'utf8').split(':')[1]!
      expect((await post(server, countCall, basic(`anybody:${password}`))).json()).toMatchObject({
        result: 3,
      })
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('only POST, only loopback, only bodies of bounded size', async () => {
    const server = await serve('zen', { maxBodyBytes: 100 })
    expect((await fetch(server.url)).status).toBe(405)
    expect((await post(server, `${countCall}${' '.repeat(100)}`)).status).toBe(413)
    // Without a length the body is counted as it comes.
    const chunked = await fetch(server.url, {
      method: 'POST',
      body: new Blob([' '.repeat(200)]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(chunked.status).toBe(413)
    expect((await post(server, countCall)).status).toBe(200)
    const open = () =>
      createRpcServer({
        methods: {},
        dialect: 'zend',
        auth: { kind: 'none' },
        world: testWorld(),
        host: '0.0.0.0',
      })
    expect(open).toThrow(expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_RPC_HOST')))
  })

  test('a connection is kept alive', async () => {
    const server = await serve('zen')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const ports = new Set<number | undefined>()
    const ask = () =>
      new Promise<void>((resolve, reject) => {
        const outgoing = request(server.url, { method: 'POST', agent }, (answer) => {
          answer.resume().on('end', resolve)
        })
        outgoing.on('socket', (socket) => {
          const note = () => ports.add(socket.localPort)
          if (socket.connecting) socket.once('connect', note)
          else note()
        })
        outgoing.on('error', reject).end(countCall)
      })
    for (let i = 0; i < 3; i++) await ask()
    agent.destroy()
    expect(ports.size).toBe(1)
  })
})

describe('faults on demand', () => {
  test('warming up, overload, and a dropped connection, then all is well', async () => {
    const server = await serve('zen')
    server.simulate({ kind: 'warming-up' }, 1)
    const warming = await post(server, countCall)
    expect(warming.status).toBe(500)
    expect(warming.json()).toEqual({
      result: null,
      error: { code: -28, message: 'Loading block index...' },
      id: 7,
    })
    server.simulate({ kind: 'overloaded' })
    for (let i = 0; i < 2; i++) {
      expect(await post(server, countCall)).toMatchObject({ status: 500, text: 'Work queue depth exceeded' })
    }
    server.simulate({ kind: 'drop' }, 1)
    await expect(post(server, countCall)).rejects.toThrow('fetch failed')
    expect((await post(server, countCall)).json()).toMatchObject({ result: 3 })
  })

  test('a request that hangs ends with the server', async () => {
    const server = await serve('zen')
    server.simulate({ kind: 'hang' })
    const hanging = post(server, countCall)
    const outcome = hanging.then(
      () => 'answered',
      () => 'ended',
    )
    await server.stop()
    await expect(outcome).resolves.toBe('ended')
  })

  test('start and stop are idempotent; the address is known in between', async () => {
    const server = await serve('zen')
    const { url } = server
    await server.start()
    expect(server.url).toBe(url)
    await server.stop()
    await server.stop()
    expect(() => server.url).toThrow(expect.toSatisfy((error) => isSecnodeError(error, 'DEVNET_RPC_STOPPED')))
  })
})

test.for(['zcash', 'zen'] as const)('%s: the daemon’s own client survives the faults', async (family) => {
  const server = await serve(family, { auth: { kind: 'password', user: 'u', password: 'p' } })
  await using client = createRpcClient({
    url: server.url,
    auth: { kind: 'password', user: 'u', password: 'p' },
    world: realWorld(),
    backoff: { firstMs: 1, maxMs: 2 },
  })
  for (const fault of [{ kind: 'warming-up' }, { kind: 'overloaded' }, { kind: 'drop' }] as const) {
    server.simulate(fault, 1)
    await expect(getBlockCount(client)).resolves.toBe(3)
  }
  expect((await getRawBlock(client, 2))?.length).toBeGreaterThan(100)
  await expect(getRawBlock(client, 4)).resolves.toBeNull()
})
