import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https'
import type { RequestListener } from 'node:http'
import {
  connect,
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, type TlsOptions, type TLSSocket } from 'node:tls'
import { createDevnetCa, type CertifiedKey } from '../../src/devnet/certificates.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { createNodeKeys, type NodeKeys } from '../../src/keys/node-key.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import { probeTls, type ProbeRequest, type ProbeResult } from '../../src/net/probe.ts'
import type { NodeIdentity } from '../../src/net/probe-message.ts'
import { createTlsEndpoint, type TlsEndpoint, type TlsEndpointOptions } from '../../src/net/tls-endpoint.ts'
import { realWorld } from '../../src/world.ts'
import { networkId, silent } from './local-hosts.ts'

export const host = 'n1.devnet.test'
export const world = realWorld()
export const hourMs = 3_600_000
export const dayMs = 24 * hourMs
/** From now, in milliseconds. */
export const at = (offsetMs: number): Date => new Date(Date.now() + offsetMs)

export const ca = await createDevnetCa(Date.now())
export const roots = createProbeRoots([ca.caPem])
export const good: CertifiedKey = await ca.issue({ host })
export const keys: NodeKeys = createNodeKeys((length) => world.randomBytes(length))
export const stake = new Uint8Array(20).fill(0x11)
export const identity: NodeIdentity = {
  peer: keys.peerId,
  seat: 3,
  stake: '11'.repeat(20),
  version: '0.1.0',
  instance: new Uint8Array(16).fill(41),
  ruleset: 1,
  signs: true,
}

const verifier = createEd25519Verifier({ maxKeys: 16 })

export const probe = (port: number, change: Partial<ProbeRequest> = {}): Promise<ProbeResult> =>
  probeTls({
    host,
    ip: '127.0.0.1',
    port,
    nonce: world.randomBytes(32),
    roots,
    expected: { peerKey: keys.peerKey, seat: 3, stake },
    networkId,
    timeoutMs: 60_000,
    world,
    now: Date.now(),
    verify: (...signed) => verifier.verify(...signed),
    ...change,
  })

export interface RunningEndpoint extends TlsEndpoint, AsyncDisposable {
  certFile: string
  keyFile: string
}

/** A real endpoint on any port, with its certificate in files of its own. */
export const startEndpoint = async (
  pair: CertifiedKey = good,
  change: Partial<TlsEndpointOptions> = {},
): Promise<RunningEndpoint> => {
  const folder = await mkdtemp(join(tmpdir(), 'secnode-tls-'))
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  await writeFile(certFile, pair.certPem)
  await writeFile(keyFile, pair.keyPem)
  const endpoint = createTlsEndpoint({
    host,
    networkId,
    address: '127.0.0.1',
    port: 0,
    certFile,
    keyFile,
    identity: () => identity,
    sign: (message) => keys.sign(message),
    logger: silent,
    world,
    ...change,
  })
  await endpoint.start()
  return {
    ...endpoint,
    certFile,
    keyFile,
    [Symbol.asyncDispose]: async () => {
      await endpoint.stop()
      await rm(folder, { recursive: true })
    },
  }
}

export interface RunningServer extends AsyncDisposable {
  port: number
}

const listening = async (server: Server): Promise<RunningServer> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Something else that speaks HTTPS there. */
export const startHttps = (answer: RequestListener, pair: CertifiedKey = good): Promise<RunningServer> =>
  listening(createHttpsServer({ cert: pair.certPem, key: pair.keyPem }, answer))

/** Something that speaks TLS, and over it whatever it likes. */
export const startTls = (
  options: TlsOptions,
  onSocket: (socket: TLSSocket) => void,
): Promise<RunningServer> => {
  const server = createTlsServer({ cert: good.certPem, key: good.keyPem, ...options }, (socket) => {
    socket.on('error', () => undefined)
    onSocket(socket)
  })
  server.on('tlsClientError', () => undefined)
  return listening(server)
}

export const startTcp = (onSocket: (socket: Socket) => void): Promise<RunningServer> =>
  listening(createTcpServer(onSocket))

/** Holds a good certificate for the same host, and passes on the node's own, true answer. */
export const startTerminatingProxy = (port: number): Promise<RunningServer> =>
  startHttps((request, response) => {
    httpsRequest(
      { host: '127.0.0.1', port, servername: host, ca: ca.caPem, path: request.url, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    ).end()
  })

/** Passes on bytes and knows nothing of TLS. */
export const startForwarder = (port: number): Promise<RunningServer> =>
  startTcp((socket) => {
    const onward = connect({ host: '127.0.0.1', port })
    onward.on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
  })
