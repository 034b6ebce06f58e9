import {
  createStream,
  decodeAttestation,
  encodeSigned,
  type Epoch,
  equalBytes,
  hasBit,
  maxSyncAttestations,
  maxSyncEpochs,
  maxSyncProofs,
  protocols,
  type Seat,
  shuffledIndexes,
  type Signed,
  type SnapshotRow,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { askSeat } from './ask-seat.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { EpochOfBranch } from './held-epochs.ts'
import type { EpochContext } from '../week/epoch-book.ts'

const refused = (code: string): SyncAnswer => ['refused', code]

const signedRow = ({ payload, signature }: Signed): [Uint8Array, Uint8Array] => [payload, signature]

/** R-SYNC-1, the side that is asked. */
export const serveSync = async (node: NodeContext, collector: Collector): Promise<void> => {
  const epochs = node.epochs.forOthers

  /** Those of [from, from + count) that sync still compares; nobody makes this node read old epochs. */
  const openEpochs = async function* (
    from: Epoch,
    count: number,
    signal: AbortSignal,
  ): AsyncGenerator<EpochOfBranch> {
    const current = epochs.current() ?? -1
    for (let epoch = from; epoch < from + count && epoch <= current; epoch++) {
      signal.throwIfAborted()
      const beacon = collector.isOpen(epoch) ? await epochs.beaconOf(epoch) : undefined
      if (beacon !== undefined) yield { epoch, beacon }
    }
  }

  /** Read only if this node knows the epoch on that branch, and sync still compares it. */
  const contextOf = async ({ epoch, beacon }: EpochOfBranch): Promise<EpochContext | undefined> => {
    const canonical = collector.isOpen(epoch) ? await epochs.beaconOf(epoch) : undefined
    if (canonical === undefined || !equalBytes(canonical, beacon)) return undefined
    const context = await epochs.get(epoch)
    return context !== undefined && equalBytes(context.beacon, beacon) ? context : undefined
  }

  const answer = async (request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> => {
    switch (request[0]) {
      case 'roots': {
        const rows: [number, Uint8Array, number, Uint8Array][] = []
        for await (const one of openEpochs(request[1], request[2], signal)) {
          let known = collector.knownRootOf(one)
          if (known === null) {
            const context = await contextOf(one)
            if (context === undefined) continue
            known = collector.recentRootOf(context)
          }
          const { count, root } = await known
          rows.push([one.epoch, one.beacon, count, root])
        }
        return ['roots', rows]
      }
      case 'held': {
        const context = await contextOf({ epoch: request[1], beacon: request[2] })
        return context === undefined ? refused('beacon') : ['held', await collector.bitsOf(context)]
      }
      case 'fetch': {
        const [, epoch, beacon, seats] = request
        // Of closed epochs too: whoever rebuilds an old week names what he wants.
        const found = await collector.heldOf({ epoch, beacon }, seats)
        return ['attestations', found.map(({ signed }) => signedRow(signed))]
      }
      case 'of-seat': {
        const found = await node.attestations.ofSeat(request[1], request[2], request[2] + request[3])
        return ['attestations', found.slice(-maxSyncAttestations).map(({ signed }) => signedRow(signed))]
      }
      case 'proofs': {
        const proofs: Uint8Array[] = []
        const current = epochs.current() ?? -1
        for (let e = request[1]; e < request[1] + request[2] && e <= current; e++) {
          signal.throwIfAborted()
          const beacon = await epochs.beaconOf(e)
          const found = beacon === undefined ? [] : await node.attestations.proofs(e, beacon)
          for (const { proof } of found) proofs.push(proof)
        }
        // Any of them when there are too many: who asks again, or asks others, gets the rest.
        return ['proofs', drawSome(proofs, node.world.randomBytes(32), maxSyncProofs)]
      }
    }
  }

  await node.host.handle(
    protocols.sync,
    {
      maxRequestBytes: syncRequestCodec.maxBytes,
      maxResponseBytes: syncAnswerCodec.maxBytes,
      timeoutMs: 15_000,
      maxConcurrentPerPeer: 2,
      maxConcurrent: 16,
      onBusy: syncAnswerCodec.encode(refused('busy')),
    },
    async (bytes, { peerKey, signal }) => {
      const request = syncRequestCodec.decode(bytes)
      if (request.is === 'bad') {
        node.metrics.messages.inc({ kind: 'sync', outcome: 'reject', code: request.code })
        node.host.penalise(peerKey, 'malformed-exchange')
        return syncAnswerCodec.encode(refused(request.code))
      }
      try {
        return syncAnswerCodec.encode(await answer(request.value, signal))
      } catch (error) {
        signal.throwIfAborted()
        node.logger.error({ err: error, question: request.value[0] }, 'sync could not be answered')
        return syncAnswerCodec.encode(refused('failed'))
      }
    },
  )
}

/** At most `count` of these, in an order drawn with a 32-byte seed. */
const drawSome = <T>(all: readonly T[], seed: Uint8Array, count: number): T[] => {
  const order = shuffledIndexes(createStream(seed), all.length)
  return [...order.subarray(0, count)].map((index) => all[index]!)
}

/** What an exchange with one peer brought. */
export interface SyncOutcome {
  /** Epochs in which the peer holds what this node does, after the exchange. */
  agreed: number
  differing: number
  fetched: number
}

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
/** Seats whose attestations are compared one by one where roots differ for no other reason. */
const comparedSeats = 4 * maxSyncAttestations

/** Under which beacon a seat works that was drawn and asked: its connection ends at its key. */
export type SawBeacon = (context: EpochContext, seat: Seat, isOurs: boolean) => void

export const createSyncClient = (
  node: NodeContext,
  collector: Collector,
  sawBeacon: SawBeacon = () => undefined,
): SyncClient => {
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

  /** A lie, or an answer to something else than was asked: the peer loses its name. */
  const lied = (row: SnapshotRow, code: string, what: string): SecnodeError => {
    node.metrics.messages.inc({ kind: 'sync', outcome: 'reject', code })
    node.host.penalise(row.peer, 'false-data')
    return new SecnodeError('SYNC_INVALID', `${row.host} ${what}`)
  }
  const misanswered = (row: SnapshotRow): SecnodeError =>
    lied(row, 'other-answer', 'answered something else than it was asked')

  /** Takes in what the peer holds of these seats; gives how many were new. */
  const fetch = async (
    row: SnapshotRow,
    context: EpochContext,
    seats: readonly Seat[],
    signal: AbortSignal,
  ): Promise<number> => {
    let fetched = 0
    for (let i = 0; i < seats.length; i += maxSyncAttestations) {
      const wanted = new Set(seats.slice(i, i + maxSyncAttestations))
      const answer = await ask(row, ['fetch', context.epoch, context.beacon, [...wanted]], signal)
      if (answer[0] !== 'attestations') throw misanswered(row)
      for (const [payload, signature] of answer[1]) {
        const attestation = decodeAttestation(payload)
        const isWanted =
          attestation?.epoch === context.epoch &&
          equalBytes(attestation.beacon, context.beacon) &&
          wanted.delete(attestation.seat)
        if (!isWanted) throw misanswered(row)
        const taken = await collector.take(encodeSigned({ payload, signature }), 'sync', context)
        if (taken.is === 'accept') fetched++
        if (taken.is === 'reject') throw lied(row, taken.code, `gave a wrong attestation: ${taken.code}`)
      }
      // It said that it holds them.
      if (wanted.size > 0 && node.epochs.isCanonical(context)) {
        throw lied(row, 'withheld', 'does not give what it says it holds')
      }
    }
    return fetched
  }

  /** Makes one epoch alike, as far as the peer holds more; gives how many attestations were new. */
  const reconcile = async (row: SnapshotRow, context: EpochContext, signal: AbortSignal): Promise<number> => {
    const held = await ask(row, ['held', context.epoch, context.beacon], signal)
    if (held[0] === 'refused') return 0
    if (held[0] !== 'held' || held[1].length !== Math.ceil(context.snapshot.length / 8)) {
      throw misanswered(row)
    }
    const own = await collector.bitsOf(context)
    const proofs = await collector.equivocators(context.week)
    const seatsWhere = (isWanted: (index: number) => boolean): Seat[] =>
      context.snapshot.flatMap(({ seat }, index) => (isWanted(index) ? [seat] : []))
    const missing = seatsWhere((i) => hasBit(held[1], i) && !hasBit(own, i)).filter(
      (seat) => !proofs.has(seat),
    )
    if (missing.length > 0) return await fetch(row, context, missing, signal)
    const hasAll = seatsWhere((i) => hasBit(own, i) && !hasBit(held[1], i)).length === 0
    if (!hasAll) return 0
    // The same seats under other roots: somebody signed twice, and each side holds one of the two (R-ATT-3).
    const common = seatsWhere((i) => hasBit(own, i))
    return await fetch(row, context, drawSome(common, node.world.randomBytes(32), comparedSeats), signal)
  }

  const fetchProofs = async (
    row: SnapshotRow,
    from: Epoch,
    count: number,
    signal: AbortSignal,
  ): Promise<void> => {
    const answer = await ask(row, ['proofs', from, count], signal)
    if (answer[0] !== 'proofs') throw misanswered(row)
    for (const proof of answer[1]) {
      const taken = await collector.takeProof(proof)
      if (taken.is === 'reject') throw lied(row, taken.code, `gave a wrong proof: ${taken.code}`)
    }
    if (answer[1].length < maxSyncProofs || count === 1) return
    // A full answer may leave others out.
    const half = Math.floor(count / 2)
    await fetchProofs(row, from, half, signal)
    await fetchProofs(row, from + half, count - half, signal)
  }

  const exchangeSome = async (
    row: SnapshotRow,
    from: Epoch,
    count: number,
    signal: AbortSignal,
  ): Promise<SyncOutcome> => {
    const outcome: SyncOutcome = { agreed: 0, differing: 0, fetched: 0 }
    await fetchProofs(row, from, count, signal)
    const roots = await ask(row, ['roots', from, count], signal)
    if (roots[0] !== 'roots') throw misanswered(row)
    let next = from
    for (const [epoch, beacon, , root] of roots[1]) {
      if (epoch < next || epoch >= from + count) throw misanswered(row)
      next = epoch + 1
      const context = await node.epochs.get(epoch)
      if (context === undefined || !collector.isOpen(epoch)) continue
      const isOurs = equalBytes(context.beacon, beacon)
      sawBeacon(context, row.seat, isOurs)
      if (!isOurs) continue
      const isSame = async (): Promise<boolean> => equalBytes((await collector.rootOf(context)).root, root)
      if (!(await isSame())) outcome.fetched += await reconcile(row, context, signal)
      if (await isSame()) outcome.agreed++
      else outcome.differing++
    }
    return outcome
  }

  return {
    async exchange(row, from, to, signal) {
      const total: SyncOutcome = { agreed: 0, differing: 0, fetched: 0 }
      for (let e = from; e <= to; e += maxSyncEpochs) {
        const some = await exchangeSome(row, e, Math.min(maxSyncEpochs, to - e + 1), signal)
        total.agreed += some.agreed
        total.differing += some.differing
        total.fetched += some.fetched
      }
      return total
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
