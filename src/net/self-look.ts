import { equalBytes, type NetworkId, type VerifyEd25519 } from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import type { World } from '../world.ts'
import type { ProbeRoots } from './certificate-chain.ts'
import { findHolder, type KeyHolder } from './probe.ts'
import { nonceBytes } from './probe-message.ts'

export interface SelfLookOptions {
  /** The own key, 32 bytes. */
  peerKey: Uint8Array
  /** Of this process, 16 bytes. */
  instance: Uint8Array
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
  /** Another process that holds the own key, and whether it signs for the seat. */
  | { is: 'another'; signs: boolean }
  /** Nobody who proves to hold the key: the address cannot be reached from here, or leads elsewhere. */
  | { is: 'unknown'; why: string }

/** What a probe's answer by the own key says to a process with this instance. */
export const seenOf = (instance: Uint8Array, holder: KeyHolder): SelfSeen =>
  equalBytes(instance, holder.instance) ? { is: 'self' } : { is: 'another', signs: holder.signs }

/**
 * Asks the own address for a probe answer (R-PROBE-1) over a fresh nonce. Only a holder of the key can sign that, over the
 * very connection and with the instance of its process, so a forwarder changes nothing.
 */
export interface SelfLook {
  look(at: { host: string; ip: string; port: number }, signal?: AbortSignal): Promise<SelfSeen>
}

const timeoutMs = 5_000

export const createSelfLook = ({ instance, world, ...question }: SelfLookOptions): SelfLook => ({
  async look(at, signal) {
    using deadline = createDeadline(world, timeoutMs, signal)
    const nonce = world.randomBytes(nonceBytes)
    const found = await findHolder({ ...question, ...at, nonce }, deadline.signal)
    return found.is === 'unknown' ? found : seenOf(instance, found.holder)
  },
})
