import {
  type Epoch,
  equalBytes,
  firstEpochOfAnnouncement,
  type Height,
  peerIdOfKey,
  type Seat,
  type SeatRecord,
  standingOfTakeover,
  type TakeoverStanding,
  type WatchedEpoch,
} from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
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

/** How a standby has come to its seat. */
export type TakenOver = 'taken-over' | 'successor'

/** The seat of this node, announced since under the key of another one (R-ATT-8). JSON. */
export interface MovedSeat {
  seat: Seat
  /** Peer id of the other one. */
  peer: string
  /** The first epoch in which this node does not sign for the seat. */
  from: Epoch
}

/** Going on as a seat of which another daemon is, or was: by the chain, or by the operator's word (R-ATT-8). */
export interface Takeover {
  /** After each height that was handled at the tip; `watchedFrom` is that since which no block was missed. */
  onHeight(watchedFrom: Height | null): Promise<void>
  /** Null for a node that signs for its seat. */
  watched(): WatchedSeat | null
  /** Null while the chain names this node's key, and for standbys. */
  moved(): MovedSeat | null
  /** The seat that could be taken over. Errors: TAKEOVER_NOTHING, TAKEOVER_NO_SEAT, TAKEOVER_KEYS. */
  mayTakeOver(): Promise<Seat>
  /** The operator says that the other daemon is stopped. Durable before it resolves. */
  giveWord(): Promise<void>
  /** Called when a standby is to go on as the seat: under the keys of the seat, or as its successor under its own. */
  onDue(listener: (as: TakenOver) => void): void
}

export interface TakeoverParts {
  collector: Collector
  /** R-EPOCH-3: other seats whose attestation was held by mustHold. */
  heardOf(context: EpochContext, seat: Seat | undefined): Promise<number>
  /** Who answers at the announced address with the seat's key. */
  look(context: EpochContext, seat: Seat, signal: AbortSignal): Promise<(SelfSeen & { at: string }) | null>
  /** Takes in what three other seats hold of this one, from an epoch on. False if fewer answered. */
  askOthers(context: EpochContext, seat: Seat, from: Epoch, signal: AbortSignal): Promise<boolean>
  /** Runs beside the caller; false if there is no room now. */
  run(work: (signal: AbortSignal) => Promise<void>): boolean
}

export const createTakeover = (node: NodeContext, parts: TakeoverParts): Takeover => {
  const { signing, epochs } = node
  const { collector } = parts
  let watchedFrom: Height | null = null
  let isAsking = false
  let silentEpoch: Epoch | null = null
  let waitsFor = 'the next block'
  let givenUp: string | null = null
  let onDue: (as: TakenOver) => void = () => undefined

  const isWatching = (): boolean => node.isStandby || signing.twin() !== null
  const firstEpochOf = ({ announced }: SeatRecord): Epoch =>
    firstEpochOfAnnouncement(node.genesis, announced.height)
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
        heard: await parts.heardOf(context, seat),
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

  const standingNow = async (
    saidIn: Epoch,
  ): Promise<{ standing: TakeoverStanding; current: Epoch } | null> => {
    const current = epochs.current()
    if (current === null) return null
    const seen = await watchedEpochs(current, seatOf())
    const { confirmedHeight } = node.chain
    return { standing: standingOfTakeover(saidIn, confirmedHeight, watchedFrom, seen), current }
  }

  /** What a standing that is not due asks for. */
  const note = async (standing: Exclude<TakeoverStanding, { is: 'due' }>): Promise<void> => {
    if (standing.is === 'waiting') waitsFor = whyWaiting(standing)
    else if (standing.why === 'too-old')
      await giveUp('no epoch was seen whole for so long that the word is too old')
    else await giveUp(`the seat attested epoch ${standing.epoch}, which opened after the word was given`)
  }

  /** The last questions before it is taken over, which wait on others. */
  const takeOver = async (saidIn: Epoch, silent: Epoch, signal: AbortSignal): Promise<void> => {
    const seat = seatOf()
    const context = await epochs.get(epochs.current() ?? 0)
    if (context === undefined || seat === undefined) return
    if (!(await parts.askOthers(context, seat, silent, signal))) {
      waitsFor = 'three other seats to say what they hold of the seat'
      return
    }
    const seen = await parts.look(context, seat, signal)
    if (seen?.is === 'another') {
      waitsFor = `the daemon that answers at ${seen.at} with the keys of the seat to stop`
      return
    }
    // Others may have known of attestations that this node did not hold, and time has passed.
    const now = await standingNow(saidIn)
    if (now === null || signing.saidIn() !== saidIn) return
    if (now.standing.is !== 'due') return await note(now.standing)
    const height = node.chain.confirmedHeight
    await signing.takeOver(height, now.current)
    node.logger.warn(
      { epoch: silent, height },
      'the seat was silent for a whole epoch: this node takes it over',
    )
    if (node.isStandby) onDue('taken-over')
  }

  return {
    async onHeight(from) {
      watchedFrom = from
      if (!isWatching()) return
      // The chain gives the seat to this node from the second epoch after the announcement's on: it is ready before.
      const announced = node.chain.recordOf(node.stake)
      if (node.isStandby && announced !== undefined && equalBytes(announced.peer, node.keys.peerKey)) {
        node.logger.warn({ from: firstEpochOf(announced) }, 'the chain names this standby for the seat')
        return onDue('successor')
      }
      // What it would say if the word were given now.
      const silence = await standingNow(epochs.current() ?? 0)
      silentEpoch = silence?.standing.is === 'due' ? silence.standing.epoch : null
      const saidIn = signing.saidIn()
      const now = saidIn === null ? null : await standingNow(saidIn)
      if (now === null || saidIn === null) return
      const { standing } = now
      if (standing.is !== 'due') return await note(standing)
      if (isAsking) return
      isAsking = parts.run(async (signal) => {
        try {
          await takeOver(saidIn, standing.epoch, signal)
        } finally {
          isAsking = false
        }
      })
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
    moved() {
      const announced = node.chain.recordOf(node.stake)
      if (node.isStandby || announced === undefined || equalBytes(announced.peer, node.keys.peerKey))
        return null
      // With another voting key, too, it is another node altogether, or `keys` names the wrong file.
      if (!equalBytes(announced.bls, node.keys.blsPublicKey)) return null
      return { seat: announced.seat, peer: peerIdOfKey(announced.peer), from: firstEpochOf(announced) }
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
            hint: 'Put the key file of the seat where `keys` of the configuration says, or take over with --by-chain.',
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
