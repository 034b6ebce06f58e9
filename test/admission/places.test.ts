import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPlaces, neverGivesWay, type PlaceRules } from '../../src/admission/places.ts'

const addresses: PlaceRules = {
  maxPlaces: 8,
  levels: [
    { maxPlaces: 4, weight: 1 },
    { maxPlaces: 16, weight: 4 },
  ],
  graceMs: 2_000,
}

/** `a.1`: host 1 of network a. */
const groupsOf = (name: string): string[] => [name, `${name.split('.')[0]}/24`]

describe('places', () => {
  test('a group at its bound loses its own least advanced, and nobody else loses anything', () => {
    const places = createPlaces<number>(addresses)
    for (const id of [1, 2, 3, 4]) expect(places.arrive(id, groupsOf('a.1'), id)).toEqual([])
    places.arrive(5, groupsOf('b.1'), 5)
    places.advance(1, 1)
    expect(places.arrive(6, groupsOf('a.1'), 10_000)).toEqual([2])
  })

  test('when all are taken, the largest group gives way, however many there are of size one', () => {
    const places = createPlaces<string>(addresses)
    for (const host of ['b.1', 'c.1', 'd.1', 'e.1', 'f.1']) places.arrive(host, groupsOf(host), 0)
    for (const id of ['h1', 'h2', 'h3']) places.arrive(id, groupsOf('h.1'), 5_000)
    expect(places.arrive('n', groupsOf('n.1'), 5_001)).toEqual(['h1'])
    // A newcomer of the largest group displaces its own.
    expect(places.arrive('h4', groupsOf('h.1'), 5_002)).toEqual(['h2'])
  })

  test('a network with many hosts counts as one large group, at its weight', () => {
    const places = createPlaces<string>({ ...addresses, maxPlaces: 16 })
    for (let host = 0; host < 9; host++) places.arrive(`x${host}`, groupsOf(`x.${host}`), 3_000)
    for (let net = 0; net < 7; net++) places.arrive(`s${net}`, groupsOf(`s${net}.1`), 0)
    // 9 / 4 > 1: one of the crowded network, though single hosts are older.
    expect(places.arrive('n', groupsOf('n.1'), 6_000)).toEqual(['x0'])
  })

  test('among groups of one the least advanced gives way, and the young only if there are no others', () => {
    const places = createPlaces<string>({ ...addresses, maxPlaces: 3 })
    places.arrive('old-advanced', groupsOf('a.1'), 0)
    places.arrive('old', groupsOf('b.1'), 500)
    places.arrive('young', groupsOf('c.1'), 2_400)
    places.advance('old-advanced', 2)
    expect(places.arrive('n1', groupsOf('d.1'), 2_600)).toEqual(['old'])
    expect(places.arrive('n2', groupsOf('e.1'), 2_700)).toEqual(['old-advanced'])
    expect(places.arrive('n3', groupsOf('f.1'), 2_800)).toEqual(['young'])
  })

  test('one that was displaced or left is forgotten everywhere', () => {
    const places = createPlaces<number>(addresses)
    places.arrive(1, groupsOf('a.1'), 0)
    places.leave(1)
    places.leave(1)
    places.advance(1, 3)
    expect([places.size, places.of('a.1'), places.of('a/24'), places.has(1)]).toEqual([0, 0, 0, false])
  })

  test('how far one has come is asked for when it matters, and of none of those who could not give way', () => {
    const progress = new Map([
      ['silent', 0],
      ['asking', 2],
    ])
    const asked: string[] = []
    const places = createPlaces<string>({ ...addresses, maxPlaces: 3 }, (id) => {
      asked.push(id)
      return progress.get(id) ?? 1
    })
    for (const [i, id] of ['asking', 'idle', 'silent'].entries()) places.arrive(id, groupsOf(`${i}.1`), 0)
    expect(asked).toEqual([])
    expect(places.arrive('new', groupsOf('n.1'), 5_000)).toEqual(['silent'])
    progress.set('asking', 0)
    asked.length = 0
    expect(places.arrive('newer', groupsOf('m.1'), 6_000)).toEqual(['asking'])
    // Done nothing, and older than the others.
    expect(asked).toEqual(['asking'])
  })

  test('those who keep their places never give way; where all do, the newcomer goes', () => {
    const kept = new Set(['k1', 'k2', 'k3'])
    const places = createPlaces<string>({ ...addresses, maxPlaces: 5 }, (id) =>
      kept.has(id) ? neverGivesWay : 0,
    )
    for (const id of ['k1', 'k2', 'k3']) places.arrive(id, groupsOf('k.1'), 0)
    for (const [i, id] of ['p1', 'p2'].entries()) places.arrive(id, groupsOf('p.1'), i)
    // The largest group keeps all of its places: the next largest loses one.
    expect(places.arrive('n1', groupsOf('n.1'), 9_000)).toEqual(['p1'])
    expect(places.arrive('n2', groupsOf('m.1'), 9_001)).toEqual(['p2'])
    for (const id of ['n1', 'n2']) kept.add(id)
    expect(places.arrive('n3', groupsOf('o.1'), 9_002)).toEqual(['n3'])
    expect([places.size, places.has('n3')]).toEqual([5, false])
    places.leave('n1')
    kept.add('k4')
    expect(places.arrive('k4', groupsOf('k.1'), 9_003)).toEqual([])
    // The group has as many as it may, and all keep them.
    places.leave('n2')
    expect(places.arrive('k5', groupsOf('k.1'), 9_004)).toEqual(['k5'])
  })

  const arrivals = fc.array(
    fc.record({
      host: fc.integer({ min: 0, max: 5 }),
      network: fc.integer({ min: 0, max: 2 }),
      waitMs: fc.integer({ min: 0, max: 900 }),
      leaves: fc.option(fc.nat(), { nil: undefined }),
      advances: fc.option(fc.nat(), { nil: undefined }),
    }),
    { maxLength: 120 },
  )

  test('bounds hold after every event, and the same events give the same decisions', () => {
    fc.assert(
      fc.property(arrivals, (events) => {
        const play = () => {
          const places = createPlaces<number>(addresses)
          const inside = new Map<number, string>()
          const displacedAll: number[] = []
          let nowMs = 0
          for (const [id, { host, network, waitMs, leaves, advances }] of events.entries()) {
            nowMs += waitMs
            const present = [...inside.keys()]
            if (advances !== undefined && present.length > 0)
              places.advance(present[advances % present.length]!, advances % 3)
            const name = `${network}.${host}`
            const displaced = places.arrive(id, groupsOf(name), nowMs)
            inside.set(id, name)
            for (const gone of displaced) expect(inside.delete(gone)).toBe(true)
            displacedAll.push(...displaced)
            if (leaves !== undefined && leaves % 3 === 0) {
              const leaving = [...inside.keys()][leaves % inside.size]!
              inside.delete(leaving)
              places.leave(leaving)
            }
            expect(places.size).toBe(inside.size)
            expect(places.size).toBeLessThanOrEqual(addresses.maxPlaces)
            expect(places.of(name)).toBeLessThanOrEqual(4)
            expect(places.of(name)).toBe([...inside.values()].filter((other) => other === name).length)
          }
          return displacedAll
        }
        expect(play()).toEqual(play())
      }),
    )
  })

  test('of several that could give way it is the one that the rule names', () => {
    const crowd = fc.array(
      fc.record({
        network: fc.integer({ min: 0, max: 2 }),
        host: fc.integer({ min: 0, max: 3 }),
        progress: fc.constantFrom(0, 1, 2, neverGivesWay),
        waitMs: fc.integer({ min: 0, max: 900 }),
      }),
      { minLength: 1, maxLength: 40 },
    )
    fc.assert(
      fc.property(crowd, (events) => {
        // Bounds of groups are another test's: here only their sizes count.
        const levels = addresses.levels.map((level) => ({ ...level, maxPlaces: Infinity }))
        const rules: PlaceRules = { ...addresses, levels }
        const places = createPlaces<number>(rules, (id) => events[id]!.progress)
        let inside: { id: number; groups: string[]; sinceMs: number }[] = []
        let nowMs = 0
        for (const [id, { network, host, waitMs }] of events.entries()) {
          nowMs += waitMs
          const groups = groupsOf(`${network}.${host}`)
          const expected = inside.length < rules.maxPlaces ? null : (victimOf(inside, groups, nowMs) ?? id)
          expect(places.arrive(id, groups, nowMs)).toEqual(expected === null ? [] : [expected])
          inside = inside.filter((other) => other.id !== expected)
          if (expected !== id) inside.push({ id, groups, sinceMs: nowMs })
        }
        function victimOf(all: typeof inside, groups: string[], atMs: number): number | undefined {
          const weightedSize = (level: number, group: string): number =>
            (all.filter((other) => other.groups[level] === group).length +
              (groups[level] === group ? 1 : 0)) /
            rules.levels[level]!.weight
          return all
            .filter(({ id }) => events[id]!.progress !== neverGivesWay)
            .map((one) => ({
              ...one,
              size: Math.max(1, ...one.groups.map((group, level) => weightedSize(level, group))),
              isYoung: one.sinceMs > atMs - rules.graceMs,
              progress: events[one.id]!.progress,
            }))
            .sort(
              (a, b) =>
                b.size - a.size ||
                Number(a.isYoung) - Number(b.isYoung) ||
                a.progress - b.progress ||
                a.id - b.id,
            )[0]?.id
        }
      }),
    )
  })

  test('whatever one group does, a group of one that has the only place of its size is never displaced', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 9, maxLength: 80 }), (pauses) => {
        const places = createPlaces<number>(addresses)
        places.arrive(-1, groupsOf('honest.1'), 0)
        let nowMs = 0
        for (const [id, pauseMs] of pauses.entries()) {
          nowMs += pauseMs
          // Three hosts of three networks, so that the places are contested.
          expect(places.arrive(id, groupsOf(`${id % 3}.1`), nowMs)).not.toContain(-1)
        }
      }),
    )
  })
})
