import { chooseAddress, canonicalAddress, isGlobal } from '../../net/resolve.ts'
import { publicPortsOf } from '../config.ts'
import type { Check } from './check.ts'
import { type Finding, finding } from './findings.ts'

const ipv6Bytes = 16

/** The /64 that R-TALLY-3 takes for one address. */
const prefixOf = (bytes: Uint8Array): string => {
  const groups = [0, 2, 4, 6].map((at) => (256 * bytes[at]! + bytes[at + 1]!).toString(16))
  return `${groups.join(':')}::/64`
}

/** What DNS says of the host, in both families (R-PROBE-2). */
export const namesCheck: Check = {
  name: 'names',
  timeoutMs: 30_000,
  isInside: true,
  run: async (facts) => {
    const { host } = await facts.config()
    const { allowLoopback } = (await facts.network()).profile
    const { ipv4, ipv6 } = await facts.addresses()
    const all = [...ipv4, ...ipv6]
    if (all.length === 0)
      return { findings: [finding('DNS_NO_ADDRESS', `${host} has no address`)], detail: '' }
    const chosen = chooseAddress(all, allowLoopback)
    const findings: Finding[] = []
    const local = all.filter((ip) => {
      const address = canonicalAddress(ip)
      return address === null || !isGlobal(address, allowLoopback)
    })
    if (local.length > 0) {
      const message = `${host} resolves to ${local.join(', ')}, which is not global`
      findings.push(finding('DNS_NOT_GLOBAL', message, chosen === null ? {} : { severity: 'warning' }))
    }
    if (chosen !== null && ipv4.length > 1) {
      const message = `${host} has ${ipv4.length} IPv4 addresses; challengers dial ${chosen.ip}`
      findings.push(finding('DNS_SEVERAL_ADDRESSES', message))
    }
    if (chosen !== null && chosen.bytes.length === ipv6Bytes && isGlobal(chosen, false)) {
      const message = `${host} has no usable IPv4 address; whatever answers in ${prefixOf(chosen.bytes)} counts as the same address`
      findings.push(finding('DNS_IPV6_ONLY', message))
    }
    return { findings, detail: `${host} is ${all.join(', ')}` }
  },
}

/** Whether all who ask get the same address to dial: those who dial another one disagree with the others (R-TALLY-2). */
export const nameServersCheck: Check = {
  name: 'name-servers',
  timeoutMs: 60_000,
  isInside: false,
  run: async (facts, signal) => {
    const { host } = await facts.config()
    const { allowLoopback } = (await facts.network()).profile
    const survey = await facts.survey()
    const views = survey === null ? [] : await survey(host, { allowLoopback, signal })
    const serversByAddress = new Map<string, string[]>()
    for (const { server, addresses } of views) {
      for (const address of addresses) {
        serversByAddress.set(address, [...(serversByAddress.get(address) ?? []), server])
      }
    }
    const told = [...serversByAddress].map(([address, servers]) => `${address} by ${servers.join(', ')}`)
    const findings =
      told.length < 2
        ? []
        : [finding('DNS_DIFFERS', `${host} has more than one lowest address: ${told.join('; ')}`)]
    const nothing = survey === null ? 'names come from the `hosts` table' : 'no name server answered'
    return { findings, detail: told.length === 0 ? nothing : told.join('; ') }
  },
}

/** Whether the node answers under its IPv6 addresses, which need no forwarding and can be tried from here. */
export const ipv6Check: Check = {
  name: 'ipv6',
  timeoutMs: 30_000,
  isInside: false,
  run: async (facts, signal) => {
    const { ipv4, ipv6 } = await facts.addresses()
    const config = await facts.config()
    const { host } = config
    if (ipv6.length === 0) return { findings: [], detail: `${host} has no AAAA record` }
    const endpoints = await facts.endpoints()
    const findings: Finding[] = []
    for (const ip of ipv6) {
      const result = await endpoints.probe(ip, publicPortsOf(config).tls, signal)
      // A certificate that is wrong is so in both families, and told once.
      if (result.is === 'ok' || (result.is === 'failed' && result.code === 7)) continue
      findings.push(
        finding(
          'DNS_IPV6_BROKEN',
          `${host} has the address ${ip}, where the node does not answer: ${result.detail}`,
          {
            severity: ipv4.length === 0 ? 'failure' : 'warning',
          },
        ),
      )
    }
    return { findings, detail: ipv6.join(', ') }
  },
}
