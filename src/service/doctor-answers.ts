import { z } from 'zod'
import {
  bytesToHex,
  createStream,
  equalBytes,
  peerIdOfKey,
  shuffledIndexes,
  unseated,
} from '../../protocol/index.ts'
import { pause } from '../async/deadline.ts'
import { messageOf } from '../errors.ts'
import { addressOfBytes } from '../net/resolve.ts'
import type { AssembledNode } from './assemble.ts'
import { askDialBack, type DialBackOutcome } from '../node/dial-back.ts'

/** What a running daemon tells the doctor of its own machine. */
export const DaemonStanding = z.strictObject({
  /** Last confirmed block that it has followed. */
  height: z.int(),
  seat: z.int().nullable(),
  /** What is announced for its stake; keys as peer id and hex. */
  announced: z
    .strictObject({
      peer: z.string(),
      host: z.string(),
      p2p: z.int(),
      tls: z.int(),
      bls: z.string(),
      isActive: z.boolean(),
      /** Unspent base units that count. */
      balance: z.string().regex(/^[0-9]+$/),
    })
    .nullable(),
})
export type DaemonStanding = z.infer<typeof DaemonStanding>

export const daemonStanding = ({ daemon, follower }: AssembledNode): DaemonStanding => {
  const standing = follower.standingOf(daemon.node.stake)
  return {
    height: follower.confirmedHeight,
    seat: standing?.record.seat ?? null,
    announced:
      standing === undefined
        ? null
        : {
            peer: peerIdOfKey(standing.record.peer),
            host: standing.record.host,
            p2p: standing.record.p2p,
            tls: standing.record.tls,
            bls: bytesToHex(standing.record.bls),
            isActive: standing.record.activeSince !== null,
            balance: standing.balance.toString(),
          },
  }
}

/** How one of those that were asked to dial back saw the node. */
export const OutsideSight = z.strictObject({
  /** Who was asked: its host. */
  from: z.string(),
  outcome: z.union([
    z.strictObject({
      is: z.literal('dialled'),
      /** Where it dialled, as text. */
      address: z.string(),
      /** Its clock, in seconds since 1970. */
      clock: z.number(),
      p2p: z.strictObject({ verdict: z.int(), seen: z.string() }),
      tls: z.strictObject({ verdict: z.int(), seen: z.string() }),
    }),
    z.strictObject({ is: z.literal('not-dialled'), why: z.string() }),
  ]),
})
export type OutsideSight = z.infer<typeof OutsideSight>

export const sightOf = (from: string, outcome: DialBackOutcome): OutsideSight => {
  if (outcome.is !== 'dialled') {
    return { from, outcome: { is: 'not-dialled', why: `${outcome.is}: ${outcome.code}` } }
  }
  const { is, clock, p2p, tls } = outcome
  const address = addressOfBytes(outcome.address)?.ip ?? ''
  return { from, outcome: { is, address, clock, p2p, tls } }
}

/** As what the doctor wants the node to be found. */
export const SightRequest = z.strictObject({
  host: z.string().max(253),
  p2p: z.int().min(1).max(65_535),
  tls: z.int().min(1).max(65_535),
})
export type SightRequest = z.infer<typeof SightRequest>

const askedSeats = 5
/** One that is busy with others is asked again: a dial back takes some seconds at most. */
const mostTries = 3
const busyPauseMs = 1_500

/** Asks some random seats at once to dial this node back (R-DIAL-1). */
export const outsideSights = async (
  { daemon, follower }: AssembledNode,
  request: SightRequest,
  signal: AbortSignal,
): Promise<OutsideSight[]> => {
  const { node } = daemon
  const seat = node.ownSeat()
  const seats = (await follower.seatsAfter(follower.confirmedHeight)) ?? []
  // Other stakes may be announced at this very node.
  const others = seats.filter((row) => row.activeSince !== null && !equalBytes(row.peer, node.keys.peerKey))
  const order = shuffledIndexes(createStream(node.world.randomBytes(32)), others.length)
  const drawn = [...order.subarray(0, askedSeats)].map((index) => others[index]!)
  const question = { ...request, seat: seat ?? unseated, stake: node.stake }
  return await Promise.all(
    drawn.map(async (row): Promise<OutsideSight> => {
      try {
        for (let tries = 1; ; tries++) {
          const outcome = await askDialBack(node, row, question, signal)
          const isBusy = outcome.is === 'later' && outcome.code === 'busy'
          if (!isBusy || tries === mostTries) return sightOf(row.host, outcome)
          await pause(node.world, busyPauseMs, signal)
        }
      } catch (error) {
        signal.throwIfAborted()
        return { from: row.host, outcome: { is: 'not-dialled', why: messageOf(error) } }
      }
    }),
  )
}
