import type { CID } from 'multiformats/cid'
import {
  type ChainWeeks,
  cidOf,
  epochStart,
  formatAnchor,
  type Height,
  type NamedAnchor,
  noWeeks,
  type Seat,
  type SeatRecord,
  type Senior,
  signersOf,
  startOfWeek,
  stepWeeks,
  viewOpening,
  type Week,
  weekAfter,
  type WeekRecord,
} from '../../protocol/index.ts'
import type { WeekRules } from '../../protocol/weeks.ts'
import { genesis, networkId, paramsWith, seedOf } from './fixture.ts'

const params = paramsWith({ viewBlocks: 4, anchorBlocks: 8, certifiers: 6 })
const epochsPerWeek = 3
const firstWeek = '2026-W10' as Week
const rules: WeekRules = { genesis, networkId, schedule: [{ from: firstWeek, params }], voided: [] }
/** Votes are the matter of other tests: what counts here is from which list certifiers are drawn. */
const trusting = { verifyAggregate: () => true }

/** A seat with its first, second, … voting key. */
export type Voter = readonly [seat: Seat, key: number]

export interface PlayedWeek {
  /** Who is senior at its end. */
  own: readonly Voter[]
  /** Whether somebody posts an anchor, if the week has views. */
  isAnchored: boolean
}

export const seniorOf = ([seat, key]: Voter): Senior => ({
  seat,
  bls: Uint8Array.of(...seedOf('bls', seat, key), ...seedOf('more').subarray(0, 16)),
})

const recordOf = (voter: Voter): SeatRecord => ({
  ...seniorOf(voter),
  stake: seedOf('stake', voter[0]).slice(0, 20),
  peer: seedOf('peer', voter[0]),
  host: `n${voter[0]}.devnet.test`,
  p2p: 9_000,
  tls: 9_001,
  blsSince: genesis.activationHeight,
  at: 1,
  announced: { height: genesis.activationHeight, index: 0 },
  activeSince: genesis.activationHeight,
})

/** What the chain says of each week at its block F. */
export const play = (played: readonly PlayedWeek[]): WeekRecord[] => {
  const names = [firstWeek]
  while (names.length < played.length + 2) names.push(weekAfter(names.at(-1)!))
  const frozen: WeekRecord[] = []
  let weeks: ChainWeeks = noWeeks
  const last = epochStart(genesis, epochsPerWeek * played.length + 1)
  for (let height = genesis.activationHeight; height <= last; height++) {
    const epoch = Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)
    const index = Math.floor(epoch / epochsPerWeek)
    const due = frozen.at(-1)
    const isDue =
      due?.list !== undefined &&
      due.list !== null &&
      played[frozen.length - 1]!.isAnchored &&
      height === viewOpening(genesis, params, due.freeze!.height, 0)
    const certifiers = isDue ? Math.min(due.list!.seniors.length, params.certifiers) : 0
    const memo = isDue
      ? formatAnchor({
          week: due.week,
          view: 0,
          checkpoint: checkpointOf(due.week),
          signers: signersOf(new Set(Array.from({ length: certifiers }, (_, i) => i)), certifiers),
          signature: new Uint8Array(96),
        })
      : null
    const stepped = stepWeeks(
      rules,
      weeks,
      {
        height,
        hash: seedOf('hash', height),
        medianTime: startOfWeek(names[index]!) + 1,
        snapshotSeats: epoch < 2 ? 0 : 7,
        seatsBefore: () => played[index - 1]!.own.map(recordOf),
        candidates: memo === null ? [] : [{ index: 1, memo }],
      },
      trusting,
    )
    if (stepped.refused.length > 0) throw new Error(stepped.refused[0]!.code)
    weeks = stepped.weeks
    const record = weeks.records.find(({ freeze }) => freeze?.height === height)
    if (record !== undefined) frozen.push(record)
  }
  return frozen
}

const checkpointOf = (week: Week): CID => cidOf(seedOf('checkpoint', week))

/** The anchor of a week that froze at this height: in the first block in which it counts. */
export const anchorOf = (week: Week, freeze: Height): NamedAnchor => {
  const height = viewOpening(genesis, params, freeze, 0)
  return { checkpoint: checkpointOf(week), height, blockHash: seedOf('hash', height) }
}
