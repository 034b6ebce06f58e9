import { rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { afterEach, beforeAll, expect, test } from 'vitest'
import type { NetworkId } from '../../protocol/index.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import type { NodeIdentity } from '../../src/net/probe-message.ts'
import { createSelfLook, type SelfLook } from '../../src/net/self-look.ts'
import { createTlsEndpoint, type TlsEndpoint } from '../../src/net/tls-endpoint.ts'
import { realWorld } from '../../src/world.ts'
import { testCa, writeCertificate } from '../fixtures/certificates.ts'
import { silent } from './local-hosts.ts'

const world = realWorld()
const networkId = 'ab'.repeat(16) as NetworkId
const host = 'node.devnet.test'
const keys = createNodeKeys((length) => world.randomBytes(length))
const others = createNodeKeys((length) => world.randomBytes(length))

let certificate: Awaited<ReturnType<typeof writeCertificate>>
beforeAll(async () => {
  certificate = await writeCertificate(host)
  return () => rm(certificate.dir, { recursive: true, force: true })
})

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

/** The look of a process, which has an instance of its own. */
const newLook = (): SelfLook & { instance: Uint8Array } => {
  const instance = world.randomBytes(16)
  const look = createSelfLook({
    peerKey: keys.peerKey,
    instance,
    networkId,
    roots: createProbeRoots([testCa.caPem]),
    verify: createEd25519Verifier({ maxKeys: 4 }).verify,
    world,
  })
  return { ...look, instance }
}

const identityOf = (instance: Uint8Array, peer: string, signs = true): NodeIdentity => ({
  peer,
  seat: 3,
  stake: '00'.repeat(20),
  version: '1',
  instance,
  ruleset: 1,
  signs,
})

/** An endpoint of a daemon whose own look this is. */
const endpointOf = async (
  { instance }: { instance: Uint8Array },
  { by = keys, signs = true, files = certificate } = {},
): Promise<{ ip: string; port: number; endpoint: TlsEndpoint }> => {
  const endpoint = createTlsEndpoint({
    host,
    networkId,
    address: '127.0.0.1',
    port: 0,
    certFile: files.certFile,
    keyFile: files.keyFile,
    identity: () => identityOf(instance, by.peerId, signs),
    sign: by.sign,
    logger: silent,
    world,
  })
  await endpoint.start()
  closing.push(() => endpoint.stop())
  return { ip: '127.0.0.1', port: endpoint.port(), endpoint }
}

const listen = async (onSocket: (socket: Socket) => void): Promise<{ ip: string; port: number }> => {
  const open = new Set<Socket>()
  const server: Server = createServer((socket) => {
    open.add(socket.on('error', () => undefined))
    onSocket(socket)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  closing.push(async () => {
    for (const socket of open) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  })
  return { ip: '127.0.0.1', port: (server.address() as { port: number }).port }
}

const forwardTo = (port: number): Promise<{ ip: string; port: number }> =>
  listen((outer) => {
    const inner = connect(port, '127.0.0.1')
    pipeline(outer, inner, () => undefined)
    pipeline(inner, outer, () => undefined)
  })

const nowhere = async (): Promise<{ ip: string; port: number }> => {
  const at = await listen(() => undefined)
  await closing.pop()!()
  return at
}

test('R-ATT-7 this very process, straight and behind a forwarder', async () => {
  const look = newLook()
  const own = await endpointOf(look)
  expect(await look.look({ host, ...own })).toEqual({ is: 'self' })
  expect(await look.look({ host, ...(await forwardTo(own.port)) })).toEqual({ is: 'self' })
})

test('R-ATT-7 another process with the key, straight and behind a forwarder, whatever its certificate is worth', async () => {
  const look = newLook()
  await endpointOf(look)
  const other = await endpointOf(newLook())
  const expired = await writeCertificate('elsewhere.devnet.test')
  closing.push(() => rm(expired.dir, { recursive: true, force: true }))
  const badly = await endpointOf(newLook(), { files: expired, signs: false })
  expect(await look.look({ host, ...other })).toEqual({ is: 'another', signs: true })
  expect(await look.look({ host, ...(await forwardTo(other.port)) })).toEqual({
    is: 'another',
    signs: true,
  })
  expect(await look.look({ host, ...badly })).toEqual({ is: 'another', signs: false })
})

test('R-ATT-7 before the own endpoint listens, an answer by the own key is another process', async () => {
  expect(await newLook().look({ host, ...(await endpointOf(newLook())) })).toMatchObject({ is: 'another' })
})

test('R-ATT-7 several looks at once know their own answers apart', async () => {
  const look = newLook()
  const own = await endpointOf(look)
  const other = await endpointOf(newLook())
  const seen = await Promise.all([own, other, own, other].map((at) => look.look({ host, ...at })))
  expect(seen.map(({ is }) => is)).toEqual(['self', 'another', 'self', 'another'])
})

test('R-ATT-7 who ends TLS without the key cannot make it appear: not even with what the own node answers', async () => {
  const look = newLook()
  const own = await endpointOf(look)
  expect(await look.look({ host, ...(await endpointOf(newLook(), { by: others })) })).toMatchObject({
    is: 'unknown',
  })
  // It passes the question on to the own endpoint, over a connection of its own.
  const middle = createTlsEndpoint({
    host,
    networkId,
    address: '127.0.0.1',
    port: 0,
    certFile: certificate.certFile,
    keyFile: certificate.keyFile,
    identity: () => identityOf(new Uint8Array(16), keys.peerId),
    // The best signature by the own key that it can have: over another connection.
    sign: (message) => keys.sign(Uint8Array.of(...message, 0)),
    logger: silent,
    world,
  })
  await middle.start()
  closing.push(() => middle.stop())
  expect(await look.look({ host, ip: own.ip, port: middle.port() })).toMatchObject({ is: 'unknown' })
})

test.each([
  ['nobody there', nowhere],
  ['one that closes at once', () => listen((socket) => socket.destroy())],
  ['one that is no TLS', () => listen((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n'))],
])('R-ATT-7 %s: unknown', async (_name, start) => {
  expect(await newLook().look({ host, ...(await start()) })).toMatchObject({ is: 'unknown' })
})

test('R-ATT-7 one that keeps silent: unknown when the time is up, and an abort is an abort', async () => {
  let pass: () => void = () => undefined
  const look = createSelfLook({
    peerKey: keys.peerKey,
    instance: new Uint8Array(16),
    networkId,
    roots: createProbeRoots([testCa.caPem]),
    verify: () => true,
    world: { ...world, setTimer: (_ms, callback) => ((pass = callback), () => undefined) },
  })
  const silentOne = await listen(() => undefined)
  const seen = look.look({ host, ...silentOne })
  pass()
  expect(await seen).toEqual({ is: 'unknown', why: 'no answer in time' })
  await expect(look.look({ host, ...silentOne }, AbortSignal.abort())).rejects.toMatchObject({
    code: 'NET_ABORTED',
  })
})
