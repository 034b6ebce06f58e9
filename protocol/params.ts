import { z } from 'zod'
import { type Canonical, hash } from './codec.ts'
import { bytesToHex, hexToBytes } from './bytes.ts'
import { HeightNumber, type NetworkId, Week } from './ids.ts'
import { isWeek } from './week.ts'

/** Base units in one coin. */
export const coin = 100_000_000n

/** The chains that are known, with the two prefix bytes of their P2PKH addresses (chainparams of zcashd and zend). */
export const chains = {
  'zcash-main': { family: 'zcash', p2pkh: [[0x1c, 0xb8]] },
  'zcash-test': { family: 'zcash', p2pkh: [[0x1d, 0x25]] },
  'zcash-regtest': { family: 'zcash', p2pkh: [[0x1d, 0x25]] },
  'zen-main': {
    family: 'zen',
    p2pkh: [
      [0x20, 0x89],
      [0x1c, 0xb8],
    ],
  },
  'zen-test': {
    family: 'zen',
    p2pkh: [
      [0x20, 0x98],
      [0x1d, 0x25],
    ],
  },
  'zen-regtest': {
    family: 'zen',
    p2pkh: [
      [0x20, 0x98],
      [0x1d, 0x25],
    ],
  },
} as const satisfies Record<
  string,
  { family: 'zcash' | 'zen'; p2pkh: readonly (readonly [number, number])[] }
>

/** Names of the chains that Secnode knows. */
export const ChainName = z.enum(Object.keys(chains) as [keyof typeof chains])
export type ChainName = z.infer<typeof ChainName>

/** 21 million coins, in base units. */
export const maxAmount = 2_100_000_000_000_000n

const Amount = z.bigint().min(0n).max(maxAmount)

/** It is hashed as it is written, so there is no space to lose and no second spelling of a character. */
const KeyText = z.string().regex(/^[!-~]{1,512}$/, { error: 'must be printable ASCII without spaces' })

/** What makes a network this one (R-NET-1): two networks that differ here have nothing in common. */
export const Genesis = z.strictObject({
  chain: ChainName,
  /** First height the rules look at; the first block of epoch 0. At least 1. */
  activationHeight: HeightNumber.min(1),
  /** Shielded address that announcements pay to. */
  announceAddress: KeyText,
  /** Its published incoming viewing key. */
  viewingKey: KeyText,
  /** Base units that a stake holds at least: 42 coins. */
  minStake: Amount,
  /**
   * Seniors without which no week is certified: of 16, 11 must vote, and with a tenth of liars 11 are captured with
   * probability 3·10^-8. Devnets take 4.
   */
  minSeniors: z.int().min(1).max(100_000),
  /** Blocks of an epoch: about 4 hours, so 192 at 75 s and 96 at 150 s. */
  epochBlocks: z.int().min(4).max(10_000),
  /** Blocks above a block until rules read it: 10 are 12.5 minutes at 75 s; what goes deeper is computed again. */
  confirmations: z.int().min(0).max(1_000),
  /** Blocks for which an announcement may wait to be mined: 1,000 are 20.8 hours at 75 s. */
  announceBlocks: z.int().min(1).max(100_000),
})
export type Genesis = z.infer<typeof Genesis>

/** Where a week's fund comes from: what coinbases pay to the treasury script of their height, or a fixed amount. */
export const Fund = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('treasury'),
    scripts: z
      .array(
        z.strictObject({
          from: HeightNumber,
          script: z.string().regex(/^([0-9a-f]{2}){1,100}$/),
        }),
      )
      .min(1)
      .max(1_000)
      .refine((rows) => rows.every((row, i) => i === 0 || rows[i - 1]!.from < row.from), {
        error: 'must be in rising order of height',
      }),
  }),
  z.strictObject({ kind: z.literal('fixed'), amount: Amount }),
])
export type Fund = z.infer<typeof Fund>

/** The largest committee: an evidence block of 16 kB has room for the receipts of 55 targets at most (R-EVID-1). */
export const maxCommittee = 48

/** The parameters that a schedule may change from a week on (R-NET-2). Each default carries its reason. */
export const Params = z.strictObject({
  /** Challengers of a node: a fifth of liars is the majority in 1.17 % of committees of 11, in 3.33 % of 7. */
  committee: z.int().min(1).max(maxCommittee).default(11),
  /** Transactions in a challenge: who keeps 90 % of the chain (R-CHAL-2) answers 64 with 0.9^64 = 0.12 %. */
  samples: z.int().min(1).max(1_024).default(64),
  /** Milliseconds for an answer: 64 reads of a spinning disk at 15 ms are one second, the rest is the way. */
  responseMs: z.int().min(100).max(60_000).default(5_000),
  /** Further tries for what may be the way's fault. Three misses of a path that loses 5 % are 1 in 8,000. */
  retries: z.int().min(0).max(10).default(2),
  /** Confirmed blocks at the end of an epoch that are left for attesting: a twelfth of four hours. */
  attestBlocks: z.int().min(1).max(1_000).default(16),
  /** Per cent of the median availability from which a node is paid. */
  minAvailability: z.int().min(0).max(100).default(50),
  /** Valid seats in one /24 and /16 (IPv4) or /48 (IPv6) and epoch; 0 is no limit. */
  maxPerPrefix: z.int().min(0).max(1_000_000).default(0),
  /** Weeks for which evidence is kept: two months to see a bad verdict and ask. At most 5.5 MB of a seat. */
  evidenceWeeks: z.int().min(1).max(520).default(8),
  /** Certifiers of a view: with a tenth of liars, 43 of 128, who can block, are liars with probability 4·10^-13. */
  certifiers: z.int().min(1).max(1_024).default(128),
  /** Blocks from the opening of one view to the next: half an hour at 75 s. */
  viewBlocks: z.int().min(1).max(10_000).default(24),
  /** Blocks after the freeze in which an anchor counts: a day at 75 s. */
  anchorBlocks: z.int().min(1).max(100_000).default(1_152),
  /** Base units that an anchor's transaction shows: one coin, so that reading memos stays cheap and spam dear. */
  anchorBond: Amount.default(coin),
  fund: Fund,
  /** Base units of a week's fund that are kept for transaction fees: 39 transactions of 1,000 payees cost 0.0502 coin each. */
  feeReserve: Amount.default(2n * coin),
  /** Blocks above the anchor until a payout may be built. */
  payoutConfirmations: z.int().min(1).max(10_000).default(100),
  /** Number of the ruleset of the week's tally (R-NET-3). Versions of Secnode know some; others may stand here. */
  ruleset: z.int().min(1).max(65_535).default(1),
})
export type Params = z.infer<typeof Params>

/** Rows in rising order of week; the first row holds for all weeks before the second. */
export const ParamsSchedule = z
  .array(z.strictObject({ from: Week, params: Params }))
  .min(1)
  .max(1_000)
  .refine((rows) => rows.every((row, i) => isWeek(row.from) && (i === 0 || rows[i - 1]!.from < row.from)), {
    error: 'must be existing weeks in rising order',
  })
export type ParamsSchedule = z.infer<typeof ParamsSchedule>

/** R-NET-1: first 32 hex digits of H over the genesis part. */
export const networkIdOf = (genesis: Genesis): NetworkId =>
  bytesToHex(
    hash(
      'network',
      genesis.chain,
      genesis.activationHeight,
      genesis.announceAddress,
      genesis.viewingKey,
      genesis.minStake,
      genesis.minSeniors,
      genesis.epochBlocks,
      genesis.confirmations,
      genesis.announceBlocks,
    ),
  ).slice(0, 32) as NetworkId

const fundRow = (fund: Fund): Canonical =>
  fund.kind === 'fixed'
    ? ['fixed', fund.amount]
    : ['treasury', fund.scripts.map((row) => [row.from, hexToBytes(row.script)])]

/** R-NET-2: H over all parameters in the order of SPEC.md; what a checkpoint commits to. */
export const paramsHash = (params: Params): Uint8Array =>
  hash(
    'params',
    params.committee,
    params.samples,
    params.responseMs,
    params.retries,
    params.attestBlocks,
    params.minAvailability,
    params.maxPerPrefix,
    params.evidenceWeeks,
    params.certifiers,
    params.viewBlocks,
    params.anchorBlocks,
    params.anchorBond,
    fundRow(params.fund),
    params.feeReserve,
    params.payoutConfirmations,
    params.ruleset,
  )

/** The parameters in force in a week (R-NET-2): names of weeks sort as the weeks do. */
export const paramsOfWeek = (schedule: ParamsSchedule, week: Week): Params => {
  let found = schedule[0]!.params
  for (const row of schedule) if (row.from <= week) found = row.params
  return found
}
