import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { bytesToHex, newestRuleset, unseated } from '../../../protocol/index.ts'
import type { Network } from '../../chain/profiles.ts'
import { createEd25519Verifier } from '../../keys/ed25519.ts'
import type { NodeKeys } from '../../keys/node-key.ts'
import { createProbeRoots } from '../../net/certificate-chain.ts'
import { createHost, type Host } from '../../net/host.ts'
import { probeTls, type ProbeResult } from '../../net/probe.ts'
import { type CertificatePair, createTlsEndpoint } from '../../net/tls-endpoint.ts'
import type { Config } from '../config.ts'
import { daemonVersion } from '../../node/daemon.ts'
import type { DaemonStanding } from '../doctor-answers.ts'
import type { World } from '../../world.ts'

/** The node's two ports, served: by the daemon that runs, or by the doctor for as long as it looks. */
export interface OwnEndpoints {
  /** Null if the daemon serves them. */
  host: Host | null
  /** What the TLS endpoint says that its seat is. */
  seat: number
  /** R-PROBE-1 as a challenger does it, at an address of one's own choice. */
  probe(ip: string, port: number, signal: AbortSignal): Promise<ProbeResult>
  /** The address at which this machine itself reaches what is listened on. */
  localIp: string
  close(): Promise<void>
}

export interface EndpointOptions {
  config: Config
  network: Network
  keys: NodeKeys
  stake: Uint8Array
  certificate: CertificatePair
  daemon: DaemonStanding | null
  /** Of this process, for what is answered here. */
  instance: Uint8Array
  logger: Logger
  world: World
}

const probeTimeoutMs = 5_000

/** Errors: NET_CANNOT_LISTEN, TLS_CANNOT_LISTEN, TLS_BAD_CERTIFICATE. */
export const openEndpoints = async (options: EndpointOptions): Promise<OwnEndpoints> => {
  const { config, network, keys, stake, daemon, logger, world } = options
  const { profile, networkId } = network
  const { verify } = createEd25519Verifier({ maxKeys: 1 })
  const roots = createProbeRoots(profile.roots)
  // Where a machine has several addresses, traffic is to leave from the one that is listened on.
  const localAddress = isWildcard(config.listen.address) ? undefined : config.listen.address
  const seat = daemon === null ? unseated : (daemon.seat ?? unseated)
  const ends = {
    seat,
    localIp: localAddress ?? (isIPv6(config.listen.address) ? '::1' : '127.0.0.1'),
    probe: async (ip: string, port: number, signal: AbortSignal) =>
      await probeTls({
        host: config.host,
        ip,
        port,
        nonce: world.randomBytes(32),
        roots,
        expected: { peerKey: keys.peerKey, seat, stake },
        networkId,
        timeoutMs: probeTimeoutMs,
        world,
        now: world.now(),
        verify,
        signal,
      }),
  }
  if (daemon !== null) return { ...ends, host: null, close: () => Promise.resolve() }

  const host = createHost({
    keys,
    networkId,
    listen: { address: config.listen.address, port: config.listen.p2p },
    allowLoopback: profile.allowLoopback,
    localAddress,
    topics: [],
    // For the seconds that it lives nobody is kept out: whoever looks again and again meets peers that reconnect.
    limits: { maxNewPerSecondPerAddress: 100, maxPendingPerAddress: 100, maxStrangersPerAddress: 100 },
    logger,
    world,
  })
  const endpoint = createTlsEndpoint({
    host: config.host,
    networkId,
    address: config.listen.address,
    port: config.listen.tls,
    certFile: config.certificate.cert,
    keyFile: config.certificate.key,
    identity: () => ({
      peer: keys.peerId,
      seat,
      stake: bytesToHex(stake),
      version: daemonVersion,
      instance: options.instance,
      ruleset: newestRuleset,
      // Whoever only tries the ports attests nothing.
      signs: false,
    }),
    sign: keys.sign,
    logger,
    world,
  })
  const close = async (): Promise<void> => {
    await endpoint.stop()
    await host.stop()
  }
  try {
    await host.start()
    await endpoint.start()
  } catch (error) {
    await close()
    throw error
  }
  return { ...ends, host, close }
}

export const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::'
