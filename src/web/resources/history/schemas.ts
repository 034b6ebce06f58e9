import { z } from 'zod'
import { EpochNumber, SeatNumber, Week } from '../../../../protocol/index.ts'
import { named, Time, StandingWord, Moment, pageSchema } from '../../api/schemas.ts'

/** One word of one challenger. */
export const Challenge = named(
  'Challenge',
  z.strictObject({
    epoch: EpochNumber,
    seat: SeatNumber,
    challenger: SeatNumber,
    /** Code of R-VERD-1; null where the challenger said nothing that counts. */
    verdict: z.int().min(0).max(255).nullable(),
    said: z.string(),
    /** When the epoch began; null where that is not known any more. */
    time: Time.nullable(),
  }),
)
export type Challenge = z.infer<typeof Challenge>
export const ChallengePage = pageSchema('ChallengePage', Challenge)

export const SeatEpoch = named(
  'SeatEpoch',
  z.strictObject({
    epoch: EpochNumber,
    week: Week,
    /** Null where the seat was not in the snapshot. */
    outcome: z.string().nullable(),
    standing: StandingWord.nullable(),
    isOpen: z.boolean(),
    start: Moment,
    /** In ring order. */
    words: z.array(z.strictObject({ challenger: SeatNumber, verdict: z.int().nullable(), said: z.string() })),
  }),
)
export type SeatEpoch = z.infer<typeof SeatEpoch>

export const Downtime = named(
  'Downtime',
  z.strictObject({
    seat: SeatNumber,
    host: z.string(),
    reason: z.string(),
    epochs: z.int().min(1),
    start: Moment,
    /** The first epoch in which it was not so any more; null while it lasts. */
    end: Moment.nullable(),
    /** It began before the list's first epoch, where `start` stands: ask for the week before. */
    isCutAtStart: z.boolean(),
    /** It went on after the list's last epoch, where `end` stands: ask for the week after. */
    isCutAtEnd: z.boolean(),
  }),
)
export type Downtime = z.infer<typeof Downtime>
export const DowntimePage = pageSchema('DowntimePage', Downtime)

export const Exception = named(
  'Exception',
  z.strictObject({
    /**
     * `verdict`: a challenger found the seat wanting. `chain`: the answer was of another chain, or of part of one.
     * `silent`: the seat attested nothing. `abstained`: it could not judge more than half of its targets, so its own
     * chain node or network was down. `equivocation`: it signed two attestations of one epoch.
     */
    kind: z.enum(['verdict', 'chain', 'silent', 'abstained', 'equivocation']),
    epoch: EpochNumber.nullable(),
    week: Week,
    seat: SeatNumber,
    challenger: SeatNumber.nullable(),
    said: z.string(),
    /** When the epoch began; null for an equivocation, which is of a week. */
    time: Time.nullable(),
  }),
)
export type Exception = z.infer<typeof Exception>
export const ExceptionPage = pageSchema('ExceptionPage', Exception)
