import type { ActorStream } from './actor-stream.ts'
import { type ListPlan, type PendingWeeks, viewsByState, votesNeeded } from './pending.ts'

/** What `pendingWeeks` cannot say: outages that seats of a region share, and lists that are too short. */
export interface PlayedPlan extends ListPlan {
  /** A week with a shorter list has no views. */
  minSeniors: number
  /** Whole weeks that a seat has been there before it is a senior: 2 by R-CP-2; 0, others stand ready for its place. */
  wait: number
  /** Seats stand in so many regions, evenly. */
  regions: number
  /** Which share of the time that a seat is down its whole region is, for weeks. */
  together: number
  /** Mean length of that, in weeks. */
  awayWeeks: number
  /** How many times as many seats leave in a region that is away; the mean over all weeks stays `churn`. */
  awayChurn: number
}

/** At each place the week in which its seat came; `nobody` where the list has none. */
type List = Int32Array
const nobody = 0x7fff_ffff
const sinceEver = -0x8000_0000

interface Counts {
  pending: number
  runs: number
  ownList: number
}

/**
 * Plays weeks under several rules on the same seats: who comes, leaves and is down is the same for all. Each rule is the
 * number of weeks in a row that may use a list, as for `pendingWeeks`.
 */
export const playWeeks = (
  plan: PlayedPlan,
  tries: readonly number[],
  weeks: number,
  stream: ActorStream,
): PendingWeeks[] => {
  const seats = createSeats(plan, stream)
  const networks = tries.map((most) => createNetwork(plan, most, seats.seniors(0), stream))
  for (let week = 1; week <= weeks; week++) {
    seats.step(week)
    const seniors = seats.seniors(week)
    const states = viewsByState(plan).map((views) => ({ views, isUp: seats.drawUp() }))
    for (const network of networks) network.step(seniors, seats.since, states)
  }
  return networks.map(({ counts: { pending, runs, ownList } }) => ({
    pending: pending / weeks,
    run: runs === 0 ? 0 : pending / runs,
    ownList: ownList / weeks,
  }))
}

/** Places of seats: whoever leaves, another comes to its place within the same week. */
const createSeats = (plan: PlayedPlan, stream: ActorStream) => {
  const { seats, regions, together, awayWeeks, awayChurn, offline, churn, wait } = plan
  const since: List = new Int32Array(seats).fill(sinceEver)
  const awayShare = together * offline
  const alone = (offline - awayShare) / (1 - awayShare)
  const churnHere = churn / (1 - awayShare + awayShare * awayChurn)
  const churnAway = Math.min(1, churnHere * awayChurn)
  const isAway = Array.from({ length: regions }, () => stream.uniform() < awayShare)
  const leaving = awayShare === 0 ? 0 : Math.min(1, awayShare / (1 - awayShare) / awayWeeks)
  /** Of the places of a region each with this chance, from gap to gap. */
  const drawnPlaces = function* (region: number, chance: number): Generator<number> {
    for (
      let place = region + regions * stream.failuresBefore(chance);
      place < seats;
      place += regions * (1 + stream.failuresBefore(chance))
    ) {
      yield place
    }
  }
  return {
    since,
    step(week: number): void {
      for (let region = 0; region < regions; region++) {
        const ends = isAway[region]! && stream.uniform() < 1 / awayWeeks
        isAway[region] = isAway[region]! ? !ends : stream.uniform() < leaving
        for (const place of drawnPlaces(region, isAway[region]! ? churnAway : churnHere)) since[place] = week
      }
    },
    seniors: (week: number): List => since.map((came) => (came <= week - wait ? came : nobody)),
    drawUp(): Uint8Array {
      const isUp = new Uint8Array(seats).fill(1)
      for (let region = 0; region < regions; region++) {
        for (const place of drawnPlaces(region, isAway[region]! ? 1 : alone)) isUp[place] = 0
      }
      return isUp
    },
  }
}

interface State {
  views: number
  isUp: Uint8Array
}

/** A network under one rule. The week before the first is anchored. */
const createNetwork = (plan: PlayedPlan, tries: number, seniors: List, stream: ActorStream) => {
  const counts: Counts = { pending: 0, runs: 0, ownList: 0 }
  let handedOn = seniors
  let pendingInARow = 0
  return {
    counts,
    step(own: List, since: List, states: readonly State[]): void {
      const isWayOut = pendingInARow >= tries
      const list = isWayOut ? own : handedOn
      if (isWayOut) counts.ownList++
      if (isCertified(plan, list, since, states, stream)) {
        handedOn = sizeOf(own) >= plan.minSeniors ? own : list
        pendingInARow = 0
        return
      }
      counts.pending++
      if (pendingInARow === 0) counts.runs++
      pendingInARow++
    },
  }
}

const sizeOf = (list: List): number => list.reduce((size, came) => (came === nobody ? size : size + 1), 0)

const isCertified = (
  { minSeniors, certifiers }: PlayedPlan,
  list: List,
  since: List,
  states: readonly State[],
  stream: ActorStream,
): boolean => {
  const size = sizeOf(list)
  if (size < minSeniors) return false
  const drawn = Math.min(size, certifiers)
  const needed = votesNeeded(drawn)
  return states.some(({ views, isUp }) => {
    let voters = 0
    for (const [place, came] of list.entries()) {
      if (came !== nobody && came === since[place] && isUp[place] === 1) voters++
    }
    if (drawn === size) return views > 0 && voters >= needed
    for (let view = 0; view < views; view++) if (drawVotes(size, voters, drawn, stream) >= needed) return true
    return false
  })
}

/** How many of the voters of a list are among the certifiers that a view draws of it. */
const drawVotes = (size: number, voters: number, drawn: number, stream: ActorStream): number => {
  let votes = 0
  for (let i = 0; i < drawn; i++) if (stream.below(size - i) < voters - votes) votes++
  return votes
}
