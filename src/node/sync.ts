import {
  bitfieldOf,
  encodeSigned,
  type Epoch,
  equalBytes,
  hasBit,
  maxSyncAttestations,
  maxSyncEpochs,
  maxSyncProofs,
  protocols,
  type Seat,
  type Signed,
  type SnapshotRow,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { EpochContext } from './epoch-book.ts'

const refused = (code: string): SyncAnswer => ['refused', code]

const signedRow = ({ payload, signature }: Signed): [Uint8Array, Uint8Array] => [payload, signature]

/** R-SYNC-1, the side that is asked. */
export const serveSync = async (node: NodeContext, collector: Collector): Promise<void> => {
  const epochsFrom = async (from: Epoch, count: number): Promise<EpochContext[]> => {
    const current = node.epochs.current() ?? -1
    const found: EpochContext[] = []
    for (let e = from; e < from + count && e <= current; e++) {
      const context = await node.epochs.get(e)
      if (context !== undefined) found.push(context)
    }
    return found
  }

  const underBeacon = async (epoch: Epoch, beacon: Uint8Array): Promise<EpochContext | undefined> => {
    const context = await node.epochs.get(epoch)
    return context !== undefined && equalBytes(context.beacon, beacon) ? context : undefined
  }

  const answer = async (request: SyncRequest): Promise<SyncAnswer> => {
    switch (request[0]) {
      case 'roots': {
        const rows = []
        for (const context of await epochsFrom(request[1], request[2])) {
          const { count, root } = await collector.rootOf(context)
          rows.push([context.epoch, context.beacon, count, root] as [number, Uint8Array, number, Uint8Array])
        }
        return ['roots', rows]
      }
      case 'held': {
        const context = await underBeacon(request[1], request[2])
        if (context === undefined) return refused('beacon')
        const held = new Set((await collector.standing(context)).map(({ seat }) => seat))
        return [
          'held',
          bitfieldOf(context.snapshot.length, (index) => held.has(context.snapshot[index]!.seat)),
        ]
      }
      case 'fetch': {
        const context = await underBeacon(request[1], request[2])
        if (context === undefined) return refused('beacon')
        const wanted = new Set(request[3])
        const found = (await collector.standing(context)).filter(({ seat }) => wanted.has(seat))
        return ['attestations', found.map(({ signed }) => signedRow(signed))]
      }
      case 'of-seat': {
        const found = await node.attestations.ofSeat(request[1], request[2], request[2] + request[3])
        return ['attestations', found.slice(-maxSyncAttestations).map(({ signed }) => signedRow(signed))]
      }
      case 'proofs': {
        const weeks = new Set((await epochsFrom(request[1], request[2])).map(({ week }) => week))
        const proofs: Uint8Array[] = []
        for (const week of weeks) proofs.push(...(await collector.equivocators(week)).values())
        return ['proofs', proofs.slice(0, maxSyncProofs)]
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
      busy: syncAnswerCodec.encode(refused('busy')),
    },
    async (bytes, { peerKey }) => {
      const request = syncRequestCodec.decode(bytes)
      if (request.is === 'bad') {
        node.metrics.messages.inc({ kind: 'sync', outcome: 'reject', code: request.code })
        node.host.penalise(peerKey, 'invalid-message')
        return syncAnswerCodec.encode(refused(request.code))
      }
      return syncAnswerCodec.encode(await answer(request.value))
    },
  )
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

export const createSyncClient = (node: NodeContext, collector: Collector): SyncClient => {
  const ask = async (row: SnapshotRow, request: SyncRequest, signal: AbortSignal): Promise<SyncAnswer> => {
    const resolution = await resolveObservedAddress(row.host, node.resolveHost, {
      allowLoopback: node.allowLoopback,
      signal,
    })
    const bytes = await node.host.request(
      {
        peerKey: row.peer,
        address: resolution.is === 'ok' ? { ip: resolution.address.ip, port: row.p2p } : null,
      },
      protocols.sync,
      syncRequestCodec.encode(request),
      { timeoutMs: requestTimeoutMs, maxResponseBytes: syncAnswerCodec.maxBytes, signal },
    )
    const answer = syncAnswerCodec.decode(bytes)
    if (answer.is === 'bad') {
      node.host.penalise(row.peer, 'invalid-message')
      throw new SecnodeError('SYNC_ANSWER', `${row.host} answered sync with ${answer.code}`)
    }
    if (answer.value[0] === 'refused' && answer.value[1] !== 'beacon') {
      throw new SecnodeError('SYNC_REFUSED', `${row.host} refused sync: ${answer.value[1]}`)
    }
    return answer.value
  }

  const misanswered = (row: SnapshotRow): SecnodeError => {
    node.host.penalise(row.peer, 'invalid-message')
    return new SecnodeError('SYNC_ANSWER', `${row.host} answered something else than it was asked`)
  }

  /** Fetches what the peer holds of an epoch and this node does not; gives how many were new. */
  const fetchMissing = async (
    row: SnapshotRow,
    context: EpochContext,
    signal: AbortSignal,
  ): Promise<number> => {
    const held = await ask(row, ['held', context.epoch, context.beacon], signal)
    if (held[0] === 'refused') return 0
    if (held[0] !== 'held') throw misanswered(row)
    const own = new Set((await collector.standing(context)).map(({ seat }) => seat))
    const equivocators = await collector.equivocators(context.week)
    const missing = context.snapshot
      .filter(({ seat }, index) => hasBit(held[1], index) && !own.has(seat) && !equivocators.has(seat))
      .map(({ seat }) => seat)
    let fetched = 0
    for (let i = 0; i < missing.length; i += maxSyncAttestations) {
      const seats = missing.slice(i, i + maxSyncAttestations)
      const answer = await ask(row, ['fetch', context.epoch, context.beacon, seats], signal)
      if (answer[0] === 'refused') return fetched
      if (answer[0] !== 'attestations') throw misanswered(row)
      for (const [payload, signature] of answer[1]) {
        const taken = await collector.take(encodeSigned({ payload, signature }), 'sync')
        if (taken.is === 'accept') fetched++
        if (taken.is === 'reject') {
          node.host.penalise(row.peer, 'false-data')
          throw new SecnodeError(
            'SYNC_INVALID',
            `${row.host} gave an attestation that is wrong: ${taken.code}`,
          )
        }
      }
    }
    return fetched
  }

  const exchangeSome = async (
    row: SnapshotRow,
    from: Epoch,
    count: number,
    signal: AbortSignal,
  ): Promise<SyncOutcome> => {
    const outcome: SyncOutcome = { agreed: 0, differing: 0, fetched: 0 }
    const proofs = await ask(row, ['proofs', from, count], signal)
    if (proofs[0] !== 'proofs') throw misanswered(row)
    for (const proof of proofs[1]) {
      const taken = await collector.takeProof(proof)
      if (taken.is === 'reject') {
        node.host.penalise(row.peer, 'false-data')
        throw new SecnodeError('SYNC_INVALID', `${row.host} gave a proof that is wrong: ${taken.code}`)
      }
    }
    const roots = await ask(row, ['roots', from, count], signal)
    if (roots[0] !== 'roots') throw misanswered(row)
    for (const [epoch, beacon, , root] of roots[1]) {
      if (epoch < from || epoch >= from + count) throw misanswered(row)
      const context = await node.epochs.get(epoch)
      if (context === undefined || !equalBytes(context.beacon, beacon)) continue
      await collector.open(context)
      if (equalBytes((await collector.rootOf(context)).root, root)) {
        outcome.agreed++
        continue
      }
      outcome.fetched += await fetchMissing(row, context, signal)
      if (equalBytes((await collector.rootOf(context)).root, root)) outcome.agreed++
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
