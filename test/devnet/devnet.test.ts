import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { DevnetResult } from '../../src/devnet/result.ts'

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const run = promisify(execFile)

/** As a person types it; rejects unless it exits with 0. */
const devnet = async (...flags: string[]): Promise<DevnetResult> => {
  const { stdout } = await run(process.execPath, [main, 'devnet', '--json', ...flags], { timeout: 1_200_000 })
  return JSON.parse(stdout) as DevnetResult
}

const reasonsByKind: Record<string, string> = {
  offline: 'invalid: unreachable',
  pruned: 'invalid: wrong digest',
  badcert: 'invalid: tls invalid',
  othertls: 'invalid: tls unbound',
  liar: 'valid: disagrees',
  lazy: 'invalid: evidence invalid',
  copycat: 'invalid: evidence invalid',
  equivocator: 'equivocator',
  squatter: 'invalid: bad receipt',
  flaky: 'invalid: unreachable',
}

describe('a devnet week', () => {
  test('R-VERD-1 R-TALLY-1 R-TALLY-2 R-TALLY-3 R-TALLY-4 R-EVID-2 R-ATT-3 R-CP-5 R-PAY-4 every deviant is found for what it does, the week is anchored and paid', async () => {
    const kinds = 'offline=1,pruned=1,badcert=1,othertls=1,sharedip=2,liar=1,lazy=1,copycat=1,equivocator=1'
    const result = await devnet('--seed', '1', '--with', `${kinds},squatter=1,flaky=1,late=1`)
    expect(result).toMatchObject({ agree: true, state: 'anchored', payout: 'exact', rebuilt: true })
    // 8 honest ones and 13 deviants, of which the one that is offline has nothing to say.
    expect(Object.keys(result.digests)).toHaveLength(20)
    expect(result.honest).toHaveLength(8)
    const fullWeek = result.honest.map(({ amount }) => BigInt(amount))
    for (const amount of fullWeek) expect(amount).toBeGreaterThan(0n)
    const most = fullWeek.reduce((a, b) => (a > b ? a : b))

    const deviants = Map.groupBy(result.deviants, ({ kind }) => kind)
    for (const [kind, reason] of Object.entries(reasonsByKind)) {
      expect(deviants.get(kind as never)?.[0]?.reasons, kind).toContain(reason)
    }
    // Never a right answer, so never paid.
    for (const kind of ['offline', 'pruned', 'badcert', 'othertls', 'squatter', 'equivocator'] as const) {
      expect(deviants.get(kind)?.[0]?.amount, kind).toBe('0')
    }
    // Found out in the second epoch after the first; what they were credited before is all they may have.
    for (const kind of ['lazy', 'copycat', 'liar', 'flaky'] as const) {
      expect(BigInt(deviants.get(kind)![0]!.amount), kind).toBeLessThan(most)
    }
    // One address is one node: never do both stakes behind it earn in the same epoch.
    const shared = deviants.get('sharedip')!
    const earnedByBoth = shared.reduce((sum, { amount }) => sum + BigInt(amount), 0n)
    expect(earnedByBoth).toBeLessThanOrEqual(most)
    expect(shared.some(({ reasons }) => reasons.includes('invalid: address shared'))).toBe(true)
    // A newcomer of Thursday is paid for Thursday on (R-TALLY-5).
    const [late] = deviants.get('late')!
    expect(BigInt(late!.amount)).toBeGreaterThan(0n)
    expect(BigInt(late!.amount)).toBeLessThan(most)
  }, 1_200_000)

  test('R-TALLY-2 R-CP-3 nodes that name false addresses are paid nothing, those that spoil proposals delay and take nothing', async () => {
    const deviants = 'false-address=2,dribbler=2'
    const result = await devnet('--seed', '3', '--nodes', '9', '--epochs', '3', '--with', deviants)
    expect(result).toMatchObject({ agree: true, state: 'anchored', uncredited: [], payout: 'exact' })
    expect(new Set(result.honest.map(({ amount }) => amount)).size).toBe(1)
    const of = (wanted: string) => result.deviants.filter(({ kind }) => kind === wanted)
    expect(of('false-address').map(({ amount, reasons }) => ({ amount, reasons }))).toEqual(
      Array.from({ length: 2 }, () => ({ amount: '0', reasons: ['valid: disagrees'] })),
    )
    expect(of('dribbler')).toHaveLength(2)
    for (const { amount, reasons } of of('dribbler')) {
      expect(reasons).toEqual(['valid: not attested'])
      expect(BigInt(amount)).toBeLessThan(BigInt(result.honest[0]!.amount))
    }
  }, 1_200_000)

  test('R-TALLY-7 the ZEN family: Sprout memos and replay-protected scripts', async () => {
    const result = await devnet('--profile', 'zen-devnet', '--nodes', '4', '--epochs', '3', '--seed', '2')
    expect(result).toMatchObject({ agree: true, state: 'anchored', payout: 'exact', rebuilt: true })
    expect(result.honest.map(({ amount }) => BigInt(amount) > 0n)).toEqual([true, true, true, true])
  }, 1_200_000)

  test('refuses kinds of misbehaviour that it does not know, and says which there are', async () => {
    const failure = await devnet('--with', 'evil=1').then(
      () => null,
      (error: unknown) => error as { code: number; stderr: string },
    )
    expect(failure?.code).toBe(2)
    expect(failure?.stderr).toContain('offline, pruned')
  })
})
