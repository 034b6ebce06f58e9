import { bytesToHex, type NamedAnchor } from '../../protocol/index.ts'
import { genesis } from './fixture.ts'
import { anchorOf, play, type PlayedWeek, seniorOf, type Voter } from './played-lists.ts'

const keyed = (key: number, ...seats: readonly number[]): Voter[] => seats.map((seat) => [seat, key])

/** Weeks in which lists are handed on, carried on, left by the way out, and are missing. */
const weeks: readonly PlayedWeek[] = [
  { own: keyed(0, 0, 1, 2), isAnchored: false },
  { own: keyed(0, 0, 1, 2, 3, 4), isAnchored: true },
  { own: keyed(0, 0, 1, 2), isAnchored: true },
  { own: keyed(0, 0, 1), isAnchored: false },
  { own: [...keyed(0, 0), ...keyed(1, 1, 2, 3, 4, 5)], isAnchored: true },
  { own: keyed(1, 0, 1, 2, 3), isAnchored: false },
  { own: keyed(1, 0, 1, 2), isAnchored: false },
  { own: keyed(1, 0, 1, 2), isAnchored: true },
  { own: keyed(1, 0, 1, 2, 3, 4, 5, 6), isAnchored: true },
  { own: keyed(0, 0, 1, 2, 3), isAnchored: true },
]

const namedOf = (anchor: NamedAnchor | null) =>
  anchor && {
    checkpoint: anchor.checkpoint.toString(),
    height: anchor.height,
    blockHash: bytesToHex(anchor.blockHash),
  }

/** R-CP-2: of whom each week's certifiers are drawn, and what its checkpoint says of that (R-CP-1). */
export const listsVector = () => ({
  minSeniors: genesis.minSeniors,
  weeks: play(weeks).map(({ week, freeze, list, commits }, i) => ({
    week,
    seniors: weeks[i]!.own.map(seniorOf).map(({ seat, bls }) => ({ seat, bls: bytesToHex(bls) })),
    anchored: weeks[i]!.isAnchored && list !== null ? namedOf(anchorOf(week, freeze!.height)) : null,
    list: list === null ? null : list.seniors.map(({ seat }) => seat),
    listRoot: list === null ? null : bytesToHex(list.root),
    previous: namedOf(commits!.previous),
    handsOn: { count: commits!.handsOn.count, root: bytesToHex(commits!.handsOn.root) },
  })),
})
