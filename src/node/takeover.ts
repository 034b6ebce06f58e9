import {
  type Epoch,
  equalBytes,
  type Height,
  type Seat,
  standingOfTakeover,
  type TakeoverStanding,
  type WatchedEpoch,
} from '../../protocol/index.ts'
import type { EpochContext } from '../epochs/epoch-book.ts'
import { SecnodeError } from '../errors.ts'
import type { SelfSeen } from '../net/self-look.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'

/** A seat of which another daemon is, or was: a standby's, or that of a node that has stopped signing. JSON. */
export interface WatchedSeat {
  seat: Seat | null
  /** The newest whole epoch that it was silent in, with nothing of it heard since; null if there is none. */
  silentEpoch: Epoch | null
  /** The epoch in which the operator's word was given, and what it waits for; or why it was given up. */
  takeover: { is: 'waiting'; saidIn: Epoch; why: string } | { is: 'given-up'; why: string } | null
}

/** Going on as a seat whose daemon is stopped, by its operator's word (R-ATT-8). There is no other way. */
export interface Takeover {
  /** After each height that was handled at the tip; `watchedFrom` is that since which no block was missed. */
  onHeight(height: Height, watchedFrom: Height | null): Promise<void>
  /** Null for a node that signs for its seat. */
  watched(): WatchedSeat | null
  /** The seat that could be taken over. Errors: TAKEOVER_NOTHING, TAKEOVER_NO_SEAT, TAKEOVER_KEYS. */
  mayTakeOver(): Promise<Seat>
  /** The operator says that the other daemon is stopped. Durable before it resolves. */
  giveWord(): Promise<void>
  /** Called when a standby is to go on as the seat. */
  onDue(listener: () => void): void
}

export interface TakeoverParts {
  collector: Collector
  /** R-EPOCH-3: other seats whose attestation was held by mustHold. */
  heardOf(context: EpochContext, seat: Seat | undefined): Promise<number>
  /** Who answers at the announced address with the seat's key. */
  look(context: EpochContext, seat: Seat, signal: AbortSignal): Promise<(SelfSeen & { at: string }) | null>
}

export const createTakeover = (node: NodeContext, { collector, heardOf, look }: TakeoverParts): Takeover => {
  const { signing, epochs } = node
  let silentEpoch: Epoch | null = null
  let waitsFor = 'the next block'
  let givenUp: string | null = null
  let onDue: () => void = () => undefined

  const isWatching = (): boolean => node.isStandby || signing.twin() !== null
  const seatOf = (): Seat | undefined => node.chain.seatOfStake(node.stake)

  /** Those about which attestations may have come lately, up to the one that runs. */
  const watchedEpochs = async (current: Epoch, seat: Seat | undefined): Promise<WatchedEpoch[]> => {
    const found: WatchedEpoch[] = []
    for (let epoch = Math.max(0, current - 2); epoch <= current; epoch++) {
      const context = await epochs.get(epoch)
      if (context === undefined) continue
      const isInIt = seat !== undefined && context.rowOf(seat) !== undefined
      found.push({
        epoch,
        phases: context.phases,
        others: context.snapshot.length - (isInIt ? 1 : 0),
        heard: await heardOf(context, seat),
        isSeatHeard: isInIt && (await collector.heldOf(context, [seat])).length > 0,
      })
    }
    return found
  }

  const giveUp = async (why: string): Promise<void> => {
    givenUp = why
    node.logger.error({ why }, 'the takeover is given up')
    await signing.setSaidIn(null)
  }

  const act = async (standing: TakeoverStanding, current: Epoch, height: Height): Promise<void> => {
    if (standing.is === 'void') {
      return await giveUp(
        standing.why === 'seat-heard'
          ? `the seat attested epoch ${standing.epoch}, which opened after the word was given`
          : 'no epoch was seen whole for so long that the word is too old',
      )
    }
    if (standing.is === 'waiting') {
      waitsFor = whyWaiting(standing)
      return
    }
    const context = await epochs.get(current)
    const seat = seatOf()
    const seen = context === undefined || seat === undefined ? null : await look(context, seat, node.stopping)
    if (seen?.is === 'another') {
      waitsFor = `the daemon that answers at ${seen.at} with the keys of the seat to stop`
      return
    }
    await signing.takeOver(height, current)
    node.logger.warn(
      { epoch: standing.epoch, height },
      'the seat was silent for a whole epoch: this node takes it over',
    )
    if (node.isStandby) onDue()
  }

  return {
    async onHeight(height, watchedFrom) {
      const current = epochs.current()
      if (!isWatching() || current === null) return
      const seen = await watchedEpochs(current, seatOf())
      const silence = standingOfTakeover(current, height, watchedFrom, seen)
      silentEpoch = silence.is === 'due' ? silence.epoch : null
      const saidIn = signing.saidIn()
      if (saidIn !== null) await act(standingOfTakeover(saidIn, height, watchedFrom, seen), current, height)
    },
    watched() {
      if (!isWatching()) return null
      const saidIn = signing.saidIn()
      return {
        seat: seatOf() ?? null,
        silentEpoch,
        takeover:
          saidIn !== null
            ? { is: 'waiting', saidIn, why: waitsFor }
            : givenUp === null
              ? null
              : { is: 'given-up', why: givenUp },
      }
    },
    async mayTakeOver() {
      if (!isWatching()) {
        throw new SecnodeError('TAKEOVER_NOTHING', 'this node signs for its seat already', {
          exitCode: 2,
          hint: 'Run this on the standby, or on a node that has stopped signing.',
        })
      }
      const current = epochs.current()
      const context = current === null ? undefined : await epochs.get(current)
      const seat = seatOf()
      if (context === undefined || seat === undefined) {
        throw new SecnodeError(
          'TAKEOVER_NO_SEAT',
          'the chain, as far as it was followed, shows no seat of this stake',
          {
            hint: 'Wait until `secnode status` says that the chain is followed.',
          },
        )
      }
      const row = context.rowOf(seat)
      if (row !== undefined && !equalBytes(row.peer, node.seatKeys.peerKey)) {
        throw new SecnodeError(
          'TAKEOVER_KEYS',
          'the seat is announced with other keys than those of this node',
          {
            hint: 'Put the key file of the seat where `keys` of the configuration says, or announce these keys.',
          },
        )
      }
      return seat
    },
    async giveWord() {
      givenUp = null
      waitsFor = 'the next block'
      await signing.setSaidIn(epochs.current() ?? 0)
    },
    onDue(listener) {
      onDue = listener
    },
  }
}

const whyWaiting = ({ why, epoch }: Extract<TakeoverStanding, { is: 'waiting' }>): string => {
  const which = epoch === null ? 'the first epoch' : `epoch ${epoch}`
  switch (why) {
    case 'not-over':
      return `${which} to be over`
    case 'not-whole':
      return `an epoch that this node sees whole; ${which} it did not`
    case 'few-heard':
      return `an epoch in which this node hears at least half of the other seats; in ${which} it did not`
    case 'seat-heard':
      return `an epoch in which the seat is silent; in ${which} or the next it was heard`
  }
}
