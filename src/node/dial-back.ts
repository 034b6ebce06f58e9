import {
  type DialBackAnswer,
  dialBackAnswerCodec,
  type DialBackRequest,
  dialBackRequestCodec,
  protocols,
  type SeatRecord,
  seenText,
  Verdict,
  type VerifyEd25519,
} from '../../protocol/index.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import { createAllowance } from '../async/allowance.ts'
import type { Host } from '../net/host.ts'
import type { RequestTarget } from '../net/links.ts'
import { addressGroup, multiaddrOf, type PeerAddress } from '../net/peer-address.ts'
import { probeTls } from '../net/probe.ts'
import { canonicalAddress, isGlobal, type ObservedAddress } from '../net/resolve.ts'
import { askSeat, type SeatAddress } from './ask-seat.ts'
import type { NodeContext } from './context.ts'

/** As what the asker wants to be found; `seat` is `unseated` before the announcement (R-DIAL-1). */
export type DialBackQuestion = Pick<SeatRecord, 'host' | 'p2p' | 'tls' | 'seat' | 'stake'>

/** How the peer that was asked reached this node, or that it did not try. */
export type DialBackOutcome =
  | {
      is: 'dialled'
      /** Where the question came from, and the answer was dialled: 4 or 16 bytes. */
      address: Uint8Array
      /** The other's clock when it answered, in seconds since 1970. */
      clock: number
      /** Codes of R-VERD-1, with what was seen. */
      p2p: { verdict: Verdict; seen: string }
      tls: { verdict: Verdict; seen: string }
    }
  | { is: 'later'; code: 'busy' | 'quota' }
  | { is: 'refused'; code: string }

const dialTimeoutMs = 4_000
/** Both dials run at the same time; the rest is the way there and back. */
const answerTimeoutMs = 8_000

/**
 * A self-check asks three seats an epoch, a doctor a few at each of some runs in a row: a burst of eight, then one a
 * minute. An address may have some nodes behind it. All strangers together get one every five seconds, all registered
 * ones one a second: 40,000 nodes that ask three others each in an epoch of four hours are eight a second in the whole
 * network, one in 80 minutes for each node.
 */
const quotas = {
  peer: { burst: 8, everyMs: 60_000, maxNames: 10_000 },
  address: { burst: 24, everyMs: 20_000, maxNames: 10_000 },
  strangers: { burst: 24, everyMs: 5_000, maxNames: 1 },
  registered: { burst: 120, everyMs: 1_000, maxNames: 1 },
}
const maxConcurrent = 8
/** Of these, so that strangers cannot keep registered peers out. */
const maxConcurrentStrangers = 4

/** Answers those who ask whether they are reached (R-DIAL-1). */
export const serveDialBack = async (node: NodeContext): Promise<void> => {
  const { host, world } = node
  const perPeer = createAllowance(quotas.peer, world)
  const perAddress = createAllowance(quotas.address, world)
  // Askers may be strangers, whose keys the registry never judged.
  const { verify } = createEd25519Verifier({ maxKeys: 64 })
  const ofStrangers = createAllowance(quotas.strangers, world)
  const ofRegistered = createAllowance(quotas.registered, world)
  let strangersServed = 0

  const mayAsk = (peerKey: Uint8Array, from: PeerAddress, isRegistered: boolean): boolean =>
    perPeer.take(Buffer.from(peerKey).toString('hex')) &&
    perAddress.take(addressGroup(multiaddrOf(from))) &&
    (isRegistered ? ofRegistered : ofStrangers).take('all')

  const answerOf = async (
    request: DialBackRequest,
    asker: { peerKey: Uint8Array; from: PeerAddress | null; isRegistered: boolean },
    signal: AbortSignal,
  ): Promise<DialBackAnswer> => {
    const { peerKey, from, isRegistered } = asker
    const address = from === null ? null : canonicalAddress(from.ip)
    if (from === null || address === null || !isGlobal(address, node.allowLoopback)) {
      return ['refused', 'address-not-global']
    }
    if (!isRegistered && strangersServed >= maxConcurrentStrangers) return ['later', 'busy']
    if (!mayAsk(peerKey, from, isRegistered)) return ['later', 'quota']
    if (!isRegistered) strangersServed++
    try {
      const [p2p, tls] = await Promise.all([
        dialP2p(node, peerKey, { ip: address.ip, port: request[2] }, signal),
        dialTls(node, verify, peerKey, address, request, signal),
      ])
      return ['dialled', address.bytes, Math.floor(world.now() / 1_000), p2p, tls]
    } finally {
      if (!isRegistered) strangersServed--
    }
  }

  await host.handle(
    protocols.dialBack,
    {
      maxRequestBytes: dialBackRequestCodec.maxBytes,
      maxResponseBytes: dialBackAnswerCodec.maxBytes,
      timeoutMs: answerTimeoutMs,
      // A daemon's own look at itself, and its operator's.
      maxConcurrentPerPeer: 2,
      maxConcurrent,
      onBusy: dialBackAnswerCodec.encode(['later', 'busy']),
    },
    async (bytes, { signal, ...asker }) => {
      const request = dialBackRequestCodec.decode(bytes)
      if (request.is === 'bad') {
        node.metrics.messages.inc({ kind: 'dial-back', outcome: 'reject', code: request.code })
        host.penalise(asker.peerKey, 'malformed-exchange')
        return dialBackAnswerCodec.encode(['refused', request.code])
      }
      return dialBackAnswerCodec.encode(await answerOf(request.value, asker, signal))
    },
  )
}

type P2pOutcome = Extract<DialBackAnswer, readonly ['dialled', ...unknown[]]>[3]
type TlsOutcome = Extract<DialBackAnswer, readonly ['dialled', ...unknown[]]>[4]

const dialP2p = async (
  node: NodeContext,
  peerKey: Uint8Array,
  address: PeerAddress,
  signal: AbortSignal,
): Promise<P2pOutcome> => {
  try {
    await node.host.knock({ peerKey, address }, { timeoutMs: dialTimeoutMs, signal })
    return [Verdict.valid, '']
  } catch (error) {
    signal.throwIfAborted()
    const verdict = isSecnodeError(error, 'NET_UNREACHABLE') ? Verdict.unreachable : Verdict.abstain
    return [verdict, seenText(messageOf(error))]
  }
}

const dialTls = async (
  node: NodeContext,
  verify: VerifyEd25519,
  peerKey: Uint8Array,
  address: ObservedAddress,
  [, host, , port, seat, stake]: DialBackRequest,
  signal: AbortSignal,
): Promise<TlsOutcome> => {
  const result = await probeTls({
    host,
    ip: address.ip,
    port,
    nonce: node.world.randomBytes(32),
    roots: node.roots,
    expected: { peerKey, seat, stake },
    networkId: node.networkId,
    timeoutMs: dialTimeoutMs,
    localAddress: node.localAddress,
    now: node.world.now(),
    verify,
    signal,
  })
  if (result.is === 'ok') return [Verdict.valid, '']
  return [result.is === 'unable' ? Verdict.abstain : result.code, seenText(result.detail)]
}

/**
 * Asks a seat's node whether it reaches this one. Errors: those of `Host.request`, and DIAL_BACK_ANSWER if the answer
 * makes no sense.
 */
export const askDialBack = async (
  node: NodeContext,
  seat: SeatAddress,
  question: DialBackQuestion,
  signal: AbortSignal,
): Promise<DialBackOutcome> =>
  outcomeOf(
    await askSeat(node, seat, protocols.dialBack, requestOf(question), {
      timeoutMs: answerTimeoutMs,
      maxResponseBytes: dialBackAnswerCodec.maxBytes,
      signal,
    }),
  )

/** The same for whoever has a host of his own and knows where the peer is: a doctor before the daemon runs. */
export const requestDialBack = async (
  host: Host,
  target: RequestTarget,
  question: DialBackQuestion,
  signal: AbortSignal,
): Promise<DialBackOutcome> =>
  outcomeOf(
    await host.request(target, protocols.dialBack, requestOf(question), {
      timeoutMs: answerTimeoutMs,
      maxResponseBytes: dialBackAnswerCodec.maxBytes,
      signal,
    }),
  )

const requestOf = ({ host, p2p, tls, seat, stake }: DialBackQuestion): Uint8Array =>
  dialBackRequestCodec.encode(['dial-back', host, p2p, tls, seat, stake])

const outcomeOf = (bytes: Uint8Array): DialBackOutcome => {
  const answer = dialBackAnswerCodec.decode(bytes)
  if (answer.is === 'bad') {
    throw new SecnodeError('DIAL_BACK_ANSWER', `the answer to a dial-back makes no sense: ${answer.code}`)
  }
  const [kind] = answer.value
  if (kind === 'later') return { is: 'later', code: answer.value[1] }
  if (kind === 'refused') return { is: 'refused', code: answer.value[1] }
  const [, address, clock, [p2p, p2pSeen], [tls, tlsSeen]] = answer.value
  return {
    is: 'dialled',
    address,
    clock,
    p2p: { verdict: p2p, seen: p2pSeen },
    tls: { verdict: tls, seen: tlsSeen },
  }
}
