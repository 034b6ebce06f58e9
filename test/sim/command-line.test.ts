import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { main } from '../../sim/cli.ts'
import { builtInNames } from '../../sim/shell/scenario-files.ts'

const directory = mkdtempSync(join(tmpdir(), 'secnode-sim-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string): string => join(directory, name)

const scenario = at('small.yaml')
beforeAll(() =>
  writeFileSync(
    scenario,
    `
name: small
weeks: 1
repeats: 3
population:
  - { name: honest, nodes: 40, lifetimeWeeks: 2, addresses: { prefixes24: 20, prefixes16: 5 } }
attackers:
  - { name: bad, nodes: 10, strategies: [{ kind: vouch }, { kind: accuse, when: majority }] }
`,
  ),
)

const run = async (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
  let stdout = ''
  let stderr = ''
  const code = await main(args, {
    stdout: (text) => (stdout += text),
    stderr: (text) => (stderr += text),
    isTerminal: false,
    signal: new AbortController().signal,
  })
  return { code, stdout, stderr }
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The commit is that of the moment, and somebody may commit while tests run. */
const hashesOf = (folder: string): string[] => {
  const [runs, summary, manifest] = ['runs.jsonl', 'summary.csv', 'manifest.json'].map((file) =>
    readFileSync(join(folder, file), 'utf8'),
  ) as [string, string, string]
  expect(manifest).toMatch(/^ {2}"commit": /m)
  return [runs, summary, manifest.replace(/^ {2}"commit": .*$/m, '')].map(sha256)
}

const sweep = ['sweep', scenario, '--vary', 'protocol.committee=5,7', '--vary', 'attacker.nodes=0..20:10']

describe('one seed, the same bytes', () => {
  test('whatever the number of threads, broken off and resumed, or in parts that are merged', async () => {
    expect((await run(...sweep, '--threads', '1', '--out', at('one'))).code).toBe(0)
    expect((await run(...sweep, '--threads', '2', '--out', at('two'))).code).toBe(0)
    const expected = hashesOf(at('one'))
    expect(hashesOf(at('two'))).toEqual(expected)
    expect(readFileSync(join(at('one'), 'runs.jsonl'), 'utf8').split('\n')).toHaveLength(2 * 3 * 3 + 1)

    const manifest = JSON.parse(readFileSync(join(at('one'), 'manifest.json'), 'utf8')) as object
    expect(manifest).toMatchObject({
      seed: 1,
      parameters: { protocol: { committee: 5, samples: 64 }, attackers: [{ nodes: 0 }] },
      tasks: 18,
      node: process.version,
      files: { 'runs.jsonl': expected[0], 'summary.csv': expected[1] },
    })

    // Killed for good as soon as it says that it has done something.
    const killed = spawn(
      process.execPath,
      [
        fileURLToPath(new URL('../../sim/cli.ts', import.meta.url)),
        ...sweep,
        '--threads',
        '1',
        '--out',
        at('killed'),
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    killed.stderr.once('data', () => killed.kill('SIGKILL'))
    await new Promise((resolve) => killed.once('close', resolve))
    expect(existsSync(join(at('killed'), 'manifest.json'))).toBe(false)
    const progress = join(at('killed'), 'progress.jsonl')
    expect(readFileSync(progress, 'utf8').split('\n').length).toBeGreaterThan(2)
    appendFileSync(progress, '{"index":9,"poi')
    // What was done is not done again: a mark on it is still there at the end. Nor is it another source's in silence.
    cpSync(at('killed'), at('marked'), { recursive: true })
    const marked = join(at('marked'), 'progress.jsonl')
    writeFileSync(
      marked,
      readFileSync(marked, 'utf8')
        .replace('"measures":{', '"measures":{"mark":7,')
        .replace(/"sources":\[.*\]/, '"sources":[{"commit":"another","node":"v1"}]'),
    )
    const resumed = await run(...sweep, '--threads', '2', '--out', at('marked'))
    expect(resumed.stderr).toMatch(/^These runs were made by different sources: another on v1, /)
    expect(readFileSync(join(at('marked'), 'runs.jsonl'), 'utf8').match(/"mark":7/g)).toHaveLength(1)
    expect(readFileSync(join(at('marked'), 'manifest.json'), 'utf8')).toMatch(/"commit": "another, /)
    expect((await run(...sweep, '--threads', '2', '--out', at('killed'))).code).toBe(0)
    expect(hashesOf(at('killed'))).toEqual(expected)
    expect(existsSync(progress)).toBe(false)

    for (const part of ['1', '2', '3'])
      await run(...sweep, '--threads', '1', '--shard', `${part}/3`, '--out', at(`part${part}`))
    const twice = await run(...sweep, '--shard', '2/3', '--out', at('part1'))
    expect(twice).toMatchObject({ code: 2 })
    expect(twice.stderr).toContain('write another --out')
    const short = await run('merge', at('part1'), at('part3'), '--out', at('short'))
    expect(short).toMatchObject({ code: 2, stdout: '' })
    expect(short.stderr).toContain('6 of 18 runs are missing')
    const onto = await run('merge', at('part1'), at('part2'), at('part3'), '--out', at('part2'))
    expect(onto).toMatchObject({ code: 2, stdout: '' })
    expect(onto.stderr).toContain('write another --out')
    expect((await run('merge', at('part1'), at('part2'), at('part3'), '--out', at('merged'))).code).toBe(0)
    expect(hashesOf(at('merged'))).toEqual(expected)
  })

  test('who breaks a sweep off is told that it goes on', async () => {
    const abort = new AbortController()
    let stderr = ''
    const code = await main([...sweep, '--threads', '1', '--out', at('broken-off')], {
      stdout: () => undefined,
      stderr: (text) => {
        stderr += text
        abort.abort(new Error('interrupted'))
      },
      isTerminal: false,
      signal: abort.signal,
    })
    expect(code).toBe(130)
    expect(stderr).toMatch(/Broken off after \d+ of 18 runs; the same command goes on from there\n$/)
    const done = Number(/after (\d+) of/.exec(stderr)![1])
    const kept = readFileSync(join(at('broken-off'), 'progress.jsonl'), 'utf8')
      .trim()
      .split('\n')
    expect(kept).toHaveLength(1 + done)
    expect(done).toBeGreaterThan(0)
    expect(done).toBeLessThan(18)
  })

  test('another seed gives other runs; one actor more leaves the draws of the others as they were', async () => {
    const runs = async (...args: string[]) =>
      (await run('run', scenario, '--json', '--repeats', '1', '--threads', '1', ...args)).stdout
    const first = await runs()
    expect(await runs()).toBe(first)
    expect(await runs('--seed', '2')).not.toBe(first)
    type Summary = [{ estimates: Record<string, { mean: number }> }]
    const rateOf = (text: string): number =>
      (JSON.parse(text) as Summary)[0].estimates['rate invalid: unreachable.honest']!.mean
    expect(rateOf(await runs('--set', 'attacker.nodes=0', '--set', 'protocol.committee=9'))).toBeCloseTo(
      rateOf(await runs('--set', 'attacker.strategies.accuse.share=0', '--set', 'protocol.committee=9')),
      12,
    )
  })

  test('a directory takes results of one plan only', async () => {
    expect((await run('run', scenario, '--repeats', '1', '--out', at('mine'))).code).toBe(0)
    const other = await run('run', scenario, '--repeats', '2', '--out', at('mine'))
    expect(other.code).toBe(2)
    expect(other.stderr).toContain('holds results of another scenario')
    expect(other.stderr).toContain('write another --out')
  })

  test('report writes a page beside the results; compare says what differs', async () => {
    await run('run', scenario, '--threads', '1', '--out', at('few'))
    await run('run', scenario, '--threads', '1', '--set', 'attacker.nodes=0', '--out', at('none'))
    const page = readFileSync(join(at('few'), 'report.html'), 'utf8')
    rmSync(join(at('few'), 'report.html'))
    expect((await run('report', at('few'))).stdout).toBe(`${at('few')}/report.html\n`)
    expect(readFileSync(join(at('few'), 'report.html'), 'utf8')).toBe(page)
    expect(JSON.parse((await run('report', at('few'), '--json')).stdout)).toEqual({
      report: `${at('few')}/report.html`,
    })
    expect(readFileSync(join(at('few'), 'report.html'), 'utf8')).toContain('payoutShare.bad')
    const { stdout } = await run('compare', at('few'), at('none'))
    expect(stdout).toMatch(/payoutShare\.bad +0\.\d+ +0 +-0\.\d+ {2}\[-0\.\d+, -0\.\d+\] +apart/)
    // Without coins there is no price of one.
    expect(stdout).toMatch(/usdPerCoin\.bad +0\.\d+ +– +–\n/)
    expect((await run('compare', at('few'), at('few'))).stdout).toBe('nothing differs\n')
    type Differences = {
      measure: string
      difference: { low: number; high: number } | null
      isApart: boolean
    }[]
    const intervalOf = async (other: string): Promise<{ low: number; high: number }> => {
      const found = JSON.parse((await run('compare', at('few'), at(other), '--json')).stdout) as Differences
      return found.find(({ measure }) => measure === 'creditRate.honest')!.difference!
    }
    // Of one seed outages fall out of the difference; with another seed they are in both.
    await run('run', scenario, '--threads', '1', '--set', 'attacker.strategies=[]', '--out', at('good'))
    await run('run', scenario, '--threads', '1', '--seed', '2', '--out', at('seed2'))
    const [paired, apart] = [await intervalOf('good'), await intervalOf('seed2')]
    expect(3 * (paired.high - paired.low)).toBeLessThan(apart.high - apart.low)
    expect((await run('report', at('nowhere'))).code).toBe(2)
  })

  test('results that were changed afterwards are refused', async () => {
    await run('run', scenario, '--repeats', '1', '--out', at('changed'))
    appendFileSync(join(at('changed'), 'runs.jsonl'), '{}\n')
    const merged = await run('merge', at('changed'), '--out', at('from-changed'))
    expect(merged).toMatchObject({ code: 2 })
    expect(merged.stderr).toContain('bad-hash')
    rmSync(join(at('changed'), 'runs.jsonl'))
    expect((await run('report', at('changed'))).stderr).toContain('bad-hash')
    writeFileSync(join(at('changed'), 'manifest.json'), '{"key"')
    expect(await run('report', at('changed'))).toMatchObject({ code: 2 })
  })
})

describe('what people see', () => {
  test('list names what each scenario shows, and prints one to start from', async () => {
    const { stdout } = await run('list')
    for (const name of ['baseline', 'sybil', 'ip-spread', 'shared-copy', 'beacon-grinding'])
      expect(stdout).toMatch(new RegExp(`^${name}\\n  shows: +[A-Z]`, 'm'))
    expect(stdout.match(/^ {2}expect: +\S/gm)).toHaveLength(builtInNames().length)
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100)
    const listed = JSON.parse((await run('list', '--json')).stdout) as Record<string, string>[]
    expect(listed.map(({ name }) => name)).toEqual(builtInNames())
    for (const { shows, expect: expected } of listed) {
      expect(shows).toMatch(/\S/)
      expect(expected).toMatch(/\S/)
    }
    expect((await run('list', '--show', 'lazy')).stdout).toContain('kind: lazy')
    const shown = JSON.parse((await run('list', '--show', 'lazy', '--json')).stdout) as object
    expect(shown).toMatchObject({ name: 'lazy', protocol: { committee: 11 } })
    expect(await run('list', '--show', 'nothing')).toMatchObject({ code: 2 })
  })

  test('every command has a help with an example that it takes', async () => {
    for (const command of ['list', 'run', 'sweep', 'merge', 'report', 'compare', 'math', 'pending'])
      expect((await run(command, '--help')).stdout).toMatch(new RegExp(`Example: sim ${command} `))
  })

  test('run prints each measure with its interval', async () => {
    const { stdout, code } = await run('run', scenario, '--threads', '1')
    expect(code).toBe(0)
    expect(stdout).toMatch(/payoutShare\.bad +0\.\d+ {2}\[0\.\d+, 0\.\d+\]/)
  })

  test('math prints the closed forms, and refuses an impossible committee', async () => {
    const math = await run('math', '--nodes', '40000', '--share', '0.2', '--committee', '11', '--json')
    expect((JSON.parse(math.stdout) as Record<string, number>)['committee captured']).toBeCloseTo(0.01164, 5)
    const bad = await run('math', '--nodes', '10', '--share', '0.2')
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain('write --committee at most 9')
    const circuits = ['math', '--nodes', '1000', '--share', '0.1', '--json', '--per-prefix']
    const spread = JSON.parse((await run(...circuits, '5')).stdout) as Record<string, number>
    expect(spread['first and last hop of a circuit']).toBeCloseTo((0.1 * 95) / 995, 12)
    const crowded = await run(...circuits, '400')
    expect(crowded).toMatchObject({ code: 2 })
    expect(crowded.stderr).toContain('write --per-prefix at most 333')
  })

  test('pending prints exact figures where there are, else those that were played, with intervals', async () => {
    const exact = await run('pending', '--seats', '16', '--churn', '0.1', '--offline', '0.1')
    expect(exact).toMatchObject({ code: 0, stderr: '' })
    expect(exact.stdout).toMatch(/^16 +16 +0\.1 +0\.1 +0 +0\.003297 +1\.003 +0\.09334 +1\.555 +0\.03332$/m)
    const played = [
      'pending',
      '--seats',
      '16',
      '--together',
      '0.5',
      '--weeks',
      '50',
      '--repeats',
      '3',
      '--json',
    ]
    const { code, stdout, stderr } = await run(...played)
    expect(code).toBe(0)
    expect(stderr).toContain('4 of 4 points')
    const rows = JSON.parse(stdout) as { isExact: boolean; rules: { pending: object }[] }[]
    expect(rows.map(({ isExact, rules }) => [isExact, rules.length])).toEqual(rows.map(() => [false, 2]))
    expect(rows[0]!.rules[1]!.pending).toMatchObject({ repeats: 3, low: expect.any(Number) as number })
    expect((await run(...played)).stdout).toBe(stdout)
    const states = await run('pending', '--states', '50')
    expect(states).toMatchObject({ code: 2 })
    expect(states.stderr).toContain('write --states at most 49')
  })

  test('mistakes exit with 2 and say what to write', async () => {
    expect((await run('run', 'no-such-scenario')).stderr).toContain('write a file')
    writeFileSync(at('broken.yaml'), 'name: [')
    const broken = await run('run', at('broken.yaml'))
    expect(broken.code).toBe(2)
    expect(broken.stderr).toContain('is no YAML')
    for (const text of [
      `${'['.repeat(9_000)}${']'.repeat(9_000)}`,
      '? [a]\n: 1',
      `a: &a [1]\nb: [${'*a,'.repeat(20)}]`,
      'a: *b',
    ]) {
      writeFileSync(at('strange.yaml'), text)
      const strange = await run('run', at('strange.yaml'))
      expect(strange).toMatchObject({ code: 2, stdout: '' })
      expect(strange.stderr).toContain('is no YAML')
    }
    writeFileSync(at('long.yaml'), `name: x # ${'x'.repeat(20_000)}`)
    expect((await run('run', at('long.yaml'))).stderr).toContain('at most 20000 bytes')
    const negative = await run('run', scenario, '--set', 'attacker.share=-1')
    expect(negative.code).toBe(2)
    expect(negative.stderr).toContain('attackers.0.share')
    expect((await run('sweep', scenario, '--vary', 'weeks=1')).code).toBe(2)
    const still = await run('sweep', scenario, '--out', at('x'))
    expect(still).toMatchObject({ code: 2, stdout: '' })
    expect(still.stderr).toContain('write --vary path=values')
    for (const shard of ['0/3', '4/3', '1/2/3', '1', '/3', '1.5/3', '1e0/3']) {
      const refused = await run('sweep', scenario, '--vary', 'weeks=1', '--out', at('x'), '--shard', shard)
      expect(refused).toMatchObject({ code: 2, stdout: '' })
      expect(refused.stderr).toContain('write i/n with 1 ≤ i ≤ n')
    }
    expect((await run('unknown')).code).toBe(2)
  })
})
