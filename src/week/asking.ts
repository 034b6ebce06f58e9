import type { CID } from 'multiformats/cid'
import {
  checkpointAnswerCodec,
  type CheckpointRequest,
  checkpointRequestCodec,
  cidOfDigest,
  type Epoch,
  maxLeaves,
  maxSyncAttestations,
  protocols,
  type Seat,
  type Signed,
  syncAnswerCodec,
  type SyncRequest,
  syncRequestCodec,
} from '../../protocol/index.ts'
import type { Leaf, Provider } from './ports.ts'

/** R-CP-3: one question of checkpoint/1. Errors: those of the network. */
export const askCheckpoint = async (
  { ask }: Pick<Provider, 'ask'>,
  request: CheckpointRequest,
  signal: AbortSignal,
): Promise<ReturnType<typeof checkpointAnswerCodec.decode>> => {
  const { maxBytes } = checkpointAnswerCodec
  return checkpointAnswerCodec.decode(
    await ask(protocols.checkpoint, checkpointRequestCodec.encode(request), maxBytes, signal),
  )
}

/** R-SYNC-1: one question of sync/1. Errors: those of the network. */
export const askSync = async (
  { ask }: Pick<Provider, 'ask'>,
  request: SyncRequest,
  signal: AbortSignal,
): Promise<ReturnType<typeof syncAnswerCodec.decode>> =>
  syncAnswerCodec.decode(
    await ask(protocols.sync, syncRequestCodec.encode(request), syncAnswerCodec.maxBytes, signal),
  )

/**
 * R-SYNC-1: the attestations of these seats, asked for in as many parts as it takes. `given` is null where the answer is
 * something else, or cannot be read. Nothing of it is checked. Errors: those of the network.
 */
export async function* fetchAttestations(
  provider: Pick<Provider, 'ask'>,
  { epoch, beacon }: { epoch: Epoch; beacon: Uint8Array },
  seats: readonly Seat[],
  signal: AbortSignal,
): AsyncGenerator<readonly Signed[] | null, void, undefined> {
  for (let at = 0; at < seats.length; at += maxSyncAttestations) {
    const some = seats.slice(at, at + maxSyncAttestations)
    const answer = await askSync(provider, ['fetch', epoch, beacon, some], signal)
    yield answer.is === 'ok' && answer.value[0] === 'attestations'
      ? answer.value[1].map(([payload, signature]) => ({ payload, signature }))
      : null
  }
}

/**
 * R-CP-3: the leaves under a root of a checkpoint, asked for in parts; null if they are not given, or if there are more
 * than `most`. Nothing of it is checked. Errors: those of the network.
 */
export const fetchLeaves = async (
  provider: Pick<Provider, 'ask'>,
  checkpoint: CID,
  epoch: Epoch,
  most: number,
  signal: AbortSignal,
): Promise<Leaf[] | null> => {
  const leaves: Leaf[] = []
  while (leaves.length <= most) {
    const request: CheckpointRequest = ['leaves', checkpoint, epoch, leaves.length, maxLeaves]
    const answer = await askCheckpoint(provider, request, signal)
    if (answer.is === 'bad' || answer.value[0] !== 'leaves') return null
    const [, some] = answer.value
    leaves.push(...some.map(([seat, digest]) => ({ seat, cid: cidOfDigest(digest) })))
    if (some.length < maxLeaves) return leaves
  }
  return null
}
