import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCommittees, Verdict } from '../../../protocol/index.ts'
import { remedies } from '../../../src/service/self-diagnosis/codes.ts'
import { judge } from '../../../src/service/self-diagnosis/judge.ts'
import type { EpochWords, Observations } from '../../../src/service/self-diagnosis/observations.ts'
import { standingOf } from '../../../src/service/self-diagnosis/verdicts.ts'
import { chanceOfAtMost } from '../../../src/service/self-diagnosis/visits.ts'
import { paramsWith } from '../../protocol/fixture.ts'
import type { ObservedContact } from '../../../src/node/contact/contact.ts'
import { contactOf, dayMs, minuteMs, observed, visitsOf, words } from './observed.ts'
import { judgedWords } from '../../protocol/judged.ts'

/** `severity code` of each finding. */
const found = (other: Partial<Observations>): string[] =>
  judge(observed(other)).findings.map(({ severity, code }) => `${severity} ${code}`)
const only = (other: Partial<Observations>) => {
  const { findings } = judge(observed(other))
  expect(findings).toHaveLength(1)
  return findings[0]!
}
const unknown = (other: Partial<Observations>): string[] => [...judge(observed(other)).unknown]

test('of a healthy node nothing is found, and only what nobody asked is unknown', () => {
  expect(found({})).toEqual([])
  expect(unknown({})).toEqual(['unreachable'])
})

describe('what challengers say', () => {
  const said = (...epochs: EpochWords[]) => ({ words: epochs })

  test('R-TALLY-1 one of them is one of them: the epoch is not lost', () => {
    const finding = only(said(words('VVVVVVVVVVU')))
    expect(finding).toMatchObject({ code: 'verdicts-minority', severity: 'info', subject: 'seat 7' })
    expect(finding.title).toBe('1 of 11 challengers says unreachable, most say valid')
    expect(finding.detail).toContain('not lost')
    expect(finding.evidence).toHaveLength(1)
  })

  test('R-TALLY-1 a minority that grows is told before it is the majority', () => {
    expect(found(said(words('VVVVVVVVVUU')))).toEqual(['info verdicts-minority'])
    expect(found(said(words('VVVVVVVVUUU')))).toEqual(['warning verdicts-minority'])
    expect(only(said(words('VVVVVVUUUUU'))).title).toBe('5 of 11 challengers say unreachable, most say valid')
    expect(found(said(words('VVU')))).toEqual(['info verdicts-minority'])
  })

  test('R-TALLY-1 most of them: it is lost, whatever the rest says', () => {
    const finding = only(said(words('UUUUUUVVVVV')))
    expect(finding).toMatchObject({ code: 'verdicts-bad', severity: 'critical' })
    expect(finding.title).toBe('6 of 11 challengers say unreachable: epoch 5 is lost')
    expect(finding.evidence).toHaveLength(6)
  })

  test('R-TALLY-1 some of them while others have not spoken: it may still be valid', () => {
    const finding = only(said(words('UUT--------')))
    expect(finding).toMatchObject({ code: 'verdicts-bad', severity: 'warning' })
    expect(finding.detail).toContain('with 6 of the 8 that have not spoken it is valid')
    expect(finding.detail).toContain('unreachable ×2, timeout ×1')
  })

  test('R-TALLY-1 when too few are left to make it valid it is lost, though it may end undecided', () => {
    const finding = only(said(words('UUUTTVVVVA-')))
    expect(finding).toMatchObject({ code: 'verdicts-bad', severity: 'critical' })
    expect(finding.detail).toContain('6 would have to say valid, and 5 is the most that can')
    // The first bad word that is most frequent names it, lowest code first.
    expect(finding.title).toContain('5 of 11 challengers say unreachable')
    // Abstentions of others are shown as well: they are why no word has more than half.
    expect(finding.evidence).toHaveLength(6)
  })

  test('R-CP-3 who is silent when nothing can come any more stays silent', () => {
    expect(found(said(words('VVV--------')))).toEqual([])
    expect(found(said(words('VVV--------', 5, true)))).toEqual(['critical verdicts-bad'])
    expect(only(said(words('VVV--------', 5, true))).title).toBe(
      '3 of 11 challengers say valid: epoch 5 is lost',
    )
  })

  test('while the newest epoch is open the one before it counts, and nothing is over before it is known', () => {
    const before = words('UUUUUUUUUUU', 4)
    expect(only(said(words('-----------'), before)).title).toContain('epoch 4 is lost')
    expect(only(said(words('U----------'), before)).title).toContain('epoch 4 is lost')
    expect(found(said(words('VVVVVV-----'), before))).toEqual([])
    expect(unknown(said(words('VV---------')))).toContain('verdicts-bad')
    expect(unknown({ words: null })).toContain('verdicts-bad')
  })

  test('R-TALLY-1 the standing of an epoch is what the tally makes of it once all have spoken', () => {
    const params = paramsWith()
    const letters = fc.string({
      unit: fc.constantFrom('V', 'U', 'T', 'D', 'A', '-'),
      minLength: 3,
      maxLength: 11,
    })
    fc.assert(
      fc.property(letters, (text) => {
        const k = text.length
        const size = k + 1
        const beacon = new Uint8Array(32).fill(7)
        const snapshot = Array.from({ length: size }, (_, seat) => ({ seat }))
        const committees = createCommittees(beacon, size, k)
        // Seat 0 is challenged by all others; of the others everybody says valid.
        const { ring } = committees
        const own = ring.indexOf(0)
        const closed = words(text, 5, true)
        const attestations = snapshot.map(({ seat }) => {
          const at = ring.indexOf(seat)
          const distance = (own - at + size) % size
          const word = distance === 0 ? undefined : closed.challengers[distance - 1]
          if (word?.verdict === null) return undefined
          const verdicts = new Uint8Array(k)
          if (word !== undefined) verdicts[distance - 1] = word.verdict
          const valid = verdicts.filter((verdict) => verdict === Verdict.valid).length
          return {
            verdicts,
            addresses: Array.from({ length: valid }, (_, i) => Uint8Array.of(9, 9, seat, i)),
          }
        })
        const { outcomes } = judgedWords({ beacon, attestations }, params)
        const outcome = outcomes[0]!
        const is = standingOf(closed).is
        if (is === 'invalid') expect(outcome).toMatch(/^invalid: /)
        // What addresses and the own duty make of a valid one is not the challengers' word.
        else if (is === 'valid') expect(outcome).not.toMatch(/^undecided$|^invalid: (?!address)/)
        else expect(outcome).toBe('undecided')
        // And while they speak nothing is said that turns out otherwise.
        for (let told = 0; told <= k; told++) {
          const open = standingOf({
            ...closed,
            isClosed: false,
            challengers: closed.challengers.map((word, i) => (i < told ? word : { ...word, verdict: null })),
          })
          if (open.is === 'valid' || open.is === 'invalid') expect(open.is).toBe(is)
          if (open.is === 'undecided') expect(is).not.toBe('valid')
        }
      }),
    )
  })
})

describe('R-CHAL-1 visits of challengers', () => {
  const of = (k: number, came: number, share: number) => ({ visits: visitsOf(k, came, share) })

  test('nobody comes: said as soon as chance does not explain it', () => {
    expect(found(of(11, 0, 0.3))).toEqual([])
    expect(unknown(of(11, 0, 0.3))).toContain('visits-missing')
    expect(found(of(11, 0, 0.5))).toEqual(['warning visits-missing'])
    const finding = only(of(11, 3, 1))
    expect(finding.title).toBe('only 3 of 11 challengers came')
    expect(finding.detail).toContain('seat 110 (c10.example.org)')
  })

  test('some who stay away are no fault of this node', () => {
    expect(found(of(11, 6, 1))).toEqual([])
    expect(unknown(of(11, 5, 0.6))).toContain('visits-missing')
  })

  test('in the smallest network the end of the window decides', () => {
    expect(found(of(3, 0, 1))).toEqual(['warning visits-missing'])
    expect(unknown(of(3, 0, 0.8))).toContain('visits-missing')
    expect(unknown(of(3, 1, 1))).toContain('visits-missing')
    expect(found(of(3, 2, 1))).toEqual([])
  })

  test('an honest node is blamed by chance in one epoch of 500 at most', () => {
    // Looked at at any one moment, with a tenth of the challengers away.
    for (const share of [0.2, 0.4, 0.6, 0.8, 1]) {
      for (const k of [3, 4, 7, 11]) {
        let blamed = 0
        for (let came = 0; came <= k; came++) {
          if (found(of(k, came, share)).length > 0) {
            blamed += chanceOfAtMost(came, k, 0.9 * share) - chanceOfAtMost(came - 1, k, 0.9 * share)
          }
        }
        expect(blamed).toBeLessThanOrEqual(0.002)
      }
    }
  })

  test('the sum of a binomial', () => {
    expect(chanceOfAtMost(11, 11, 0.3)).toBeCloseTo(1, 12)
    expect(chanceOfAtMost(0, 11, 0.5)).toBeCloseTo(2 ** -11, 12)
    expect(chanceOfAtMost(2, 4, 0.5)).toBeCloseTo(11 / 16, 12)
  })
})

describe('R-DIAL-1 what others see', () => {
  const outside = (...pairs: [number, number][]): Partial<Observations> => ({
    outside: {
      atHeight: 990,
      epoch: 5,
      asked: 5,
      ports: { p2p: 9_734, tls: 9_735 },
      views: pairs.map(([p2p, tls], i) => ({
        seat: i,
        host: `s${i}.example.org`,
        address: '203.0.113.9',
        p2p: { verdict: p2p, saw: p2p === 0 ? '' : 'refused' },
        tls: { verdict: tls, saw: tls === 0 ? '' : 'CERT_HAS_EXPIRED' },
      })),
    },
  })

  test('most do not get through: the fault is here', () => {
    const finding = only(outside([2, 0], [2, 0], [0, 0]))
    expect(finding).toMatchObject({ code: 'unreachable', subject: 'p2p port 9734', severity: 'critical' })
    expect(finding.title).toBe('2 of 3 seats asked just now find the p2p port unreachable')
    expect(finding.detail).toContain('203.0.113.9')
    expect(finding.evidence).toHaveLength(3)
  })

  test('both ports are two findings; TLS says what is wrong with it', () => {
    const { findings } = judge(observed(outside([2, 7], [2, 7])))
    expect(findings.map(({ subject }) => subject)).toEqual(['p2p port 9734', 'tls port 9735'])
    expect(findings[1]!.title).toContain('tls invalid')
    expect(findings[1]!.evidence[0]).toMatchObject({ saw: 'CERT_HAS_EXPIRED', port: 'tls' })
  })

  test('one of many is a way, who abstains says nothing', () => {
    expect(found(outside([2, 0], [0, 0], [0, 0]))).toEqual(['warning unreachable'])
    expect(unknown(outside([255, 255], [255, 255]))).toContain('unreachable')
    expect(found(outside([255, 255], [0, 0]))).toEqual([])
  })

  test('challengers of a later epoch know better', () => {
    const later = { words: [words('VVVVVV-----', 6)], ...outside([2, 2], [2, 2]) }
    expect(found(later)).toEqual([])
    expect(found({ ...later, words: [words('VVVVV------', 6)] })).toEqual([
      'critical unreachable',
      'critical unreachable',
    ])
  })
})

describe('R-TALLY-4 its own duty', () => {
  const duty = (other: Partial<NonNullable<Observations['duty']>>) => ({
    duty: {
      epoch: 5,
      targets: 11,
      judged: 11,
      abstained: 0,
      reasons: ['own chain: behind'],
      secondNonces: 0,
      attested: true,
      ...other,
    },
  })

  test('nothing attested', () => {
    expect(found(duty({ attested: false, judged: 0 }))).toEqual(['critical not-attested'])
    expect(unknown(duty({ attested: null, judged: 0 }))).toEqual(
      expect.arrayContaining(['not-attested', 'abstentions']),
    )
  })

  test('abstentions mount: told before they cost anything, and when they do', () => {
    expect(found(duty({ abstained: 2 }))).toEqual([])
    expect(found(duty({ abstained: 3 }))).toEqual(['warning abstentions'])
    expect(found(duty({ abstained: 5 }))).toEqual(['warning abstentions'])
    const finding = only(duty({ abstained: 6 }))
    expect(finding).toMatchObject({ code: 'abstentions', severity: 'critical' })
    expect(finding.detail).toContain('own chain: behind')
    expect(found(duty({ attested: null, judged: 6, abstained: 6 }))).toEqual(['critical abstentions'])
  })

  test('R-ATT-3 an equivocation is the worst', () => {
    expect(found({ isEquivocator: true })).toEqual(['critical equivocated'])
  })

  test('alone on the network', () => {
    const alone = (aloneMs: number) => ({ network: { registeredPeers: 0, otherSeats: 10, aloneMs } })
    expect(unknown(alone(minuteMs))).toContain('isolated')
    expect(found(alone(3 * minuteMs))).toEqual(['critical isolated'])
    expect(found({ network: { registeredPeers: 0, otherSeats: 0, aloneMs: 9 * minuteMs } })).toEqual([])
  })
})

describe('alone among connected peers', () => {
  const contact = (other: Partial<ObservedContact>) => ({ contact: contactOf(other) })
  const hearing = (heard: number, inARow: number) =>
    contact({ hearing: { epoch: 9, heard, others: 100, inARow } })

  test('R-CP-3 few attestations were heard: worse if it goes on, or if none was', () => {
    expect(found(hearing(99, 0))).toEqual([])
    expect(found(hearing(40, 1))).toEqual(['warning few-heard'])
    expect(found(hearing(40, 2))).toEqual(['critical few-heard'])
    expect(found(hearing(0, 1))).toEqual(['critical few-heard'])
    expect(only(hearing(40, 3)).title).toBe(
      'attestations of only 40 of 100 other seats were heard in epoch 9',
    )
    expect(only(hearing(40, 3)).detail).toContain('for 3 epochs in a row')
    expect(unknown(contact({ hearing: null }))).toContain('few-heard')
  })

  test('R-ATT-6 peers are connected and none is a neighbour', () => {
    expect(found(contact({ neighbours: 0 }))).toEqual([])
    expect(found(contact({ neighbours: 0, isWithoutNeighbour: true }))).toEqual(['warning no-neighbour'])
    expect(unknown(contact({ neighbours: null }))).toContain('no-neighbour')
  })

  test('R-ATT-2 most seats are on another branch', () => {
    const branch = { epoch: 9, other: 60, seats: 100 }
    expect(found(contact({ branch: { ...branch, is: 'ours', other: 30 } }))).toEqual([])
    const finding = only(contact({ branch: { ...branch, is: 'other' } }))
    expect(finding).toMatchObject({ code: 'other-branch', severity: 'critical' })
    expect(finding.detail).toContain('In epoch 9 60 of 100 seats')
    expect(unknown(contact({ branch: null }))).toContain('other-branch')
  })

  test('R-ADM-1 streams are held by peers that ask nothing', () => {
    const streams = { purpose: 'sync/1', unread: 12, bound: 9 }
    expect(found(contact({ streams: { ...streams, isRaised: false } }))).toEqual([])
    const finding = only(contact({ streams: { ...streams, isRaised: true } }))
    expect(finding).toMatchObject({ code: 'places-held', severity: 'warning', subject: 'requests' })
    expect(finding.title).toBe('12 streams of sync/1 are held by peers that ask nothing')
  })

  test('of a node that has not followed the chain to its end nothing is said', () => {
    expect(unknown({ contact: null })).toEqual(
      expect.arrayContaining(['few-heard', 'no-neighbour', 'other-branch', 'places-held']),
    )
  })
})

describe('R-CHAIN-1 the chain node', () => {
  const chain = (other: Partial<Observations['chain']>) => ({ chain: { ...observed().chain, ...other } })

  test.each([
    [{ status: 'node-unreachable', sinceMs: minuteMs }, null],
    [{ status: 'node-unreachable', sinceMs: 2 * minuteMs }, 'critical chain-unreachable'],
    [{ status: 'node-behind', sinceMs: 9 * minuteMs }, null],
    [{ status: 'node-behind', sinceMs: 10 * minuteMs }, 'critical chain-behind'],
    [{ status: 'node-lies' }, 'critical chain-wrong'],
    [{ status: 'failed' }, 'critical chain-wrong'],
    [{ stillMs: 46 * minuteMs }, 'critical chain-still'],
    [{ status: 'catching-up', stillMs: 90 * minuteMs }, null],
  ] as const)('%j: %s', (other, expected) => {
    expect(found(chain(other))).toEqual(expected === null ? [] : [expected])
    if (expected === null) expect(unknown(chain(other))).toContain('chain-still')
  })

  test('shows what the node says', () => {
    expect(only(chain({ status: 'node-lies', detail: 'block 9 has another hash' })).detail).toContain(
      'block 9 has another hash',
    )
  })
})

describe('upkeep', () => {
  const certificate = (days: number, other: Partial<NonNullable<Observations['certificate']>> = {}) => ({
    certificate: { notAfterMs: observed().nowMs + days * dayMs, faults: [], refused: null, ...other },
  })

  test('R-PROBE-1 a certificate near its end, past it, for another name, or not taken', () => {
    expect(found(certificate(15))).toEqual([])
    expect(found(certificate(13))).toEqual(['warning certificate-expires'])
    expect(only(certificate(2.5)).severity).toBe('critical')
    expect(only(certificate(1)).title).toBe('the certificate ends in 24 hours')
    expect(found(certificate(-1, { faults: ['has expired on Monday'] }))).toEqual([
      'critical certificate-wrong',
    ])
    expect(found(certificate(60, { refused: 'key.pem is not the key of cert.pem' }))).toEqual([
      'warning certificate-refused',
    ])
  })

  test('R-ATT-5 a disk that fills', () => {
    const disk = (freeBytes: number) => ({
      disk: { directory: 'data', freeBytes, totalBytes: 100 * 1024 ** 3 },
    })
    expect(found(disk(1024 ** 3))).toEqual(['warning disk-low'])
    expect(found(disk(1024 ** 2))).toEqual(['critical disk-low'])
    expect(unknown({ disk: null })).toContain('disk-low')
  })

  test('R-CP-5 a hot wallet that cannot pay for an anchor; none is no fault', () => {
    const wallet = { is: 'asked' as const, address: 'tmHot', needed: 100_110_000n }
    const finding = only({ hotWallet: { ...wallet, balance: 100_000_000n } })
    expect(finding).toMatchObject({ code: 'hot-wallet-low', severity: 'warning', subject: 'tmHot' })
    expect(finding.detail).toContain('1.0 coins are at tmHot, an anchor takes 1.0011')
    expect(found({ hotWallet: { ...wallet, balance: wallet.needed } })).toEqual([])
    expect(found({ hotWallet: { is: 'none' } })).toEqual([])
    expect(unknown({ hotWallet: null })).toContain('hot-wallet-low')
  })

  test('R-REG-5 a stake that was spent', () => {
    const registration = {
      ...observed().registration!,
      is: 'announced' as const,
      isActive: false,
      balance: 150_000_000n,
      differences: [],
    }
    const finding = only({ registration })
    expect(finding).toMatchObject({ code: 'stake-spent', severity: 'critical', subject: 'tmStake' })
    expect(finding.detail).toContain('1.5 of 42.0 coins')
    expect(found({ registration: { is: 'none', stake: 'tmStake', minStake: 42n } })).toEqual([
      'warning not-announced',
    ])
  })

  test('R-REG-4 an announcement that is not of this node', () => {
    const registration = (what: 'p2p port' | 'peer id') => ({
      registration: {
        ...observed().registration!,
        is: 'announced' as const,
        isActive: true,
        balance: 0n,
        differences: [{ what, announced: 'a', own: 'b' }],
      },
    })
    expect(found(registration('p2p port'))).toEqual(['info announcement-differs'])
    expect(found(registration('peer id'))).toEqual(['critical announcement-differs'])
  })
})

test('the worst comes first', () => {
  const { findings } = judge(
    observed({ words: [words('VVVVVVVVVVU')], isEquivocator: true, visits: visitsOf(11, 0, 1) }),
  )
  expect(findings.map(({ severity }) => severity)).toEqual(['critical', 'warning', 'info'])
})

test('every code says what to do, and docs/monitoring.md has a row for it', () => {
  const docs = readFileSync(new URL('../../../docs/monitoring.md', import.meta.url), 'utf8')
  for (const [code, remedy] of Object.entries(remedies)) {
    expect(remedy.length, code).toBeGreaterThan(20)
    expect(docs, code).toContain(`| \`${code}\` |`)
  }
})
