import { resolve } from 'node:path'
import { Command } from 'commander'
import type { Evidence, Finding } from '../service/alerts/finding.ts'
import type { NodeStatus } from '../service/status.ts'
import { realWorld } from '../world.ts'
import { StatusAnswer } from '../web/control/schemas.ts'
import type { CliIo } from './io.ts'
import { printable } from './printable.ts'
import { askRunning } from './running-daemon.ts'
import { showOrWatch, type WatchFlags } from './watch.ts'
import { screenOf, withWatchOptions } from './watch-options.ts'

/** `secnode status`: how the node is, what is wrong with it, who says so, and what to do. */
export const statusCommand = (io: CliIo): Command =>
  withWatchOptions(
    new Command('status').description('show how the running node is, and what is wrong with it'),
  )
    .addHelpText(
      'after',
      `
Examples:
  $ secnode status
  $ secnode status --dir /var/lib/secnode --watch
  $ secnode status --json | jq '.findings[] | [.severity, .code, .title]'

Exit code 0, also if something is wrong; 3: the daemon does not run.
`,
    )
    .action(async (flags: WatchFlags & { dir: string }) => {
      const dir = resolve(flags.dir)
      const ask = (): Promise<NodeStatus> => askRunning(dir, '/status', StatusAnswer, io.signal)
      await showOrWatch(io, flags, ask, formatStatus, realWorld(), screenOf(process.stdout))
    })

export const formatStatus = (status: NodeStatus): string =>
  [
    ...headLines(status),
    '',
    ...saidLines(status),
    ...workLines(status),
    ...alertLines(status),
    ...findingLines(status),
    '',
  ].join('\n')

const headLines = (status: NodeStatus): string[] => {
  const { chain, seat, stake, peers } = status
  const tip = chain.tip === null ? '' : ` (tip ${chain.tip})`
  const detail = chain.detail === null ? '' : `: ${printable(chain.detail)}`
  const held = status.attestations.map(({ epoch, held: count, seats }) => `${epoch}: ${count}/${seats}`)
  return [
    `${status.host}  ${seat === null ? 'no seat yet' : `seat ${seat}`}  stake ${stake}  version ${status.version}`,
    `network ${status.network}  peer ${status.peer}`,
    ...signingLines(status.signing),
    `chain ${chain.status} at ${chain.confirmedHeight}${tip}${detail}`,
    status.epoch === null ? 'before the first epoch' : `epoch ${status.epoch} of week ${status.week ?? '?'}`,
    `peers ${peers.total}, of these registered ${peers.registered}  attestations held ${held.join(', ') || 'none'}`,
    ...contactLines(status),
    ...rulesetLines(status),
    ...(status.certificateUntil === null ? [] : [`certificate until ${status.certificateUntil}`]),
  ]
}

const contactLines = ({ contact: { neighbours, hearing } }: NodeStatus): string[] => {
  if (neighbours === null) return []
  const heard =
    hearing === null ? '' : `  heard ${hearing.heard} of ${hearing.others} in epoch ${hearing.epoch}`
  return [`gossip neighbours ${neighbours}${heard}`]
}

/** Of the newest ruleset that anybody knows: whether the network is ready for it. */
const rulesetLines = ({ rulesets }: NodeStatus): string[] => {
  const newest = rulesets.at(-1)
  if (newest === undefined || newest.probed === 0) return []
  return [`ready for ruleset ${newest.ruleset}: ${newest.ready} of ${newest.probed} probed seats`]
}

const signingLines = (signing: NodeStatus['signing']): string[] => {
  if (signing.is === 'on') return []
  if (signing.is === 'outdated') {
    const { ruleset, from } = signing
    return [
      `signs nothing: since week ${from} the network goes by ruleset ${ruleset}, which this version does not know`,
    ]
  }
  if (signing.is === 'moved') {
    const { seat: moved, peer, from } = signing
    return [`signs nothing from epoch ${from} on: seat ${moved} is announced under the key of ${peer}`]
  }
  const { seat, silentEpoch, takeover } = signing
  const which = seat === null ? 'its seat' : `seat ${seat}`
  const silent = silentEpoch === null ? '' : `, which was silent in epoch ${silentEpoch}`
  const why = signing.is === 'standby' ? `standby for ${which}${silent}` : 'another daemon runs with its keys'
  return [
    `signs nothing: ${why}`,
    ...(takeover === null
      ? []
      : [
          takeover.is === 'waiting'
            ? `takeover: waiting for ${takeover.why}`
            : `takeover: given up, ${takeover.why}`,
        ]),
  ]
}

const whyNobody = (stake: NodeStatus['stake'], chain: NodeStatus['chain']): string => {
  if (chain.status !== 'following') return 'not known before the chain is followed'
  return stake === 'active'
    ? 'none yet; the first come in the third epoch after the announcement'
    : 'none, for its stake is not active'
}

const saidLines = ({ said, seat, stake, chain }: NodeStatus): string[] => {
  if (seat === null) return []
  if (said.length === 0) return [`its challengers: ${whyNobody(stake, chain)}`, '']
  return [
    'its challengers:',
    ...said.map(({ epoch, is, k, valid, invalid, abstain, silent }) => {
      const counts = [
        [valid, 'valid'],
        [invalid, 'invalid'],
        [abstain, 'abstain'],
        [silent, 'silent'],
      ] as const
      const text = counts.flatMap(([count, word]) => (count === 0 ? [] : [`${word} ×${count}`])).join(', ')
      return `  epoch ${epoch}  ${is.padEnd(9)}  ${text} of ${k}`
    }),
    '',
  ]
}

const workLines = ({ work, epoch }: NodeStatus): string[] => {
  if (work === null) return []
  const counts = new Map<string, number>()
  for (const { state } of work.targets) counts.set(state, (counts.get(state) ?? 0) + 1)
  const states = [...counts].map(([state, count]) => `${state} ×${count}`)
  return [`its targets in epoch ${epoch ?? '?'} (${work.stage}): ${states.join(', ') || 'none'}`, '']
}

const alertLines = ({ alerts }: NodeStatus): string[] => {
  if (alerts.length === 0) return ['alerts: nobody is told what goes wrong (docs/monitoring.md)', '']
  return [
    ...alerts.map(({ kind, name, waiting, lastError }) => {
      const trouble = lastError === null ? '' : `, last try: ${printable(lastError)}`
      return `alerts by ${kind} to ${name}: ${waiting} waiting${trouble}`
    }),
    '',
  ]
}

const findingLines = ({ findings, unknown }: NodeStatus): string[] => {
  if (findings.length === 0) {
    // What the registry says is known as soon as the chain was followed to its end.
    const isEarly = unknown.includes('stake-spent')
    return [isEarly ? 'too early to say whether something is wrong' : 'nothing is wrong']
  }
  return findings.flatMap((finding) => [...formatFinding(finding), ''])
}

export const formatFinding = ({ severity, code, title, detail, remedy, evidence }: Finding): string[] => [
  `${severity.toUpperCase()}  ${title}  [${code}]`,
  `  ${printable(detail)}`,
  ...evidence.map((one) => `  ${evidenceLine(one)}`),
  `  → ${remedy}`,
]

const evidenceLine = (one: Evidence): string => {
  const saw = one.saw === null || one.saw === '' ? '' : `: ${printable(one.saw)}`
  return one.is === 'verdict'
    ? `epoch ${one.epoch}, seat ${one.seat} ${one.host} says ${one.word}${saw}  (attestation ${one.attestation.cid}, evidence ${one.evidence})`
    : `seat ${one.seat} ${one.host} dials ${one.port}: ${one.word}${saw}`
}
