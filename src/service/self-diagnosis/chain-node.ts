import type { Finding } from '../alerts/finding.ts'
import { type FindingCode, remedies } from './codes.ts'
import type { ObservedChain, Observations } from './observations.ts'

/** A chain node that is restarted is back by then. */
const maxUnreachableMs = 120_000
/** One that was set back or restarts its synchronisation gets this long before anybody is woken. */
const maxBehindMs = 600_000
/** Of blocks that come every 75 or 150 seconds by chance none comes for so long once in e^18 times and less. */
const maxStillMs = 45 * 60_000

/** Whether the chain node gives what challenges are made of (R-CHAIN-1). Null while it is being read. */
export const judgeChainNode = ({ chain }: Observations): Finding[] | null => {
  const { status, detail, sinceMs, stillMs, height, tip } = chain
  const why = detail === null ? '' : ` It says: ${detail}.`
  switch (status) {
    case 'node-unreachable':
      return sinceMs < maxUnreachableMs
        ? null
        : [
            of(
              'chain-unreachable',
              'critical',
              'the chain node does not answer',
              `For ${minutes(sinceMs)} it has given no usable answer; the last block that was followed is ${height}.${why}`,
            ),
          ]
    case 'node-lies':
      return [
        of(
          'chain-wrong',
          'critical',
          'the chain node gives what cannot be',
          `What it says contradicts the chain that was followed up to block ${height}.${why}`,
        ),
      ]
    case 'failed':
      return [
        of('chain-wrong', 'critical', 'following the chain has ended', `It ended at block ${height}.${why}`),
      ]
    case 'node-behind':
      return sinceMs < maxBehindMs
        ? null
        : [
            of(
              'chain-behind',
              'critical',
              'the chain node is behind',
              `For ${minutes(sinceMs)} its tip has been at ${tip ?? 'an unknown height'}, and block ${height} was followed before.`,
            ),
          ]
    case 'following':
      return stillMs < maxStillMs ? [] : [still(chain)]
    case 'catching-up':
    case 'idle':
      return null
  }
}

const still = ({ stillMs, height }: ObservedChain): Finding =>
  of(
    'chain-still',
    'critical',
    `no block has come for ${minutes(stillMs)}`,
    `Block ${height} is the last confirmed one that the chain node has. Epochs go by without this node.`,
  )

const of = (code: FindingCode, severity: Finding['severity'], title: string, detail: string): Finding => ({
  code,
  subject: 'chain node',
  severity,
  title,
  detail: `${detail} Without the chain this node neither answers nor judges: it abstains, and epochs bring nothing.`,
  remedy: remedies[code],
  evidence: [],
})

const minutes = (ms: number): string => `${Math.round(ms / 60_000)} minutes`
