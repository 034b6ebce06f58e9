import { Verdict, type Verdict as VerdictCode, verdictNames } from '../../../protocol/index.ts'
import type { Finding, OutsideView } from '../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { ObservedOutside, OutsideAnswer } from '../../node/ask-outside.ts'
import type { Observations } from './observations.ts'
import { standingOf } from './verdicts.ts'

/** What other seats saw when they were asked to dial back, port by port. Null if nobody could say. */
export const judgeOutside = (observations: Observations): Finding[] | null => {
  const { outside } = observations
  if (outside === null) return null
  // The word of the challengers of a later epoch is newer than what was asked for.
  const since = observations.words?.find(({ epoch }) => epoch > outside.epoch)
  if (since !== undefined && standingOf(since).is === 'valid') return []
  const p2p = judgePort(outside, 'p2p')
  const tls = judgePort(outside, 'tls')
  return p2p === null && tls === null ? null : [...(p2p ?? []), ...(tls ?? [])]
}

const judgePort = ({ ports, views }: ObservedOutside, port: 'p2p' | 'tls'): Finding[] | null => {
  const told = views.filter((answer) => answer[port].verdict !== Verdict.abstain)
  if (told.length === 0) return null
  const bad = told.filter((answer) => answer[port].verdict !== Verdict.valid)
  if (bad.length === 0) return []
  const isMost = 2 * bad.length > told.length
  const word = verdictNames[bad[0]![port].verdict as VerdictCode]
  const addresses = [...new Set(bad.map(({ address }) => address))].join(', ')
  return [
    {
      code: 'unreachable',
      subject: `${port} port ${ports[port]}`,
      severity: isMost ? 'critical' : 'warning',
      title: `${bad.length} of ${told.length} seats asked just now find the ${port} port ${word}`,
      detail:
        `They dialled ${addresses}, where this node's own connections come from, at port ${ports[port]}. ` +
        (isMost
          ? 'Most do not get through, so the fault is on this side, and challengers will say the same.'
          : 'Most get through, so the fault is on the way to some.'),
      remedy: remedies.unreachable,
      evidence: told.map((answer) => viewOf(answer, port)),
    },
  ]
}

const viewOf = (answer: OutsideAnswer, port: 'p2p' | 'tls'): OutsideView => ({
  is: 'view',
  seat: answer.seat,
  host: answer.host,
  port,
  verdict: answer[port].verdict,
  word: verdictNames[answer[port].verdict as VerdictCode],
  saw: answer[port].saw,
})
