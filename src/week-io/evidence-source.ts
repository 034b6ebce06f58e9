import {
  type Attestation,
  cidOf,
  evidenceAnswerCodec,
  evidenceRequestCodec,
  protocols,
  type SnapshotRow,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { Host } from '../net/host.ts'
import type { PeerAddress } from '../net/peer-address.ts'
import { type ResolveHost, resolveObservedAddress } from '../net/resolve.ts'
import type { EvidenceStore } from '../store/evidence.ts'
import type { FoundEvidence } from '../week/explain/checks.ts'
import type { EvidenceSource } from '../week/explain/sources.ts'

export interface EvidenceSourceOptions {
  evidence: EvidenceStore
  /** A started host; asked for when the first block is not in the store. */
  host: () => Promise<Host>
  resolveHost: ResolveHost
  allowLoopback: boolean
}

const requestTimeoutMs = 10_000

export const createEvidenceSource = (options: EvidenceSourceOptions): EvidenceSource => {
  const { evidence, allowLoopback } = options
  /** By peer key: nobody is knocked at again for each epoch of a week. */
  const unreachable = new Map<string, string>()

  const fetch = async (
    attestation: Attestation,
    row: SnapshotRow,
    seenAt: string | undefined,
    signal: AbortSignal,
  ): Promise<FoundEvidence> => {
    const peer = Buffer.from(row.peer).toString('hex')
    const known = unreachable.get(peer)
    if (known !== undefined) return { is: 'missing', why: known }
    let why = 'no address is known of it'
    for (const address of await addressesOf(row, seenAt, signal)) {
      const outcome = await ask(attestation, row, address, signal)
      if (outcome.is === 'found') return outcome
      why = outcome.why
      // Who answers, but not with the block, does not have it at another address either.
      if (outcome.isReached) return { is: 'missing', why }
    }
    unreachable.set(peer, why)
    return { is: 'missing', why }
  }

  /** Where its name leads now, then where it was seen. */
  const addressesOf = async (
    row: SnapshotRow,
    seenAt: string | undefined,
    signal: AbortSignal,
  ): Promise<PeerAddress[]> => {
    const resolution = await resolveObservedAddress(row.host, options.resolveHost, { allowLoopback, signal })
    const all = [resolution.is === 'ok' ? resolution.address.ip : undefined, seenAt]
    return [...new Set(all)].flatMap((ip) => (ip === undefined ? [] : [{ ip, port: row.p2p }]))
  }

  const ask = async (
    attestation: Attestation,
    row: SnapshotRow,
    address: PeerAddress,
    signal: AbortSignal,
  ): Promise<
    Extract<FoundEvidence, { is: 'found' }> | { is: 'missing'; why: string; isReached: boolean }
  > => {
    const missing = (why: string) => ({ is: 'missing' as const, why, isReached: true })
    let bytes: Uint8Array
    try {
      const host = await options.host()
      bytes = await host.request(
        { peerKey: row.peer, address },
        protocols.evidence,
        evidenceRequestCodec.encode(['evidence', attestation.evidence]),
        { timeoutMs: requestTimeoutMs, maxResponseBytes: evidenceAnswerCodec.maxBytes, signal },
      )
    } catch (error) {
      signal.throwIfAborted()
      return { is: 'missing', why: messageOf(error), isReached: false }
    }
    const answer = evidenceAnswerCodec.decode(bytes)
    if (answer.is === 'bad') return missing(`its answer cannot be read: ${answer.code}`)
    if (answer.value[0] === 'refused') return missing(`it refuses: ${answer.value[1]}`)
    if (answer.value[0] === 'unknown') return missing('it says that it does not have the block')
    const block = answer.value[1]
    if (!cidOf(block).equals(attestation.evidence)) return missing('it serves another block than its own')
    await evidence.put(attestation.epoch, block)
    return { is: 'found', block, from: 'network' }
  }

  return {
    async find(attestation, row, seenAt, signal) {
      const block = await evidence.get(attestation.evidence)
      return block === undefined
        ? await fetch(attestation, row, seenAt, signal)
        : { is: 'found', block, from: 'store' }
    },
  }
}
