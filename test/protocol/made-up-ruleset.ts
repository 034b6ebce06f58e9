import { outcomeCode, Verdict } from '../../protocol/index.ts'
import { type Ruleset, rulesets } from '../../protocol/tally/rulesets.ts'
import { undecided } from '../../protocol/tally/flat-epoch.ts'

const [first] = rulesets as [Ruleset]

/** Base units for each credit, whatever is in the fund. */
export const perCredit = 7n

/**
 * A ruleset of no network, which nobody can take for ruleset 1: the first seat of each snapshot is invalid (timeout),
 * no verdict agrees, one verdict decides a seat, and each credit is worth the same.
 */
export const madeUpRuleset = (number: number): Ruleset => ({
  number,
  judgeEpoch(committees, ...rest) {
    const judgement = first.judgeEpoch(committees, ...rest)
    if (committees.size > 0) {
      judgement.outcomes[0] = outcomeCode('invalid: timeout')
      judgement.classes[committees.positions[0]!] = Verdict.timeout
    }
    return judgement
  },
  classOf: (verdicts) => verdicts[0] ?? undecided,
  agreementOf: () => false,
  *tallyInSteps(input) {
    const tally = yield* first.tallyInSteps(input)
    const amounts = this.shareFund(tally.seats, tally.fund, input.params)
    const paid = amounts.reduce((sum, amount) => sum + amount, 0n)
    const seats = tally.seats.map((seat, i) => ({ ...seat, amount: amounts[i]! }))
    return { ...tally, seats, paid, undistributed: tally.fund - paid }
  },
  shareFund: (rows) => rows.map(({ score }) => perCredit * BigInt(score)),
})

/** Puts a ruleset into the table until it is disposed of: in the place of the one with its number, or at the end. */
export const withRuleset = (ruleset: Ruleset): Disposable => {
  const table = rulesets as Ruleset[]
  const before = [...table]
  const at = table.findIndex(({ number }) => number === ruleset.number)
  table.splice(at === -1 ? table.length : at, 1, ruleset)
  return { [Symbol.dispose]: () => void table.splice(0, table.length, ...before) }
}
