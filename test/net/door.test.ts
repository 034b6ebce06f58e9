import { describe, expect, test } from 'vitest'
import { neverGivesWay } from '../../src/admission/places.ts'
import { createDoor } from '../../src/net/door.ts'
import { createKnownAddresses } from '../../src/net/known-addresses.ts'
import { groupsOfAddress } from '../../src/net/peer-address.ts'
import { createCounts } from './local-hosts.ts'

describe('groups of an address', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9', '203.0.113.0/24'],
    ['::ffff:203.0.113.9', '203.0.113.9', '203.0.113.0/24'],
    ['64:ff9b::cb00:7109', '203.0.113.9', '203.0.113.0/24'],
    ['2001:db8:1:2:3:4:5:6', '20010db800010002/64', '20010db80001/48'],
    ['2001:0DB8:1:2::', '20010db800010002/64', '20010db80001/48'],
    ['fe80::1%eth0', 'fe80000000000000/64', 'fe8000000000/48'],
    ['not an address', 'not an address', 'not an address/0'],
  ])('%s', (ip, ...groups) => expect(groupsOfAddress(ip)).toEqual(groups))
})

describe('a door', () => {
  const start = (maxPlaces: number) => {
    let nowMs = 0
    const { metrics, counts } = createCounts()
    const closed: string[] = []
    const logged: object[] = []
    const stages = new Map<string, number>()
    const door = createDoor<string>({
      name: 'test',
      places: { maxPlaces, maxPerAddress: 2 },
      stages: ['silent', 'asking'],
      stageOf: (id) => stages.get(id) ?? 0,
      close: (id) => void closed.push(id),
      world: { monotonicMs: () => nowMs },
      metrics,
      logger: { debug: (line: object) => void logged.push(line) } as never,
    })
    return { door, counts, closed, logged, stages, pass: (ms: number) => void (nowMs += ms) }
  }

  test('ends those that give way, and counts them by how far they had come', () => {
    const { door, counts, closed, stages } = start(3)
    for (const id of ['a', 'b', 'c']) expect(door.admit(id, `10.${id.codePointAt(0)!}.0.1`)).toBe(true)
    expect([door.isFull, door.size]).toEqual([true, 3])
    stages.set('a', 1)
    expect(door.admit('d', '10.0.0.4')).toBe(true)
    for (const id of ['c', 'd']) stages.set(id, 1)
    expect(door.admit('e', '10.0.1.5')).toBe(true)
    expect(closed).toEqual(['b', 'a'])
    expect([...counts]).toEqual([
      ['connections_displaced test silent', 1],
      ['connections_displaced test asking', 1],
    ])
    door.leave('c')
    door.leave('c')
    expect([door.size, door.has('c'), door.has('d')]).toEqual([2, false, true])
  })

  test('refuses a newcomer only where no other may give way', () => {
    const { door, counts, closed, stages } = start(2)
    for (const id of ['a', 'b']) {
      door.admit(id, `10.0.${id.codePointAt(0)!}.1`)
      stages.set(id, neverGivesWay)
    }
    expect(door.admit('c', '10.0.3.1')).toBe(false)
    expect(closed).toEqual([])
    expect([...counts]).toEqual([['connections_refused test full', 1]])
    door.leave('a')
    expect(door.admit('c', '10.0.3.1')).toBe(true)
  })

  test('says in the debug log, every ten seconds, from where most of those came that gave way', () => {
    const { door, logged, pass } = start(100)
    for (let i = 0; i < 12; i++) {
      door.admit(`few ${i}`, '10.0.0.1')
      for (let more = 0; more < 3; more++) door.admit(`many ${i} ${more}`, '10.0.9.1')
      pass(1_000)
    }
    expect(logged).toHaveLength(1)
    expect(logged[0]).toMatchObject({ door: 'test', mostDisplaced: '10.0.9.1' })
    const { displaced, ofIt } = logged[0] as { displaced: number; ofIt: number }
    expect(ofIt).toBeGreaterThan(displaced / 2)
    expect(ofIt).toBeLessThan(displaced)
  })
})

test('where a registered peer proved its key last is known, by address or /64', () => {
  const known = createKnownAddresses()
  known.note('a', '10.0.0.1')
  known.note('b', '10.0.0.1')
  known.note('c', '2001:db8::1')
  expect([known.has('::ffff:10.0.0.1'), known.has('2001:db8::ffff'), known.has('10.0.0.2')]).toEqual([
    true,
    true,
    false,
  ])
  known.note('a', '10.0.0.2')
  expect([...known.peersAt('10.0.0.1')]).toEqual(['b'])
  expect([...known.peersAt('10.0.0.2')]).toEqual(['a'])
  known.note('b', '10.0.0.3')
  expect(known.has('10.0.0.1')).toBe(false)
  expect([...known.peersAt('10.0.0.9')]).toEqual([])
})
