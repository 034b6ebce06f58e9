import { getServers } from 'node:dns'
import type { Resolver } from 'node:dns/promises'
import { createDnsResolver, resolveObservedAddress, withResolver } from './resolve.ts'

/** What one name server gives as the address that challengers dial (R-PROBE-2). */
export interface NameServerView {
  server: string
  /** Addresses as text, those of several questions, each once; `no address` where it has none that counts. */
  addresses: readonly string[]
}

/** Asks name server after name server, each several times. Leaves out those that do not answer. Throws if aborted. */
export type SurveyName = (
  host: string,
  options: { allowLoopback: boolean; signal: AbortSignal },
) => Promise<readonly NameServerView[]>

interface SurveyOptions {
  timeoutMs: number
  /** Those of this machine unless given, with a port if that is not 53. */
  servers?: readonly string[]
  /** Of the domain's own name servers. */
  port?: number
}

/** More name servers than nearly all domains have. */
const maxAuthorities = 6
/** Of an answer that is a part of all addresses, drawn anew each time, five questions show less than two rarely. */
const questions = 5

/**
 * Surveys the name servers of this machine and those of the domain itself. The latter remember nothing, so only they
 * show that answers change from question to question.
 */
export const createNameSurvey = ({
  timeoutMs,
  servers = getServers(),
  port = 53,
}: SurveyOptions): SurveyName => {
  const viewOf = async (
    server: string,
    host: string,
    options: { allowLoopback: boolean; signal: AbortSignal },
  ): Promise<NameServerView> => {
    const resolve = createDnsResolver({ timeoutMs, servers: [server] })
    const addresses = new Set<string>()
    for (let i = 0; i < questions; i++) {
      const found = await resolveObservedAddress(host, resolve, options)
      if (found.is === 'unable') break
      addresses.add(found.is === 'ok' ? found.address.ip : 'no address')
    }
    return { server, addresses: [...addresses] }
  }
  return async (host, options) => {
    const authorities = await withResolver({ timeoutMs, servers }, options.signal, (resolver) =>
      authoritiesOf(host, resolver, options.signal),
    )
    const asked = new Set([...servers, ...authorities.map((ip) => (port === 53 ? ip : `${ip}:${port}`))])
    const views = await Promise.all([...asked].map((server) => viewOf(server, host, options)))
    return views.filter(({ addresses }) => addresses.length > 0)
  }
}

/** IPv4 addresses of the name servers of the zone that a host is in; none where that cannot be found out. */
const authoritiesOf = async (host: string, resolver: Resolver, signal: AbortSignal): Promise<string[]> => {
  const labels = host.split('.')
  // A domain of one label has name servers that know nothing of this host.
  for (let first = 0; first < labels.length - 1; first++) {
    const names = await namesOf(labels.slice(first).join('.'), resolver)
    signal.throwIfAborted()
    if (names === null) return []
    if (names.length === 0) continue
    const addresses = await Promise.all(
      names.slice(0, maxAuthorities).map((name) => resolver.resolve4(name).catch(() => [])),
    )
    return addresses.flatMap(([ip]) => (ip === undefined ? [] : [ip]))
  }
  return []
}

/** Names of a zone's name servers, none if it is no zone; null where that cannot be found out. */
const namesOf = async (zone: string, resolver: Resolver): Promise<string[] | null> => {
  try {
    return await resolver.resolveNs(zone)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOTFOUND' || code === 'ENODATA' ? [] : null
  }
}
