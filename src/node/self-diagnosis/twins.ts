import { isLikelyTwin, Verdict } from '../../../protocol/index.ts'
import type { Finding } from '../../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { ObservedDuty, ObservedOutside, Observations } from './observations.ts'

/** R-ATT-7: another daemon with the keys of this one. Proof stops it; what others say is a warning. */
export const judgeTwin = ({ twin, duty, outside, seat }: Observations): Finding[] => {
  const finding = (severity: Finding['severity'], title: string, detail: string): Finding => ({
    code: 'another-runs',
    subject: `seat ${seat ?? '?'}`,
    severity,
    title,
    detail,
    remedy: remedies['another-runs'],
    evidence: [],
  })
  if (twin !== null) {
    const seen =
      twin.by === 'attestation'
        ? `An attestation of epoch ${twin.epoch} (${twin.what}) has the signature of this node's key, and this node did not sign it.`
        : `In epoch ${twin.epoch} a daemon at ${twin.what} proved that it has this node's key, and it is not this one.`
    return [
      finding(
        'critical',
        'another daemon runs with the keys of this node: this one signs nothing any more',
        `${seen} Seen ${twin.at}. Two different attestations of one epoch cost the week (R-ATT-3), so this node ` +
          'attests and votes no more, also after a restart. It still answers its challengers.',
      ),
    ]
  }
  const why = [...whyByTargets(duty), ...whyByDialBack(outside)]
  if (why.length === 0) return []
  return [
    finding(
      'warning',
      'another daemon may run with the keys of this node',
      `${why.join(' ')} This is their word, not proof, so this node goes on. If another daemon or a copy of this ` +
        'machine runs, both lose credits, and the week if both attest.',
    ),
  ]
}

const whyByTargets = (duty: ObservedDuty | null): string[] => {
  if (duty === null) return []
  const { epoch, judged, secondNonces } = duty
  return isLikelyTwin({ refused: secondNonces, visited: judged })
    ? [`In epoch ${epoch} ${secondNonces} of ${judged} targets said that this node had asked them before.`]
    : []
}

/** So many must say it: any one of them may lie. */
const leastViews = 3

const whyByDialBack = (outside: ObservedOutside | null): string[] => {
  if (outside === null || outside.answeredHere > 0) return []
  const reached = outside.views.filter(({ tls }) => tls.verdict === Verdict.valid)
  if (reached.length < leastViews) return []
  const addresses = [...new Set(reached.map(({ address }) => address))].join(', ')
  return [
    `${reached.length} seats that were asked to dial back reached a node with these keys at ${addresses} ` +
      `port ${outside.ports.tls}, and none of them came to this one.`,
  ]
}
