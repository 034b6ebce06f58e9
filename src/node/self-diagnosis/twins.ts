import type { Finding } from '../../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { Observations } from './observations.ts'

/** R-ATT-7: another daemon with the keys of this one. */
export const judgeTwin = ({ twin, seat }: Observations): Finding[] => {
  if (twin === null) return []
  const seen =
    twin.by === 'attestation'
      ? `An attestation of epoch ${twin.epoch} (${twin.what}) carries the signature of this node's key, and this node did not sign it.`
      : `In epoch ${twin.epoch} a daemon at ${twin.what} proved that it holds this node's key, and it is not this one.`
  return [
    {
      code: 'another-runs',
      subject: `seat ${seat ?? '?'}`,
      severity: 'critical',
      title: 'another daemon runs with the keys of this node: this one signs nothing any more',
      detail:
        `${seen} Seen ${twin.at}. Two different attestations of one epoch cost the week (R-ATT-3), so this node attests ` +
        'and votes no more, also after a restart. It still answers its challengers.',
      remedy: remedies['another-runs'],
      evidence: [],
    },
  ]
}
