import {
  type DigestedTally,
  type Epoch,
  isWeek,
  type Seat,
  type Week,
  weekBefore,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import { outcomeAt, wordsAbout } from './judged-epoch.ts'
import { countWords } from './seat-words.ts'
import type { Weeks } from './weeks.ts'

/** `2026-W47`, `current` or `last` as a week of this chain. Errors: TALLY_WEEK (exit code 2), TALLY_NO_WEEK (3). */
export const resolveWeek = async ({ epochs }: Pick<Weeks, 'epochs'>, text: string): Promise<Week> => {
  if (isWeek(text)) return text
  if (text !== 'current' && text !== 'last') {
    throw new SecnodeError('TALLY_WEEK', `${text} is no week`, {
      exitCode: 2,
      hint: 'Write an ISO week such as 2026-W47, or `current`, or `last`.',
    })
  }
  const current = epochs.current()
  const week = current === null ? undefined : await epochs.weekOf(current)
  if (week === undefined) {
    throw new SecnodeError('TALLY_NO_WEEK', 'no epoch has begun on this chain yet', {
      exitCode: 3,
      hint: 'Let the follower reach the activation height first.',
    })
  }
  return text === 'current' ? week : weekBefore(week)
}

/** The tally of a week as it stands. Errors: those of `resolveWeek` and `Weeks.input`. */
export const tallyOfWeek = async (weeks: Weeks, week: string, signal: AbortSignal): Promise<DigestedTally> =>
  await weeks.tally(await resolveWeek(weeks, week), signal)

/** One epoch: what came out for each seat, and how often each verdict was given of it. */
export interface EpochReport {
  epoch: Epoch
  week: Week
  seats: {
    seat: Seat
    host: string
    outcome: string
    /** Number of assigned challengers. */
    challengers: number
    /** Words of R-VERD-1 → how many challengers; `silent` for those without an attestation in the set. */
    said: Record<string, number>
  }[]
}

/** Of an anchored week what its anchor fixes, of another what stands. Errors: TALLY_EPOCH (exit code 2), TALLY_NO_EPOCH (3). */
export const reportEpoch = async (
  weeks: Weeks,
  number: Epoch,
  signal: AbortSignal = new AbortController().signal,
): Promise<EpochReport> => {
  if (!Number.isSafeInteger(number) || number < 0) {
    throw new SecnodeError('TALLY_EPOCH', 'that is no number of an epoch', {
      exitCode: 2,
      hint: 'Epochs count from 0 at the activation height; `secnode status` shows the current one.',
    })
  }
  const context = await weeks.epochs.get(number)
  if (context === undefined) {
    throw new SecnodeError(
      'TALLY_NO_EPOCH',
      `epoch ${number} has not begun, or this store does not know it`,
      {
        exitCode: 3,
        hint: `The current epoch is ${weeks.epochs.current() ?? 'none'}.`,
      },
    )
  }
  const fixed = await weeks.fixed(context.week, signal)
  const view = await weeks.judged.read(context, fixed, signal)
  return {
    epoch: number,
    week: context.week,
    seats: context.snapshot.map(({ seat, host }, index) => ({
      seat,
      host,
      outcome: outcomeAt(view, index)!,
      challengers: context.committees.k,
      said: countWords(wordsAbout(view, index)),
    })),
  }
}
