import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addressOfStake,
  announcementMessage,
  type Announcement,
  checkAnnouncement,
  formatMemo,
  isHost,
  type NetworkId,
  nobleBls,
  parseMemo,
  peerIdOfKey,
} from '../../protocol/index.ts'
import { isSignedByStake, maxMemoBytes } from '../../protocol/announcement.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { processorMs } from '../fixtures/processor-time.ts'
import { genesis, memoOf, networkId, seedOf, trustingBls, walletOf } from './fixture.ts'

const chain = genesis.chain
const memo = memoOf('owner', 500)
const parsed = (text: string): Announcement => {
  const result = parseMemo(chain, text)
  if (result.is !== 'accept') throw new Error(result.code)
  return result.value
}
const refusalOf = (text: string): string | null => {
  const result = parseMemo(chain, text)
  return result.is === 'accept' ? null : result.code
}

describe('R-REG-1 the memo', () => {
  test('R-REG-1 is read field by field', () => {
    const announcement = parsed(memo)
    expect(announcement).toMatchObject({ host: 'nowner.devnet.test', p2p: 9_000, tls: 9_001, at: 500 })
    expect(announcement.stake).toEqual(walletOf('owner').stake)
    expect(announcement.peer).toEqual(ed25519FromSeed(seedOf('peer', 'owner')).publicKey)
    expect([announcement.bls.length, announcement.pop.length, announcement.signature.length]).toEqual([
      48, 96, 65,
    ])
    expect(`${announcement.unsignedMemo} sig=${base64.encode(announcement.signature)}`).toBe(memo)
  })

  test('R-REG-6 the longest memo with a height of seven digits has exactly 512 bytes', () => {
    const host = `${'a'.repeat(63)}.${'b'.repeat(7)}`
    expect(host).toHaveLength(71)
    const longest = memoOf('longest', 9_999_999, { host, p2p: 65_535, tls: 65_534 })
    expect(longest.length).toBe(maxMemoBytes)
    expect(refusalOf(longest)).toBe(null)
    expect(refusalOf(memoOf('longest', 99_999_999, { host, p2p: 65_535, tls: 65_534 }))).toBe('memo-too-long')
  })

  const replace = (from: string | RegExp, to: string): string => {
    const changed = memo.replace(from, to)
    if (changed === memo) throw new Error('nothing was replaced')
    return changed
  }

  test.each([
    ['another version', replace('secnode:1', 'secnode:2'), 'memo-form'],
    ['two spaces', replace(' host', '  host'), 'memo-form'],
    ['a tab', replace(' host', '\thost'), 'memo-form'],
    ['a trailing space', `${memo} `, 'memo-form'],
    ['a trailing line feed', `${memo}\n`, 'memo-form'],
    ['a trailing zero', `${memo}\0`, 'memo-form'],
    ['another order', replace(/p2p=9000 tls=9001/, 'tls=9001 p2p=9000'), 'memo-form'],
    ['a leading zero', replace('p2p=9000', 'p2p=09000'), 'memo-form'],
    ['port 0', replace('p2p=9000', 'p2p=0'), 'memo-form'],
    ['port 65536', replace('p2p=9000', 'p2p=65536'), 'memo-port'],
    ['a height of more than 32 bits', replace('at=500', 'at=4294967296'), 'memo-height'],
    ['a height with a leading zero', replace('at=500', 'at=0500'), 'memo-form'],
    ['a sign', replace('at=500', 'at=+500'), 'memo-form'],
    ['an upper-case host', replace('nowner', 'nOwner'), 'memo-form'],
    ['a host without a dot', replace('nowner.devnet.test', 'localhost'), 'memo-host'],
    ['an IPv4 address', replace('nowner.devnet.test', '127.0.0.1'), 'memo-host'],
    [
      'an address of the other chain',
      replace(/stake=\S+/, `stake=${addressOfStake('zcash-main', walletOf('owner').stake)}`),
      'memo-stake',
    ],
    ['base64 with loose ends', replace(/sig=(\S+)(\S)=$/, 'sig=$1/='), 'memo-base64'],
    ['URL-safe base64', replace(/bls=\S/, 'bls=-'), 'memo-form'],
    ['unpadded base64', memo.slice(0, -1), 'memo-form'],
    [
      'a peer id of another kind',
      replace(/peer=\S+/, 'peer=QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'),
      'memo-peer',
    ],
    ['Cyrillic letters', replace('nowner', 'nоwner'), 'memo-form'],
  ])('R-REG-1 with %s it is refused', (_, text, code) => {
    expect(refusalOf(text)).toBe(code)
  })

  test('R-REG-1 the header byte is 27, 28, 31 or 32', () => {
    const announcement = parsed(memo)
    for (let header = 0; header < 256; header++) {
      const signature = Uint8Array.from(announcement.signature)
      signature[0] = header
      const code = refusalOf(formatMemo(announcement.unsignedMemo, base64.encode(signature)))
      expect(code).toBe([27, 28, 31, 32].includes(header) ? null : 'memo-signature-header')
    }
  })

  test('R-REG-1 whatever text comes, nothing throws and nothing takes long', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        expect(parseMemo(chain, text).is).toBe('reject')
        expect(parseMemo(chain, `secnode:1 peer=${text}`).is).toBe('reject')
      }),
    )
    const started = processorMs()
    for (const text of [
      'a.'.repeat(200),
      'a-'.repeat(200),
      `${'a'.repeat(63)}.`.repeat(5),
      '-'.repeat(400),
    ]) {
      isHost(text)
      parseMemo(chain, memo.replace('nowner.devnet.test', text))
    }
    expect(processorMs() - started).toBeLessThan(1_000)
  })

  test('R-REG-1 a memo with one character changed is refused, or no longer signed', () => {
    fc.assert(
      fc.property(fc.nat(memo.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, code) => {
        const changed = memo.slice(0, at) + String.fromCharCode(code) + memo.slice(at + 1)
        if (changed === memo) return
        const result = parseMemo(chain, changed)
        if (result.is !== 'accept') return
        // Only a header byte that names the same recovery id could still be right, and there is none.
        expect(isSignedByStake(networkId, result.value)).toBe(false)
      }),
      { numRuns: 400 },
    )
  })
})

describe('R-REG-6 hosts', () => {
  test.each(['a.b', 'n7.devnet.test', 'xn--bcher-kva.example', '1.2.3.x4', `${'a'.repeat(63)}.org`])(
    'R-REG-6 %s is one',
    (host) => {
      expect(isHost(host)).toBe(true)
    },
  )
  test.each([
    '',
    '.',
    'a',
    'a.',
    '.a',
    'a..b',
    '-a.b',
    'a-.b',
    'a.b-',
    'a.1b',
    '1.2.3.4',
    'A.b',
    'a_b.c',
    `${'a'.repeat(64)}.b`,
    'a.'.repeat(36),
    'a.b\n',
  ])('R-REG-6 %j is none', (host) => {
    expect(isHost(host)).toBe(false)
  })
})

describe('R-REG-2', () => {
  const announcement = parsed(memo)
  const check = (minedAt: number, lastAt: number | null, changed: Partial<Announcement> = {}) => {
    const result = checkAnnouncement(
      genesis,
      networkId,
      { ...announcement, ...changed },
      minedAt,
      lastAt,
      trustingBls,
    )
    return result.is === 'accept' ? null : result.code
  }

  test('R-REG-2 rightly signed and proved it is accepted, by real verification too', () => {
    expect(checkAnnouncement(genesis, networkId, announcement, 500, null, nobleBls).is).toBe('accept')
  })

  test('R-REG-2 the height is recent and rises', () => {
    expect(check(499, null)).toBe('announcement-from-the-future')
    expect(check(500, null)).toBe(null)
    expect(check(1_500, null)).toBe(null)
    expect(check(1_501, null)).toBe('announcement-too-old')
    expect(check(600, 499)).toBe(null)
    expect(check(600, 500)).toBe('announcement-replayed')
    expect(check(600, 501)).toBe('announcement-replayed')
  })

  test('R-REG-2 the signature is by the stake, over this memo, for this network', () => {
    expect(check(500, null, { stake: walletOf('thief').stake })).toBe('announcement-signature')
    expect(check(500, null, { unsignedMemo: announcement.unsignedMemo.replace('9000', '9002') })).toBe(
      'announcement-signature',
    )
    expect(isSignedByStake('f'.repeat(32) as NetworkId, announcement)).toBe(false)
    const plain = base64.decode(walletOf('owner').signMessage(announcement.unsignedMemo))
    expect(check(500, null, { signature: plain })).toBe('announcement-signature')
    expect(announcementMessage(networkId, 'x')).toBe(`secnode announcement\n${networkId}\nx`)
  })

  test('R-REG-2 neither proof nor key can be copied to another stake', () => {
    const copied = checkAnnouncement(
      genesis,
      networkId,
      parsed(memoOf('copycat', 500, { bls: announcement.bls, pop: announcement.pop })),
      500,
      null,
      nobleBls,
    )
    expect(copied).toEqual({ is: 'reject', code: 'announcement-possession' })
  })

  test("R-REG-4 another's host and peer id may be announced: whoever does only harms himself", () => {
    const peer = peerIdOfKey(announcement.peer)
    const result = checkAnnouncement(
      genesis,
      networkId,
      parsed(memoOf('mimic', 500, { peer, host: announcement.host })),
      500,
      null,
      nobleBls,
    )
    expect(result.is).toBe('accept')
  })
})
