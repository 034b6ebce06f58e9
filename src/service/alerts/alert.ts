import type { Finding, Severity } from './finding.ts'

/** Whose alert it is. */
export interface AlertingNode {
  network: string
  host: string
  seat: number | null
  peer: string
}

/** What is sent: one JSON object, the same bytes at every try. */
export interface Alert extends Omit<Finding, 'severity'> {
  format: 'secnode-alert-1'
  /** 32 hex digits: whoever gets the same one twice has it already. */
  id: string
  is: 'firing' | 'recovered' | 'test'
  severity: Severity
  /** When it was written, and since when the finding stands: ISO 8601, UTC. */
  at: string
  since: string
  node: AlertingNode
  /** Everything for people, in one text. Slack and Mattermost show `text`, Discord `content`. */
  text: string
  content: string
}

/** Discord takes 2,000 characters, Slack 4,000. */
const maxTextChars = 1_900

export const alertOf = (
  is: Alert['is'],
  finding: Finding,
  about: { id: string; nowMs: number; sinceMs: number; node: AlertingNode },
): Alert => {
  const text = shorten(textOf(is, finding, about.node))
  return {
    format: 'secnode-alert-1',
    id: about.id,
    is,
    at: new Date(about.nowMs).toISOString(),
    since: new Date(about.sinceMs).toISOString(),
    node: about.node,
    ...finding,
    text,
    content: text,
  }
}

/** What the test button sends. */
export const testFinding: Finding = {
  code: 'test',
  subject: 'alerts',
  severity: 'info',
  title: 'a test of the alerts',
  detail: 'Somebody asked this node to send it; nothing is wrong.',
  remedy: 'Nothing is to be done.',
  evidence: [],
}

const words: Readonly<Record<Alert['is'], string>> = {
  firing: 'ALERT',
  recovered: 'RECOVERED',
  test: 'TEST',
}

const textOf = (is: Alert['is'], finding: Finding, node: AlertingNode): string => {
  const who = `${node.host}${node.seat === null ? '' : ` (seat ${node.seat})`}`
  const head = `${words[is]} ${is === 'firing' ? `${finding.severity} ` : ''}${who}: ${finding.title}`
  if (is === 'recovered') return `${head}: no longer so`
  const said = finding.evidence.map((one) =>
    one.is === 'verdict'
      ? `- seat ${one.seat} ${one.host} attests ${one.word} in epoch ${one.epoch}${one.saw === null ? '' : `: ${one.saw}`}`
      : `- seat ${one.seat} ${one.host} dials ${one.port}: ${one.word}${one.saw === '' ? '' : `: ${one.saw}`}`,
  )
  return [head, finding.detail, ...said, finding.remedy].join('\n')
}

const shorten = (text: string): string =>
  text.length <= maxTextChars ? text : `${text.slice(0, maxTextChars - 1)}…`
