import type { Logger } from 'pino'
import { decodeAttestation, decodeReceipt } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import type { RpcClient } from '../chain-node/rpc/client.ts'
import { createEd25519Verifier } from '../keys/ed25519.ts'
import type { Host } from '../net/host.ts'
import type { Toll } from '../net/puzzle-solver.ts'
import { createDnsResolver, type ResolveHost } from '../net/resolve.ts'
import type { ChainView } from '../week/chain-view.ts'
import { digestOf } from '../week/digests.ts'
import { createAttestationStore } from '../store/attestations.ts'
import { createCheckpointStore } from '../store/checkpoints.ts'
import { createEvidenceStore } from '../store/evidence.ts'
import type { Store } from '../store/store.ts'
import { createWorkStore, type WorkStore } from '../store/work.ts'
import type { World } from '../world.ts'
import { startAskingHost } from './asking-host.ts'
import type { Recompute } from '../week/explain/checks.ts'
import type { ExplainSources } from '../week/explain/sources.ts'
import { createEvidenceSource } from './evidence-source.ts'
import type { Weeks } from '../week/weeks.ts'
import { createNodeReader } from '../chain-node/transaction-reader.ts'

export const recomputeFrom =
  (
    network: Network,
    chain: Pick<ChainView, 'transactionCountAt' | 'readTransaction'>,
    signal: AbortSignal,
  ): Recompute =>
  (context, terms) =>
    digestOf(network.profile.genesis, terms, context.params.samples, chain, signal)

/** From what a node keeps of its own work. */
export const gaveReceiptFrom =
  (work: WorkStore): ExplainSources['gaveReceipt'] =>
  async (context, own, challenger) => {
    const given = await work.getReceipt(context.epoch, context.beacon, challenger)
    return given !== undefined && decodeReceipt(given.receipt.payload)?.targetSeat === own
  }

export interface StoredExplainOptions {
  network: Network
  directory: string
  store: Store
  weeks: Weeks & { chain: ChainView }
  /** A chain node to recompute digests from. */
  rpc: RpcClient | null
  logger: Logger
  world: World
  /** Called before work that a node under load asks for and that takes long (R-PUZ-4). */
  onToll?: (toll: Toll) => void
  signal: AbortSignal
}

/** Of the keys of a week: one seat's challengers and its targets' are some twenty in an epoch of 42. */
export const maxKeys = 2_048
const dnsTimeoutMs = 5_000

/** From a store that no daemon has open. Blocks that are not in it come over a short-lived host with throw-away keys. */
export const explainSourcesOfStore = (
  options: StoredExplainOptions,
): ExplainSources & { close(): Promise<void> } => {
  const { network, store, weeks, rpc, signal } = options
  const { allowLoopback } = network.profile
  const attestations = createAttestationStore(store)
  let started: Promise<Host> | null = null

  return {
    ...weeks,
    world: options.world,
    evidence: createEvidenceSource({
      evidence: createEvidenceStore(store),
      host: () => (started ??= startAskingHost(options)),
      resolveHost: allowLoopback ? withoutDns : createDnsResolver({ timeoutMs: dnsTimeoutMs }),
      allowLoopback,
    }),
    verify: createEd25519Verifier({ maxKeys }).verify,
    recompute:
      rpc === null
        ? null
        : recomputeFrom(
            network,
            createNodeReader({
              rpc,
              family: network.facts.family,
              followedHashAt: (height) => weeks.chain.hashAt(height),
              signal,
            }),
            signal,
          ),
    ownSeat: async () => {
      const last = await attestations.lastOwnBefore(0xffff_ffff)
      return last === undefined ? undefined : decodeAttestation(last.signed.payload)?.seat
    },
    gaveReceipt: gaveReceiptFrom(createWorkStore(store, options.directory)),
    checkpointPayload: (cid) => createCheckpointStore(store).get(cid),
    async close() {
      const host = await started?.catch(() => undefined)
      await host?.stop()
    },
  }
}

/** A devnet's names are not asked of anybody's DNS: its nodes are where others saw them. */
const withoutDns: ResolveHost = () => Promise.resolve([])
