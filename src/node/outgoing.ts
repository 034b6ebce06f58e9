import {
  cidOf,
  decodeAttestation,
  encodeSigned,
  type Epoch,
  epochStart,
  equalBytes,
  type HeldAttestation,
  type Height,
  type Signed,
  topicsOf,
  whyClosed,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'

/**
 * Own attestations on their way out (R-ATT-5): on disk from the moment they are signed, and held, which is to say shown
 * to whoever asks, from the moment they are sent. Who got one by sync before would not pass it on when gossip brings it.
 *
 * All nodes come to the end of the window at the same block: 40,000 attestations at once would be dropped as a flood.
 * Each waits for a random part of the spread, but not beyond its epoch: from there half an epoch is left for it to come
 * everywhere (R-CP-3).
 */
export interface Outgoing {
  /**
   * Signed and on disk. Without a spread, or when its epoch is over, it is sent before this resolves. With `waits` it is
   * sent at the end of its epoch: until then another daemon's may come first (R-ATT-7).
   */
  add(context: EpochContext, signed: Signed, options?: { waits: boolean }): Promise<void>
  /** Sends what may wait no longer. */
  onHeight(height: Height): Promise<void>
  /** What was signed of the epochs [from, to] before the start may never have left: the same bytes go out. */
  sendAgain(from: Epoch, to: Epoch): Promise<void>
  /**
   * Sends at once what still waits for its moment, since nobody knows when the next start is; what waits for another
   * daemon's is left to the next start. Idempotent.
   */
  stop(): Promise<void>
}

type Own = Omit<HeldAttestation, 'heldAt'>

interface Waiting {
  context: EpochContext
  own: Own
  cancel: () => void
  /** For the end of its epoch. */
  isLast: boolean
  /** Its moment came while the chain was on another branch. */
  isDue: boolean
}

export const createOutgoing = (node: NodeContext, collector: Collector): Outgoing => {
  const topic = topicsOf(node.networkId).attestations.name
  const waiting = new Set<Waiting>()
  const sending = new Set<Promise<void>>()
  let isStopped = false

  const ownOf = (signed: Signed): Own => {
    const attestation = decodeAttestation(signed.payload)
    if (attestation === null) throw new Error('an own attestation that is none')
    return { seat: attestation.seat, cid: cidOf(signed.payload), signed }
  }

  const send = async (context: EpochContext, own: Own): Promise<void> => {
    // The other daemon may have published another one of that epoch (R-ATT-7).
    if (!node.signing.isOn()) return
    if (!(await collector.takeOwn(context, own))) {
      // Of another node with the same keys: with this one the seat would be an equivocator.
      node.logger.error(
        { epoch: context.epoch },
        'another attestation of this seat is out: this one is not sent',
      )
      return
    }
    await node.conduct.publish(
      context,
      own.signed,
      async (signed) => void (await node.host.publish(topic, encodeSigned(signed))),
    )
  }

  /** Its turn has come, whatever says so; twice is no more than once. */
  const release = (one: Waiting): Promise<void> => {
    if (!waiting.delete(one)) return Promise.resolve()
    one.cancel()
    const work = async (): Promise<void> => {
      const { epoch, beacon } = one.context
      const context = await node.epochs.get(epoch)
      if (context !== undefined && equalBytes(context.beacon, beacon)) return await send(context, one.own)
      // Under a beacon that is gone it neither counts nor accuses (R-CHAIN-2). The branch may come back.
      if (!isStopped) waiting.add({ ...one, isDue: true })
    }
    const sent = work()
      .catch((error: unknown) => {
        node.logger.error({ reason: messageOf(error) }, 'an own attestation could not be sent')
      })
      .finally(() => sending.delete(sent))
    sending.add(sent)
    return sent
  }

  const spreadOut = (): number => {
    const [a = 0, b = 0] = node.world.randomBytes(2)
    return Math.floor((node.publishSpreadMs * (256 * a + b)) / 65_536)
  }

  const isOver = ({ epoch }: EpochContext, height: Height): boolean =>
    height >= epochStart(node.genesis, epoch + 1)

  return {
    async add(context, signed, { waits } = { waits: false }) {
      const one: Waiting = {
        context,
        own: ownOf(signed),
        cancel: () => undefined,
        isLast: waits,
        isDue: false,
      }
      waiting.add(one)
      if (isOver(context, node.chain.confirmedHeight)) return await release(one)
      if (waits) return
      if (isStopped || node.publishSpreadMs === 0) return await release(one)
      one.cancel = node.world.setTimer(spreadOut(), () => void release(one))
    },
    async onHeight(height) {
      for (const one of waiting) if (height >= one.context.phases.closes) waiting.delete(one)
      // All at once: what is under a beacon that is gone is among those that wait again at once.
      const due = [...waiting].filter((one) => one.isDue || isOver(one.context, height))
      await Promise.all(due.map(release))
    },
    async sendAgain(from, to) {
      for (let epoch = from; epoch <= to; epoch++) {
        const beacon = await node.epochs.beaconOf(epoch)
        const signed = beacon && (await node.attestations.ownSigned(epoch, beacon))
        if (beacon === undefined || signed === undefined) continue
        const own = ownOf(signed)
        const isTaken = whyClosed(node.genesis, epoch, node.chain.confirmedHeight) === null
        const isHeld = (await node.attestations.get(epoch, beacon, own.seat)) !== undefined
        if (isHeld && !isTaken) continue
        const context = await node.epochs.get(epoch)
        if (context === undefined || !equalBytes(context.beacon, beacon)) continue
        // Closed for gossip, it is there for sync.
        if (isTaken) await send(context, own)
        else await collector.takeOwn(context, own)
      }
    },
    async stop() {
      isStopped = true
      for (const one of waiting) if (!one.isLast) void release(one)
      await Promise.all(sending)
    },
  }
}
