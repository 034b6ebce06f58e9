import { base64 } from '@scure/base'
import {
  type Attestation,
  challengersOf,
  decodeAttestation,
  type Epoch,
  type HeldAttestation,
  type Height,
  indexOfSeat,
  readEvidence,
  type Seat,
  targetsOf,
  Verdict,
} from '../../../protocol/index.ts'
import type { SignedVerdict } from '../alerts/finding.ts'
import { createEvidenceSource } from '../../week-io/evidence-source.ts'
import { describeEntry } from '../../week/explain/evidence-words.ts'
import type { Daemon } from '../../node/daemon.ts'
import type { EpochContext } from '../../week/epoch-book.ts'
import { silent, wordOfVerdict, wordsOfChallengers } from '../../week/seat-words.ts'
import type { ChallengerWord, EpochWords } from './observations.ts'
import { createDeadline } from '../../async/deadline.ts'

/** Reads what the challengers of a seat attested of it, and what they say that they saw. */
export interface WordReader {
  /** Of the last epochs with this seat, newest first. `watchedFrom`: since when attestations are taken in. */
  read(seat: Seat, watchedFrom: Height, signal: AbortSignal): Promise<EpochWords[]>
}

/** The current epoch, and those of which attestations may still come or just came. */
const epochsLookedAt = 3
/** For the blocks behind all bad words together: who does not serve his is asked again at the next looks. */
const evidenceBudgetMs = 4_000
const maxTries = 3
/** Words about evidence blocks that are remembered: some epochs of the largest committee. */
const maxRemembered = 512

export const createWordReader = (daemon: Daemon): WordReader => {
  const { node, host, epochs } = daemon
  /** By CID of the evidence block. */
  const sawBy = new Map<string, string>()
  const triesBy = new Map<string, number>()

  /** The same words with what their evidence says, which is fetched if it was not read before (R-EVID-1). */
  const withSaw = async (
    context: EpochContext,
    words: EpochWords,
    signal: AbortSignal,
  ): Promise<EpochWords> => {
    await readEvidenceOf(context, words, signal)
    return {
      ...words,
      challengers: words.challengers.map((word) =>
        word.verdict === null
          ? word
          : { ...word, signed: { ...word.signed, saw: sawBy.get(word.signed.evidence) ?? null } },
      ),
    }
  }

  const readEvidenceOf = async (
    context: EpochContext,
    words: EpochWords,
    signal: AbortSignal,
  ): Promise<void> => {
    const unread = words.challengers.flatMap((word) => {
      if (word.verdict === null || word.verdict === Verdict.valid) return []
      const { evidence } = word.signed
      return sawBy.has(evidence) || (triesBy.get(evidence) ?? 0) >= maxTries ? [] : [word.signed]
    })
    if (unread.length === 0) return
    if (sawBy.size + triesBy.size >= maxRemembered) {
      sawBy.clear()
      triesBy.clear()
    }
    const source = createEvidenceSource({
      evidence: node.evidence,
      host: () => Promise.resolve(host),
      resolveHost: node.resolveHost,
      allowLoopback: node.allowLoopback,
    })
    using deadline = createDeadline(node.world, evidenceBudgetMs, signal)
    await Promise.all(
      unread.map(async (one) => {
        triesBy.set(one.evidence, (triesBy.get(one.evidence) ?? 0) + 1)
        const attestation = decodeAttestation(base64.decode(one.attestation.payload))!
        const row = context.rowOf(one.seat)!
        const found = await source
          .find(attestation, row, undefined, deadline.signal)
          .catch(() => ({ is: 'missing' as const }))
        if (found.is !== 'found') return
        const read = readEvidence(attestation, found.block)
        const position = targetsOf(context.committees, indexOfSeat(context.snapshot, one.seat)).findIndex(
          (index) => context.snapshot[index]!.seat === node.ownSeat(),
        )
        const entry = read.is === 'accept' ? read.value.entries[position] : undefined
        if (entry !== undefined) sawBy.set(one.evidence, describeEntry(entry))
      }),
    )
    signal.throwIfAborted()
  }

  return {
    async read(seat, watchedFrom, signal) {
      const found: EpochWords[] = []
      const current: Epoch = epochs.current() ?? -1
      for (let epoch = current; epoch > current - epochsLookedAt && epoch >= 0; epoch--) {
        const context = await epochs.get(epoch)
        // What is said of another key's daemon is not about this node.
        if (context === undefined || node.ownRowIn(context) === undefined) continue
        const words = await wordsOf(daemon, context, seat, watchedFrom)
        found.push(await withSaw(context, words, signal))
      }
      return found
    },
  }
}

/** What the challengers of a seat attested of it in one epoch, as far as this node holds it. */
const wordsOf = async (
  { node, collector }: Pick<Daemon, 'node' | 'collector'>,
  context: EpochContext,
  seat: Seat,
  watchedFrom: Height,
): Promise<EpochWords> => {
  const { snapshot, committees, phases } = context
  const index = indexOfSeat(snapshot, seat)
  const seats = challengersOf(committees, index).map((at) => snapshot[at]!.seat)
  const proofs = await collector.equivocators(context.week)
  const attestedBy = new Map<Seat, { held: HeldAttestation; attestation: Attestation }>()
  for (const held of await collector.heldOf(context, seats)) {
    const attestation = proofs.has(held.seat) ? null : decodeAttestation(held.signed.payload)
    if (attestation !== null) attestedBy.set(held.seat, { held, attestation })
  }
  const words = wordsOfChallengers(
    context,
    index,
    (at, i) => attestedBy.get(snapshot[at]!.seat)?.attestation.verdicts[i],
  )
  return {
    epoch: context.epoch,
    params: context.params,
    // Who was not there when they came cannot take silence for an answer.
    isClosed: node.chain.confirmedHeight >= phases.closes && watchedFrom <= phases.attests,
    challengers: words.map(({ challenger, at, verdict }): ChallengerWord => {
      const { host } = snapshot[at]!
      if (verdict === silent) return { seat: challenger, host, verdict: null }
      const { held, attestation } = attestedBy.get(challenger)!
      const signed: SignedVerdict = {
        is: 'verdict',
        epoch: context.epoch,
        seat: challenger,
        host,
        verdict,
        word: wordOfVerdict(verdict),
        saw: null,
        attestation: {
          cid: held.cid.toString(),
          payload: base64.encode(held.signed.payload),
          signature: base64.encode(held.signed.signature),
        },
        evidence: attestation.evidence.toString(),
      }
      return { seat: challenger, host, verdict, signed }
    }),
  }
}
