import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { attacks } from './attacks.ts'
import type { Attack } from './attack.ts'
import { type Honest, startHonest, type Tally } from './honest.ts'
import { type Measurement, rolesOf, startParty } from './parties.ts'

/**
 * `npm run test:hostile -- [attack …] [--seconds 20] [--json] [--list]`: a daemon with its default limits in a process of its
 * own, honest peers in this one, and one attack after the other in a third. Exit code 1 if an attack keeps the daemon
 * from its work, holds its event loop, or leaves memory behind.
 */
interface Outcome {
  attack: string
  finding: string
  sent: Record<string, number>
  quiet: Tally
  attacked: Tally
  /** Longest turn of the victim's event loop without the attack and under it, in ms of processor time. */
  heldMs: { quiet: number; attacked: number }
  /** MiB: heap and external together, and what the process has, before, at the end of and after the attack. */
  used: [before: number, during: number, after: number]
  rss: [before: number, during: number, after: number]
  accused: Record<string, number>
  faults: string[]
}

const maxMoreHeldMs = 250
const maxMoreUsedMb = 24

const usedOf = ({ heap, external }: Measurement): number => heap + external

/** Memory that timers and caches hold goes within this time after an attack, or it is a leak. */
const settleSeconds = 30

const play = async (
  attack: Attack,
  seconds: number,
  roles: Awaited<ReturnType<typeof rolesOf>>,
): Promise<Outcome> => {
  await using victim = await startParty('victim')
  await using honest = await startHonest(roles.challengers, victim.ready.caPem!)
  const measure = (): Promise<Measurement> => victim.ask<Measurement>({ is: 'measure' })
  await askFor(honest, 2)
  await measure()
  const quiet = await askFor(honest, Math.ceil(seconds / 2))
  const before = await measure()
  await using attacker = await startParty('attacker', attack.name, JSON.stringify(roles.hogs))
  await attacker.ask({ is: 'begin' })
  const attacked = await askFor(honest, seconds)
  const during = await measure()
  const sent = await attacker.ask<Record<string, number>>({ is: 'end' })
  let after = await measure()
  for (let waited = 0; waited < settleSeconds && usedOf(after) > usedOf(before) + maxMoreUsedMb; waited++) {
    await wait(1_000)
    after = await measure()
  }
  const stillServed = await askFor(honest, 2)
  const faults: string[] = []
  for (const [name, { made, answered, failures }] of Object.entries(attacked))
    if (answered < made || made === 0)
      faults.push(`${made - answered} of ${made} ${name} not answered: ${failures[0] ?? 'none was made'}`)
  for (const [name, { made, answered }] of Object.entries(stillServed))
    if (answered < made) faults.push(`${made - answered} of ${made} ${name} not answered after the attack`)
  if (during.heldMs > before.heldMs + maxMoreHeldMs) faults.push(`event loop held for ${during.heldMs} ms`)
  if (usedOf(after) > usedOf(before) + maxMoreUsedMb)
    faults.push(`${usedOf(after) - usedOf(before)} MiB more after the attack`)
  return {
    attack: attack.name,
    finding: attack.finding,
    sent,
    quiet,
    attacked,
    heldMs: { quiet: before.heldMs, attacked: during.heldMs },
    used: [usedOf(before), usedOf(during), usedOf(after)],
    rss: [before.rss, during.rss, after.rss],
    accused: await victim.ask<Record<string, number>>({ is: 'accusations' }),
    faults,
  }
}

const askFor = async (honest: Honest, seconds: number): Promise<Tally> => {
  const abort = new AbortController()
  const asking = honest.ask(abort.signal)
  await wait(1_000 * seconds)
  abort.abort()
  return await asking
}

const textOf = (outcome: Outcome): string => {
  const tally = (rows: Tally): string =>
    Object.entries(rows)
      .map(([name, { made, answered, longestMs }]) => `${name} ${answered} of ${made} (${longestMs} ms)`)
      .join(', ')
  const listed = (counts: Record<string, number>): string =>
    Object.entries(counts)
      .map(([name, count]) => `${name} ${count.toLocaleString('en-US')}`)
      .join(', ')
  return [
    `${outcome.faults.length === 0 ? 'held  ' : 'BROKEN'} ${outcome.attack} (${outcome.finding})`,
    `  sent          ${listed(outcome.sent)}`,
    `  answered      ${tally(outcome.attacked)}`,
    `  without it    ${tally(outcome.quiet)}`,
    `  loop held     ${outcome.heldMs.attacked} ms of processor time, ${outcome.heldMs.quiet} ms without`,
    `  memory, MiB   used ${outcome.used.join(' → ')}, process ${outcome.rss.join(' → ')}`,
    `  named         ${listed(outcome.accused) || 'nobody'}`,
    ...outcome.faults.map((fault) => `  FAULT         ${fault}`),
    '',
  ].join('\n')
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const unknown = positionals.filter((name) => !attacks.some((attack) => attack.name === name))
const seconds = Number(values.seconds)
if (values.help || values.list) {
  const list = attacks.map(({ name, what, finding }) => `${name.padEnd(24)} ${finding.padEnd(8)} ${what}`)
  process.stdout.write(
    `usage: npm run test:hostile -- [attack …] [--seconds 20] [--json] [--list]\n${list.join('\n')}\n`,
  )
} else if (unknown.length > 0 || !(seconds >= 5 && seconds <= 600)) {
  const why = unknown.length > 0 ? `There is no attack ${unknown.join(', ')}` : '--seconds takes 5 to 600'
  process.stderr.write(`${why}. See npm run test:hostile -- --list\n`)
  process.exitCode = 2
} else {
  const roles = await rolesOf()
  const chosen = attacks.filter(({ name }) => positionals.length === 0 || positionals.includes(name))
  for (const attack of chosen) {
    process.stderr.write(`${attack.name}: ${attack.what}\n`)
    const outcome = await play(attack, seconds, roles)
    process.stdout.write(values.json ? `${JSON.stringify(outcome)}\n` : textOf(outcome))
    if (outcome.faults.length > 0) process.exitCode = 1
  }
}
