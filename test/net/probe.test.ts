import { describe, expect, test } from 'vitest'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { channelBinding, signAnswer } from '../../src/net/probe-message.ts'
import { createDevnetCa } from '../../src/devnet/certificates.ts'
import { bytesToHex, type NetworkId } from '../../protocol/index.ts'
import { networkId } from './local-hosts.ts'
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
  startForwarder,
  startHttps,
  startTcp,
  startTerminatingProxy,
  startTls,
  world,
} from './tls-world.ts'
import type { TLSSocket } from 'node:tls'

const failure = (code: number) => expect.objectContaining({ is: 'failed', code })

describe('R-PROBE-1 a node that holds the end of its TLS connection', () => {
  test('passes, and says what it signed', async () => {
    await using endpoint = await startEndpoint()
    const { instance, ruleset, signs } = identity
    expect(await probe(endpoint.port())).toMatchObject({
      is: 'ok',
      version: '0.1.0',
      holder: { instance, ruleset, signs },
    })
    expect(endpoint.counters().answered).toBe(1)
  })

  test('passes with an authority between root and certificate', async () => {
    const authority = await ca.issueAuthority()
    await using endpoint = await startEndpoint(await authority.issue({ host }))
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok' })
  })

  test('passes behind a plain TCP forwarder, which is the documented limit', async () => {
    await using endpoint = await startEndpoint()
    await using forwarder = await startForwarder(endpoint.port())
    expect(await probe(forwarder.port)).toMatchObject({ is: 'ok' })
  })

  test('passes when asked from another local address', async () => {
    await using endpoint = await startEndpoint()
    expect(await probe(endpoint.port(), { localAddress: '127.0.5.5' })).toMatchObject({ is: 'ok' })
  })
})

describe('R-PROBE-1 tls unbound (8)', () => {
  test('a TLS-terminating proxy that relays the true answer', async () => {
    await using endpoint = await startEndpoint()
    await using proxy = await startTerminatingProxy(endpoint.port())
    const result = await probe(proxy.port)
    expect(result).toEqual(failure(8))
    // The relayed answer was true: only the connection was another one.
    expect(endpoint.counters().answered).toBe(1)
    expect(JSON.parse(Buffer.from((result as { response: Uint8Array }).response).toString())).toMatchObject({
      ...identity,
      instance: bytesToHex(identity.instance),
    })
  })

  test.each([
    ['peer', { ...identity, peer: createNodeKeys((length) => world.randomBytes(length)).peerId }],
    ['seat', { ...identity, seat: 4 }],
    ['stake', { ...identity, stake: '12'.repeat(20) }],
  ])('an answer that names another %s', async (what, other) => {
    await using endpoint = await startEndpoint(good, { identity: () => other })
    expect(await probe(endpoint.port())).toMatchObject({
      is: 'failed',
      code: 8,
      detail: expect.stringContaining(what),
    })
  })

  test.each([
    ['an escape of a terminal', '0.1.0\u001b[2J'],
    ['a C1 control', '0.1.0\u009b2J'],
    ['a turn of direction', '0.1.0\u202e'],
    ['letters beyond ASCII', '0.1.0-ä'],
    ['a line break', '0.1.0\n'],
    ['65 characters', '1'.repeat(65)],
  ])('a version with %s', async (_what, version) => {
    await using endpoint = await startEndpoint(good, { identity: () => ({ ...identity, version }) })
    expect(await probe(endpoint.port())).toEqual(failure(8))
  })

  test('but not one of 64 printable characters', async () => {
    const version = '~'.repeat(64)
    await using endpoint = await startEndpoint(good, { identity: () => ({ ...identity, version }) })
    expect(await probe(endpoint.port())).toMatchObject({ is: 'ok', version })
  })

  test('a signature by another key', async () => {
    const other = createNodeKeys((length) => world.randomBytes(length))
    await using endpoint = await startEndpoint(good, { sign: (message) => other.sign(message) })
    expect(await probe(endpoint.port())).toEqual(failure(8))
  })

  test('a signature for another network or another host', async () => {
    await using otherNetwork = await startEndpoint(good, { networkId: 'cd'.repeat(16) as NetworkId })
    expect(await probe(otherNetwork.port())).toEqual(failure(8))
    await using otherHost = await startEndpoint(good, { host: 'n2.devnet.test' })
    expect(await probe(otherHost.port())).toEqual(failure(8))
  })

  test('a signature over another nonce', async () => {
    await using server = await startHttps((request, response) => {
      const exporter = channelBinding(request.socket as TLSSocket)
      const at = { host, nonce: new Uint8Array(32), exporter }
      response.end(JSON.stringify(signAnswer(networkId, identity, at, (message) => keys.sign(message))))
    })
    expect(await probe(server.port)).toEqual(failure(8))
    // The same server passes when asked with the nonce that it signs.
    expect(await probe(server.port, { nonce: new Uint8Array(32) })).toMatchObject({ is: 'ok' })
  })

  test.each([
    ['instance', 'ff'.repeat(16)],
    ['ruleset', 2],
    ['signs', false],
  ])('%s changed on the way', async (field, value) => {
    await using server = await startHttps((request, response) => {
      const at = {
        host,
        nonce: new Uint8Array(32),
        exporter: channelBinding(request.socket as TLSSocket),
      }
      const answer = signAnswer(networkId, identity, at, (message) => keys.sign(message))
      response.end(JSON.stringify({ ...answer, [field]: value }))
    })
    expect(await probe(server.port, { nonce: new Uint8Array(32) })).toEqual(failure(8))
  })

  const signature = Buffer.alloc(64, 1).toString('base64')
  const said = { ...identity, instance: bytesToHex(identity.instance) }
  test.each([
    ['no JSON', 200, 'hello'],
    ['JSON of another shape', 200, '[]'],
    ['a missing field', 200, JSON.stringify({ ...said, seat: undefined, signature })],
    ['a field of another type', 200, JSON.stringify({ ...said, seat: '3', signature })],
    ['a signature that is too short', 200, JSON.stringify({ ...said, signature: 'AAAA' })],
    ['bytes that are no UTF-8', 200, Buffer.from([0x7b, 0xff, 0x7d])],
    ['nothing', 200, ''],
    ['a redirect', 302, ''],
    ['not found', 404, 'not here'],
  ])('an answer with %s', async (_what, status, body) => {
    await using server = await startHttps((_request, response) => {
      response.writeHead(status, { location: 'https://elsewhere.test/' }).end(body)
    })
    const result = await probe(server.port)
    expect(result).toEqual(failure(8))
    expect(Buffer.from((result as { response: Uint8Array }).response)).toEqual(Buffer.from(body))
  })

  test('an answer over the limit is cut off, and evidence of at most 1 kB kept', async () => {
    let written = 0
    await using server = await startHttps((_request, response) => {
      const more = () => {
        while (written < 50_000_000 && response.write('x'.repeat(65_536))) written += 65_536
      }
      response.on('drain', more)
      more()
    })
    const result = await probe(server.port)
    expect(result).toEqual(failure(8))
    expect((result as { response: Uint8Array }).response).toHaveLength(1_024)
    expect(written).toBeLessThan(50_000_000)
  })

  test.each([
    ['a line that is no status line', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['headers without end', `HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(10_000)}`],
    ['an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
  ])('%s instead of an answer', async (_what, text) => {
    await using server = await startTls({}, (socket) => socket.write(text))
    const result = await probe(server.port)
    expect(result).toEqual(failure(8))
    expect((result as { response: Uint8Array }).response.length).toBeLessThanOrEqual(1_024)
  })
})

describe('R-PROBE-1 tls unreachable (6)', () => {
  test('nobody listens', async () => {
    const server = await startTcp(() => undefined)
    await server[Symbol.asyncDispose]()
    expect(await probe(server.port)).toMatchObject({
      is: 'failed',
      code: 6,
      detail: expect.stringContaining('ECONNREFUSED'),
    })
  })

  test.each([
    ['says nothing', () => undefined],
    ['closes at once', (socket: { destroy(): void }) => socket.destroy()],
    ['speaks something else', (socket: { end(text: string): void }) => socket.end('220 mail.test ESMTP\r\n')],
  ])('a server that %s', async (_what, onSocket) => {
    await using server = await startTcp(onSocket)
    expect(await probe(server.port, { timeoutMs: 300 })).toEqual(failure(6))
  })

  test.each([
    ['never answers', () => undefined],
    ['closes without an answer', (socket: TLSSocket) => socket.end()],
    [
      'never ends its answer',
      (socket: TLSSocket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{'),
    ],
    [
      'breaks its answer off',
      (socket: TLSSocket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{'),
    ],
  ])('a TLS server that %s', async (_what, onSocket) => {
    await using server = await startTls({}, (socket) => onSocket(socket))
    expect(await probe(server.port, { timeoutMs: 400 })).toEqual(failure(6))
  })

  test('a server that sends its answer byte by byte is given up at the deadline', async () => {
    await using server = await startTls({}, (socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n')
      const timer = setInterval(() => socket.write('x'), 5)
      socket.once('close', () => clearInterval(timer))
    })
    const startMs = performance.now()
    expect(await probe(server.port, { timeoutMs: 400 })).toEqual(failure(6))
    // The whole answer would take 20 seconds.
    expect(performance.now() - startMs).toBeLessThan(15_000)
  })
})

describe('R-PROBE-1 tls invalid (7)', () => {
  test('TLS 1.2 only, whether it also refuses 1.3 or does not know it', async () => {
    await using server = await startTls({ maxVersion: 'TLSv1.2' }, () => undefined)
    expect(await probe(server.port)).toMatchObject({
      is: 'failed',
      code: 7,
      detail: expect.stringContaining('TLSv1.2'),
    })
  })

  test('versions below that', async () => {
    await using server = await startTls(
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
      () => undefined,
    )
    expect(await probe(server.port)).toEqual(failure(7))
  })

  test('a certificate for another name', async () => {
    await using endpoint = await startEndpoint(await ca.issue({ host: 'n2.devnet.test' }))
    expect(await probe(endpoint.port())).toMatchObject({ code: 7, detail: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  test('a certificate of an authority that is not trusted', async () => {
    const other = await createDevnetCa(Date.now(), 'Somebody else')
    await using endpoint = await startEndpoint(await other.issue({ host }))
    expect(await probe(endpoint.port())).toEqual(failure(7))
  })

  test('an authority of the same name with another key', async () => {
    const double = await createDevnetCa(Date.now())
    await using endpoint = await startEndpoint(await double.issue({ host }))
    expect(await probe(endpoint.port())).toEqual(failure(7))
  })

  test.each([
    ['expired for more than a day', { notBefore: at(-9 * dayMs), notAfter: at(-dayMs - hourMs) }],
    ['not valid for more than a day to come', { notBefore: at(dayMs + hourMs), notAfter: at(9 * dayMs) }],
  ])('a certificate %s', async (_what, dates) => {
    await using endpoint = await startEndpoint(await ca.issue({ host, ...dates }))
    expect(await probe(endpoint.port())).toEqual(failure(7))
  })

  test('a certificate for clients only', async () => {
    await using endpoint = await startEndpoint(
      await ca.issue({ host, extendedKeyUsage: ['1.3.6.1.5.5.7.3.2'] }),
    )
    expect(await probe(endpoint.port())).toEqual(failure(7))
  })
})

describe('R-FAULT-1 what is no verdict', () => {
  test('an own address that does not exist', async () => {
    await using endpoint = await startEndpoint()
    expect(await probe(endpoint.port(), { localAddress: '192.0.2.77' })).toMatchObject({
      is: 'unable',
      detail: expect.stringContaining('EADDRNOTAVAIL'),
    })
  })

  test('an abort throws, before and during', async () => {
    await using server = await startTcp(() => undefined)
    await expect(probe(server.port, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'NET_ABORTED',
    })
    const controller = new AbortController()
    const probing = probe(server.port, { signal: controller.signal, timeoutMs: 20_000 })
    controller.abort()
    await expect(probing).rejects.toMatchObject({ code: 'NET_ABORTED' })
  })
})

test('what the other side says never makes a detail of more than one line of 200 characters', async () => {
  await using server = await startHttps((_request, response) => {
    response.end(
      JSON.stringify({ ...identity, peer: 'a\nb\u001b[31m', signature: Buffer.alloc(64).toString('base64') }),
    )
  })
  const { detail } = (await probe(server.port)) as { detail: string }
  expect(detail).toMatch(/^[\x20-\x7e]{1,200}$/)
})
