import type { Epoch, Height, Seat } from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import type { KeyHolder } from '../net/probe.ts'
import { addressOfBytes } from '../net/resolve.ts'
import { seenOf } from '../net/self-look.ts'
import type { NodeContext } from './context.ts'
import { askDialBack, type DialBackQuestion } from './dial-back.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { drawOthers } from './recovery.ts'

/** What others saw when they were asked to dial back. */
export interface ObservedOutside {
  atHeight: Height
  epoch: Epoch
  asked: number
  /** Those that were announced, and so dialled. */
  ports: { p2p: number; tls: number }
  views: readonly OutsideAnswer[]
}

/** One seat's answer to a dial-back (R-DIAL-1): the address it dialled, and verdicts with what it saw. */
export interface OutsideAnswer {
  seat: Seat
  host: string
  address: string
  p2p: { verdict: number; saw: string }
  tls: { verdict: number; saw: string }
}

/** Three of five agree by chance of a bad way only if three ways are bad. */
const askedSeats = 5

/** R-DIAL-1: asks some random seats at once whether they reach this one as it was announced. */
export const askOutside = async (
  node: NodeContext,
  context: EpochContext,
  own: DialBackQuestion,
  signal: AbortSignal,
  seats = askedSeats,
): Promise<ObservedOutside> => {
  const others = drawOthers(context.snapshot, own.seat, node.world.randomBytes(32), seats)
  const answers = await Promise.all(
    others.map(async ({ seat, host, peer, p2p }): Promise<OutsideAnswer | null> => {
      try {
        const outcome = await askDialBack(node, { peer, host, p2p }, own, signal)
        if (outcome.is !== 'dialled') {
          node.logger.debug({ host, outcome }, 'a seat does not dial back now')
          return null
        }
        const address = addressOfBytes(outcome.address)?.ip ?? 'an odd address'
        await noteHolder(node, context.epoch, outcome.holder, `${address} port ${own.tls}`)
        return {
          seat,
          host,
          address,
          p2p: { verdict: outcome.p2p.verdict, saw: outcome.p2p.seen },
          tls: { verdict: outcome.tls.verdict, saw: outcome.tls.seen },
        }
      } catch (error) {
        signal.throwIfAborted()
        node.logger.debug({ host, reason: messageOf(error) }, 'a seat could not be asked to dial back')
        return null
      }
    }),
  )
  return {
    atHeight: node.chain.confirmedHeight,
    epoch: context.epoch,
    asked: others.length,
    ports: { p2p: own.p2p, tls: own.tls },
    views: answers.filter((answer) => answer !== null),
  }
}

/** R-ATT-7: whoever proved there, over this node's own nonce, to hold its key. */
const noteHolder = async (
  node: NodeContext,
  epoch: Epoch,
  holder: KeyHolder | null,
  at: string,
): Promise<void> => {
  const seen = holder === null ? null : seenOf(node.instance, holder)
  if (seen?.is === 'another' && seen.signs) await node.signing.foundElsewhere(epoch, at)
}
