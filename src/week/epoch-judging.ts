import {
  type AttestedVerdicts,
  type Committees,
  createAddressNumbers,
  createFlatEpoch,
  type FlatEpoch,
  isWellFormed,
  type Params,
  rulesetOf,
  Verdict,
  type Week,
} from '../../protocol/index.ts'

/**
 * R-TALLY-0…4 in typed arrays while attestations go by: eleven addresses of each of 40,000 attestations as objects would
 * be most of the memory.
 */
export interface EpochJudging {
  /** What was added, along the ring. */
  readonly flat: FlatEpoch
  /** 4 or 16 bytes: what a number in `flat.addresses` stands for. */
  addressOf: (number: number) => Uint8Array
  /** `index`: of the seat in the snapshot. Each at most once, and none of an equivocator (R-ATT-3). */
  add(index: number, attestation: AttestedVerdicts): void
  /** At each index of the snapshot a code of `flatOutcomes`, and how many attested. */
  judge(): { outcomes: Uint8Array; attested: number }
}

export const createEpochJudging = (
  week: Week,
  committees: Committees,
  params: Pick<Params, 'maxPerPrefix' | 'ruleset'>,
): EpochJudging => {
  const { k, positions } = committees
  const flat = createFlatEpoch(committees)
  const { numberOf, addressOf, prefixes } = createAddressNumbers()
  return {
    flat,
    addressOf,
    add(index, { verdicts, addresses }) {
      // R-TALLY-0: what is not well formed is absent.
      if (verdicts.length !== k || !isWellFormed({ verdicts, addresses })) return
      const position = positions[index]!
      flat.attests[position] = 1
      flat.verdicts.set(verdicts, position * k)
      let named = 0
      for (let i = 0; i < k; i++) {
        if (verdicts[i] === Verdict.valid) flat.addresses[position * k + i] = numberOf(addresses[named++]!)
      }
    },
    judge: () => rulesetOf(params).judgeFlatEpoch(committees, flat, params.maxPerPrefix, prefixes),
  }
}
