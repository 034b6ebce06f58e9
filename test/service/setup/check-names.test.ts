import { expect, test } from 'vitest'
import { loadNetwork } from '../../../src/service/load-network.ts'
import { nameServersCheck, namesCheck } from '../../../src/service/setup/check-names.ts'
import type { Facts } from '../../../src/service/setup/facts.ts'

const network = await loadNetwork('devnet')

const codesOf = async (ipv4: string[], ipv6: string[], allowLoopback = false): Promise<string[]> => {
  const facts = {
    config: () => Promise.resolve({ host: 'n1.example.org' }),
    network: () => Promise.resolve({ ...network, profile: { ...network.profile, allowLoopback } }),
    addresses: () => Promise.resolve({ ipv4, ipv6 }),
  } as unknown as Facts
  const { findings } = await namesCheck.run(facts, AbortSignal.abort())
  return findings.map(({ code, message }) => (code === 'DNS_IPV6_ONLY' ? `${code} ${message}` : code))
}

const only = (prefix: string): string =>
  `DNS_IPV6_ONLY n1.example.org has no usable IPv4 address; whatever answers in ${prefix} counts as the same address`

test.each([
  ['IPv4 and IPv6', ['198.51.99.1'], ['2a01:4f8:0:12::7'], false, []],
  ['IPv6 alone', [], ['2a01:4f8:0:12::7'], false, [only('2a01:4f8:0:12::/64')]],
  [
    'IPv6, and an IPv4 address that nobody can dial',
    ['10.0.0.1'],
    ['2a01:4f8:0:12::7'],
    false,
    ['DNS_NOT_GLOBAL', only('2a01:4f8:0:12::/64')],
  ],
  ['several of one family', [], ['2a01:4f8:1::1', '2a01:4f8:0:12::7'], false, [only('2a01:4f8:0:12::/64')]],
  ['IPv4 in the clothes of IPv6', [], ['64:ff9b::c633:6301'], false, []],
  ['a devnet on the loopback address', [], ['::1'], true, []],
])(
  'R-TALLY-3 a node that may share its address with strangers is told: %s',
  async (_name, ipv4, ipv6, allowLoopback, codes) => {
    expect(await codesOf(ipv4, ipv6, allowLoopback)).toEqual(codes)
  },
)

test.each([
  ['all the same', [['9.9.9.9'], ['9.9.9.9']], null],
  ['no DNS', null, null],
  ['two servers, two addresses', [['9.9.9.9'], ['9.9.9.8']], '9.9.9.9 by ns0; 9.9.9.8 by ns1'],
  ['one server, two answers', [['9.9.9.9', '9.9.9.8'], ['9.9.9.8']], '9.9.9.9 by ns0; 9.9.9.8 by ns0, ns1'],
])('R-TALLY-2 a name with more than one lowest address is told: %s', async (_name, answers, told) => {
  const views = (answers ?? []).map((addresses, i) => ({ server: `ns${i}`, addresses }))
  const facts = {
    config: () => Promise.resolve({ host: 'n1.example.org' }),
    network: () => Promise.resolve(network),
    survey: () => Promise.resolve(answers === null ? null : () => Promise.resolve(views)),
  } as unknown as Facts
  const { findings } = await nameServersCheck.run(facts, AbortSignal.abort())
  expect(findings.map(({ code, severity, message }) => [code, severity, message])).toEqual(
    told === null
      ? []
      : [['DNS_DIFFERS', 'warning', `n1.example.org has more than one lowest address: ${told}`]],
  )
})
