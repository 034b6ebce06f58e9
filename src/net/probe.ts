import { request as httpRequest, type IncomingMessage } from 'node:http'
import { checkServerIdentity, connect, type TLSSocket } from 'node:tls'
import {
  bytesToHex,
  concatBytes,
  hexToBytes,
  peerIdOfKey,
  type NetworkId,
  probeMessage,
  type ProbeStatement,
  type VerifyEd25519,
} from '../../protocol/index.ts'
import { abortErrorOf } from '../async/abort.ts'
import { createDeadline, isTimeout } from '../async/deadline.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import type { World } from '../world.ts'
import { chainFault, type ProbeRoots } from './certificate-chain.ts'
import { isOwnError } from './own-error.ts'
import { channelBinding, nonceBytes, ProbeAnswer, probePath } from './probe-message.ts'

/** Where a question goes to. */
interface Question {
  /** Announced host: the name asked for, and the one the certificate must be for. */
  host: string
  /** The observed address that is dialled (R-PROBE-2). */
  ip: string
  port: number
  /** 32 random bytes. */
  nonce: Uint8Array
  roots: ProbeRoots
  networkId: NetworkId
  /** Address to dial from. */
  localAddress?: string | undefined
  verify: VerifyEd25519
}

export interface ProbeRequest extends Question {
  /** What the answer must say, as the registry has it. */
  expected: {
    /** 32 bytes. */
    peerKey: Uint8Array
    seat: number
    /** hash160, 20 bytes. */
    stake: Uint8Array
  }
  /** For everything together. */
  timeoutMs: number
  world: Pick<World, 'setTimer'>
  /** How wrong a clock may be (R-PROBE-1: a day). */
  clockToleranceSeconds?: number
  /** Milliseconds since 1970. */
  now: number
  signal?: AbortSignal | undefined
}

export type ProbeResult =
  | { is: 'ok'; version: string; holder: KeyHolder }
  | {
      is: 'failed'
      /** R-VERD-1: 6 no TLS connection or no answer on it, 7 certificate or version wrong, 8 not bound to the node. */
      code: 6 | 7 | 8
      /** One line of at most 200 characters. */
      detail: string
      /** The head of the answer, at most 1 kB, where there was one (R-EVID-1). */
      response?: Uint8Array
    }
  /** This side could not even try, so there is nothing to say about the other (R-FAULT-1). */
  | { is: 'unable'; detail: string }

const maxBodyBytes = 4_096
const maxEvidenceBytes = 1_024
const maxDetailLength = 200
const dayInSeconds = 86_400

/** R-PROBE-1, the challenger's side. Throws NET_ABORTED if `signal` is aborted, else gives a result. */
export const probeTls = async (probe: ProbeRequest): Promise<ProbeResult> => {
  if (probe.nonce.length !== nonceBytes) throw new Error(`a nonce has ${nonceBytes} bytes`)
  throwIfAborted(probe)
  using deadline = createDeadline(probe.world, probe.timeoutMs, probe.signal)
  let result: ProbeResult
  try {
    result = await exchange(probe, deadline.signal)
  } catch (error) {
    throwIfAborted(probe)
    result = deadline.hasPassed()
      ? { is: 'failed', code: 6, detail: `no answer within ${probe.timeoutMs} ms` }
      : await connectionFailure(error, probe.ip)
  }
  return 'detail' in result ? { ...result, detail: oneLine(result.detail) } : result
}

const throwIfAborted = (probe: ProbeRequest): void => {
  if (probe.signal?.aborted === true) {
    throw new SecnodeError('NET_ABORTED', `the probe of ${probe.host} was aborted`, {
      cause: probe.signal.reason,
    })
  }
}

/** What the holder of the key signed on the connection (R-PROBE-1), so that others can verify it too. */
export interface KeyHolder extends Pick<ProbeStatement, 'exporter' | 'instance' | 'ruleset' | 'signs'> {
  signature: Uint8Array
}

export interface HolderQuestion extends Question {
  /** 32 bytes. */
  peerKey: Uint8Array
}

/**
 * Whether the holder of a key ends the TLS connections of an address: a probe that asks nothing else, neither what the
 * certificate is worth nor whose seat it is. Errors: as `abortErrorOf` if `signal` aborts before the time is up.
 */
export const findHolder = async (
  question: HolderQuestion,
  signal: AbortSignal,
): Promise<{ is: 'holder'; holder: KeyHolder } | { is: 'unknown'; why: string }> => {
  if (signal.aborted) throw abortErrorOf(signal)
  const unknown = (why: string) => ({ is: 'unknown' as const, why: oneLine(why) })
  try {
    const socket = await openTls(question, signal)
    try {
      // Only there is the exporter unique to the connection.
      if (socket.getProtocol() !== 'TLSv1.3') return unknown('no TLS 1.3')
      const exporter = channelBinding(socket)
      const said = await ask(question, socket, signal)
      const answer = said.is === 'http' && said.isWhole ? parseAnswer(said.body) : null
      if (answer === null) return unknown('something else answers there')
      const holder = holderOf(answer, exporter)
      return isHeldBy(question, question.peerKey, holder)
        ? { is: 'holder', holder }
        : unknown('the node there has another key')
    } finally {
      socket.destroy()
    }
  } catch (error) {
    if (signal.aborted && !isTimeout(signal.reason)) throw abortErrorOf(signal)
    return unknown(signal.aborted ? 'no answer in time' : messageOf(error))
  }
}

/** One connection, one request. Rejects where there is no TLS connection, or no whole answer on it. */
const exchange = async (probe: ProbeRequest, signal: AbortSignal): Promise<ProbeResult> => {
  const socket = await openTls(probe, signal)
  try {
    const fault = tlsFault(socket, probe)
    if (fault !== null) return { is: 'failed', code: 7, detail: fault }
    const exporter = channelBinding(socket)
    const answer = await ask(probe, socket, signal)
    return answer.is === 'no-http' ? noHttp(answer) : judge(probe, exporter, answer)
  } finally {
    socket.destroy()
  }
}

const openTls = (probe: Question, signal: AbortSignal): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const socket = connect({
      host: probe.ip,
      port: probe.port,
      servername: probe.host,
      secureContext: probe.roots.secureContext,
      // Judged in `tlsFault`.
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...(probe.localAddress === undefined ? {} : { localAddress: probe.localAddress }),
    })
    const stop = () => socket.destroy(new Error('no TLS connection in time'))
    signal.addEventListener('abort', stop, { once: true })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('close', () => {
      signal.removeEventListener('abort', stop)
      reject(new Error('the endpoint closed the connection'))
    })
    // Stays for the life of the socket: errors after the handshake reach the request too.
    socket.on('error', reject)
  })

type Answer =
  | { is: 'http'; status: number; body: Uint8Array; isWhole: boolean }
  | { is: 'no-http'; reason: string; bytes: Uint8Array }

const ask = (probe: Question, socket: TLSSocket, signal: AbortSignal): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = httpRequest({
      createConnection: () => socket,
      path: `${probePath}?nonce=${bytesToHex(probe.nonce)}`,
      method: 'GET',
      headers: { host: probe.host, accept: 'application/json', connection: 'close' },
      maxHeaderSize: maxBodyBytes,
      signal,
    })
    request.on('response', (response) => {
      const status = response.statusCode ?? 0
      readBody(response).then((read) => resolve({ is: 'http', status, ...read }), reject)
    })
    // A listener is what keeps Node from handing the socket on.
    request.on('upgrade', (response) => {
      resolve({ is: 'http', status: response.statusCode ?? 0, body: new Uint8Array(), isWhole: true })
    })
    request.on('error', (error: NodeJS.ErrnoException & { rawPacket?: Uint8Array }) => {
      // Node's HTTP parser: what came over a good TLS connection is no HTTP.
      if (error.code?.startsWith('HPE_') === true) {
        resolve({ is: 'no-http', reason: messageOf(error), bytes: error.rawPacket ?? new Uint8Array() })
      } else {
        reject(error)
      }
    })
    request.end()
  })

/** R-PROBE-1: version, chain, host name and dates of an established connection. Null if all are right. */
const tlsFault = (socket: TLSSocket, probe: ProbeRequest): string | null => {
  const version = socket.getProtocol()
  if (version !== 'TLSv1.3') return `the endpoint speaks ${version ?? 'an unknown version'} only, not TLS 1.3`
  // Node checks the name against the certificate only where OpenSSL found the chain good.
  if (socket.authorized) return null
  const reason = errorText(socket.authorizationError)
  if (reason !== 'CERT_HAS_EXPIRED' && reason !== 'CERT_NOT_YET_VALID') return reason
  const leaf = socket.getPeerX509Certificate()
  if (leaf === undefined) return 'no certificate'
  const nameError = checkServerIdentity(probe.host, leaf.toLegacyObject())
  if (nameError !== undefined) return nameError.message
  return chainFault(leaf, probe.roots.certificates, {
    now: probe.now,
    toleranceMs: (probe.clockToleranceSeconds ?? dayInSeconds) * 1_000,
  })
}

// Typed as an Error, and a code as text in fact; either way a name such as CERT_HAS_EXPIRED.
const errorText = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error)

const readBody = async (response: IncomingMessage): Promise<{ body: Uint8Array; isWhole: boolean }> => {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > maxBodyBytes) return { body: concatBytes(...chunks), isWhole: false }
  }
  return { body: concatBytes(...chunks), isWhole: true }
}

const noHttp = (answer: { reason: string; bytes: Uint8Array }): ProbeResult => ({
  is: 'failed',
  code: 8,
  detail: `the answer is no HTTP: ${answer.reason}`,
  response: evidence(answer.bytes),
})

const judge = (
  probe: ProbeRequest,
  exporter: Uint8Array,
  { status, body, isWhole }: { status: number; body: Uint8Array; isWhole: boolean },
): ProbeResult => {
  const unbound = (detail: string): ProbeResult => ({
    is: 'failed',
    code: 8,
    detail,
    response: evidence(body),
  })
  if (status !== 200) return unbound(`the endpoint answered with status ${status}`)
  if (!isWhole) return unbound(`the answer is longer than ${maxBodyBytes} bytes`)
  const answer = parseAnswer(body)
  if (answer === null) return unbound('the answer is not of the right shape')
  const { expected } = probe
  if (answer.peer !== peerIdOfKey(expected.peerKey)) return unbound(`the answer is of peer ${answer.peer}`)
  if (answer.seat !== expected.seat) return unbound(`the answer is of seat ${answer.seat}`)
  if (answer.stake !== bytesToHex(expected.stake)) return unbound(`the answer is of stake ${answer.stake}`)
  const holder = holderOf(answer, exporter)
  if (!isHeldBy(probe, expected.peerKey, holder)) {
    return unbound('the signature is not over this connection: the node does not hold the end of it')
  }
  return { is: 'ok', version: answer.version, holder }
}

const holderOf = (answer: ProbeAnswer, exporter: Uint8Array): KeyHolder => ({
  exporter,
  instance: hexToBytes(answer.instance),
  ruleset: answer.ruleset,
  signs: answer.signs,
  signature: new Uint8Array(Buffer.from(answer.signature, 'base64')),
})

/** R-PROBE-1: whether the holder of the key signed this, for this host and nonce. */
export const isHeldBy = (
  { networkId, host, nonce, verify }: Pick<Question, 'networkId' | 'host' | 'nonce' | 'verify'>,
  peerKey: Uint8Array,
  holder: KeyHolder,
): boolean => verify(peerKey, probeMessage(networkId, { host, nonce, ...holder }), holder.signature)

const parseAnswer = (body: Uint8Array): ProbeAnswer | null => {
  try {
    return ProbeAnswer.parse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)))
  } catch {
    return null
  }
}

// Alerts by which a server that knows only older versions ends the handshake.
const versionErrors: ReadonlySet<string> = new Set([
  'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
])

const connectionFailure = async (error: unknown, ip: string): Promise<ProbeResult> => {
  const { code } = error as NodeJS.ErrnoException
  const detail = `${code ?? 'error'}: ${messageOf(error)}`
  if (await isOwnError(code, ip)) return { is: 'unable', detail }
  return { is: 'failed', code: code !== undefined && versionErrors.has(code) ? 7 : 6, detail }
}

const evidence = (response: Uint8Array): Uint8Array => new Uint8Array(response.subarray(0, maxEvidenceBytes))

/** Names and texts of the other side may be in it: printable ASCII only. */
const oneLine = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, maxDetailLength)
