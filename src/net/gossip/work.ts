import type { RPC } from '@libp2p/gossipsub/message'

/**
 * What an RPC of gossip costs its receiver, in units of one message: some 25 µs of a core before anything of ours judges it.
 * Measured as docs/libraries.md says.
 */
export interface GossipWork {
  messages: number
  /** All but the messages. */
  control: number
}

// Of an id that is announced or not wanted, a look at a map; of one that is asked for, a message that is sent.
const announcedIdsPerUnit = 32
const askedIdsPerUnit = 8
const changesPerUnit = 4
/** More than one message of the largest topic but proofs has; what is in none of the other counts is counted by it. */
const bytesPerUnit = 2_048

/** Before it is decoded. */
export const workOfBytes = (bytes: number): number => Math.max(1, Math.ceil(bytes / bytesPerUnit))

export const workOfRpc = ({ messages, subscriptions, control }: RPC): GossipWork => {
  if (control === undefined && subscriptions.length === 0) return { messages: messages.length, control: 0 }
  const changes = subscriptions.length + (control?.graft.length ?? 0) + (control?.prune.length ?? 0)
  const units =
    idsOf(control?.ihave, announcedIdsPerUnit) +
    idsOf(control?.idontwant, announcedIdsPerUnit) +
    idsOf(control?.iwant, askedIdsPerUnit) +
    changes / changesPerUnit
  return { messages: messages.length, control: Math.ceil(units) }
}

/** An entry without ids is one, too. */
const idsOf = (entries: readonly { messageIDs: readonly Uint8Array[] }[] = [], perUnit: number): number =>
  entries.reduce((units, { messageIDs }) => units + Math.max(1, messageIDs.length) / perUnit, 0)
