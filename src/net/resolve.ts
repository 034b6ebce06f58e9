import { Resolver } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { addressText, compareBytes } from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'

/** The address of a verdict: dialled by libp2p and TLS alike, written into the attestation (R-PROBE-2). */
export interface ObservedAddress {
  /** Canonical text: dotted IPv4, or IPv6 as in RFC 5952. */
  ip: string
  /** 4 bytes, or 16 that are no mapped or NAT64 form of IPv4. */
  bytes: Uint8Array
}

/**
 * All addresses of a host, in any order. An empty list says that the name has none; it throws when it could not find
 * out, which is no verdict on the host.
 */
export type ResolveHost = (host: string, options?: { signal?: AbortSignal }) => Promise<readonly string[]>

export type Resolution =
  | { is: 'ok'; address: ObservedAddress }
  /** R-VERD-1 code 1: the name has no address that counts. */
  | { is: 'unresolvable'; detail: string }
  /** The resolver failed: whoever asks cannot judge (R-FAULT-1), or asks again. */
  | { is: 'unable'; detail: string }

/** R-PROBE-2: resolves once and chooses. Never throws, except when `signal` is aborted. */
export const resolveObservedAddress = async (
  host: string,
  resolveHost: ResolveHost,
  options: { allowLoopback: boolean; signal?: AbortSignal },
): Promise<Resolution> => {
  let found: readonly string[]
  try {
    found = await resolveHost(host, options.signal === undefined ? {} : { signal: options.signal })
  } catch (error) {
    if (options.signal?.aborted === true) {
      throw new SecnodeError('NET_ABORTED', `looking up ${host} was aborted`, { cause: error })
    }
    return { is: 'unable', detail: `${host}: ${messageOf(error)}` }
  }
  if (found.length === 0) return { is: 'unresolvable', detail: `${host} has no address` }
  const address = chooseAddress(found, options.allowLoopback)
  return address === null
    ? { is: 'unresolvable', detail: `${host} has no global address, only ${found.slice(0, 4).join(', ')}` }
    : { is: 'ok', address }
}

/**
 * R-PROBE-2: the numerically lowest IPv4 address, or the lowest IPv6 if there is none. Addresses that are not global
 * count as if they had not been there. Null if nothing is left.
 */
export const chooseAddress = (ips: readonly string[], allowLoopback: boolean): ObservedAddress | null => {
  let chosen: ObservedAddress | null = null
  for (const ip of ips) {
    const address = canonicalAddress(ip)
    if (address === null || !isGlobal(address, allowLoopback)) continue
    // Shorter first, so IPv4 before IPv6; within one length the numerical order is that of the bytes.
    const isBetter =
      chosen === null ||
      address.bytes.length < chosen.bytes.length ||
      (address.bytes.length === chosen.bytes.length && compareBytes(address.bytes, chosen.bytes) < 0)
    if (isBetter) chosen = address
  }
  return chosen
}

/** Mapped (RFC 4291, 2.5.5.2) and NAT64 (RFC 6052, well-known prefix) forms become IPv4; null if it is no address. */
export const canonicalAddress = (ip: string): ObservedAddress | null => {
  const version = isIP(ip)
  // A zone (`fe80::1%eth0`) has a meaning on one machine only.
  if (version === 0 || ip.includes('%')) return null
  // The binary form of a multiaddr is one byte of protocol code, then the address.
  const bytes = multiaddr(`/ip${version}/${ip}`).bytes.slice(1)
  return addressOfBytes(bytes)
}

/** The address of 4 or 16 bytes, e.g. of an attestation; 16 that hold an IPv4 address give that. */
export const addressOfBytes = (bytes: Uint8Array): ObservedAddress | null => {
  if (bytes.length === 16 && wrappers.some((prefix) => prefix.every((byte, i) => bytes[i] === byte))) {
    return addressOfBytes(bytes.slice(12))
  }
  const ip = addressText(bytes)
  return ip === null ? null : { ip, bytes }
}

/** True if the address is "globally reachable" in the registries below, or loopback where a profile allows that. */
export const isGlobal = ({ ip, bytes }: ObservedAddress, allowLoopback: boolean): boolean => {
  const family = bytes.length === 4 ? 'ipv4' : 'ipv6'
  if (allowLoopback && loopback.check(ip, family)) return true
  return family === 'ipv4'
    ? !special.check(ip, 'ipv4')
    : globalUnicast.check(ip, 'ipv6') && !special.check(ip, 'ipv6')
}

/**
 * The real resolver: DNS itself, not the hosts file of this machine, so that two challengers see alike. A name counts
 * as without addresses only if DNS says so for both families; without the answer about IPv4 nothing is known.
 */
export const createDnsResolver = (options: ResolverOptions): ResolveHost => {
  return async (host, { signal } = {}) =>
    await withResolver(options, signal, async (resolver) => {
      const v6 = settled(resolver.resolve6(host))
      const ipv4 = addressesOf(await settled(resolver.resolve4(host)))
      return ipv4.length > 0 ? ipv4 : addressesOf(await v6)
    })
}

/** What DNS has of a host, by family. */
export interface HostAddresses {
  ipv4: readonly string[]
  ipv6: readonly string[]
}

/** For whoever looks after a host of his own: challengers ask for IPv6 only where there is no IPv4. Throws as above. */
export type ResolveFamilies = (host: string, options?: { signal?: AbortSignal }) => Promise<HostAddresses>

export const createFamilyResolver = (options: ResolverOptions): ResolveFamilies => {
  return async (host, { signal } = {}) =>
    await withResolver(options, signal, async (resolver) => {
      const v6 = settled(resolver.resolve6(host))
      const ipv4 = addressesOf(await settled(resolver.resolve4(host)))
      return { ipv4, ipv6: addressesOf(await v6) }
    })
}

interface ResolverOptions {
  timeoutMs: number
  servers?: readonly string[]
}

/** Runs `ask` with a resolver that ends with it, or with the signal. */
export const withResolver = async <T>(
  options: ResolverOptions,
  signal: AbortSignal | undefined,
  ask: (resolver: Resolver) => Promise<T>,
): Promise<T> => {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: 2 })
  if (options.servers !== undefined) resolver.setServers([...options.servers])
  const cancel = () => resolver.cancel()
  signal?.throwIfAborted()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await ask(resolver)
  } finally {
    resolver.cancel()
    signal?.removeEventListener('abort', cancel)
  }
}

const settled = async <T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> => {
  const [outcome] = await Promise.allSettled([promise])
  return outcome
}

const addressesOf = (answer: PromiseSettledResult<string[]>): string[] => {
  if (answer.status === 'fulfilled') return answer.value
  const code = (answer.reason as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOTFOUND' || code === 'ENODATA') return []
  throw new SecnodeError('NET_RESOLVER', `DNS did not answer: ${messageOf(answer.reason)}`, {
    hint: 'Check the name servers of this machine (/etc/resolv.conf).',
    cause: answer.reason,
  })
}

// ::ffff:0:0/96 and 64:ff9b::/96
const wrappers: readonly (readonly number[])[] = [
  [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
  [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0],
]

const blockListOf = (...cidrs: readonly string[]): BlockList => {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [network = '', bits = ''] = cidr.split('/')
    list.addSubnet(network, Number(bits), isIP(network) === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}

const loopback = blockListOf('127.0.0.0/8', '::1/128')

// The only IPv6 space that IANA has given out for global unicast (RFC 4291, 2.4): everything else is not global.
const globalUnicast = blockListOf('2000::/3')

/**
 * IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, as of 2025): what is not marked globally
 * reachable, and multicast. The few anycast exceptions inside 192.0.0.0/24 and 2001::/23 are services of a network's
 * own edge or tunnels, no address of a node, and count as the block around them.
 */
const special = blockListOf(
  '0.0.0.0/8', // this network, RFC 791
  '10.0.0.0/8', // private use, RFC 1918
  '100.64.0.0/10', // shared address space, RFC 6598
  '127.0.0.0/8', // loopback, RFC 1122
  '169.254.0.0/16', // link local, RFC 3927
  '172.16.0.0/12', // private use, RFC 1918
  '192.0.0.0/24', // IETF protocol assignments, RFC 6890
  '192.0.2.0/24', // documentation, RFC 5737
  '192.88.99.0/24', // 6to4 relay anycast, deprecated by RFC 7526
  '192.168.0.0/16', // private use, RFC 1918
  '198.18.0.0/15', // benchmarking, RFC 2544
  '198.51.100.0/24', // documentation, RFC 5737
  '203.0.113.0/24', // documentation, RFC 5737
  '224.0.0.0/4', // multicast, RFC 5771
  '240.0.0.0/4', // reserved, RFC 1112, with the limited broadcast address
  '2001::/23', // IETF protocol assignments, RFC 2928, with Teredo, benchmarking and ORCHID
  '2001:db8::/32', // documentation, RFC 3849
  '2002::/16', // 6to4, RFC 3056: an IPv4 address in disguise
  '3fff::/20', // documentation, RFC 9637
)
