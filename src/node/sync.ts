import {
  bitfieldOf,
  countBits,
  decodeAttestation,
  encodeSigned,
  type Epoch,
  equalBytes,
  type ExchangeEffect,
  type ExchangeEvent,
  protocols,
  type Seat,
  type Signed,
  type SnapshotRow,
  startExchange,
  stepExchange,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncOutcome,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { askSeat } from './ask-seat.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'

/** R-SYNC-1, the side that asks. */
export interface SyncClient {
  /** Compares the epochs [from, to] with a seat's node and fetches what is missing. */
  exchange(row: SnapshotRow, from: Epoch, to: Epoch, signal: AbortSignal): Promise<SyncOutcome>
  /** What a seat's node holds of one seat (R-ATT-5), unchecked. */
  attestationsOf(
    row: SnapshotRow,
    seat: Seat,
    from: Epoch,
    count: number,
    signal: AbortSignal,
  ): Promise<Signed[]>
  /** Whether a seat's node answers at all (R-FAULT-1). */
  isReached(row: SnapshotRow, signal: AbortSignal): Promise<boolean>
}

const requestTimeoutMs = 10_000

/** Under which beacon a seat works that was drawn and asked: its connection ends at its key. */
export type SawBeacon = (context: EpochContext, seat: Seat, isOurs: boolean) => void

export const createSyncClient = (
  node: NodeContext,
  collector: Collector,
  sawBeacon: SawBeacon = () => undefined,
): SyncClient => {
  const asker = createAsker(node)
  const { ask, misanswered } = asker

  return {
    async exchange(row, from, to, signal) {
      const carryOut = createTalk(node, collector, asker, sawBeacon, row, signal)
      let step = startExchange(from, to, node.world.randomBytes(32))
      while (step.effect.is !== 'end') step = stepExchange(step.state, await carryOut(step.effect))
      return step.effect.outcome
    },
    async attestationsOf(row, seat, from, count, signal) {
      const answer = await ask(row, ['of-seat', seat, from, count], signal)
      if (answer[0] !== 'attestations') throw misanswered(row)
      return answer[1].map(([payload, signature]) => ({ payload, signature }))
    },
    async isReached(row, signal) {
      try {
        await ask(row, ['roots', Math.max(0, node.epochs.current() ?? 0), 1], signal)
        return true
      } catch (error) {
        signal.throwIfAborted()
        // A refusal is an answer too.
        return error instanceof SecnodeError && error.code.startsWith('SYNC_')
      }
    },
  }
}

/** Asks seats' nodes. Answers that are malformed, or to something else, cost the peer its name. */
interface Asker {
  /** Errors: `SYNC_INVALID`, `SYNC_REFUSED`, and those of `askSeat`. "Of another branch" is no error. */
  ask: (row: SnapshotRow, request: SyncRequest, signal: AbortSignal) => Promise<SyncAnswer>
  lied: (row: SnapshotRow, code: string, what: string) => SecnodeError
  misanswered: (row: SnapshotRow) => SecnodeError
}

const createAsker = (node: NodeContext): Asker => {
  const ask = async (row: SnapshotRow, request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> => {
    const bytes = await askSeat(node, row, protocols.sync, syncRequestCodec.encode(request), {
      timeoutMs: requestTimeoutMs,
      maxResponseBytes: syncAnswerCodec.maxBytes,
      signal,
    })
    const answer = syncAnswerCodec.decode(bytes)
    if (answer.is === 'bad') {
      node.metrics.messages.inc({ kind: 'sync', outcome: 'reject', code: answer.code })
      node.host.penalise(row.peer, 'malformed-exchange')
      throw new SecnodeError('SYNC_INVALID', `${row.host} answered sync with ${answer.code}`)
    }
    if (answer.value[0] === 'refused' && answer.value[1] !== 'beacon') {
      throw new SecnodeError('SYNC_REFUSED', `${row.host} refused sync: ${answer.value[1]}`)
    }
    return answer.value
  }

  const lied = (row: SnapshotRow, code: string, what: string): SecnodeError => {
    node.metrics.messages.inc({ kind: 'sync', outcome: 'reject', code })
    node.host.penalise(row.peer, 'false-data')
    return new SecnodeError('SYNC_INVALID', `${row.host} ${what}`)
  }
  const misanswered = (row: SnapshotRow): SecnodeError =>
    lied(row, 'other-answer', 'answered something else than it was asked')
  return { ask, lied, misanswered }
}

/** Carries out the effects of one exchange: each gives the event that answers it. */
const createTalk = (
  node: NodeContext,
  collector: Collector,
  { ask, lied, misanswered }: Asker,
  sawBeacon: SawBeacon,
  row: SnapshotRow,
  signal: AbortSignal,
) => {
  const told = createTold(node, collector, row.seat, sawBeacon)

  const askProofs = async (from: Epoch, count: number): Promise<ExchangeEvent> => {
    const answer = await ask(row, ['proofs', from, count], signal)
    if (answer[0] !== 'proofs') throw misanswered(row)
    for (const proof of answer[1]) {
      const taken = await collector.takeProof(proof)
      if (taken.is === 'reject') throw lied(row, taken.code, `gave a wrong proof: ${taken.code}`)
    }
    return { is: 'proofs', count: answer[1].length }
  }

  const askRoots = async (from: Epoch, count: number): Promise<ExchangeEvent> => {
    const answer = await ask(row, ['roots', from, count], signal)
    if (answer[0] !== 'roots') throw misanswered(row)
    told.take(answer[1])
    return { is: 'roots', epochs: answer[1].map(([epoch]) => epoch) }
  }

  const askBits = async (epoch: Epoch): Promise<ExchangeEvent> => {
    const context = (await told.contextOf(epoch))!
    const answer = await ask(row, ['held', epoch, context.beacon], signal)
    const { snapshot } = context
    const size = snapshot.length
    const none = new Uint8Array(0)
    const unknown = { is: 'bits', own: none, proved: none, size, isSame: false, hasMoved: false } as const
    if (answer[0] === 'refused') return { ...unknown, theirs: null }
    if (answer[0] !== 'held') throw misanswered(row)
    const own = await collector.bitsOf(context)
    const proofs = await collector.equivocators(context.week)
    const proved = bitfieldOf(size, (index) => proofs.has(snapshot[index]!.seat))
    const isSame = await told.isSame(context)
    const hasMoved = countBits(answer[1]) !== told.countOf(epoch)
    return { is: 'bits', theirs: answer[1], own, proved, size, isSame, hasMoved }
  }

  const fetch = async (epoch: Epoch, indexes: readonly number[]): Promise<ExchangeEvent> => {
    const context = (await told.contextOf(epoch))!
    const wanted = new Set(indexes.map((index) => context.snapshot[index]!.seat))
    const answer = await ask(row, ['fetch', epoch, context.beacon, [...wanted]], signal)
    if (answer[0] !== 'attestations') throw misanswered(row)
    let fresh = 0
    for (const [payload, signature] of answer[1]) {
      const attestation = decodeAttestation(payload)
      const isWanted =
        attestation?.epoch === epoch &&
        equalBytes(attestation.beacon, context.beacon) &&
        wanted.delete(attestation.seat)
      if (!isWanted) throw misanswered(row)
      const taken = await collector.take(encodeSigned({ payload, signature }), 'sync', context)
      if (taken.is === 'accept') fresh++
      if (taken.is === 'reject') throw lied(row, taken.code, `gave a wrong attestation: ${taken.code}`)
    }
    // Of a branch that is gone it may have forgotten all.
    return { is: 'fetched', fresh, isWhole: wanted.size === 0 || !node.epochs.isCanonical(context) }
  }

  return async (effect: Exclude<ExchangeEffect, { is: 'end' }>): Promise<ExchangeEvent> => {
    switch (effect.is) {
      case 'ask-proofs':
        return await askProofs(effect.from, effect.count)
      case 'ask-roots':
        return await askRoots(effect.from, effect.count)
      case 'compare':
        return await told.compare(effect.epochs)
      case 'ask-bits':
        return await askBits(effect.epoch)
      case 'fetch':
        return await fetch(effect.epoch, effect.indexes)
      case 'refuse':
        if (effect.code === 'other-answer') throw misanswered(row)
        throw lied(row, effect.code, 'does not give what it says it holds')
    }
  }
}

/** What a peer told of its epochs, beside what is here. */
const createTold = (node: NodeContext, collector: Collector, seat: Seat, sawBeacon: SawBeacon) => {
  /** `context`: the epoch here; null where there is nothing to compare. */
  const told = new Map<
    Epoch,
    { beacon: Uint8Array; count: number; root: Uint8Array; context?: EpochContext | null }
  >()

  const contextOf = async (epoch: Epoch): Promise<EpochContext | null> => {
    const said = told.get(epoch)!
    if (said.context !== undefined) return said.context
    const context = await node.epochs.get(epoch)
    said.context = null
    if (context === undefined || !collector.isOpen(epoch)) return null
    const isOurs = equalBytes(context.beacon, said.beacon)
    sawBeacon(context, seat, isOurs)
    return (said.context = isOurs ? context : null)
  }

  /** Whether what stands here has the root that the peer told. */
  const isSame = async (context: EpochContext): Promise<boolean> =>
    equalBytes((await collector.rootOf(context)).root, told.get(context.epoch)!.root)

  const compare = async (epochs: readonly Epoch[]): Promise<ExchangeEvent> => {
    let agreed = 0
    const differing: Epoch[] = []
    for (const epoch of epochs) {
      const context = await contextOf(epoch)
      if (context === null) continue
      if (await isSame(context)) agreed++
      else differing.push(epoch)
    }
    return { is: 'compared', agreed, differing }
  }

  return {
    take(rows: Extract<SyncAnswer, readonly ['roots', unknown]>[1]) {
      for (const [epoch, beacon, count, root] of rows) told.set(epoch, { beacon, count, root })
    },
    contextOf,
    isSame,
    compare,
    countOf: (epoch: Epoch): number => told.get(epoch)!.count,
  }
}
