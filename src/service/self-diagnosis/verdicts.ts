import {
  decidedBy,
  lastInvalidVerdict,
  Verdict,
  type Verdict as VerdictCode,
  verdictNames,
} from '../../../protocol/index.ts'
import type { Evidence, Finding } from '../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { ChallengerWord, EpochWords, Observations } from './observations.ts'

/** How an epoch stands by what its challengers have said so far. */
export interface EpochStanding {
  k: number
  valid: number
  invalid: number
  abstain: number
  silent: number
  /**
   * `valid` and `invalid`: more than half of all assigned say so, and nothing that may still come changes it
   * (R-TALLY-1). `undecided`: neither can come about any more. `open`: it may still be valid.
   */
  is: 'valid' | 'invalid' | 'undecided' | 'open'
}

export const standingOf = ({ challengers, isClosed, params }: EpochWords): EpochStanding => {
  const k = challengers.length
  const count = (is: (word: ChallengerWord) => boolean): number => challengers.filter(is).length
  const valid = count(({ verdict }) => verdict === Verdict.valid)
  const invalid = count(isInvalid)
  const silent = count(({ verdict }) => verdict === null)
  const abstain = k - valid - invalid - silent
  const counts = { k, valid, invalid, abstain, silent }
  const said = challengers.flatMap(({ verdict }) => (verdict === null ? [] : [verdict]))
  const decided = decidedBy(said, k, params)
  if (decided !== null) return { ...counts, is: decided === Verdict.valid ? 'valid' : 'invalid' }
  const best = [...said, ...Array.from({ length: isClosed ? 0 : silent }, () => Verdict.valid)]
  return { ...counts, is: decidedBy(best, k, params) === Verdict.valid ? 'open' : 'undecided' }
}

const isInvalid = ({ verdict }: ChallengerWord): boolean =>
  verdict !== null && verdict !== Verdict.valid && verdict <= lastInvalidVerdict

/** What is said of this seat in the newest epoch of which enough is known. Null while nothing is. */
export const judgeVerdicts = ({ words, seat }: Observations): Finding[] | null => {
  for (const epoch of words ?? []) {
    const standing = standingOf(epoch)
    if (standing.is === 'open' && standing.invalid < 2) continue
    if (standing.is === 'valid' && standing.invalid === 0) return []
    const subject = `seat ${seat ?? '?'}`
    return [standing.is === 'valid' ? minority(epoch, standing, subject) : bad(epoch, standing, subject)]
  }
  return null
}

/** Most say that it is valid. */
const minority = (epoch: EpochWords, standing: EpochStanding, subject: string): Finding => {
  const { invalid, k, valid } = standing
  return {
    code: 'verdicts-minority',
    subject,
    // A quarter is more than one bad way: a few more, and the epoch is lost.
    severity: invalid > 1 && 4 * invalid > k ? 'warning' : 'info',
    title: `${invalid} of ${k} challengers ${invalid === 1 ? 'says' : 'say'} ${reasonOf(epoch)}, most say valid`,
    detail:
      `Epoch ${epoch.epoch} is not lost: ${valid} of ${k} challengers say valid, and more than half decide ` +
      `(R-TALLY-1). ${reasonsText(epoch)}`,
    remedy: remedies['verdicts-minority'],
    evidence: evidenceOf(epoch),
  }
}

const bad = (epoch: EpochWords, standing: EpochStanding, subject: string): Finding => {
  const { k, valid, invalid, abstain, silent } = standing
  const counts = `${invalid} of ${k} challengers say invalid, ${valid} valid, ${abstain} abstain, ${silent} are silent`
  const isLost = standing.is !== 'open'
  const most = Math.floor(k / 2) + 1
  const fate = isLost
    ? standing.is === 'invalid'
      ? 'It is lost: more than half say invalid (R-TALLY-1).'
      : `It is lost: ${most} would have to say valid, and ${valid + (epoch.isClosed ? 0 : silent)} is the most that can (R-TALLY-1).`
    : `It is not lost yet: with ${most - valid} of the ${silent} that have not spoken it is valid (R-TALLY-1).`
  const said = `${invalid} of ${k} challengers say ${reasonOf(epoch)}`
  return {
    code: 'verdicts-bad',
    subject,
    severity: isLost ? 'critical' : 'warning',
    title: `${invalid === 0 ? `${valid} of ${k} challengers say valid` : said}${isLost ? `: epoch ${epoch.epoch} is lost` : ''}`,
    detail: `Epoch ${epoch.epoch}: ${counts}. ${fate} ${reasonsText(epoch)}`.trim(),
    remedy: remedies['verdicts-bad'],
    evidence: evidenceOf(epoch),
  }
}

/** The most frequent bad word, lowest code first (R-TALLY-1). */
const reasonOf = (epoch: EpochWords): string => {
  const [first] = reasonCounts(epoch)
  return first === undefined ? 'nothing' : verdictNames[first[0] as VerdictCode]
}

const reasonCounts = ({ challengers }: EpochWords): [number, number][] => {
  const counts = new Map<number, number>()
  for (const word of challengers) {
    if (isInvalid(word)) counts.set(word.verdict!, (counts.get(word.verdict!) ?? 0) + 1)
  }
  return [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])
}

const reasonsText = (epoch: EpochWords): string => {
  const reasons = reasonCounts(epoch).map(
    ([verdict, count]) => `${verdictNames[verdict as VerdictCode]} ×${count}`,
  )
  return reasons.length === 0 ? '' : `Reasons: ${reasons.join(', ')}.`
}

const evidenceOf = ({ challengers }: EpochWords): Evidence[] =>
  challengers.flatMap((word) =>
    word.verdict !== null && word.verdict !== Verdict.valid ? [word.signed] : [],
  )
