import {
  createTallyOfJudged,
  type DigestedTally,
  type JudgedEpoch,
  type JudgingParams,
  judgeEpoch,
  type Outcome,
  outcomeNames,
  type TallyInput,
} from '../../protocol/index.ts'
import type { TallyEpoch } from '../../protocol/tally/input.ts'

/** The input of a tally with its epochs still to be judged. */
export interface AttestedInput extends Omit<TallyInput, 'epochs'> {
  epochs: readonly TallyEpoch[]
}

type Judge = (epoch: TallyEpoch, params: JudgingParams) => Pick<JudgedEpoch, 'outcomes' | 'attested'>

/** R-ATT-3: attestations of equivocators are absent. */
export const judgedInput = ({ epochs, ...input }: AttestedInput, judge: Judge = judgeEpoch): TallyInput => ({
  ...input,
  epochs: epochs.map((whole) => {
    const { epoch, beacon, snapshot } = whole
    const attestations = whole.attestations.map((attestation, index) =>
      input.equivocators.has(snapshot[index]!.seat) ? undefined : attestation,
    )
    const { outcomes, attested } = judge({ ...whole, attestations }, input.params)
    return { epoch, beacon, snapshot, outcomes, attested }
  }),
})

/** The document of a week from its attestations. */
export const createTally = (input: AttestedInput): DigestedTally => createTallyOfJudged(judgedInput(input))

export const wordsOf = (outcomes: Uint8Array): Outcome[] =>
  Array.from(outcomes, (code) => outcomeNames[code]!)

/** `judgeEpoch` with the words of its outcomes. */
export const judgedWords = (
  epoch: Pick<TallyEpoch, 'beacon' | 'attestations'>,
  params: JudgingParams,
): { outcomes: Outcome[]; attested: number } => {
  const { outcomes, attested } = judgeEpoch(epoch, params)
  return { outcomes: wordsOf(outcomes), attested }
}
