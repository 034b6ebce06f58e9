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
import { noMetrics, type NetMetrics } from './counters.ts'
import { createDoor, type Door, type DoorPlaces } from './door.ts'
import { channelBinding, probePath, type NodeIdentity, signAnswer } from './probe-message.ts'

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
  /** For the handshake while all places are taken. */
  fullTimeoutMs?: number
  places?: Partial<DoorPlaces>
  /** The same for addresses that are expected. */
  expectedPlaces?: Partial<DoorPlaces>
  /** Whether a challenger of this node is at that address: it has a place of its own, whatever others do. */
  isExpected?: (ip: string) => boolean
  metrics?: NetMetrics
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
  reloads: number
  badReloads: number
}

// A challenger sends one small request on a fresh connection; more is another client. Strangers share 256 places with
// scanners and doctors; 16 an address for those behind one NAT. A node has at most 48 challengers in each of the two
// epochs that may run at once, each with one connection at a time.
const defaults = {
  watchIntervalMs: 30_000,
  timeoutMs: 5_000,
  // Two round trips from the accepted connection on: at 250 ms each, with a lost packet, done within this.
  fullTimeoutMs: 2_000,
  places: { maxPlaces: 256, maxPerAddress: 16 },
  expectedPlaces: { maxPlaces: 96, maxPerAddress: 16 },
}
/** A ClientHello of TLS 1.3 has versions, groups, signature algorithms and a key share of 32 bytes at least. */
const leastHelloBytes = 100
const stages = ['silent', 'hello', 'established', 'asked'] as const
const maxHeaderBytes = 4_096

/** R-PROBE-1, the node's side: TLS 1.3 only, one question, an answer bound to this very connection. */
export const createTlsEndpoint = (options: TlsEndpointOptions): TlsEndpoint => {
  const { host, logger, world } = options
  const counters: TlsEndpointCounters = { answered: 0, refused: 0, reloads: 0, badReloads: 0 }
  const visitors = createVisitors(options)
  const timeoutMs = options.timeoutMs ?? defaults.timeoutMs
  let server: Server | null = null
  let current: CertificatePair | null = null
  /** Version of the files that was last tried, good or bad: each version is tried, and complained about, once. */
  let tried = ''
  let refused: string | null = null
  let stopWatching: (() => void) | null = null
  let reloading: Promise<boolean> | null = null

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    visitors.advance(request.socket, 'asked')
    const nonce = nonceOf(request)
    if (nonce === null) {
      counters.refused++
      response.writeHead(404, { 'content-length': 0, connection: 'close' }).end()
      return
    }
    const exporter = channelBinding(request.socket as TLSSocket)
    const at = { host, nonce, exporter }
    const text = JSON.stringify(signAnswer(options.networkId, options.identity(), at, options.sign))
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
    opened.maxRequestsPerSocket = 1
    opened.setTimeout(timeoutMs, (socket) => socket.destroy())
    opened.on('connection', visitors.admit)
    opened.on('secureConnection', (socket) => visitors.advance(socket, 'established'))
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
        visitors.endAll()
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

interface Visitors {
  admit: (socket: Socket) => void
  /** Of the connection under a TLS socket. */
  advance(socket: Socket, stage: Visitor['stage']): void
  endAll(): void
}

interface Visitor {
  socket: Socket
  stage: (typeof stages)[number]
}

/** Who is connected: places, how far each has come, and the deadline of those that are slow while others wait. */
const createVisitors = (options: TlsEndpointOptions): Visitors => {
  const { world, logger, isExpected = () => false, metrics = noMetrics } = options
  const fullTimeoutMs = options.fullTimeoutMs ?? defaults.fullTimeoutMs
  /** By the other end's address and port: all that a TLS socket tells of the connection under it. */
  const visitorsByEnd = new Map<string, Visitor>()

  const stageOf = ({ stage, socket }: Visitor): Visitor['stage'] =>
    stage === 'silent' && socket.bytesRead >= leastHelloBytes ? 'hello' : stage

  const open = (name: string, places: DoorPlaces): Door<Visitor> =>
    createDoor({
      name,
      places,
      stages,
      stageOf: (visitor) => stages.indexOf(stageOf(visitor)),
      close: ({ socket }) => socket.destroy(),
      world,
      metrics,
      logger,
    })
  const doors = {
    others: open('tls', { ...defaults.places, ...options.places }),
    expected: open('tls expected', { ...defaults.expectedPlaces, ...options.expectedPlaces }),
  }

  const admit = (socket: Socket): void => {
    const ip = socket.remoteAddress
    // Gone before it was looked at.
    if (ip === undefined) return void socket.destroy()
    const end = endOf(socket)
    const visitor: Visitor = { socket, stage: 'silent' }
    const door = isExpected(ip) ? doors.expected : doors.others
    if (!door.admit(visitor, ip)) return void socket.destroy()
    visitorsByEnd.set(end, visitor)
    const stopWaiting = world.setTimer(fullTimeoutMs, () => {
      const isInHandshake = stageOf(visitor) === 'silent' || stageOf(visitor) === 'hello'
      if (!door.isFull || !isInHandshake) return
      metrics.increment('connections_refused', 'tls slow')
      socket.destroy()
    })
    socket.once('close', () => {
      stopWaiting()
      door.leave(visitor)
      if (visitorsByEnd.get(end) === visitor) visitorsByEnd.delete(end)
    })
  }

  return {
    admit,
    advance: (socket, stage) => {
      const visitor = visitorsByEnd.get(endOf(socket))
      if (visitor !== undefined) visitor.stage = stage
    },
    endAll: () => {
      for (const { socket } of visitorsByEnd.values()) socket.destroy()
    },
  }
}

const endOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`

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
