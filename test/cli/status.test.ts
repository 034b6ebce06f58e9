import { describe, expect, test } from 'vitest'
import { formatStatus } from '../../src/cli/status.ts'
import type { NodeStatus } from '../../src/service/status.ts'
import { contactOf } from '../service/self-diagnosis/observed.ts'

/** A node that was announced a moment ago. */
const young: NodeStatus = {
  network: '00'.repeat(16),
  version: '0.1.0',
  peer: '12D3KooW',
  host: 'n7.example.org',
  seat: 7,
  stake: 'active',
  signing: { is: 'on' },
  chain: { status: 'following', confirmedHeight: 100, tip: 110, detail: null },
  epoch: 5,
  week: '2026-W47',
  work: null,
  said: [],
  attestations: [],
  rulesets: [{ ruleset: 1, ready: 0, probed: 0 }],
  peers: { total: 3, registered: 2 },
  contact: contactOf({}),
  certificateUntil: null,
  diskFreeBytes: null,
  findings: [],
  unknown: [],
  alerts: [],
}

describe('status, for people', () => {
  test('R-EPOCH-5 says why nobody has said anything of it', () => {
    expect(formatStatus(young)).toContain(
      'its challengers: none yet; the first come in the third epoch after the announcement\n',
    )
    expect(formatStatus({ ...young, stake: 'retired' })).toContain('none, for its stake is not active\n')
    const chain = { ...young.chain, status: 'idle', tip: null }
    expect(formatStatus({ ...young, chain })).toContain('not known before the chain is followed\n')
    expect(formatStatus({ ...young, seat: null })).not.toContain('challengers')
  })

  test('R-SYNC-3 shows whether it hears the others, as far as that is known', () => {
    expect(formatStatus(young)).toContain('gossip neighbours 8  heard 99 of 100 in epoch 4\n')
    const early = contactOf({ neighbours: 0, hearing: null })
    expect(formatStatus({ ...young, contact: early })).toContain('gossip neighbours 0\n')
    const before = contactOf({ neighbours: null })
    expect(formatStatus({ ...young, contact: before })).not.toContain('neighbours')
  })

  test('R-PROBE-1 shows how many are ready for the newest ruleset, once it has probed any', () => {
    expect(formatStatus(young)).not.toContain('ready for')
    const rulesets = [
      { ruleset: 1, ready: 11, probed: 11 },
      { ruleset: 2, ready: 4, probed: 11 },
    ]
    expect(formatStatus({ ...young, rulesets })).toContain('ready for ruleset 2: 4 of 11 probed seats\n')
  })

  test('says that nobody is told, or how many alerts wait', () => {
    expect(formatStatus(young)).toContain('alerts: nobody is told what goes wrong (docs/monitoring.md)\n')
    const target = { kind: 'command' as const, name: 'page-me', waiting: 2, lastError: 'exit code 1' }
    const told = formatStatus({ ...young, alerts: [target] })
    expect(told).toContain('alerts by command to page-me: 2 waiting, last try: exit code 1\n')
    expect(told).not.toContain('nobody is told')
  })
})
