import type { Finding } from '../alerts/finding.ts'
import { type FindingCode, remedies } from './codes.ts'
import type { TwinSighting } from '../../store/signing.ts'
import type { Observations } from './observations.ts'

/** R-ATT-7: another daemon with the keys of this one. One of the two signs nothing any more. */
export const judgeTwin = ({ twin, rival, seat, isStandby }: Observations): Finding[] => {
  // That the seat's daemon runs is as it should be.
  if (isStandby) return []
  const finding = (title: string, detail: string): Finding => ({
    code: 'another-runs',
    subject: `seat ${seat ?? '?'}`,
    severity: 'critical',
    title,
    detail,
    remedy: remedies['another-runs'],
    evidence: [],
  })
  if (twin !== null) {
    return [
      finding(
        'another daemon runs with the keys of this node: this one signs nothing any more',
        `${howSeen(twin)} Seen ${twin.at}. Two different attestations of one epoch cost the week (R-ATT-3), so this node ` +
          'attests and votes no more, also after a restart. It still answers its challengers.',
      ),
    ]
  }
  if (rival === null) return []
  return [
    finding(
      'another daemon runs with the keys of this node: the other one is to stop',
      `${howSeen(rival)} Seen ${rival.at}. Of two, the one with the lower instance number goes on, which is this one; ` +
        'it loses the verdicts of targets that the other one came first to, and the week if both attest.',
    ),
  ]
}

const howSeen = ({ by, epoch, what }: TwinSighting): string => {
  switch (by) {
    case 'attestation':
      return `An attestation of epoch ${epoch} (${what}) has the signature of this node's key, and this node did not sign it.`
    case 'question':
      return `In epoch ${epoch} ${what} showed a challenge with the signature of this node's key, and this node did not sign it.`
    case 'address':
      return `In epoch ${epoch} a daemon at ${what} proved that it has this node's key, and it is not this one.`
  }
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
