import {
  createStream,
  drawSome,
  type Epoch,
  equalBytes,
  maxSyncAttestations,
  maxSyncProofs,
  protocols,
  type Signed,
  type SyncAnswer,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { EpochOfBranch } from './held-epochs.ts'

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
        return ['proofs', drawSome(proofs, maxSyncProofs, createStream(node.world.randomBytes(32)))]
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
