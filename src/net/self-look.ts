import { bytesToHex, type NetworkId, type VerifyEd25519 } from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import type { World } from '../world.ts'
import type { ProbeRoots } from './certificate-chain.ts'
import { findHolder } from './probe.ts'
import { nonceBytes } from './probe-message.ts'

export interface SelfLookOptions {
  /** The own key, 32 bytes. */
  peerKey: Uint8Array
  networkId: NetworkId
  roots: ProbeRoots
  verify: VerifyEd25519
  localAddress?: string | undefined
  world: World
}

/** Who answers at the own announced address (R-ATT-7). */
export type SelfSeen =
  /** This very process. */
  | { is: 'self' }
  /** Another process that holds the own key; the epoch of the last challenge that it has answered, if any. */
  | { is: 'another'; lastSolved: number | null }
  /** Nobody who proves to hold the key: the address cannot be reached from here, or leads elsewhere. */
  | { is: 'unknown'; why: string }

/**
 * Asks the own address for a probe answer (R-PROBE-1) over a fresh nonce. Only a holder of the key can sign that, over the
 * very connection, so a forwarder changes nothing; and a process knows which nonces it answered itself.
 */
export interface SelfLook {
  /** For the TLS endpoint of this process: each nonce before it is answered. */
  readonly noteNonce: (nonce: Uint8Array) => void
  look(at: { host: string; ip: string; port: number }, signal?: AbortSignal): Promise<SelfSeen>
}

const timeoutMs = 5_000

export const createSelfLook = (options: SelfLookOptions): SelfLook => {
  const { world, ...question } = options
  /** By nonce in hex, of the looks under way: whether this process answered it. */
  const isOwnByNonce = new Map<string, boolean>()
  return {
    noteNonce(nonce) {
      const hex = bytesToHex(nonce)
      if (isOwnByNonce.has(hex)) isOwnByNonce.set(hex, true)
    },
    async look(at, signal) {
      const nonce = world.randomBytes(nonceBytes)
      const hex = bytesToHex(nonce)
      isOwnByNonce.set(hex, false)
      try {
        using deadline = createDeadline(world, timeoutMs, signal)
        const found = await findHolder({ ...question, ...at, nonce }, deadline.signal)
        if (found.is === 'unknown') return found
        return isOwnByNonce.get(hex) === true
          ? { is: 'self' }
          : { is: 'another', lastSolved: found.lastSolved }
      } finally {
        isOwnByNonce.delete(hex)
      }
    },
  }
}
