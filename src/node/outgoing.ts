import {
  againOf,
  cidOf,
  decodeAttestation,
  encodeSigned,
  type Epoch,
  epochStart,
  equalBytes,
  type HeldAttestation,
  type SendingEffect,
  type SendingEvent,
  type Signed,
  startSending,
  stepSending,
  topicsOf,
  whyClosed,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { Role, Tip } from './role.ts'

/** Own attestations on their way out: drives the sending steps (R-ATT-5). */
export interface Outgoing extends Role {
  /**
   * Signed and on disk. Without a spread, or when its epoch is over, it is sent before this resolves. With `waits` it is
   * sent at the end of its epoch: until then another daemon's may come first (R-ATT-7).
   */
  add(context: EpochContext, signed: Signed, options?: { waits: boolean }): Promise<void>
  /** Sends what may wait no longer. */
  onHeight(tip: Tip): Promise<void>
  /** Sends the same bytes again of what was signed of the epochs [from, to] before the start. */
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
}

export const createOutgoing = (node: NodeContext, collector: Collector): Outgoing => {
  const topic = topicsOf(node.networkId).attestations.name
  const waitingById = new Map<number, Waiting>()
  const sending = new Set<Promise<void>>()
  let state = startSending(node.publishSpreadMs > 0)
  let nextId = 0

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

  const tell = async (event: SendingEvent): Promise<void> => {
    const step = stepSending(state, event)
    state = step.state
    // All at once: none waits for another's way out.
    await Promise.all(step.effects.map(carryOut))
  }

  const carryOut = async (effect: SendingEffect): Promise<void> => {
    const { id } = effect
    const one = waitingById.get(id)!
    if (effect.is === 'wait') {
      one.cancel = node.world.setTimer(spreadOut(), () => void tell({ is: 'moment', id }))
      return
    }
    one.cancel()
    if (effect.is === 'forget') waitingById.delete(id)
    else await track(release(id, one))
  }

  const release = async (id: number, { context, own }: Waiting): Promise<void> => {
    let isCanonical = true
    try {
      const { epoch, beacon } = context
      const present = await node.epochs.get(epoch)
      isCanonical = present !== undefined && equalBytes(present.beacon, beacon)
      if (isCanonical) await send(present!, own)
    } catch (error) {
      node.logger.error({ reason: messageOf(error) }, 'an own attestation could not be sent')
    }
    await tell({ is: isCanonical ? 'sent' : 'astray', id })
    if (!state.waiting.some((left) => left.id === id)) waitingById.delete(id)
  }

  const track = (work: Promise<void>): Promise<void> => {
    const tracked = work.finally(() => sending.delete(tracked))
    sending.add(tracked)
    return tracked
  }

  const spreadOut = (): number => {
    const [a = 0, b = 0] = node.world.randomBytes(2)
    return Math.floor((node.publishSpreadMs * (256 * a + b)) / 65_536)
  }

  return {
    async add(context, signed, { waits } = { waits: false }) {
      const id = nextId++
      waitingById.set(id, { context, own: ownOf(signed), cancel: () => undefined })
      const own = {
        id,
        over: epochStart(node.genesis, context.epoch + 1),
        closes: context.phases.closes,
        isLast: waits,
      }
      await tell({ is: 'signed', own, height: node.chain.confirmedHeight })
    },
    onHeight: ({ height }) => tell({ is: 'height', height }),
    async sendAgain(from, to) {
      for (let epoch = from; epoch <= to; epoch++) {
        const beacon = await node.epochs.beaconOf(epoch)
        const signed = beacon && (await node.attestations.ownSigned(epoch, beacon))
        if (beacon === undefined || signed === undefined) continue
        const own = ownOf(signed)
        const what = againOf({
          isOpen: whyClosed(node.genesis, epoch, node.chain.confirmedHeight) === null,
          isHeld: (await node.attestations.get(epoch, beacon, own.seat)) !== undefined,
        })
        const context = what === 'nothing' ? undefined : await node.epochs.get(epoch)
        if (context === undefined || !equalBytes(context.beacon, beacon)) continue
        if (what === 'publish') await send(context, own)
        else await collector.takeOwn(context, own)
      }
    },
    async stop() {
      void tell({ is: 'stop' })
      await Promise.all(sending)
    },
  }
}

const ownOf = (signed: Signed): Own => {
  const attestation = decodeAttestation(signed.payload)
  if (attestation === null) throw new Error('an own attestation that is none')
  return { seat: attestation.seat, cid: cidOf(signed.payload), signed }
}
