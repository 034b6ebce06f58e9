import type { Epoch, Height, Params, Seat, UnknownRuleset } from '../../../protocol/index.ts'
import type { SignedVerdict } from '../alerts/finding.ts'
import type { DifferingCheckpoint } from '../../week/anchored-weeks.ts'
import type { ObservedOutside } from '../../node/ask-outside.ts'
import type { ObservedContact } from '../../node/contact/contact.ts'
import type { TwinSighting } from '../../store/signing.ts'
import type { MovedSeat, WatchedSeat } from '../../node/takeover.ts'

/** What a daemon sees of itself at one moment. Null where nothing can be said now. */
export interface Observations {
  nowMs: number
  /** Confirmed height up to which the roles have dealt with the chain. */
  height: Height
  seat: Seat | null
  host: string
  chain: ObservedChain
  visits: ObservedVisits | null
  /** What was attested of this seat, newest epoch first. */
  words: readonly EpochWords[] | null
  duty: ObservedDuty | null
  /** What others saw when they were asked to dial back. */
  outside: ObservedOutside | null
  certificate: { notAfterMs: number; faults: readonly string[]; refused: string | null } | null
  disk: { directory: string; freeBytes: number; totalBytes: number } | null
  registration: Registration | null
  /** The small wallet that pays for anchors. Amounts are base units. */
  hotWallet: { is: 'none' } | { is: 'asked'; address: string; balance: bigint; needed: bigint } | null
  /** Whether a proof is known that it signed two attestations of an epoch (R-ATT-3). */
  isEquivocator: boolean
  /** Another daemon with the same keys, since which nothing is signed (R-ATT-7). */
  twin: TwinSighting | null
  /** Another daemon with the same keys that was seen lately, and is the one that stops. */
  rival: TwinSighting | null
  isStandby: boolean
  /** The seat of another daemon, for a standby and for a node that has stopped signing (R-ATT-8). */
  watched: WatchedSeat | null
  /** Whether this process began as a standby, and how it has taken the seat over. */
  takenOver: 'by-word' | 'by-chain' | null
  /** Anchored checkpoints that say otherwise than this node's chain and profile (R-CP-6). */
  differingCheckpoints: readonly DifferingCheckpoint[]
  /** A ruleset of the profile that this version does not know (R-NET-3). */
  unknownRuleset: UnknownRuleset | null
  /** The seat is announced under another node's key (R-ATT-8). */
  moved: MovedSeat | null
  network: { registeredPeers: number; otherSeats: number; aloneMs: number } | null
  contact: ObservedContact | null
}

export interface ObservedChain {
  /** Of the follower. */
  status: 'idle' | 'catching-up' | 'following' | 'node-behind' | 'node-unreachable' | 'node-lies' | 'failed'
  detail: string | null
  /** How long it has been so. */
  sinceMs: number
  /** How long no new block has come. */
  stillMs: number
  height: Height
  tip: Height | null
}

/** The challengers of the epoch that runs, and who of them came (R-CHAL-1). */
export interface ObservedVisits {
  epoch: Epoch
  /** Chance, from 0 to 1, that a first visit has fallen into the time for which this node has been watching. */
  share: number
  challengers: readonly { seat: Seat; host: string; came: boolean }[]
}

/** What the challengers of an epoch say of this seat, in ring order. */
export interface EpochWords {
  epoch: Epoch
  /** Of the epoch's week: they name the ruleset that decides. */
  params: Pick<Params, 'ruleset'>
  /** Nothing more can come (R-CP-3). */
  isClosed: boolean
  challengers: readonly ChallengerWord[]
}

/** `verdict` is null while it is silent; `signed` is there for whatever it said. */
export type ChallengerWord =
  | { seat: Seat; host: string; verdict: null }
  | { seat: Seat; host: string; verdict: number; signed: SignedVerdict }

/** The node's own work as a challenger. */
export interface ObservedDuty {
  epoch: Epoch
  /** Targets that it had. */
  targets: number
  /** Those about which it knows what it will say, and of these the abstentions. */
  judged: number
  abstained: number
  /** Why it abstained, each reason once. */
  reasons: readonly string[]
  /** Targets that had answered another nonce of this node (R-ATT-7). */
  secondNonces: number
  /** Null while it is too early to say. */
  attested: boolean | null
}

/** What the registry has for the stake of the configuration. Amounts are base units. */
export type Registration =
  | { is: 'none'; stake: string; minStake: bigint }
  | {
      is: 'announced'
      stake: string
      isActive: boolean
      balance: bigint
      minStake: bigint
      /** What the announcement says otherwise than the configuration. */
      differences: readonly Difference[]
    }

export interface Difference {
  what: 'peer id' | 'host' | 'voting key' | 'p2p port' | 'tls port'
  announced: string
  own: string
}
