import type { Finding } from '../alerts/finding.ts'
import { judgeBranch, judgeHearing, judgeNeighbours, judgeStreams } from './alone.ts'
import { judgeChainNode } from './chain-node.ts'
import type { FindingCode } from './codes.ts'
import { judgeDuty, judgeEquivocation, judgeNetwork } from './duty.ts'
import type { Observations } from './observations.ts'
import { judgeOutside } from './outside.ts'
import { judgeStandby, judgeTwin } from './twins.ts'
import {
  judgeCertificate,
  judgeCheckpoints,
  judgeDisk,
  judgeHotWallet,
  judgeRegistration,
  judgeRuleset,
} from './upkeep.ts'
import { judgeVerdicts } from './verdicts.ts'
import { judgeVisits } from './visits.ts'

/** What is wrong, worst first, and what could not be judged: of those codes nothing is known to have changed. */
export interface Judgement {
  findings: readonly Finding[]
  unknown: ReadonlySet<FindingCode>
}

type Judge = (observations: Observations) => Finding[] | null

const judges: readonly (readonly [Judge, ...FindingCode[]])[] = [
  [judgeTwin, 'another-runs'],
  [judgeStandby, 'seat-silent', 'took-over', 'takeover-given-up', 'seat-moved'],
  [judgeVerdicts, 'verdicts-bad', 'verdicts-minority'],
  [judgeVisits, 'visits-missing'],
  [judgeOutside, 'unreachable'],
  [judgeDuty, 'not-attested', 'abstentions'],
  [judgeEquivocation, 'equivocated'],
  [judgeNetwork, 'isolated'],
  [judgeHearing, 'few-heard'],
  [judgeNeighbours, 'no-neighbour'],
  [judgeBranch, 'other-branch'],
  [judgeStreams, 'places-held'],
  [judgeChainNode, 'chain-unreachable', 'chain-behind', 'chain-wrong', 'chain-still'],
  [judgeCertificate, 'certificate-expires', 'certificate-wrong', 'certificate-refused'],
  [judgeDisk, 'disk-low'],
  [judgeHotWallet, 'hot-wallet-low'],
  [judgeRuleset, 'ruleset-unknown'],
  [judgeCheckpoints, 'checkpoint-differs'],
  [judgeRegistration, 'not-announced', 'stake-spent', 'announcement-differs'],
]

const order = { critical: 0, warning: 1, info: 2 } as const

/** Pure: the same observations give the same findings. */
export const judge = (observations: Observations): Judgement => {
  const findings: Finding[] = []
  const unknown = new Set<FindingCode>()
  for (const [one, ...codes] of judges) {
    const found = one(observations)
    if (found === null) for (const code of codes) unknown.add(code)
    else findings.push(...found)
  }
  return { findings: findings.sort((a, b) => order[a.severity] - order[b.severity]), unknown }
}
