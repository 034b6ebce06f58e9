import type { Finding } from '../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { Observations } from './observations.ts'

/** R-TALLY-4: whether the node does its own part, without which valid epochs bring nothing. Null while it is too early. */
export const judgeDuty = ({ duty, seat, twin }: Observations): Finding[] | null => {
  // Its own finding says why nothing is attested.
  if (twin !== null) return []
  if (duty === null) return null
  const subject = `seat ${seat ?? '?'}`
  const { epoch, targets, judged, abstained, attested } = duty
  if (attested === false) {
    return [
      {
        code: 'not-attested',
        subject,
        severity: 'critical',
        title: `nothing was attested in epoch ${epoch}`,
        detail: `Without an attestation of its own the epoch brings no credit, however many find it valid (R-TALLY-4).`,
        remedy: remedies['not-attested'],
        evidence: [],
      },
    ]
  }
  if (2 * judged < targets) return null
  const isLost = 2 * abstained > targets
  if (!isLost && (abstained < 2 || 4 * abstained < targets)) return []
  const limit = Math.floor(targets / 2)
  return [
    {
      code: 'abstentions',
      subject,
      severity: isLost ? 'critical' : 'warning',
      title: `it abstains on ${abstained} of its ${targets} targets`,
      detail:
        `In epoch ${epoch} this node could not judge ${abstained} of ${targets} targets. With more than ${limit} ` +
        `abstentions an epoch brings no credit (R-TALLY-4)${isLost ? ': this one brings none' : ''}. ` +
        `Why: ${duty.reasons.join('; ') || 'not recorded'}.`,
      remedy: remedies[2 * duty.secondNonces > abstained ? 'another-runs' : 'abstentions'],
      evidence: [],
    },
  ]
}

/** R-ATT-3. */
export const judgeEquivocation = ({ isEquivocator, seat }: Observations): Finding[] =>
  isEquivocator
    ? [
        {
          code: 'equivocated',
          subject: `seat ${seat ?? '?'}`,
          severity: 'critical',
          title: 'two attestations of one epoch were signed with its key',
          detail:
            'The proof is public. None of its attestations of this week counts, and it scores nothing (R-ATT-3).',
          remedy: remedies.equivocated,
          evidence: [],
        },
      ]
    : []

/** A node that is connected to nobody for this long loses what gossip brings. */
const maxAloneMs = 120_000

export const judgeNetwork = ({ network }: Observations): Finding[] | null => {
  if (network === null) return null
  if (network.registeredPeers > 0 || network.otherSeats === 0) return []
  if (network.aloneMs < maxAloneMs) return null
  return [
    {
      code: 'isolated',
      subject: 'network',
      severity: 'critical',
      title: 'no registered node is connected',
      detail: `For ${Math.round(network.aloneMs / 60_000)} minutes none of ${network.otherSeats} seats has been connected: attestations neither come nor go.`,
      remedy: remedies.isolated,
      evidence: [],
    },
  ]
}
