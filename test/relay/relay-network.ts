import { bytesToHex, type RelayAnswer, relayProtocol } from '../../protocol/index.ts'
import { noMetrics } from '../../src/net/counters.ts'
import type { HostLimits } from '../../src/net/host.ts'
import type { Host } from '../../src/net/host.ts'
import type { PeerAddress } from '../../src/net/peer-address.ts'
import { createPuzzleGate, type GateLimits, type PuzzleGate } from '../../src/net/puzzle-gate.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { buildCircuit, type Circuit, type PathHop } from '../../src/relay/circuit.ts'
import type { Exit } from '../../src/relay/exit.ts'
import { createRelayHop, type HopLimits, type RelayHop } from '../../src/relay/hop.ts'
import { realWorld, type World } from '../../src/world.ts'
import { type LocalHost, networkId, startHost } from '../net/local-hosts.ts'

const world = realWorld()

/**
 * How long a circuit that is over may take to be gone on a slow machine: less than the half minute after which a hop ends
 * one by itself because nothing moves on it, so that such a one is seen.
 */
export const withinIdleMs = 25_000

export interface TestHop {
  seat: number
  host: LocalHost
  hop: RelayHop
  gate: PuzzleGate
  address: string
}

export interface RelayNetwork extends AsyncDisposable {
  hops: TestHop[]
  /** A client of its own: a host with throw-away keys on an address of its own. */
  client(address?: string): Promise<LocalHost>
  /** A circuit through these seats, or hops. */
  build(client: LocalHost, path: readonly (number | PathHop)[], signal?: AbortSignal): Promise<Circuit>
  /** The same for a client that is no host. */
  buildFrom(
    client: Pick<Host, 'peerId' | 'openRelayLink'>,
    path: readonly (number | PathHop)[],
    signal?: AbortSignal,
  ): Promise<Circuit>
  pathOf(seats: readonly number[]): PathHop[]
  /** Where its node listens, whether it runs or not. */
  addressOf(seat: number): PeerAddress
  /** A seat whose node the test plays itself. */
  addSeat(hop: PathHop & { address: PeerAddress }): void
  openStreams(): number
  /** Everybody started, hops and clients. */
  hosts: LocalHost[]
}

export interface RelayNetworkOptions {
  hops: number
  exit?: (bytes: Uint8Array, signal: AbortSignal) => Promise<RelayAnswer>
  limits?: Partial<HopLimits>
  gate?: Partial<GateLimits>
  /** Of all hosts: by default as many strangers as like to come, of one address or not. */
  hostLimits?: Partial<HostLimits>
  /** Of the hops' sweeps; the real ones by default. */
  timers?: Pick<World, 'setTimer'>
  /** Third number of the addresses, 127.41.<block>.n. */
  block: number
}

/** Real hosts with the relay's hop service, and a registry that is a list. */
export const startRelayNetwork = async (options: RelayNetworkOptions): Promise<RelayNetwork> => {
  const { block } = options
  const hosts: LocalHost[] = []
  const hops: TestHop[] = []
  const addresses: PeerAddress[] = []
  const added = new Map<number, PathHop & { address: PeerAddress }>()
  const limits = options.hostLimits ?? {
    maxNewPerSecondPerAddress: 1_000,
    maxStrangersPerAddress: 1_000,
    maxPendingPerAddress: 1_000,
    maxStrangers: 1_000,
  }
  const { exit: answer } = options
  const exit: Exit | null =
    answer === undefined ? null : { broadcast: (bytes, _peer, signal) => answer(bytes, signal) }
  for (let seat = 0; seat < options.hops; seat++) {
    const address = `127.41.${block}.${seat + 1}`
    const host = await startHost(address, { limits, listen: { address, port: 24_100 + 10 * block + seat } })
    await host.stop()
    const gate = createPuzzleGate({
      networkId,
      purpose: relayProtocol,
      server: host.peerKey,
      limits: { places: 64, ...options.gate },
      world,
      metrics: noMetrics,
    })
    const hop = createRelayHop({
      host,
      ownPeer: host.peerKey,
      seatOf: (wanted) => {
        const found = hops[wanted]
        const other = added.get(wanted)
        if (other !== undefined) return Promise.resolve({ ...other, p2p: other.address.port })
        if (found === undefined) return Promise.resolve(undefined)
        return Promise.resolve({
          peer: found.host.peerKey,
          host: found.address,
          p2p: addresses[wanted]!.port,
        })
      },
      addressOf: ({ host: ip, p2p }) => Promise.resolve({ ip, port: p2p }),
      exit,
      gate,
      world: options.timers ?? world,
      limits: { maxPerStranger: 64, ...options.limits },
    })
    hop.start()
    await host.start()
    hosts.push(host)
    addresses.push(host.target().address!)
    hops.push({ seat, host, hop, gate, address })
  }
  const registered = new Set(hops.map(({ host }) => bytesToHex(host.peerKey)))
  for (const { host } of hops) host.setRegistered(registered)
  const solver = createPuzzleSolver({ world, maxEffort: 2 ** 24 })
  const pathOf = (seats: readonly number[]) =>
    seats.map((seat) => ({ seat, peer: hops[seat]!.host.peerKey, host: `n${seat}.relay.test` }))
  const buildFrom: RelayNetwork['buildFrom'] = (client, given, signal = new AbortController().signal) => {
    const path = given.map((hop) => (typeof hop === 'number' ? pathOf([hop])[0]! : hop))
    return buildCircuit({
      host: client,
      networkId,
      path,
      firstAddress: added.get(path[0]!.seat)?.address ?? addresses[path[0]!.seat]!,
      solver,
      world,
      signal,
    })
  }
  return {
    hops,
    hosts,
    pathOf,
    addressOf: (seat) => addresses[seat]!,
    addSeat: (hop) => void added.set(hop.seat, hop),
    async client(address = `127.41.${block}.250`) {
      const client = await startHost(address, { limits, topics: [] })
      hosts.push(client)
      return client
    },
    build: (client, path, signal) => buildFrom(client, path, signal),
    buildFrom,
    openStreams: () =>
      hosts.reduce((sum, host) => {
        try {
          return sum + host.openStreams(relayProtocol)
        } catch {
          return sum
        }
      }, 0),
    async [Symbol.asyncDispose]() {
      await Promise.all(hops.map(({ hop }) => hop.stop()))
      await Promise.all(hosts.map((host) => host.stop()))
    },
  }
}
