import {
  compareBytes,
  type EpochJudging,
  type JudgedEpoch,
  type Outcome,
  outcomeNames,
  type Steps,
  Verdict,
} from '../../protocol/index.ts'
import type { EpochContext } from './epoch-book.ts'
import { type SeatWord, silent, wordsOfChallengers } from './seat-words.ts'

/** An epoch with what came out of it for every seat, small enough to be kept: some 12 bytes a seat. */
export interface JudgedView extends JudgedEpoch {
  context: EpochContext
  /** Of the anchored set, which never changes; otherwise of what this node holds. */
  isFixed: boolean
  /** Attestations may still come. */
  isOpen: boolean
  /** The word of the i-th challenger (ring order) of the seat at `index`, at `index · k + i`; `silent` if it said nothing. */
  said: Uint8Array
  /**
   * Where most challengers saw each seat, 16 bytes at `16 · index`, IPv4 mapped; zeros where none called it valid. Empty
   * for all but the newest epochs.
   */
  seenAt: Uint8Array
}

/** What came out for the seat at `index` of the snapshot; undefined for −1. */
export const outcomeAt = ({ outcomes }: Pick<JudgedEpoch, 'outcomes'>, index: number): Outcome | undefined =>
  outcomeNames[outcomes[index] ?? -1]

/** Judges what was gathered of an epoch. `addresses`: with where its seats were seen. */
export const judgedViewInSteps = function* (
  context: EpochContext,
  judging: EpochJudging,
  { addresses, isFixed, isOpen }: { addresses: boolean } & Pick<JudgedView, 'isFixed' | 'isOpen'>,
): Steps<JudgedView> {
  const { epoch, beacon, snapshot } = context
  yield
  const { outcomes, attested } = judging.judge()
  yield
  const said = saidOf(context, judging)
  yield
  const seenAt = addresses ? seenAtOf(context, judging) : nowhere
  yield
  return { epoch, beacon, snapshot, attested, context, isFixed, isOpen, outcomes, said, seenAt }
}

/** Positions on the ring are walked by number, as a tally does: 440,000 words of the largest network. */
const saidOf = ({ committees }: EpochContext, { flat }: EpochJudging): Uint8Array => {
  const { size, k, ring } = committees
  const said = new Uint8Array(size * k).fill(silent)
  for (let position = 0; position < size; position++) {
    if (flat.attests[position] === 0) continue
    for (let i = 0; i < k; i++) {
      said[ring[(position + 1 + i) % size]! * k + i] = flat.verdicts[position * k + i]!
    }
  }
  return said
}

const seenAtOf = ({ committees }: EpochContext, { flat, addressOf }: EpochJudging): Uint8Array => {
  const { size, k, ring } = committees
  const seenAt = new Uint8Array(size * 16)
  const named: number[] = []
  for (let position = 0; position < size; position++) {
    named.length = 0
    for (let i = 0; i < k; i++) {
      const challenger = (position + size - 1 - i) % size
      const at = challenger * k + i
      if (flat.attests[challenger] === 1 && flat.verdicts[at] === Verdict.valid)
        named.push(flat.addresses[at]!)
    }
    if (named.length === 0) continue
    const address = addressOf(mostNamed(named, addressOf))
    const offset = 16 * ring[position]!
    seenAt.set(address, offset + 16 - address.length)
    if (address.length === 4) seenAt.set([0xff, 0xff], offset + 10)
  }
  return seenAt
}

/** Of these, at least one, which stands there most often; of several the smallest address. Mostly they are all the same. */
const mostNamed = (named: readonly number[], addressOf: EpochJudging['addressOf']): number => {
  let most = named[0]!
  let times = countOf(named, most)
  for (let i = 1; i <= named.length - times; i++) {
    const other = named[i]!
    const otherTimes = other === most ? 0 : countOf(named, other)
    if (otherTimes < times) continue
    if (otherTimes === times && compareBytes(addressOf(other), addressOf(most)) > 0) continue
    most = other
    times = otherTimes
  }
  return most
}

const countOf = (named: readonly number[], wanted: number): number => {
  let count = 0
  for (const number of named) if (number === wanted) count++
  return count
}

/** Where most challengers saw the seat at `index` of the snapshot, or null. */
export const addressAt = ({ seenAt }: Pick<JudgedView, 'seenAt'>, index: number): Uint8Array | null => {
  const bytes = seenAt.subarray(16 * index, 16 * index + 16)
  if (bytes.every((byte) => byte === 0)) return null
  const isMapped =
    bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0)
  return isMapped ? bytes.subarray(12) : bytes
}

/** What was said of the seat at `index`, challenger by challenger. */
export const wordsAbout = ({ context, said }: JudgedView, index: number): SeatWord[] => {
  const { k } = context.committees
  return wordsOfChallengers(context, index, (_, i) => said[index * k + i])
}

/** Of an epoch whose addresses are not kept. */
export const nowhere = new Uint8Array(0)

/** How an outcome reads at a glance. */
export type Standing = 'credited' | 'valid' | 'undecided' | 'invalid'

export const standingOf = (outcome: Outcome): Standing => {
  if (outcome === 'credited') return 'credited'
  if (outcome.startsWith('valid')) return 'valid'
  return outcome.startsWith('undecided') ? 'undecided' : 'invalid'
}

/** How many seats of an epoch have each standing. */
export const countStandings = ({ outcomes }: Pick<JudgedEpoch, 'outcomes'>): Record<Standing, number> => {
  const counts = { credited: 0, valid: 0, undecided: 0, invalid: 0 }
  for (const code of outcomes) counts[standingByCode[code]!]++
  return counts
}

const standingByCode: readonly Standing[] = outcomeNames.map(standingOf)
