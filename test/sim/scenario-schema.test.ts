import { describe, expect, test } from 'vitest'
import { parseScenario } from '../../sim/scenario.ts'
import { parseAxis, parseSetting, pointsOf, withSetting } from '../../sim/setting.ts'

const honest = { name: 'honest', nodes: 100, addresses: { prefixes24: 50, prefixes16: 10 } }
const good = { name: 'good', weeks: 1, population: [honest] }
const attacker = { name: 'bad', nodes: 10, strategies: [] }

describe('a bad scenario names the field and says what to write', () => {
  test.each([
    ['a negative share', { attackers: [{ name: 'bad', share: -0.1 }] }, /attackers\.0\.share: .*from 0 to 1/],
    [
      'a share of one',
      { attackers: [{ name: 'bad', share: 1 }] },
      /attackers\.0\.share: write a share below 1/,
    ],
    [
      'a negative availability',
      { population: [{ ...honest, availability: -1 }] },
      /population\.0\.availability: .*from 0 to 1/,
    ],
    [
      'more stakes than budget',
      { attackers: [{ ...attacker, budget: { coins: 100 } }] },
      /attackers\.0\.nodes: 10 nodes lock 420 coins, the budget has 100: write at most 2 nodes/,
    ],
    [
      'weekly costs above the budget',
      { attackers: [{ ...attacker, budget: { usdPerWeek: 1 } }] },
      /attackers\.0\.budget\.usdPerWeek: 10 nodes cost .* write at least/,
    ],
    [
      'an unknown strategy',
      { attackers: [{ ...attacker, strategies: [{ kind: 'magic' }] }] },
      /attackers\.0\.strategies\.0.*: unknown strategy: write one of shared-copy, /,
    ],
    [
      'two strategies of one duty',
      { attackers: [{ ...attacker, strategies: [{ kind: 'lazy' }, { kind: 'silent' }] }] },
      /strategies\.1: .*write one of them/,
    ],
    [
      'a lie about the verdict and about the address',
      {
        attackers: [
          { ...attacker, strategies: [{ kind: 'accuse', when: 'always' }, { kind: 'false-address' }] },
        ],
      },
      /strategies\.1: false-address and accuse are about one duty: write one of them/,
    ],
    [
      'an unknown lie',
      { attackers: [{ ...attacker, strategies: [{ kind: 'false-address', lie: 'never' }] }] },
      /strategies\.0\.lie: write always, half or where-it-wins/,
    ],
    [
      'unknown places',
      { attackers: [{ ...attacker, strategies: [{ kind: 'hog', places: 'all' }] }] },
      /strategies\.0\.places: write by-duty or common/,
    ],
    [
      'twins among messages',
      { engine: 'messages', attackers: [{ ...attacker, strategies: [{ kind: 'twin' }] }] },
      /strategies\.0\.kind: the engine messages does not play twin: write engine: statistical, or one of silent, /,
    ],
    [
      'a comparator among messages',
      { engine: 'messages', comparator: { agreement: 'by-class' } },
      /comparator\.agreement: the messages engine plays the protocol alone/,
    ],
    [
      'an impossible committee',
      { protocol: { committee: 49 } },
      /protocol\.committee: a committee has 1 to 48 members/,
    ],
    [
      'a committee of more than all others',
      { population: [{ ...honest, nodes: 8 }] },
      /protocol\.committee: 8 seats have at most 7/,
    ],
    [
      'a /24 with too many hosts',
      { population: [{ ...honest, nodes: 300, addresses: { prefixes24: 1, prefixes16: 1 } }] },
      /prefixes24: 300 addresses need at least 2/,
    ],
    [
      'an unknown price',
      { population: [{ ...honest, addresses: { ...honest.addresses, price: 'free' } }] },
      /addresses\.price: write one of cloud-address/,
    ],
    [
      'an unknown field',
      { colour: 'red' },
      /colour: there is no such field here: write one of name, shows, /,
    ],
    [
      'a misspelt parameter',
      { protocol: { comittee: 7 } },
      /protocol\.comittee: there is no such field here: write one of committee, samples, /,
    ],
    [
      'a misspelt field of a strategy',
      { attackers: [{ ...attacker, strategies: [{ kind: 'grind', minerShare: 0.2, atleast: 3 }] }] },
      /attackers\.0\.strategies\.0\.atleast: there is no such field here: write one of kind, minerShare, atLeast/,
    ],
    ['a number for a list', { population: 3 }, /population: write a list/],
    ['nothing for a list', { population: undefined }, /population: write a list/],
    ['nobody', { population: [] }, /population: write at least 1 of them/],
    ['text for a number', { protocol: { minSeniors: 'x' } }, /protocol\.minSeniors: write a number/],
    [
      'a part of a whole',
      { protocol: { maxPerPrefix: 0.5 } },
      /protocol\.maxPerPrefix: write a whole number/,
    ],
    ['too little', { protocol: { epochBlocks: -3 } }, /protocol\.epochBlocks: write a number of at least 4/],
    ['too much', { protocol: { samples: 1e9 } }, /protocol\.samples: write a number of at most 1024/],
    ['a weight that is text', { economy: { coinUsd: 'ten' } }, /economy\.coinUsd: write a number/],
    [
      'an unknown region',
      { population: [{ ...honest, regions: { atlantis: 1 } }] },
      /population\.0\.regions\.atlantis: write regions of us-west, /,
    ],
    [
      'regions that are not all nodes',
      { population: [{ ...honest, regions: { uk: 0.5, japan: 0.4 } }] },
      /population\.0\.regions: the shares sum to 0\.9: write shares that sum to 1/,
    ],
    [
      'a region that is no share',
      { attackers: [{ ...attacker, regions: { uk: -1, japan: 2 } }] },
      /attackers\.0\.regions\.uk: what stands in a region is a share: write a number from 0 to 1/,
    ],
    [
      'an incident that befalls nobody',
      { incidents: [{ kind: 'outage', from: 1, epochs: 1 }] },
      /incidents\.0\.share: write share, regions or both/,
    ],
    [
      'an incident elsewhere',
      { incidents: [{ kind: 'outage', from: 1, epochs: 1, regions: ['atlantis'] }] },
      /incidents\.0\.regions\.0: write regions of us-west, /,
    ],
    [
      'more hops than the plans have /16s',
      {
        population: [{ ...honest, addresses: { prefixes24: 2, prefixes16: 2 } }],
        relay: { users: 1, transactions: 1 },
      },
      /relay\.hops: all nodes stand in 2 \/16s, .* write at most 2/,
    ],
    [
      'circuits among messages',
      { engine: 'messages', relay: { users: 1, transactions: 1 } },
      /relay: the messages engine has no circuits: write engine: statistical/,
    ],
    [
      'circuits longer than the rules allow',
      { relay: { users: 1, transactions: 1, hops: 9 } },
      /relay\.hops: write a whole number from 1 to 8/,
    ],
    [
      'an unknown incident',
      { incidents: [{ kind: 'flood', from: 1, epochs: 1 }] },
      /incidents\.0\.kind: unknown incident: write one of outage, partition/,
    ],
    [
      'neither nodes nor share',
      { attackers: [{ name: 'bad' }] },
      /attackers\.0\.nodes: write either nodes or share/,
    ],
    [
      'two actors of one name',
      { attackers: [{ ...attacker, name: 'honest' }] },
      /attackers: give every actor another name/,
    ],
  ])('%s', (_, change, message) => {
    expect(() => parseScenario({ ...good, ...change }, 'test.yaml')).toThrow(message)
  })

  test('what is not a scenario at all', () => {
    for (const value of [null, 7, 'text', []])
      expect(() => parseScenario(value, 'x')).toThrow(/x is no scenario/)
  })

  test('a good one gets the defaults of the protocol', () => {
    expect(parseScenario(good, 'x').protocol).toMatchObject({ committee: 11, samples: 64, certifiers: 128 })
  })
})

describe('settings and sweeps', () => {
  test('paths name fields, positions and actors', () => {
    const scenario = { ...good, attackers: [attacker] }
    const set = (text: string): unknown => withSetting(scenario, parseSetting(text))
    expect(set('protocol.committee=7')).toMatchObject({ protocol: { committee: 7 } })
    expect(set('attacker.nodes=5')).toMatchObject({ attackers: [{ nodes: 5 }] })
    expect(set('attackers.bad.nodes=6')).toMatchObject({ attackers: [{ nodes: 6 }] })
    expect(set('population.0.name=crowd')).toMatchObject({ population: [{ name: 'crowd' }] })
    expect(set('attacker.share=0.2')).toEqual({
      ...good,
      attackers: [{ name: 'bad', share: 0.2, strategies: [] }],
    })
    expect(set('attacker.strategies=[{"kind":"lazy"}]')).toMatchObject({
      attackers: [{ strategies: [{ kind: 'lazy' }] }],
    })
    expect(() => set('attacker.strategies=[lazy]')).toThrow(/is no JSON/)
    expect(scenario.attackers[0]!.nodes).toBe(10)
    expect(() => set('attackers.nobody.nodes=6')).toThrow(/there is no nobody/)
    expect(() => set('weeks')).toThrow(/no path and value/)
  })

  test('ranges hold both ends, without the dust of floating point', () => {
    expect(parseAxis('a=0.05..0.4:0.05').values).toEqual([0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4])
    expect(parseAxis('a=5,7,always').values).toEqual([5, 7, 'always'])
    expect(() => parseAxis('a=1..0:0.1')).toThrow(/no range/)
    expect(() => parseAxis('a=0..1:0')).toThrow(/no range/)
    expect(() => parseAxis('a=0..1:1e-9')).toThrow(/no range/)
    expect(
      pointsOf([parseAxis('a=1,2'), parseAxis('b=3,4')]).map((point) => point.map(({ value }) => value)),
    ).toEqual([
      [1, 3],
      [1, 4],
      [2, 3],
      [2, 4],
    ])
    expect(pointsOf([])).toEqual([[]])
  })
})
