import type { CID } from 'multiformats/cid'
import { peerIdOfKey } from '../../protocol/index.ts'
import type { Host } from '../net/host.ts'
import type { FoundProvider } from '../net/searches.ts'
import type { World } from '../world.ts'
import type { Provider } from '../week/ports.ts'

/** Who says in the DHT that he holds what a checkpoint fixes. */
export interface Providers {
  of(checkpoint: CID, signal: AbortSignal): AsyncIterable<Provider>
}

/** Asked for one thing: as many as seats that are drawn (`maxAsked`). */
const maxProviders = 8
const searchTimeoutMs = 10_000
/** A week of 42 epochs may lack something in each: one search for all of them. */
const keptMs = 5 * 60_000
const askTimeoutMs = 20_000

export const createProviders = (
  host: Pick<Host, 'findProviders' | 'peers' | 'request' | 'peerId'>,
  world: Pick<World, 'monotonicMs'>,
): Providers => {
  let last: { checkpoint: CID; found: readonly FoundProvider[]; untilMs: number } | null = null

  const search = async (checkpoint: CID, signal: AbortSignal): Promise<readonly FoundProvider[]> => {
    if (last !== null && last.checkpoint.equals(checkpoint) && world.monotonicMs() < last.untilMs) {
      return last.found
    }
    // Without a neighbour there is no DHT to ask.
    if (host.peers().length === 0) return []
    const found = await host.findProviders(checkpoint, { maxProviders, timeoutMs: searchTimeoutMs, signal })
    last = { checkpoint, found, untilMs: world.monotonicMs() + keptMs }
    return found
  }

  return {
    async *of(checkpoint, signal) {
      for (const { peerKey, addresses } of await search(checkpoint, signal)) {
        const name = peerIdOfKey(peerKey)
        if (name === host.peerId) continue
        yield {
          name,
          ask: (protocol, request, maxResponseBytes, askSignal) =>
            host.request({ peerKey, address: addresses[0] ?? null }, protocol, request, {
              timeoutMs: askTimeoutMs,
              maxResponseBytes,
              signal: askSignal,
            }),
        }
      }
    },
  }
}
