import { bytesToHex } from '../../protocol/index.ts'
import { rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { connect as connectTcp } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect as connectTls } from 'node:tls'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { createTlsEndpoint } from '../../src/net/tls-endpoint.ts'
import { networkId, silent, until } from './local-hosts.ts'
import {
  at,
  ca,
  dayMs,
  good,
  host,
  hourMs,
  identity,
  keys,
  probe,
  startEndpoint,
  world,
} from './tls-world.ts'

const path = `/.well-known/secnode?nonce=${'0a'.repeat(32)}`

const statusOf = (port: number, options: RequestOptions & { body?: string }): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      servername: host,
      ca: ca.caPem,
      agent: false,
      ...options,
    })
    request.on('response', (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    request.on('error', reject)
    request.end(options.body)
  })

/** Serial number of the certificate that is served now. */
const servedBy = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connectTls(
      { host: '127.0.0.1', port, servername: host, rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      },
    )
    socket.on('error', reject)
  })

const speaks = (port: number, version: 'TLSv1.2' | 'TLSv1.3'): Promise<boolean> =>
  new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      minVersion: version,
      maxVersion: version,
      rejectUnauthorized: false,
    }
    const socket = connectTls(options, () => {
      resolve(true)
      socket.destroy()
    })
    socket.on('error', () => resolve(false))
  })

describe('R-PROBE-1 the endpoint', () => {
  test('answers the one question with exactly the agreed fields, and nobody keeps the answer', async () => {
    await using endpoint = await startEndpoint()
    const response = await fetchAnswer(endpoint.port())
    expect(Object.keys(response.body).sort()).toEqual([
      'instance',
      'peer',
      'ruleset',
      'seat',
      'signature',
      'signs',
      'stake',
      'version',
    ])
    expect(response.body).toMatchObject({ ...identity, instance: bytesToHex(identity.instance) })
    expect(response.headers['cache-control']).toBe('no-store')
    expect(response.headers['content-type']).toBe('application/json')
  })

  test.each([
    ['another path', { path: '/' }],
    ['the path alone', { path: '/.well-known/secnode' }],
    ['a short nonce', { path: path.slice(0, -2) }],
    ['a long nonce', { path: `${path}00` }],
    ['capital digits', { path: path.replaceAll('a', 'A') }],
    ['more in the query', { path: `${path}&x=1` }],
    ['a second question mark', { path: `${path}?` }],
    ['a path that leads there', { path: `/x/..${path}` }],
    ['POST', { path, method: 'POST', body: 'x' }],
    ['HEAD', { path, method: 'HEAD' }],
  ])('answers 404 to %s', async (_what, options) => {
    await using endpoint = await startEndpoint()
    expect(await statusOf(endpoint.port(), options)).toBe(404)
    expect(endpoint.counters()).toMatchObject({ answered: 0, refused: 1 })
  })

  test('speaks TLS 1.3 only', async () => {
    await using endpoint = await startEndpoint()
    expect(await speaks(endpoint.port(), 'TLSv1.3')).toBe(true)
    expect(await speaks(endpoint.port(), 'TLSv1.2')).toBe(false)
  })

  test('asks for the identity anew every time', async () => {
    let ruleset = 7
    await using endpoint = await startEndpoint(good, {
      identity: () => ({ ...identity, ruleset: ruleset++ }),
    })
    expect(await probe(endpoint.port())).toMatchObject({ holder: { ruleset: 7 } })
    expect(await probe(endpoint.port())).toMatchObject({ holder: { ruleset: 8 } })
  })

  test('a fault of the node itself is no answer, and the next request is served', async () => {
    let isBroken = true
    await using endpoint = await startEndpoint(good, {
      sign: (message) => {
        if (isBroken) throw new Error('key is gone')
        return keys.sign(message)
      },
    })
    expect(await probe(endpoint.port())).toMatchObject({ is: 'failed', code: 6 })
    isBroken = false
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })
})

describe('R-PROBE-1 the endpoint under attack', () => {
  test('connections that say nothing, in TCP or in TLS or in HTTP, are closed in time', async () => {
    await using endpoint = await startEndpoint(good, { timeoutMs: 1_000 })
    const closed = (write: string | null, isTls: boolean) =>
      new Promise<void>((resolve) => {
        const options = { host: '127.0.0.1', port: endpoint.port(), rejectUnauthorized: false }
        const socket = isTls ? connectTls(options) : connectTcp(options)
        socket.on('error', () => undefined)
        socket.on('close', () => resolve())
        socket.on('data', () => undefined)
        if (write !== null) socket.write(write)
      })
    await Promise.all([
      closed(null, false),
      closed('\x16\x03', false),
      closed('GET / HTTP/1.1\r\n\r\n', false),
      closed(null, true),
      closed(`GET ${path} HTTP/1.1\r\nhost: a\r\n`, true),
      closed('garbage\r\n\r\n', true),
      closed(`GET /${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`, true),
      closed(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n`, true),
    ])
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })

  test('one that sends a header at a time does not outlive the deadline by doing so', async () => {
    await using endpoint = await startEndpoint(good, { timeoutMs: 200 })
    const startMs = performance.now()
    await new Promise<void>((resolve) => {
      const socket = connectTls({ host: '127.0.0.1', port: endpoint.port(), rejectUnauthorized: false })
      socket.write(`GET ${path} HTTP/1.1\r\n`)
      const timer = setInterval(() => socket.write('x: y\r\n'), 20)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearInterval(timer)
        resolve()
      })
    })
    // Node's own deadline for headers is a minute.
    expect(performance.now() - startMs).toBeLessThan(30_000)
  })
})

describe('a new certificate', () => {
  test('is served without a restart once both files are there, to TLS 1.3 only', async () => {
    const next = await ca.issue({ host })
    await using endpoint = await startEndpoint(good, { watchIntervalMs: 20 })
    const before = await servedBy(endpoint.port())
    await writeFile(endpoint.certFile, next.certPem)
    // Meanwhile the files do not belong together: the old pair stays.
    await until(() => endpoint.counters().badReloads > 0)
    expect(await servedBy(endpoint.port())).toBe(before)
    await writeFile(endpoint.keyFile, next.keyPem)
    await until(() => endpoint.counters().reloads === 1)
    expect(await servedBy(endpoint.port())).not.toBe(before)
    expect(await speaks(endpoint.port(), 'TLSv1.2')).toBe(false)
    expect(await speaks(endpoint.port(), 'TLSv1.3')).toBe(true)
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })

  test('is found when it comes by rename, or as a symbolic link that is turned to another file', async () => {
    await using endpoint = await startEndpoint(good, { watchIntervalMs: 20 })
    const byRename = await ca.issue({ host })
    await writeFile(`${endpoint.keyFile}.new`, byRename.keyPem)
    await writeFile(`${endpoint.certFile}.new`, byRename.certPem)
    await rename(`${endpoint.keyFile}.new`, endpoint.keyFile)
    await rename(`${endpoint.certFile}.new`, endpoint.certFile)
    await until(() => endpoint.counters().reloads === 1)
    const byLink = await ca.issue({ host })
    await writeFile(`${endpoint.keyFile}.2`, byLink.keyPem)
    await writeFile(`${endpoint.certFile}.2`, byLink.certPem)
    await unlink(endpoint.keyFile)
    await symlink(`${endpoint.keyFile}.2`, endpoint.keyFile)
    await unlink(endpoint.certFile)
    await symlink(`${endpoint.certFile}.2`, endpoint.certFile)
    await until(() => endpoint.counters().reloads === 2)
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })

  test.each([
    ['is no PEM', async () => ({ ...good, certPem: 'not a certificate' })],
    ['does not belong to its key', async () => ({ ...good, keyPem: (await ca.issue({ host })).keyPem })],
    ['has expired', () => ca.issue({ host, notBefore: at(-9 * dayMs), notAfter: at(-hourMs) })],
    ['is not valid yet', () => ca.issue({ host, notBefore: at(hourMs) })],
    ['is for another host', () => ca.issue({ host: 'n2.devnet.test' })],
  ])('that %s is refused, with a line that says what to do, and the old one stays', async (_what, bad) => {
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
    await using endpoint = await startEndpoint(good, { logger })
    const pair = await bad()
    await writeFile(endpoint.certFile, pair.certPem)
    await writeFile(endpoint.keyFile, pair.keyPem)
    expect(await endpoint.reload()).toBe(false)
    expect(endpoint.counters()).toMatchObject({ reloads: 0, badReloads: 1 })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(endpoint.certFile)
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })

  test('that cannot be used is complained about once, not at every look', async () => {
    const lines: string[] = []
    const logger = pino({ level: 'warn' }, { write: (line: string) => lines.push(line) })
    let looks = 0
    const counting = {
      ...world,
      setTimer: (ms: number, callback: () => void) => {
        looks++
        return world.setTimer(ms, callback)
      },
    }
    await using endpoint = await startEndpoint(good, { logger, watchIntervalMs: 5, world: counting })
    await writeFile(endpoint.certFile, 'not a certificate')
    await until(() => lines.length > 0)
    const looksThen = looks
    await until(() => looks > looksThen + 10)
    expect(lines).toHaveLength(1)
    await rm(endpoint.certFile)
    const looksBefore = looks
    await until(() => looks > looksBefore + 10)
    expect(lines).toHaveLength(1)
  })

  test('is taken, with all its faults, where the old one is no better', async () => {
    const expired = await ca.issue({ host, notBefore: at(-9 * dayMs), notAfter: at(-2 * dayMs) })
    const lessExpired = await ca.issue({ host, notBefore: at(-9 * dayMs), notAfter: at(-hourMs) })
    await using endpoint = await startEndpoint(expired)
    await writeFile(endpoint.certFile, lessExpired.certPem)
    await writeFile(endpoint.keyFile, lessExpired.keyPem)
    expect(await endpoint.reload()).toBe(true)
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })
})

describe('starting and stopping', () => {
  const withFiles = (certFile: string, keyFile: string, port = 0) =>
    createTlsEndpoint({
      host,
      networkId,
      address: '127.0.0.1',
      port,
      certFile,
      keyFile,
      identity: () => identity,
      sign: (message) => keys.sign(message),
      logger: silent,
      world,
    })

  test('a missing certificate says which file to make', async () => {
    await expect(withFiles('/nowhere/cert.pem', '/nowhere/key.pem').start()).rejects.toMatchObject({
      code: 'TLS_BAD_CERTIFICATE',
      hint: expect.stringContaining('/nowhere/cert.pem'),
    })
  })

  test('a port in use is an error with a code', async () => {
    await using endpoint = await startEndpoint()
    const second = withFiles(endpoint.certFile, endpoint.keyFile, endpoint.port())
    await expect(second.start()).rejects.toMatchObject({ code: 'TLS_CANNOT_LISTEN' })
    await second.stop()
  })

  test('both are idempotent, a stop does not wait for idle connections, and it can be started again', async () => {
    await using endpoint = await startEndpoint(good, { timeoutMs: 60_000 })
    await endpoint.start()
    const idle = connectTcp({ host: '127.0.0.1', port: endpoint.port() })
    idle.on('error', () => undefined)
    await until(() => !idle.connecting)
    const startMs = performance.now()
    await endpoint.stop()
    await endpoint.stop()
    // An idle one is let go after a minute.
    expect(performance.now() - startMs).toBeLessThan(30_000)
    await endpoint.start()
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })
})

const fetchAnswer = (port: number) =>
  new Promise<{ body: Record<string, unknown>; headers: Record<string, unknown> }>((resolve, reject) => {
    const request = httpsRequest({
      host: '127.0.0.1',
      port,
      servername: host,
      ca: ca.caPem,
      agent: false,
      path,
    })
    request.on('error', reject)
    request.on('response', (response) => {
      text(response).then((body) => {
        resolve({ body: JSON.parse(body) as Record<string, unknown>, headers: response.headers })
      }, reject)
    })
    request.end()
  })
