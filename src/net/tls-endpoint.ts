import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Logger } from 'pino'
import { hexToBytes, type NetworkId, type Sign } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import {
  channelBinding,
  probeMessage,
  probePath,
  type NodeIdentity,
  type ProbeAnswer,
} from './probe-message.ts'

export interface TlsEndpointOptions {
  /** The announced host name: what the signature names and the certificate must be for. */
  host: string
  networkId: NetworkId
  /** Address to bind, or undefined for all. */
  address?: string | undefined
  /** 0 takes any free port. */
  port: number
  /** PEM files: the certificate with its chain, and its key. */
  certFile: string
  keyFile: string
  /** Asked anew for every answer. */
  identity: () => NodeIdentity
  sign: Sign
  logger: Logger
  world: World
  /** How often the files are looked at. */
  watchIntervalMs?: number
  /** For the handshake, and again for the request and its answer. */
  timeoutMs?: number
  maxConnections?: number
  maxConnectionsPerAddress?: number
}

export interface TlsEndpoint {
  start(): Promise<void>
  stop(): Promise<void>
  /** Reads the files again, as the watcher does when they change. True if the new pair is in use. */
  reload(): Promise<boolean>
  /** The bound port, once started. */
  port(): number
  counters(): TlsEndpointCounters
  /** What is served now; null before the start. */
  certificate(): ServedCertificate | null
}

export interface ServedCertificate {
  /** Milliseconds since 1970. */
  notAfterMs: number
  /** What challengers will say against it, as far as it can be seen from here. */
  faults: string[]
  /** Why the files as they are now were refused, so that the pair before them is served; null if they were not. */
  refused: string | null
}

export interface TlsEndpointCounters {
  answered: number
  refused: number
  overLimit: number
  reloads: number
  badReloads: number
}

// A challenger sends one small request on a fresh connection; more is somebody else. Challengers of an epoch are 11,
// retries included 33, so 256 connections leave room for scanners; 16 an address for those behind one NAT.
const defaults = {
  watchIntervalMs: 30_000,
  timeoutMs: 5_000,
  maxConnections: 256,
  maxConnectionsPerAddress: 16,
}
const maxHeaderBytes = 4_096

/** R-PROBE-1, the node's side: TLS 1.3 only, one question, an answer bound to this very connection. */
export const createTlsEndpoint = (options: TlsEndpointOptions): TlsEndpoint => {
  const { host, logger, world } = options
  const counters: TlsEndpointCounters = { answered: 0, refused: 0, overLimit: 0, reloads: 0, badReloads: 0 }
  const connectionsByAddress = new Map<string, Set<Socket>>()
  const timeoutMs = options.timeoutMs ?? defaults.timeoutMs
  const maxPerAddress = options.maxConnectionsPerAddress ?? defaults.maxConnectionsPerAddress
  let server: Server | null = null
  let current: CertificatePair | null = null
  /** Version of the files that was last tried, good or bad: each version is tried, and complained about, once. */
  let tried = ''
  let refused: string | null = null
  let stopWatching: (() => void) | null = null
  let reloading: Promise<boolean> | null = null

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const nonce = nonceOf(request)
    if (nonce === null) {
      counters.refused++
      response.writeHead(404, { 'content-length': 0, connection: 'close' }).end()
      return
    }
    const exporter = channelBinding(request.socket as TLSSocket)
    const signature = options.sign(probeMessage(options.networkId, host, nonce, exporter))
    const body: ProbeAnswer = { ...options.identity(), signature: Buffer.from(signature).toString('base64') }
    const text = JSON.stringify(body)
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'cache-control': 'no-store',
        connection: 'close',
      })
      .end(text)
    counters.answered++
  }

  const open = (pair: CertificatePair): Server => {
    const opened = createServer(
      {
        ...pair.pem,
        // Given here and with every new context: setSecureContext without it allows TLS 1.2 again.
        minVersion: 'TLSv1.3',
        maxVersion: 'TLSv1.3',
        handshakeTimeout: timeoutMs,
        headersTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        connectionsCheckingInterval: Math.min(1_000, timeoutMs),
        keepAliveTimeout: 1_000,
        maxHeaderSize: maxHeaderBytes,
      },
      (request, response) => {
        try {
          answer(request, response)
        } catch (error) {
          logger.error({ error }, 'the probe answer could not be made')
          response.destroy()
        }
      },
    )
    opened.maxConnections = options.maxConnections ?? defaults.maxConnections
    opened.maxRequestsPerSocket = 1
    opened.setTimeout(timeoutMs, (socket) => socket.destroy())
    opened.on('drop', () => counters.overLimit++)
    opened.on('connection', (socket: Socket) => {
      const address = socket.remoteAddress ?? ''
      const open = connectionsByAddress.get(address) ?? new Set()
      connectionsByAddress.set(address, open)
      open.add(socket)
      socket.once('close', () => {
        open.delete(socket)
        if (open.size === 0) connectionsByAddress.delete(address)
      })
      if (open.size > maxPerAddress) {
        counters.overLimit++
        socket.destroy()
      }
    })
    // Without listeners a hostile handshake or request would be an uncaught error, or answered with a chatty 400.
    opened.on('tlsClientError', (_error, socket) => socket.destroy())
    opened.on('clientError', (_error, socket) => {
      counters.refused++
      socket.destroy()
    })
    return opened
  }

  const openWith = (pair: CertificatePair): Server => {
    try {
      return open(pair)
    } catch (error) {
      throw badCertificate(options, `${options.certFile} cannot be served: ${messageOf(error)}`, error)
    }
  }

  const reloadOnce = async (): Promise<boolean> => {
    try {
      tried = await versionOf(options)
      const pair = await readCertificatePair(options)
      const faults = faultsOf(pair, host, world.now())
      const isWorse =
        faults.length > 0 && current !== null && faultsOf(current, host, world.now()).length === 0
      if (isWorse) {
        throw badCertificate(
          options,
          `the new certificate ${faults.join(' and ')}, so it is worse than the old one`,
        )
      }
      server?.setSecureContext({ ...pair.pem, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' })
      current = pair
      refused = null
      counters.reloads++
      warnOfFaults(pair)
      logger.info({ validTo: pair.certificate.validTo }, 'certificate reloaded')
      return true
    } catch (error) {
      counters.badReloads++
      refused = messageOf(error)
      const hint = error instanceof SecnodeError ? error.hint : undefined
      logger.error({ reason: messageOf(error), hint }, 'new certificate refused, the old one stays in use')
      return false
    }
  }

  const reload = (): Promise<boolean> => {
    reloading ??= reloadOnce().finally(() => {
      reloading = null
    })
    return reloading
  }

  const warnOfFaults = (pair: CertificatePair): void => {
    for (const fault of faultsOf(pair, host, world.now())) {
      logger.warn(
        { certFile: options.certFile },
        `challengers will refuse this node: its certificate ${fault}`,
      )
    }
  }

  const lookAtFiles = async (): Promise<void> => {
    // A file that is missing for a moment is being replaced; the pair in use stays.
    const version = await versionOf(options).catch(() => tried)
    if (version !== tried) await reload()
  }

  // Polling follows symbolic links and renames, the ways in which certificates are replaced; fs.watch follows neither.
  const watch = (): void => {
    const cancel = world.setTimer(options.watchIntervalMs ?? defaults.watchIntervalMs, () => {
      void lookAtFiles().finally(() => {
        if (stopWatching === cancel) watch()
      })
    })
    stopWatching = cancel
  }

  return {
    start: async () => {
      if (server !== null) return
      tried = await versionOf(options).catch(() => '')
      current = await readCertificatePair(options)
      warnOfFaults(current)
      const opened = openWith(current)
      await new Promise<void>((resolve, reject) => {
        opened.once('error', (error: NodeJS.ErrnoException) => {
          reject(
            new SecnodeError(
              'TLS_CANNOT_LISTEN',
              `cannot listen on port ${options.port}: ${messageOf(error)}`,
              {
                hint:
                  error.code === 'EACCES'
                    ? 'Ports below 1024 need the right to bind them, or a forwarding from outside.'
                    : 'Choose another port in the configuration, or stop what uses it.',
                cause: error,
              },
            ),
          )
        })
        opened.listen({ port: options.port, host: options.address }, resolve)
      })
      opened.on('error', (error) => logger.error({ reason: messageOf(error) }, 'TLS endpoint'))
      server = opened
      watch()
    },
    stop: async () => {
      stopWatching?.()
      stopWatching = null
      await reloading
      const closing = server
      server = null
      if (closing === null) return
      await new Promise<void>((resolve) => {
        closing.close(() => resolve())
        // closeAllConnections would leave those that have not finished their handshake.
        for (const sockets of connectionsByAddress.values()) for (const socket of sockets) socket.destroy()
      })
    },
    reload,
    port: () => {
      const bound = server?.address() as AddressInfo | null | undefined
      if (bound === null || bound === undefined) throw new Error('the TLS endpoint is not listening')
      return bound.port
    },
    counters: () => ({ ...counters }),
    certificate: () =>
      current === null
        ? null
        : {
            notAfterMs: current.certificate.validToDate.getTime(),
            faults: faultsOf(current, host, world.now()),
            refused,
          },
  }
}

/** 32 bytes, if the request is exactly the one that there is. */
const nonceOf = (request: IncomingMessage): Uint8Array | null => {
  if (request.method !== 'GET') return null
  const [path, query, ...rest] = (request.url ?? '').split('?')
  if (path !== probePath || rest.length > 0) return null
  const hex = /^nonce=([0-9a-f]{64})$/.exec(query ?? '')?.[1]
  return hex === undefined ? null : hexToBytes(hex)
}

export interface CertificatePair {
  pem: { cert: string; key: string }
  /** The leaf. */
  certificate: X509Certificate
}

export interface CertificateFiles {
  certFile: string
  keyFile: string
}

const badCertificate = (files: CertificateFiles, message: string, cause?: unknown): SecnodeError =>
  new SecnodeError('TLS_BAD_CERTIFICATE', message, {
    hint: `Put the certificate with its chain into ${files.certFile} and its key into ${files.keyFile}, both PEM.`,
    cause,
  })

/** Errors: TLS_BAD_CERTIFICATE. */
export const readCertificatePair = async (files: CertificateFiles): Promise<CertificatePair> => {
  const read = async (path: string): Promise<string> => {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      throw badCertificate(files, `cannot read ${path}: ${messageOf(error)}`, error)
    }
  }
  const cert = await read(files.certFile)
  const key = await read(files.keyFile)
  let certificate: X509Certificate
  let fits: boolean
  try {
    certificate = new X509Certificate(cert)
    fits = certificate.checkPrivateKey(createPrivateKey(key))
  } catch (error) {
    throw badCertificate(files, `${files.certFile} or ${files.keyFile} is no PEM`, error)
  }
  if (!fits) throw badCertificate(files, `${files.keyFile} is not the key of ${files.certFile}`)
  return { pem: { cert, key }, certificate }
}

/** Changes whenever either file is replaced or written. */
const versionOf = async (files: CertificateFiles): Promise<string> => {
  const stats = await Promise.all([
    stat(files.certFile, { bigint: true }),
    stat(files.keyFile, { bigint: true }),
  ])
  return stats.map(({ mtimeNs, size, ino }) => `${mtimeNs}:${size}:${ino}`).join(' ')
}

/** What a challenger would say against it that can be seen from here; the chain cannot. */
const faultsOf = ({ certificate }: CertificatePair, host: string, now: number): string[] => [
  ...(certificate.validToDate.getTime() <= now ? [`has expired on ${certificate.validTo}`] : []),
  ...(certificate.validFromDate.getTime() > now ? [`is not valid before ${certificate.validFrom}`] : []),
  ...(certificate.checkHost(host, { subject: 'never' }) === undefined ? [`is not for ${host}`] : []),
]
