import { sha256 } from '@noble/hashes/sha2.js'
import { z } from 'zod'
import { bytesToHex, reversedHex, utf8ToBytes } from '../bytes.ts'
import { EpochNumber, HeightNumber, NetworkId, SeatNumber, Week } from '../ids.ts'
import { paramsHash } from '../params.ts'
import { addressOfStake } from '../stake-address.ts'
import { isWeek } from '../week.ts'
import { canonicalJson } from './canonical-json.ts'
import type { TallyInput } from './input.ts'
import { tallyWeek } from './judging.ts'
import { outcomeOf } from './outcome.ts'

const Hex32 = z.string().regex(/^[0-9a-f]{64}$/)
/** Base units in decimal: JSON's own numbers would lose the last digits. */
const AmountText = z.string().regex(/^(0|[1-9][0-9]{0,18})$/)

const Count = z.int().min(0)

/** The tally of a week as people exchange it (design 2.7). Members that may be absent are null, never missing. */
export const TallyDocument = z.strictObject({
  network: NetworkId,
  week: Week.refine(isWeek, { error: 'must be a week that exists' }),
  state: z.enum(['open', 'frozen', 'certified', 'anchored', 'pending']),
  ruleset: z.int().min(1),
  /** Hash of the parameters in force. */
  params: Hex32,
  checkpoint: z.string().nullable(),
  anchor: z.strictObject({ height: HeightNumber, hash: Hex32 }).nullable(),
  epochs: z.array(
    z.strictObject({
      epoch: EpochNumber,
      beacon: Hex32,
      /** Seats in the snapshot. */
      seats: Count,
      /** Attestations that count. */
      attested: Count,
    }),
  ),
  totals: z.strictObject({
    /** After the fee reserve. */
    fund: AmountText,
    paid: AmountText,
    undistributed: AmountText,
    seats: Count,
    paidSeats: Count,
    score: Count,
  }),
  seats: z.array(
    z.strictObject({
      seat: SeatNumber,
      stake: z.string(),
      host: z.string(),
      /** One for each of `epochs`: null where the seat was not in the snapshot. */
      outcomes: z.array(z.string().nullable()),
      /** Epochs in whose snapshot it was. */
      epochs: Count,
      score: Count,
      equivocator: z.boolean(),
      amount: AmountText,
    }),
  ),
})
export type TallyDocument = z.infer<typeof TallyDocument>

/** A document with the SHA-256 of its canonical bytes. */
export interface DigestedTally {
  document: TallyDocument
  /** 64 hex digits. */
  digest: string
}

/** The RFC 8785 bytes of the document, without its digest. */
export const tallyBytes = (document: TallyDocument): Uint8Array => utf8ToBytes(canonicalJson(document))

/** R-TALLY-7: returns the SHA-256 of the canonical bytes, 64 hex digits. */
export const tallyDigest = (document: TallyDocument): string => bytesToHex(sha256(tallyBytes(document)))

/** The document as it is printed and stored: canonical, with the digest among its members. */
export const formatTally = ({ document, digest }: DigestedTally): string =>
  canonicalJson({ ...document, digest })

/** Computes the document of a week under its ruleset (R-TALLY-5…7). Same input, same bytes. */
export const createTallyOfJudged = (input: TallyInput): DigestedTally => {
  const result = tallyWeek(input)
  const document: TallyDocument = {
    network: input.networkId,
    week: input.week,
    state: input.state,
    ruleset: input.params.ruleset,
    params: bytesToHex(paramsHash(input.params)),
    checkpoint: input.checkpoint?.toString() ?? null,
    anchor:
      input.anchor === null ? null : { height: input.anchor.height, hash: reversedHex(input.anchor.hash) },
    epochs: input.epochs.map((epoch, i) => ({
      epoch: epoch.epoch,
      beacon: bytesToHex(epoch.beacon),
      seats: epoch.snapshot.length,
      attested: result.attested[i]!,
    })),
    totals: {
      fund: result.fund.toString(),
      paid: result.paid.toString(),
      undistributed: result.undistributed.toString(),
      seats: result.seats.length,
      paidSeats: result.seats.filter((seat) => seat.amount > 0n).length,
      score: result.seats.reduce((sum, seat) => sum + seat.score, 0),
    },
    seats: result.seats.map((seat) => ({
      seat: seat.row.seat,
      stake: addressOfStake(input.chain, seat.row.stake),
      host: seat.row.host,
      outcomes: Array.from(seat.outcomes, outcomeOf),
      epochs: seat.epochs,
      score: seat.score,
      equivocator: seat.isEquivocator,
      amount: seat.amount.toString(),
    })),
  }
  return { document, digest: tallyDigest(document) }
}

export type ReadTally = { is: 'ok'; tally: DigestedTally } | { is: 'bad'; code: string; path: string }

/** Reads somebody's document: the shape is checked, and the digest against the canonical bytes. */
export const readTally = (json: unknown): ReadTally => {
  const parsed = TallyDocument.extend({ digest: Hex32 }).safeParse(json)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!
    return { is: 'bad', code: 'tally-form', path: `${issue.path.join('.')}: ${issue.message}` }
  }
  const { digest, ...document } = parsed.data
  return tallyDigest(document) === digest
    ? { is: 'ok', tally: { document, digest } }
    : { is: 'bad', code: 'tally-digest', path: 'digest: is not that of the document' }
}
