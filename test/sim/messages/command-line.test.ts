import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { main } from '../../../sim/cli.ts'
import { parseScenario } from '../../../sim/scenario.ts'
import type { TaskResult } from '../../../sim/tasks.ts'

const directory = mkdtempSync(join(tmpdir(), 'secnode-sim-messages-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))
const at = (name: string): string => join(directory, name)

const honest = { name: 'honest', nodes: 50, lifetimeWeeks: 4, addresses: { prefixes24: 20, prefixes16: 5 } }
const small = {
  name: 'small',
  weeks: 1,
  repeats: 2,
  engine: 'messages',
  protocol: { epochBlocks: 2_016 },
  network: { syncSeconds: 600, spreadSeconds: 60, loss: 0.01 },
  population: [honest],
  attackers: [{ name: 'late', nodes: 8, strategies: [{ kind: 'withhold', until: 'closes' }] }],
}

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

describe('the message engine', () => {
  test('gives the same bytes on one thread and on two, other ones with another seed', async () => {
    writeFileSync(at('small.yaml'), JSON.stringify(small))
    const bytesOf = async (name: string, ...args: string[]): Promise<string> => {
      const { code, stderr } = await run('run', at('small.yaml'), '--out', at(name), ...args)
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })
      return readFileSync(join(at(name), 'runs.jsonl'), 'utf8')
    }
    const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
    const one = await bytesOf('one', '--threads', '1')
    expect(sha256(await bytesOf('two', '--threads', '2'))).toBe(sha256(one))
    const other = await bytesOf('other', '--threads', '1', '--seed', '2', '--repeats', '1')
    expect(other.split('\n')[0]).not.toBe(one.split('\n')[0])
    // What a report draws: how attestations spread, in every run.
    const results = one
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as TaskResult)
    expect(results).toHaveLength(2)
    for (const { propagation, measures } of results) {
      expect(propagation!.ms.length).toBe(propagation!.share.length)
      expect(propagation!.ms.length).toBeGreaterThan(10)
      expect(propagation!.share).toEqual(propagation!.share.toSorted((a, b) => a - b))
      expect(measures['propagation.p50Ms']).toBeGreaterThan(0)
      expect(measures['traffic.bytesPerNodeAndEpoch']).toBeGreaterThan(10_000)
    }
    expect((await run('report', at('one'))).code).toBe(0)
    expect(readFileSync(join(at('one'), 'report.html'), 'utf8')).toContain('How attestations spread')
  })
})

describe('a bad scenario names the field and says what to write', () => {
  const messages = { ...small, attackers: [] as object[] }
  const eclipse = (nodes: number, victims: number) => ({
    name: 'e',
    nodes,
    strategies: [{ kind: 'eclipse', victims }],
  })
  test.each([
    ['an unknown engine', { engine: 'quantum' }, /engine: write statistical or messages/],
    [
      'messages for the statistical engine',
      { engine: 'statistical' },
      /network: the statistical engine has no messages: write engine: messages, or leave network out/,
    ],
    [
      'a strategy of the other engine',
      { attackers: [{ name: 'l', nodes: 4, strategies: [{ kind: 'lazy' }] }] },
      /attackers\.0\.strategies\.0\.kind: the engine messages does not play lazy: write engine: statistical, or one of silent, /,
    ],
    [
      'a strategy of this engine for the other',
      { engine: 'statistical', network: undefined, attackers: [eclipse(4, 2)] },
      /the engine statistical does not play eclipse: write engine: messages, or one of shared-copy, /,
    ],
    [
      'too many nodes',
      { population: [{ ...honest, nodes: 6_000, addresses: { prefixes24: 900, prefixes16: 9 } }] },
      /population: 6000 nodes: write at most 5000 together/,
    ],
    [
      'more victims than nodes',
      { attackers: [eclipse(4, 51)] },
      /strategies\.0\.victims: write at most 50 victims/,
    ],
    [
      'nobody who eclipses',
      { attackers: [eclipse(0, 2)] },
      /attackers\.0\.nodes: write at least one node that eclipses/,
    ],
    [
      'an unknown bound',
      { attackers: [{ name: 'w', nodes: 4, strategies: [{ kind: 'withhold', until: 'never' }] }] },
      /until: write must-hold or closes/,
    ],
    [
      'a negative moment',
      {
        attackers: [
          { name: 'w', nodes: 4, strategies: [{ kind: 'withhold', until: 'closes', secondsAfter: -1 }] },
        ],
      },
      /secondsAfter: write seconds from 0 to 86400/,
    ],
    ['a loss above one', { network: { loss: 2 } }, /network\.loss: write a share from 0 to 1/],
    [
      'latencies the wrong way round',
      { network: { latencyMs: [100, 10] } },
      /network\.latencyMs: write the smaller number/,
    ],
    [
      'one latency',
      { network: { latencyMs: 10 } },
      /network\.latencyMs: write two numbers of milliseconds, such as \[10, 100\]/,
    ],
    [
      'degrees out of order',
      { network: { gossip: { degree: 20 } } },
      /network\.gossip\.degree: degreeLow 6, degree 20, degreeHigh 12: write them in rising order/,
    ],
    [
      'an unknown field',
      { network: { speed: 1 } },
      /network\.speed: there is no such field here: write one of latencyMs, /,
    ],
  ])('%s', (_, change, message) => {
    expect(() => parseScenario({ ...messages, ...change }, 'test.yaml')).toThrow(message)
  })
})
