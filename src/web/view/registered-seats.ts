import {
  addressOfStake,
  type Height,
  peerIdOfKey,
  type Seat,
  type SeatRecord,
} from '../../../protocol/index.ts'
import type { AssembledNode } from '../../service/assemble.ts'

/** The registry as a page shows it: every seat that was ever announced, after one block. */
export interface RegisteredSeats {
  height: Height
  /** At the index of its number. */
  seats: readonly SeatRecord[]
  /** By the announcement in force, newest first. */
  byAnnouncement(): readonly SeatRecord[]
  /** Seats whose announcement in force stands in that block. */
  announcedAt(height: Height): readonly Seat[]
  addressOf(seat: SeatRecord): string
  peerIdOf(seat: SeatRecord): string
}

export interface SeatRegister {
  /** As of the last confirmed block, or one a little before it where the network is large. */
  read(): Promise<RegisteredSeats>
  revision(): number
}

/** Reading 40,000 rows takes a fifth of a second: at most a twentieth of the time goes into it. */
const restPerRead = 19

export const createSeatRegister = ({
  daemon,
  follower,
  network,
}: Pick<AssembledNode, 'daemon' | 'follower' | 'network'>): SeatRegister => {
  const { world } = daemon.node
  const { chain, activationHeight } = network.profile.genesis
  let known: { read: RegisteredSeats; restUntilMs: number } | null = null
  let reading: Promise<RegisteredSeats> | null = null
  let revision = 0

  const addressOf = (seat: SeatRecord): string => addressOfStake(chain, seat.stake)
  const peerIdOf = (seat: SeatRecord): string => peerIdOfKey(seat.peer)

  const readAt = async (height: Height): Promise<RegisteredSeats> => {
    const begunMs = world.monotonicMs()
    const seats = height < activationHeight ? [] : ((await follower.seatsAfter(height)) ?? [])
    const read = registeredOf(height, seats, { addressOf, peerIdOf })
    const tookMs = world.monotonicMs() - begunMs
    known = { read, restUntilMs: begunMs + restPerRead * tookMs }
    revision++
    return read
  }

  return {
    async read() {
      const height = follower.confirmedHeight
      if (known !== null && (known.read.height === height || world.monotonicMs() < known.restUntilMs)) {
        return known.read
      }
      reading ??= readAt(height).finally(() => (reading = null))
      return await reading
    },
    revision: () => revision,
  }
}

const registeredOf = (
  height: Height,
  seats: readonly SeatRecord[],
  spelling: Pick<RegisteredSeats, 'addressOf' | 'peerIdOf'>,
): RegisteredSeats => {
  let newest: readonly SeatRecord[] | null = null
  let byHeight: Map<Height, Seat[]> | null = null
  return {
    ...spelling,
    height,
    seats,
    byAnnouncement: () =>
      (newest ??= [...seats].sort(
        (a, b) => b.announced.height - a.announced.height || b.announced.index - a.announced.index,
      )),
    announcedAt: (at) => {
      if (byHeight === null) {
        byHeight = new Map()
        for (const { seat, announced } of seats) {
          const there = byHeight.get(announced.height)
          if (there === undefined) byHeight.set(announced.height, [seat])
          else there.push(seat)
        }
      }
      return byHeight.get(at) ?? []
    },
  }
}

/** Undefined for a number that was not given out. */
export const seatAt = ({ seats }: RegisteredSeats, seat: Seat): SeatRecord | undefined => seats[seat]
