import type { Finding } from '../alerts/finding.ts'
import { type FindingCode, remedies } from './codes.ts'
import type { Observations } from './observations.ts'

/** R-SYNC-3: whether the attestations of the others come. Null while no epoch was judged lately. */
export const judgeHearing = ({ contact }: Observations): Finding[] | null => {
  const hearing = contact?.hearing ?? null
  if (hearing === null) return null
  const { epoch, heard, others, inARow } = hearing
  if (inARow === 0) return []
  return [
    of(
      'few-heard',
      'network',
      inARow > 1 || heard === 0 ? 'critical' : 'warning',
      `attestations of only ${heard} of ${others} other seats were heard in epoch ${epoch}`,
      `They came neither by gossip nor by sync until half an epoch after its end` +
        `${inARow > 1 ? `, and so it has been for ${inARow} epochs in a row` : ''}. Either this node is cut off from most ` +
        'others, or most others are down. As a certifier it does not insist on what it holds of such an epoch (R-CP-3).',
    ),
  ]
}

export const judgeNeighbours = ({ contact, network }: Observations): Finding[] | null => {
  if (contact === null || network === null || contact.neighbours === null) return null
  if (!contact.isWithoutNeighbour) return []
  return [
    of(
      'no-neighbour',
      'gossip',
      'warning',
      'no connected peer is a gossip neighbour',
      `${network.registeredPeers} registered peers are connected, and for two minutes none has passed messages on to this ` +
        'node in at least one topic. It asks three other seats at each turn of sync until that changes (R-SYNC-2).',
    ),
  ]
}

/** R-CHAIN-2: whether the others work under this node's beacons. Null while too few are known. */
export const judgeBranch = ({ contact }: Observations): Finding[] | null => {
  const branch = contact?.branch ?? null
  if (branch === null) return null
  if (branch.is === 'ours') return []
  const { epoch, other, seats } = branch
  return [
    of(
      'other-branch',
      'chain node',
      'critical',
      'most other seats are on another branch of the chain',
      `In epoch ${epoch} ${other} of ${seats} seats that were looked at work under another beacon than the chain node of ` +
        'this machine gives. What this node signs under its own counts for nobody else (R-ATT-2).',
    ),
  ]
}

/** R-ADM-1: whether streams are kept open on which nothing is asked. */
export const judgeStreams = ({ contact }: Observations): Finding[] | null => {
  if (contact === null) return null
  const { purpose, unread, bound, isRaised } = contact.streams
  if (!isRaised) return []
  return [
    of(
      'places-held',
      'requests',
      'warning',
      `${unread} streams of ${purpose} are held by peers that ask nothing`,
      `For two minutes there have been ${bound} or more. Each is ended and charged to its peer after a few seconds, and ` +
        'challengers and certifiers have places of their own (R-ADM-1).',
    ),
  ]
}

const of = (
  code: FindingCode,
  subject: string,
  severity: Finding['severity'],
  title: string,
  detail: string,
): Finding => ({ code, subject, severity, title, detail, remedy: remedies[code], evidence: [] })
