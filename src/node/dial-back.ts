import {
  type DialBackAnswer,
  dialBackAnswerCodec,
  type DialBackRequest,
  dialBackRequestCodec,
  type NetworkId,
  protocols,
  type SeatRecord,
  seenText,
  Verdict,
  type VerifyEd25519,
} from '../../protocol/index.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../errors.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import type { World } from '../world.ts'
import { createAllowance } from '../async/allowance.ts'
import type { Host } from '../net/host.ts'
import type { RequestTarget } from '../net/links.ts'
import { addressGroup, multiaddrOf, type PeerAddress } from '../net/peer-address.ts'
import { isHeldBy, type KeyHolder, probeTls } from '../net/probe.ts'
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
      /** Who proved at that address to hold the asker's key; null if nobody did. */
      holder: KeyHolder | null
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
      const [p2p, [tls, proof]] = await Promise.all([
        dialP2p(node, peerKey, { ip: address.ip, port: request[2] }, signal),
        dialTls(node, verify, peerKey, address, request, signal),
      ])
      return ['dialled', address.bytes, Math.floor(world.now() / 1_000), p2p, tls, proof]
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
type Proof = Extract<DialBackAnswer, readonly ['dialled', ...unknown[]]>[5]

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
  [, host, , port, seat, stake, nonce]: DialBackRequest,
  signal: AbortSignal,
): Promise<[TlsOutcome, Proof]> => {
  const result = await probeTls({
    host,
    ip: address.ip,
    port,
    // The asker's, so that it knows that what it is shown is new.
    nonce,
    roots: node.roots,
    expected: { peerKey, seat, stake },
    networkId: node.networkId,
    timeoutMs: dialTimeoutMs,
    world: node.world,
    localAddress: node.localAddress,
    now: node.world.now(),
    verify,
    signal,
  })
  if (result.is === 'ok') {
    const { exporter, instance, ruleset, signs, signature } = result.holder
    return [
      [Verdict.valid, ''],
      [exporter, instance, ruleset, signs, signature],
    ]
  }
  return [[result.is === 'unable' ? Verdict.abstain : result.code, seenText(result.detail)], null]
}

/**
 * Asks a seat's node whether it reaches this one. Errors: those of `Host.request`, and DIAL_BACK_ANSWER if the answer
 * makes no sense.
 */
export const askDialBack = (
  node: NodeContext,
  seat: SeatAddress,
  question: DialBackQuestion,
  signal: AbortSignal,
): Promise<DialBackOutcome> =>
  dialBackBy(node, question, (request) =>
    askSeat(node, seat, protocols.dialBack, request, { ...requestLimits, signal }),
  )

/** The same for whoever has a host of his own and knows where the peer is: a doctor before the daemon runs. */
export const requestDialBack = (
  asker: DialBackAsker & { host: Host },
  target: RequestTarget,
  question: DialBackQuestion,
  signal: AbortSignal,
): Promise<DialBackOutcome> =>
  dialBackBy(asker, question, (request) =>
    asker.host.request(target, protocols.dialBack, request, { ...requestLimits, signal }),
  )

/** Whose key is looked for at the address. */
export interface DialBackAsker {
  networkId: NetworkId
  keys: Pick<NodeKeys, 'peerKey'>
  world: Pick<World, 'randomBytes'>
}

const requestLimits = { timeoutMs: answerTimeoutMs, maxResponseBytes: dialBackAnswerCodec.maxBytes }

const dialBackBy = async (
  { networkId, keys, world }: DialBackAsker,
  { host, p2p, tls, seat, stake }: DialBackQuestion,
  request: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<DialBackOutcome> => {
  const nonce = world.randomBytes(32)
  const bytes = await request(dialBackRequestCodec.encode(['dial-back', host, p2p, tls, seat, stake, nonce]))
  const answer = dialBackAnswerCodec.decode(bytes)
  if (answer.is === 'bad') throw noSense(answer.code)
  const [kind] = answer.value
  if (kind === 'later') return { is: 'later', code: answer.value[1] }
  if (kind === 'refused') return { is: 'refused', code: answer.value[1] }
  const [, address, clock, [p2pVerdict, p2pSeen], [tlsVerdict, tlsSeen], proof] = answer.value
  const holder = proof === null ? null : holderOf(proof)
  const isProved =
    holder !== null && isHeldBy({ networkId, host, nonce, verify: verifyAny }, keys.peerKey, holder)
  // Its word is worth nothing where the answer that it stands on is not shown, or is of another probe.
  if ((tlsVerdict === Verdict.valid) !== isProved) throw noSense('unproved')
  return {
    is: 'dialled',
    address,
    clock,
    p2p: { verdict: p2pVerdict, seen: p2pSeen },
    tls: { verdict: tlsVerdict, seen: tlsSeen },
    holder,
  }
}

const { verify: verifyAny } = createEd25519Verifier({ maxKeys: 4 })

const holderOf = ([exporter, instance, ruleset, signs, signature]: NonNullable<Proof>): KeyHolder => ({
  exporter,
  instance,
  ruleset,
  signs,
  signature,
})

const noSense = (code: string): SecnodeError =>
  new SecnodeError('DIAL_BACK_ANSWER', `the answer to a dial-back makes no sense: ${code}`)
