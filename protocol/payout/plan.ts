import { bytesToHex, equalBytes } from '../bytes.ts'
import type { Height, NetworkId, Seat, Week } from '../ids.ts'
import type { ChainName, Params } from '../params.ts'
import { stakeOfAddress } from '../stake-address.ts'
import type { DigestedTally } from '../tally/document.ts'
import { markerBytes, markerDigest, maxPayoutParts, type PayoutMarker } from './marker.ts'
import type { Payer, PayoutOutput } from './outputs.ts'

/** Payees of one transaction: 1,000 outputs of 34 bytes are 34 kB (72 kB on ZEN, whose nodes take 100 kB). */
export const maxPayees = 1_000
/** Inputs of one transaction, the thread's among them: 50 of 297 bytes (2 of 3 keys) are 15 kB. */
export const maxPayoutInputs = 50
/** Base units of a thread output: 20 times what spending it costs, far above every node's idea of dust. */
export const threadValue = 100_000n
/** Base units below which nothing is paid: spending it would cost its owner as much (ZIP 317), as paying it does us. */
export const dustLimit = 5_000n

export interface Payee {
  seat: Seat
  /** hash160 of the stake (R-TALLY-7). */
  stake: Uint8Array
  /** Base units. */
  amount: bigint
}

/** Why a payee of the tally is not in the plan: the payer's own stake needs no payment, the money is there. */
export type LeftOut = Payee & { why: 'dust' | 'payer' }

/** One transaction of a plan. */
export interface PlannedPayout {
  marker: PayoutMarker
  /** In order of seat, at most `maxPayees`. */
  payees: readonly Payee[]
  /** Sum of what they get. */
  total: bigint
}

/** R-PAY-1: what the payout of a week consists of. The same for everybody who has the tally. */
export interface PayoutPlan {
  network: NetworkId
  week: Week
  /** Of the tally, 64 hex digits. */
  digest: string
  /** The block with the anchor; the hash as people write it. */
  anchor: { height: Height; hash: string }
  transactions: readonly PlannedPayout[]
  leftOut: readonly LeftOut[]
  total: bigint
}

export type PlanFault =
  /** The week has no anchor yet. */
  | 'not-anchored'
  /** Fewer than `payoutConfirmations` blocks stand on the anchor. */
  | 'not-deep'
  /** The document is not sound: an address of another chain, a stake twice, or amounts that do not add up. */
  | 'unsound'
  /** More payees than `maxPayoutParts` transactions hold. */
  | 'too-many'

/** A plan, or why there is none: a fault for programs and a sentence for people. */
export type PlanResult = { is: 'ok'; plan: PayoutPlan } | { is: 'bad'; fault: PlanFault; what: string }

export interface PlanInput {
  tally: DigestedTally
  chain: ChainName
  params: Pick<Params, 'payoutConfirmations'>
  payer: Payer
  /** Of the chain that has the anchor; null to plan without asking how deep it is, as who signs offline must. */
  tipHeight: Height | null
}

/**
 * R-PAY-1: returns the transactions that pay an anchored week, the same for everybody; `bad` with a fault if it may
 * not be paid.
 */
export const planPayout = ({ tally, chain, params, payer, tipHeight }: PlanInput): PlanResult => {
  const { document, digest } = tally
  const { anchor, state, week } = document
  if (state !== 'anchored' || anchor === null) {
    return bad('not-anchored', `week ${week} is ${state}; only an anchored week is paid`)
  }
  const payableFrom = anchor.height + params.payoutConfirmations
  if (tipHeight !== null && tipHeight < payableFrom) {
    return bad(
      'not-deep',
      `the anchor of week ${week} is in block ${anchor.height}, the tip is ${tipHeight}: ` +
        `payable from block ${payableFrom} on`,
    )
  }
  const payees: Payee[] = []
  const leftOut: LeftOut[] = []
  const stakes = new Set<string>()
  let sum = 0n
  for (const row of document.seats) {
    const stake = stakeOfAddress(chain, row.stake)
    if (stake === null) return bad('unsound', `the stake of seat ${row.seat} is no P2PKH address of ${chain}`)
    const key = bytesToHex(stake)
    if (stakes.has(key)) return bad('unsound', `the stake of seat ${row.seat} is that of another seat too`)
    stakes.add(key)
    const payee = { seat: row.seat, stake, amount: BigInt(row.amount) }
    if (payee.amount === 0n) continue
    sum += payee.amount
    if (payer.kind === 'p2pkh' && equalBytes(stake, payer.hash160)) leftOut.push({ ...payee, why: 'payer' })
    else if (payee.amount < dustLimit) leftOut.push({ ...payee, why: 'dust' })
    else payees.push(payee)
  }
  if (sum !== BigInt(document.totals.paid)) return bad('unsound', 'its amounts do not add up to its total')
  if (document.seats.some((row, i) => i > 0 && document.seats[i - 1]!.seat >= row.seat)) {
    return bad('unsound', 'its seats are not in rising order')
  }
  const parts = Math.ceil(payees.length / maxPayees)
  if (parts > maxPayoutParts) return bad('too-many', `${payees.length} payees need ${parts} transactions`)
  const transactions = Array.from({ length: parts }, (_, i): PlannedPayout => {
    const share = payees.slice(i * maxPayees, (i + 1) * maxPayees)
    return {
      marker: { week, part: i + 1, parts, digest: markerDigest(digest) },
      payees: share,
      total: totalOf(share),
    }
  })
  const total = totalOf(payees)
  return { is: 'ok', plan: { network: document.network, week, digest, anchor, transactions, leftOut, total } }
}

/** R-PAY-2: thread, marker, payees, and what is left over back to the payer (none for 0). */
export const plannedOutputs = (
  { marker, payees }: PlannedPayout,
  payer: Payer,
  change: bigint,
): PayoutOutput[] => [
  { value: threadValue, to: payer },
  { value: 0n, to: { kind: 'nulldata', data: markerBytes(marker) } },
  ...payees.map(({ stake, amount }) => ({
    value: amount,
    to: { kind: 'p2pkh' as const, hash160: stake },
  })),
  ...(change > 0n ? [{ value: change, to: payer }] : []),
]

const totalOf = (payees: readonly Payee[]): bigint => payees.reduce((sum, { amount }) => sum + amount, 0n)

const bad = (fault: PlanFault, what: string): PlanResult => ({ is: 'bad', fault, what })
