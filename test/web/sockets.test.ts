import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createGuard, type WebEnv } from '../../src/web/guard.ts'
import { createOperatorSession } from '../../src/web/operator-session.ts'
import { answerOf, Refusal } from '../../src/web/refusal.ts'
import { boundSockets, type SocketOptions } from '../../src/web/sockets.ts'
import { realWorld } from '../../src/world.ts'
import { createCounts, silent, until } from '../net/local-hosts.ts'
import { startFlood } from '../net/flood.ts'
import { ask, askRaw } from './ask.ts'

const world = realWorld()
const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end()
})

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  ends.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const sends = (url: string, bytes: string): Socket => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => undefined)
  socket.resume().write(bytes)
  ends.push(() => void socket.destroy())
  return socket
}

describe('sockets of the page', () => {
  const start = async (listener: RequestListener, change: Partial<SocketOptions> = {}) => {
    const { metrics, counts } = createCounts()
    const server = createServer(listener)
    boundSockets(server, { isOperator: () => false, world, metrics, logger: silent, ...change })
    const url = await listen(server)
    const open = (): Promise<number> =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
      })
    return { url, counts, open }
  }
  const answers: RequestListener = (_request, response) => void response.end('here')

  test('a thousand that say nothing leave a place for one that asks, and hold 256 at most', async () => {
    const { url, counts, open } = await start(answers)
    const to = { ip: '127.0.0.1', port: Number(new URL(url).port) }
    await using flood = startFlood({ to, from: ['127.0.0.1'], perAddress: 1_000, pauseMs: 60_000 })
    await until(() => (counts.get('connections_displaced page silent') ?? 0) >= 744)
    expect(flood.opened()).toBe(1_000)
    expect(await open()).toBeLessThanOrEqual(256)
    for (let i = 0; i < 20; i++) expect(await ask(url, '/')).toMatchObject({ status: 200, body: 'here' })
    expect(counts.get('connections_displaced page asking')).toBeUndefined()
  })

  test('those that wait for an answer give way after idle ones, and the operator’s last', async () => {
    const isOperator: SocketOptions['isOperator'] = ({ headers }) => headers['x-operator'] === 'yes'
    let asking = 0
    const { url, counts } = await start(
      (request, response) => {
        if (request.url === '/held') asking++
        else response.end('here')
      },
      { isOperator, places: { maxPlaces: 4, maxPerAddress: 4 } },
    )
    const operator = sends(url, 'GET / HTTP/1.1\r\nHost: a\r\nX-Operator: yes\r\n\r\n')
    const idle = sends(url, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    for (const socket of [operator, idle]) await new Promise((resolve) => socket.once('data', resolve))
    for (let i = 0; i < 2; i++) sends(url, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => asking === 2)
    sends(url, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(() => counts.get('connections_displaced page idle') === 1 && asking === 3)
    for (let i = 0; i < 6; i++) {
      sends(url, 'GET /held HTTP/1.1\r\nHost: a\r\n\r\n')
      await until(() => asking === 4 + i)
    }
    expect(counts.get('connections_displaced page asking')).toBe(6)
    operator.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [again] = await new Promise<[Buffer]>((resolve) => operator.once('data', (data) => resolve([data])))
    expect(again.toString()).toContain('here')
  })
})

describe('requests of many programs', () => {
  const start = async () => {
    const session = createOperatorSession(world)
    const hosts = new Set<string>()
    const app = new Hono<WebEnv>()
    app.use(createGuard({ hosts, session, world, onRefused: () => undefined }))
    app.get('*', (context) => context.text(context.get('isOperator') ? 'operator' : 'other'))
    app.onError((error, context) =>
      error instanceof Refusal ? context.json(answerOf(error), error.status) : context.text('fault', 500),
    )
    const url = await listen(createAdaptorServer({ fetch: app.fetch }) as Server)
    hosts.add(new URL(url).host)
    /** Until it is told that it asks too often. */
    const exhaust = async (path: string): Promise<void> => {
      const statuses = new Set<number>()
      while (!statuses.has(429)) {
        const asked = await Promise.all(Array.from({ length: 50 }, () => ask(url, path)))
        for (const { status } of asked) statuses.add(status)
      }
    }
    return { url, session, exhaust }
  }

  test('one that asks the API without end leaves the pages to people', async () => {
    const { url, exhaust } = await start()
    await exhaust('/api/v1/status')
    expect((await ask(url, '/')).status).toBe(200)
  })

  test('one that asks for pages without end leaves those of the operator’s session to it', async () => {
    const { url, session, exhaust } = await start()
    await exhaust('/')
    expect((await ask(url, session.entry)).body).toBe('operator')
    const cookie = session.cookie(9_736).split(';', 1)[0]!
    for (const cookies of [cookie, `a=b; ${cookie}`, `secnode-1=${'0'.repeat(64)}; ${cookie}; c=d`]) {
      expect((await ask(url, '/', { headers: { cookie: cookies } })).body).toBe('operator')
    }
    // What is no key is one of the many.
    const key = session.entry.split('=')[1]!
    const others = [key.slice(1), key.toUpperCase(), `${key}0`, '0'.repeat(64), '']
    for (const other of others.filter((one) => one !== key)) {
      const statuses = new Set([
        (await ask(url, `/session?key=${other}`)).body,
        (await ask(url, '/', { headers: { cookie: `secnode-9736=${other}` } })).body,
      ])
      expect(statuses).not.toContain('operator')
    }
  })

  test('a second Host header is refused, whichever of the two is right', async () => {
    const { url } = await start()
    const { host } = new URL(url)
    const asked = (...names: string[]): Promise<string> =>
      askRaw(url, `GET / HTTP/1.1\r\n${names.map((name) => `Host: ${name}\r\n`).join('')}\r\n`)
    expect(await asked(host)).toContain('200')
    expect(await asked(host, 'evil.example')).toMatch(/ 4(00|21) /)
    expect(await asked('evil.example', host)).toMatch(/ 4(00|21) /)
    expect(await asked(host, host)).toMatch(/ 4(00|21) /)
  })
})
