import { isLikelyTwin, Verdict } from '../../../protocol/index.ts'
import type { Finding } from '../../alerts/finding.ts'
import { type FindingCode, remedies } from './codes.ts'
import type { ObservedDuty, ObservedOutside, Observations } from './observations.ts'

/** R-ATT-7: another daemon with the keys of this one. Proof stops it; what others say is a warning. */
export const judgeTwin = ({ twin, duty, outside, seat, isStandby }: Observations): Finding[] => {
  // That the seat's daemon runs is as it should be.
  if (isStandby) return []
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

/** R-ATT-8: the seat of another daemon, which this one may take over, or to which this one has lost it. */
export const judgeStandby = ({
  watched,
  isStandby,
  takenOver,
  twin,
  moved,
  seat,
}: Observations): Finding[] => {
  const finding = (
    code: FindingCode,
    severity: Finding['severity'],
    title: string,
    detail: string,
  ): Finding => ({
    code,
    subject: `seat ${watched?.seat ?? seat ?? '?'}`,
    severity,
    title,
    detail,
    remedy: remedies[code],
    evidence: [],
  })
  const findings: Finding[] = []
  if (takenOver !== null && twin === null) {
    findings.push(
      finding(
        'took-over',
        'warning',
        'this node has taken over the seat, but was started as a standby',
        takenOver === 'by-word'
          ? 'It signs for the seat until it ends. Started with --standby again, it would only stand by, and the seat would be silent.'
          : 'It signs for the seat with `standby.key` of its data directory, which the chain names. That file is the key file of the seat now: back it up.',
      ),
    )
  }
  if (moved !== null) {
    findings.push(
      finding(
        'seat-moved',
        'warning',
        `the seat is announced under the key of another node, ${moved.peer}`,
        `From epoch ${moved.from} on the chain gives the seat to that key, so this node signs for it up to epoch ` +
          `${moved.from - 1} only. If nobody meant this, the key of the stake has signed it: look after that key.`,
      ),
    )
  }
  if (watched?.takeover?.is === 'given-up') {
    findings.push(
      finding(
        'takeover-given-up',
        'critical',
        'the takeover was given up',
        `The operator said that the other daemon is stopped, but ${watched.takeover.why}. This node signs nothing.`,
      ),
    )
  }
  // While the operator's word stands, nobody needs to be called.
  if (isStandby && watched !== null && watched.silentEpoch !== null && watched.takeover === null) {
    findings.push(
      finding(
        'seat-silent',
        'critical',
        `the seat attested nothing in epoch ${watched.silentEpoch}`,
        "This standby followed that epoch from its opening, and heard at least half of the other seats. It takes nothing over without its operator's word.",
      ),
    )
  }
  return findings
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
