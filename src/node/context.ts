import type { Logger } from 'pino'
import type {
  Genesis,
  NetworkId,
  ParamsSchedule,
  Seat,
  SnapshotRow,
  VoidedAnchor,
} from '../../protocol/index.ts'
import type { Ed25519Verifier } from '../keys/ed25519.ts'
import type { NodeKeys } from '../keys/node-key.ts'
import type { ProbeRoots } from '../net/certificate-chain.ts'
import type { Host } from '../net/host.ts'
import type { ResolveHost } from '../net/resolve.ts'
import type { AttestationStore } from '../store/attestations.ts'
import type { EvidenceStore } from '../store/evidence.ts'
import type { WorkStore } from '../store/work.ts'
import type { World } from '../world.ts'
import type { ChainView } from '../week/chain-view.ts'
import type { Conduct } from './conduct.ts'
import type { EpochBook, EpochContext } from '../week/epoch-book.ts'
import type { NodeMetrics } from './metrics.ts'
import type { SeenVersions } from './seen-versions.ts'
import type { Signing } from './signing.ts'

/** What every role of a daemon is given: the parts that it acts through, and who the node is. */
export interface NodeContext {
  genesis: Genesis
  networkId: NetworkId
  schedule: ParamsSchedule
  /** R-NET-4. */
  voided: readonly VoidedAnchor[]
  keys: NodeKeys
  /** Those under which the seat is announced; `keys`, but for a standby (R-ATT-8). */
  seatKeys: NodeKeys
  /** It follows all, but has no seat: that of its stake is another daemon's. */
  isStandby: boolean
  /** Drawn at the start of this process: tells it from another one with its keys (R-PROBE-1). */
  instance: Uint8Array
  /** hash160 of the one stake that this daemon answers for (R-REG-4). */
  stake: Uint8Array
  /** The seat of that stake, once it was announced; a standby has none. */
  ownSeat(): Seat | undefined
  /** Its seat's row, if the snapshot has it under this node's key: the chain may have given the seat another (R-ATT-8). */
  ownRowIn(context: EpochContext): SnapshotRow | undefined
  chain: ChainView
  epochs: EpochBook
  host: Host
  attestations: AttestationStore
  evidence: EvidenceStore
  work: WorkStore
  signing: Signing
  verifier: Ed25519Verifier
  resolveHost: ResolveHost
  roots: ProbeRoots
  /** Profiles of devnets let nodes live on loopback addresses. */
  allowLoopback: boolean
  /** Address to dial from, on a machine with several. */
  localAddress: string | undefined
  conduct: Conduct
  /** Over how long the network's attestations of an epoch are spread; 0 sends at once. */
  publishSpreadMs: number
  metrics: NodeMetrics
  versions: SeenVersions
  /** Aborted when the daemon stops: whatever waits without a deadline of its own waits on this. */
  stopping: AbortSignal
  logger: Logger
  world: World
}
