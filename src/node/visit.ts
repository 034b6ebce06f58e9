import type { CID } from 'multiformats/cid'
import {
  answeredFault,
  type AuditedTarget,
  auditEvidence,
  type ChallengeTerms,
  challengeAnswerCodec,
  challengeRequestCodec,
  checkReceipt,
  checkSecondQuestion,
  decodeAttestation,
  encodeSigned,
  equalBytes,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  hasReceipts,
  indexOfSeat,
  peerIdOfKey,
  protocols,
  type Question,
  receiptResponse,
  secondNonceSeen,
  seenFault,
  type Signed,
  signQuestion,
  type SnapshotRow,
  targetsOf,
  Verdict,
  type VisitResult,
} from '../../protocol/index.ts'
import { isSecnodeError, messageOf } from '../errors.ts'
import { probeTls } from '../net/probe.ts'
import { type ObservedAddress, resolveObservedAddress } from '../net/resolve.ts'
import type { NodeContext } from './context.ts'
import { digestOf } from '../week/digests.ts'
import { drawOthers } from './recovery.ts'
import type { EpochContext } from '../week/epoch-book.ts'

type SeenVerdict = Parameters<typeof seenFault>[0]
type AnsweredVerdict = Parameters<typeof answeredFault>[0]

const seen = (verdict: SeenVerdict, text: string): VisitResult => ({
  finding: { evidence: seenFault(verdict, text), address: null },
})

/** What a visit brings, and the question by the own key that the target has answered in the place of this one (R-ATT-7). */
export type Visited = VisitResult & { second?: Question }

/**
 * One visit to a target of an epoch: name, challenge, TLS probe, audit (R-CHAL-1…5, R-PROBE-1, R-PROBE-2,
 * R-EVID-2), in this order; the first fault is the verdict. `targetIndex` is the target's index in the snapshot.
 * Rejects only when `signal` is aborted.
 */
export const visitTarget = async (
  node: NodeContext,
  epoch: EpochContext,
  own: SnapshotRow,
  targetIndex: number,
  nonce: Uint8Array,
  signal: AbortSignal,
): Promise<Visited> => {
  const target = epoch.snapshot[targetIndex]!
  const answered = (verdict: AnsweredVerdict, response: Uint8Array): VisitResult => ({
    finding: { evidence: answeredFault(verdict, response, epoch.committees.k), address: null },
  })

  const resolution = await resolveObservedAddress(target.host, node.resolveHost, {
    allowLoopback: node.allowLoopback,
    signal,
  })
  if (resolution.is === 'unresolvable') return seen(Verdict.unresolvable, resolution.detail)
  if (resolution.is === 'unable') {
    const isItsName = await resolvesAnother(node, epoch, own, target, signal)
    return seen(isItsName ? Verdict.unresolvable : Verdict.abstain, resolution.detail)
  }
  const { address } = resolution

  const terms: ChallengeTerms = {
    networkId: node.networkId,
    epoch: epoch.epoch,
    beacon: epoch.beacon,
    targetSeat: target.seat,
    targetStake: target.stake,
    challengerSeat: own.seat,
    nonce,
  }
  const question = { ...terms, instance: node.instance }
  const challenged = await challenge(node, epoch, question, own, target, address, signal)
  if (challenged.is === 'result') return challenged.result
  if (challenged.is === 'bad') return answered(Verdict.badReceipt, challenged.response)
  const { receipt, digest } = challenged

  let expected: Uint8Array
  try {
    expected = await digestOf(node.genesis, terms, epoch.params.samples, node.chain, signal)
  } catch (error) {
    signal.throwIfAborted()
    return seen(Verdict.abstain, `own chain: ${messageOf(error)}`)
  }
  if (!equalBytes(digest, expected)) return answered(Verdict.wrongDigest, receiptResponse(receipt))

  const probe = await probeTls({
    host: target.host,
    ip: address.ip,
    port: target.tls,
    nonce,
    roots: node.roots,
    expected: { peerKey: target.peer, seat: target.seat, stake: target.stake },
    networkId: node.networkId,
    timeoutMs: epoch.params.responseMs,
    world: node.world,
    localAddress: node.localAddress,
    now: node.world.now(),
    verify: node.verifier.verify,
    signal,
  })
  if (probe.is === 'unable') return seen(Verdict.abstain, probe.detail)
  if (probe.is === 'failed') {
    return probe.code === Verdict.tlsUnbound
      ? answered(probe.code, probe.response ?? new TextEncoder().encode(probe.detail))
      : seen(probe.code, probe.detail)
  }

  node.versions.note(target.seat, {
    version: probe.version,
    ruleset: probe.holder.ruleset,
    epoch: epoch.epoch,
  })
  const fault = await audit(node, epoch, target, address, signal)
  if (fault !== null) return fault
  return { finding: { evidence: { verdict: Verdict.valid, receipt }, address: address.bytes } }
}

/** R-PROBE-2: other names that are looked up where a target's fails. */
const controlNames = 2

/** R-PROBE-2: whether the resolver answers for another seat. Then it is the target's name that fails. */
const resolvesAnother = async (
  node: NodeContext,
  { snapshot }: EpochContext,
  own: SnapshotRow,
  target: SnapshotRow,
  signal: AbortSignal,
): Promise<boolean> => {
  const rows = snapshot.filter(({ host }) => host !== target.host)
  const drawn = drawOthers(rows, own.seat, node.world.randomBytes(32), controlNames)
  const options = { allowLoopback: node.allowLoopback, signal }
  const found = await Promise.all(
    drawn.map(({ host }) => resolveObservedAddress(host, node.resolveHost, options)),
  )
  return found.some(({ is }) => is !== 'unable')
}

type Challenged =
  | { is: 'receipt'; receipt: Signed; digest: Uint8Array }
  | { is: 'bad'; response: Uint8Array }
  | { is: 'result'; result: Visited }

/** R-CHAL-1, R-CHAL-4: asks for a receipt. */
const challenge = async (
  node: NodeContext,
  epoch: EpochContext,
  question: Question & ChallengeTerms,
  own: SnapshotRow,
  target: SnapshotRow,
  address: ObservedAddress,
  signal: AbortSignal,
): Promise<Challenged> => {
  const asked = signQuestion(question, node.keys.sign)
  const request = challengeRequestCodec.encode(['challenge', asked.payload, asked.signature])
  let bytes: Uint8Array
  try {
    bytes = await node.host.request(
      { peerKey: target.peer, address: { ip: address.ip, port: target.p2p } },
      protocols.challenge,
      request,
      { timeoutMs: epoch.params.responseMs, maxResponseBytes: challengeAnswerCodec.maxBytes, signal },
    )
  } catch (error) {
    signal.throwIfAborted()
    return failedRequest(error)
  }
  const answer = challengeAnswerCodec.decode(bytes)
  if (answer.is === 'bad') return { is: 'bad', response: bytes }
  if (answer.value[0] === 'later') return { is: 'result', result: { later: answer.value[1] } }
  if (answer.value[0] === 'refused') {
    if (answer.value.length === 2) return { is: 'bad', response: bytes }
    const [, , payload, signature] = answer.value
    const second = { payload, signature }
    const checked = checkSecondQuestion(question, own.peer, second, node.verifier.verify)
    if (checked.is !== 'accept') return { is: 'bad', response: bytes }
    return { is: 'result', result: { ...seen(Verdict.abstain, secondNonceSeen), second: checked.value } }
  }
  const [, payload, signature] = answer.value
  const receipt = { payload, signature }
  const checked = checkReceipt(question, target.peer, receipt, node.verifier.verify)
  if (checked.is !== 'accept') return { is: 'bad', response: encodeSigned(receipt) }
  return { is: 'receipt', receipt, digest: checked.value.digest }
}

/** R-VERD-1: what a request that brought no answer says of the target. */
const failedRequest = (error: unknown): Challenged => {
  const text = messageOf(error)
  const result = (verdict: SeenVerdict): Challenged => ({ is: 'result', result: seen(verdict, text) })
  if (isSecnodeError(error, 'NET_UNREACHABLE')) return result(Verdict.unreachable)
  if (isSecnodeError(error, 'NET_TIMEOUT') || isSecnodeError(error, 'NET_CLOSED'))
    return result(Verdict.timeout)
  if (isSecnodeError(error, 'NET_TOO_LARGE') || isSecnodeError(error, 'NET_PROTOCOL_UNSUPPORTED')) {
    return { is: 'bad', response: new TextEncoder().encode(text) }
  }
  // Whatever else goes wrong goes wrong on this side.
  return result(Verdict.abstain)
}

/** R-EVID-2: the fault found in the target's attestation of e − 2, or null. */
const audit = async (
  node: NodeContext,
  epoch: EpochContext,
  target: SnapshotRow,
  address: ObservedAddress,
  signal: AbortSignal,
): Promise<VisitResult | null> => {
  const audited = await node.epochs.get(epoch.epoch - 2)
  const challenger = audited?.rowOf(target.seat)
  if (audited === undefined || challenger === undefined) return null
  const held = await node.attestations.get(audited.epoch, audited.beacon, target.seat)
  // Only what was held before its epoch closed is audited, as only that counts (R-CP-3).
  if (held === undefined || held.heldAt >= audited.phases.closes) return null
  const attestation = decodeAttestation(held.signed.payload)
  if (attestation === null || !hasReceipts(attestation)) return null

  const fetched = await fetchEvidence(node, epoch, target, address, attestation.evidence, signal)
  if ('is' in fetched) return fetched.result
  const targets = targetsOf(audited.committees, indexOfSeat(audited.snapshot, target.seat)).map(
    (index): AuditedTarget => audited.snapshot[index]!,
  )
  const result = auditEvidence(attestation, targets, fetched.block, epoch.beacon, node.verifier.verify)
  if (result.is === 'bad') return seen(Verdict.evidenceInvalid, `epoch ${audited.epoch}: ${result.code}`)
  for (const check of result.checks) {
    let digest: Uint8Array
    try {
      digest = await digestOf(node.genesis, check.terms, audited.params.samples, node.chain, signal)
    } catch (error) {
      signal.throwIfAborted()
      return seen(Verdict.abstain, `own chain: ${messageOf(error)}`)
    }
    if (equalBytes(digest, check.digest) !== check.mustMatch) {
      return seen(
        Verdict.evidenceInvalid,
        `epoch ${audited.epoch}: verdict ${check.mustMatch ? 0 : 4} of seat ${check.terms.targetSeat} does not recompute`,
      )
    }
  }
  return null
}

/**
 * The block, null if the target does not serve it, or that nothing can be said of it now. It is asked twice, since it
 * has just answered otherwise.
 */
const fetchEvidence = async (
  node: NodeContext,
  epoch: EpochContext,
  target: SnapshotRow,
  address: ObservedAddress,
  cid: CID,
  signal: AbortSignal,
): Promise<{ block: Uint8Array | null } | { is: 'result'; result: VisitResult }> => {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const bytes = await node.host.request(
        { peerKey: target.peer, address: { ip: address.ip, port: target.p2p } },
        protocols.evidence,
        evidenceRequestCodec.encode(['evidence', cid]),
        {
          timeoutMs: epoch.params.responseMs,
          maxResponseBytes: evidenceAnswerCodec.maxBytes,
          // A registered peer is not asked for work (R-PUZ-1).
          maxEffort: 0,
          signal,
        },
      )
      const answer = evidenceAnswerCodec.decode(bytes)
      if (answer.is === 'ok' && answer.value[0] === 'evidence') return { block: answer.value[1] }
      // Strangers may keep it busy; who is busy to the end is a timeout (R-CHAL-1).
      if (answer.is === 'ok' && answer.value[0] === 'refused' && laterRefusals.has(answer.value[1])) {
        return { is: 'result', result: { later: 'busy' } }
      }
    } catch (error) {
      signal.throwIfAborted()
      // The target does not know this node yet: its chain is behind.
      if (isSecnodeError(error, 'NET_PUZZLE_DEAR')) return { is: 'result', result: { later: 'behind' } }
      if (!targetErrors.some((code) => isSecnodeError(error, code))) {
        return { is: 'result', result: seen(Verdict.abstain, messageOf(error)) }
      }
      node.logger.debug({ err: error, peer: peerIdOfKey(target.peer) }, 'evidence not served')
    }
  }
  return { block: null }
}

/** Refusals of a node that would serve the block at another moment. */
const laterRefusals: ReadonlySet<string> = new Set(['busy', 'failed'])

/** Errors of a request that may be the target's doing; all others are this side's. */
const targetErrors = [
  'NET_UNREACHABLE',
  'NET_TIMEOUT',
  'NET_CLOSED',
  'NET_TOO_LARGE',
  'NET_PROTOCOL_UNSUPPORTED',
] as const
