import { SecnodeError } from '../errors.ts'

/** What is wrong with a bundle (R-CP-8). */
export type BundleFault =
  /** A block is not what its id says, or not what the rules want in its place. */
  | 'damaged'
  /** The file ends too early. */
  | 'cut'
  /** There is more in it than belongs in it. */
  | 'padded'
  /** It is another checkpoint's, or another network's. */
  | 'foreign'

const codes = {
  damaged: 'BUNDLE_DAMAGED',
  cut: 'BUNDLE_CUT',
  padded: 'BUNDLE_PADDED',
  foreign: 'BUNDLE_FOREIGN',
} as const

const hints: Readonly<Record<BundleFault, string>> = {
  damaged: 'Fetch the bundle again, or from somebody else: no other file has this fault by chance.',
  cut: 'The copy was not finished: fetch it again.',
  padded: 'Somebody added to it. Fetch it from somebody else.',
  foreign: 'Ask for the bundle of this week and network.',
}

/** Names the block: its number in the file, from 0, and the byte at which it begins. */
export const bundleError = (
  fault: BundleFault,
  place: { block: number; offset: number } | null,
  what: string,
): SecnodeError =>
  new SecnodeError(
    codes[fault],
    place === null ? what : `block ${place.block} at byte ${place.offset}: ${what}`,
    { hint: hints[fault] },
  )
