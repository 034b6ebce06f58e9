import { messageOf } from '../../errors.ts'
import { addressOfBytes } from '../../net/resolve.ts'
import type { Daemon } from '../daemon.ts'
import { askDialBack, type DialBackQuestion } from '../dial-back.ts'
import type { EpochContext } from '../../epochs/epoch-book.ts'
import { drawOthers } from '../recovery.ts'
import type { ObservedOutside, OutsideAnswer } from './observations.ts'

/** Three of five agree by chance of a bad way only if three ways are bad. */
const askedSeats = 5

/** R-DIAL-1: asks some random seats at once whether they reach this one as it was announced. */
export const askOutside = async (
  { node, probesAnswered }: Pick<Daemon, 'node' | 'probesAnswered'>,
  context: EpochContext,
  own: DialBackQuestion,
  signal: AbortSignal,
): Promise<ObservedOutside> => {
  const others = drawOthers(context.snapshot, own.seat, node.world.randomBytes(32), askedSeats)
  const answeredBefore = probesAnswered()
  const answers = await Promise.all(
    others.map(async ({ seat, host, peer, p2p }): Promise<OutsideAnswer | null> => {
      try {
        const outcome = await askDialBack(node, { peer, host, p2p }, own, signal)
        if (outcome.is !== 'dialled') {
          node.logger.debug({ host, outcome }, 'a seat does not dial back now')
          return null
        }
        return {
          seat,
          host,
          address: addressOfBytes(outcome.address)?.ip ?? 'an odd address',
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
    answeredHere: probesAnswered() - answeredBefore,
  }
}
