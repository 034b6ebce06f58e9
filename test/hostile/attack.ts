import type { TestNetwork } from '../fixtures/test-network.ts'
import type { PeerAddress } from '../../src/net/peer-address.ts'
import type { RawPeer } from '../net/raw-peer.ts'

/** What an attack is given: whom to attack, the keys that it may have, and where to say what it does. */
export interface Battlefield {
  network: TestNetwork
  victim: { p2p: PeerAddress; tls: PeerAddress; peerKey: Uint8Array }
  /** Indexes of registered seats that the attacker owns; none of them challenges the victim. */
  seats: readonly number[]
  /** A peer under the key of one of these seats, or a stranger; from an address of its own. Ended with the attack. */
  seat(index: number): Promise<RawPeer>
  stranger(number: number): Promise<RawPeer>
  /** A loopback address that nobody else dials from. */
  address(number: number): string
  /** Counts what was sent, by what it is. */
  sent(what: string, count?: number): void
  /** Aborted when the attack is over. */
  signal: AbortSignal
}

/** One way to hurt a node, as strong as what found it, until the signal aborts. It never rejects for being cut off. */
export interface Attack {
  name: string
  /** What it does, from whom, in one line. */
  what: string
  /** Numbers of docs/hostile-peers.md. */
  finding: string
  run(field: Battlefield): Promise<void>
}
