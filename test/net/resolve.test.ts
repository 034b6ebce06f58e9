import { SocketAddress } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressText } from '../../protocol/index.ts'
import {
  addressOfBytes,
  canonicalAddress,
  chooseAddress,
  resolveObservedAddress,
} from '../../src/net/resolve.ts'

const choose = (...ips: string[]) => chooseAddress(ips, false)?.ip ?? null

describe('R-PROBE-2 the observed address', () => {
  test('is the numerically lowest IPv4 address, not the first or the lowest as text', () => {
    expect(choose('100.1.1.1', '9.9.9.9', '20.0.0.1')).toBe('9.9.9.9')
    expect(choose('9.9.9.10', '9.9.9.9')).toBe('9.9.9.9')
    expect(choose('200.0.0.1', '128.0.0.1')).toBe('128.0.0.1')
  })

  test('is IPv6 only if there is no IPv4', () => {
    expect(choose('2600::1', '200.0.0.1')).toBe('200.0.0.1')
    expect(choose('2a00::1', '2600::2', '2600::10')).toBe('2600::2')
  })

  test('is IPv4 for the mapped and the NAT64 form', () => {
    expect(choose('::ffff:8.8.4.4')).toBe('8.8.4.4')
    expect(choose('::FFFF:808:404')).toBe('8.8.4.4')
    expect(choose('64:ff9b::8.8.4.4')).toBe('8.8.4.4')
    expect(choose('64:ff9b::808:404', '1.1.1.1')).toBe('1.1.1.1')
    expect(canonicalAddress('::ffff:8.8.4.4')?.bytes).toEqual(Uint8Array.of(8, 8, 4, 4))
  })

  test('is canonical text and bytes for IPv6', () => {
    expect(canonicalAddress('2600:0:0:00AB::0001')).toEqual({
      ip: '2600:0:0:ab::1',
      bytes: Uint8Array.of(0x26, 0, 0, 0, 0, 0, 0, 0xab, 0, 0, 0, 0, 0, 0, 0, 1),
    })
  })

  test('an address that is not global counts as if it were not there', () => {
    expect(choose('10.0.0.1', '9.9.9.9', '192.168.1.1')).toBe('9.9.9.9')
    expect(choose('10.0.0.1', '2600::1')).toBe('2600::1')
    expect(choose('::ffff:10.0.0.1', '64:ff9b::127.0.0.1')).toBeNull()
    expect(choose()).toBeNull()
  })

  test('loopback counts in a profile that allows it, and nothing else private does', () => {
    expect(chooseAddress(['127.9.0.3', '127.9.0.2', '10.0.0.1'], true)?.ip).toBe('127.9.0.2')
    expect(chooseAddress(['::1'], true)?.ip).toBe('::1')
    expect(chooseAddress(['10.0.0.1', 'fe80::1', '169.254.0.1'], true)).toBeNull()
    expect(chooseAddress(['127.0.0.1', '::1'], false)).toBeNull()
  })

  test.each([
    '',
    'example.org',
    '1.2.3',
    '01.2.3.4',
    '1.2.3.4.',
    '1.2.3.4/32',
    '2600::1%eth0',
    '[2600::1]',
    '2600:::1',
  ])('what is no address (%s) does not count', (text) => {
    expect(canonicalAddress(text)).toBeNull()
    expect(choose(text, '9.9.9.9')).toBe('9.9.9.9')
  })
})

// One address inside of each block of the IANA special-purpose registries, at its first, last or a middle address, and
// the neighbours just outside of it.
const blocks: readonly [inside: string, inside: string, before: string | null, after: string | null][] = [
  ['0.0.0.0', '0.255.255.255', null, '1.0.0.0'],
  ['10.0.0.0', '10.255.255.255', '9.255.255.255', '11.0.0.0'],
  ['100.64.0.0', '100.127.255.255', '100.63.255.255', '100.128.0.0'],
  ['127.0.0.0', '127.255.255.255', '126.255.255.255', '128.0.0.0'],
  ['169.254.0.0', '169.254.255.255', '169.253.255.255', '169.255.0.0'],
  ['172.16.0.0', '172.31.255.255', '172.15.255.255', '172.32.0.0'],
  ['192.0.0.0', '192.0.0.255', '191.255.255.255', '192.0.1.0'],
  ['192.0.2.0', '192.0.2.255', '192.0.1.255', '192.0.3.0'],
  ['192.88.99.0', '192.88.99.255', '192.88.98.255', '192.88.100.0'],
  ['192.168.0.0', '192.168.255.255', '192.167.255.255', '192.169.0.0'],
  ['198.18.0.0', '198.19.255.255', '198.17.255.255', '198.20.0.0'],
  ['198.51.100.0', '198.51.100.255', '198.51.99.255', '198.51.101.0'],
  ['203.0.113.0', '203.0.113.255', '203.0.112.255', '203.0.114.0'],
  ['224.0.0.0', '255.255.255.255', '223.255.255.255', null],
  ['2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2000:ffff::', '2001:200::'],
  ['2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db7:ffff::', '2001:db9::'],
  ['2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:ffff::', '2003::'],
  ['3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3ffe:ffff::', '3fff:1000::'],
  ['::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null, '2000::'],
  ['4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '3fff:ffff::', null],
  ['100::', '100::ffff:ffff:ffff:ffff', null, null],
  ['fc00::', 'fdff::1', null, null],
  ['fe80::1', 'ff02::1', null, null],
  ['5f00::1', '64:ff9b:1::1', null, null],
]

test.each(blocks)(
  'R-PROBE-2 IANA registries: %s and %s are not global, %s and %s are',
  (first, last, before, after) => {
    expect([choose(first), choose(last)]).toEqual([null, null])
    const neighbours = [before, after].filter((ip) => ip !== null)
    expect(neighbours.map((ip) => choose(ip))).toEqual(neighbours.map((ip) => canonicalAddress(ip)?.ip))
  },
)

const ipv4Bytes = fc.uint8Array({ minLength: 4, maxLength: 4 })
const ipv6Bytes = fc.uint8Array({ minLength: 16, maxLength: 16 })
const globalV6Bytes = ipv6Bytes.map((bytes) => Uint8Array.from(bytes, (byte, i) => (i === 0 ? 0x2a : byte)))
const textOf = (bytes: Uint8Array) => addressOfBytes(bytes)!.ip

test('R-PROBE-2 bytes and text name the same address, both ways', () => {
  fc.assert(
    fc.property(fc.oneof(ipv4Bytes, ipv6Bytes), (bytes) => {
      const address = addressOfBytes(bytes)!
      expect(canonicalAddress(address.ip)).toEqual(address)
      expect(addressOfBytes(address.bytes)).toEqual(address)
    }),
  )
  expect(addressOfBytes(new Uint8Array(5))).toBeNull()
  expect(addressOfBytes(new Uint8Array())).toBeNull()
})

test('R-PROBE-2 text is what the system writes for the same bytes', () => {
  const groups = fc.array(fc.constantFrom(0, 0, 1, 2, 0xab, 0xffff), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(groups, (words) => {
      const bytes = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]))
      const address = words.map((word) => word.toString(16)).join(':')
      expect(addressText(bytes)).toBe(new SocketAddress({ address, family: 'ipv6' }).address)
    }),
    { numRuns: 1_000 },
  )
})

test('R-PROBE-2 the choice does not depend on the order or on repetitions, and the wrapped forms change nothing', () => {
  const wrap = (bytes: Uint8Array, how: number) =>
    bytes.length === 16 || how === 0
      ? textOf(bytes)
      : `${how === 1 ? '::ffff:' : '64:ff9b::'}${bytes.join('.')}`
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(ipv4Bytes, globalV6Bytes), fc.nat({ max: 2 })), { maxLength: 8 }),
      fc.infiniteStream(fc.nat()),
      (answers, keys) => {
        const plain = answers.map(([bytes]) => textOf(bytes))
        const shuffled = [...answers, ...answers.slice(0, 2)]
          .map((answer) => ({ answer, key: keys.next().value }))
          .sort((a, b) => a.key - b.key)
          .map(({ answer: [bytes, how] }) => wrap(bytes, how))
        expect(chooseAddress(shuffled, false)).toEqual(chooseAddress(plain, false))
      },
    ),
  )
})

test('R-PROBE-2 the chosen address is the least of its family as a number', () => {
  const asNumber = (bytes: Uint8Array) => bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
  fc.assert(
    fc.property(fc.array(fc.oneof(ipv4Bytes, globalV6Bytes), { minLength: 1, maxLength: 8 }), (answers) => {
      const chosen = chooseAddress(answers.map(textOf), false)
      const single = answers
        .map((bytes) => chooseAddress([textOf(bytes)], false))
        .filter((one) => one !== null)
      const family = single.some((one) => one.bytes.length === 4) ? 4 : 16
      const numbers = single.filter((one) => one.bytes.length === family).map((one) => asNumber(one.bytes))
      const least = numbers.reduce((a, b) => (a < b ? a : b), numbers[0] ?? -1n)
      expect(chosen === null ? -1n : asNumber(chosen.bytes)).toBe(least)
    }),
  )
})

describe('R-PROBE-2 resolving', () => {
  const options = { allowLoopback: true }

  test('asks once and chooses', async () => {
    let asked = 0
    const resolveHost = async (host: string) => {
      asked++
      expect(host).toBe('n7.devnet.test')
      return ['127.0.0.9', '127.0.0.8']
    }
    expect(await resolveObservedAddress('n7.devnet.test', resolveHost, options)).toMatchObject({
      is: 'ok',
      address: { ip: '127.0.0.8' },
    })
    expect(asked).toBe(1)
  })

  test('no address, or none that counts, is unresolvable (code 1)', async () => {
    expect(await resolveObservedAddress('a.test', async () => [], options)).toMatchObject({
      is: 'unresolvable',
    })
    expect(await resolveObservedAddress('a.test', async () => ['10.0.0.1'], options)).toMatchObject({
      is: 'unresolvable',
      detail: expect.stringContaining('10.0.0.1'),
    })
  })

  test('R-FAULT-1 a resolver that fails is no verdict on the host', async () => {
    const failing = async () => {
      throw new Error('name server down')
    }
    expect(await resolveObservedAddress('a.test', failing, options)).toMatchObject({
      is: 'unable',
      detail: expect.stringContaining('name server down'),
    })
  })

  test('an abort is an error, not a result', async () => {
    const controller = new AbortController()
    const hanging = (_host: string, { signal }: { signal?: AbortSignal } = {}) =>
      new Promise<string[]>((_resolve, reject) =>
        signal!.addEventListener('abort', () => reject(signal!.reason as Error)),
      )
    const resolving = resolveObservedAddress('a.test', hanging, { ...options, signal: controller.signal })
    controller.abort()
    await expect(resolving).rejects.toMatchObject({ code: 'NET_ABORTED' })
  })
})
