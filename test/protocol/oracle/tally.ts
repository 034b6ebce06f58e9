import { createTallyOfJudged, type DigestedTally, outcomeCode } from '../../../protocol/index.ts'
import { type AttestedInput, judgedInput } from '../judged.ts'
import { judgeInWords } from './judge-epoch.ts'

/** The document of a week whose epochs the oracle judges. */
export const oracleTally = (input: AttestedInput): DigestedTally =>
  createTallyOfJudged(
    judgedInput(input, (epoch, params) => {
      const { outcomes, attested } = judgeInWords(epoch, params)
      return { outcomes: Uint8Array.from(outcomes, outcomeCode), attested }
    }),
  )
