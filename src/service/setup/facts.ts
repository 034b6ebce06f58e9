import type { Logger } from 'pino'
import type { z } from 'zod'
import type { Height, SeatRecord } from '../../../protocol/index.ts'
import type { FoundAnnouncement } from '../../chain-node/announcement-lookup.ts'
import type { Network } from '../../chain/profiles.ts'
import type { RpcClient } from '../../chain-node/rpc/client.ts'
import type { BlockchainInfo } from '../../chain-node/rpc/methods.ts'
import type { NodeKeys } from '../../keys/node-key.ts'
import type { SurveyName } from '../../net/name-servers.ts'
import type { NamedPeer } from '../../net/named-peer.ts'
import type { HostAddresses, ResolveFamilies } from '../../net/resolve.ts'
import type { SelfLook } from '../../net/self-look.ts'
import type { CertificatePair } from '../../net/tls-endpoint.ts'
import type { Config } from '../config.ts'
import { DaemonStanding, OutsideSight } from '../doctor-answers.ts'
import type { World } from '../../world.ts'
import type { OwnEndpoints } from './endpoints.ts'

/** Asks a running daemon over its control socket. */
export type AskDaemon = <T>(
  dir: string,
  path: string,
  schema: z.ZodType<T>,
  signal: AbortSignal,
  body?: string,
) => Promise<T>

export interface DoctorOptions {
  configFile: string
  world: World
  logger: Logger
  signal: AbortSignal
  /** Announced nodes to ask for a dial back, besides those that are found. */
  peers?: readonly NamedPeer[]
  /** That nothing is announced yet is no fault. */
  isBeforeAnnouncement?: boolean
  /** Without `outside` no port is opened and nobody is asked: what `secnode start` looks at before it starts. */
  scope?: 'all' | 'inside'
  /** The seat is another daemon's, and its answer at the announced address is as it should be. */
  isStandby?: boolean
  /** For each check, if that is shorter than its own bound. */
  checkMs?: number
  /** Asks the daemon that has this data directory open. Errors: CONTROL_UNREACHABLE. */
  askDaemon: AskDaemon
  /** Instead of DNS; a devnet's `hosts` table comes before. */
  resolveFamilies?: ResolveFamilies
  /** Instead of the name servers of this machine and of the domain. */
  surveyName?: SurveyName
  /** Free bytes on the disk of a directory. */
  freeBytes?: (dir: string) => Promise<number>
}

/** What is announced for the stake of the configuration. */
export type Announced =
  | {
      is: 'found'
      peer: string
      host: string
      p2p: number
      tls: number
      bls: string
      /** Block of the announcement; null where only the registry tells, which knows confirmed ones. */
      height: Height | null
      /** Base units that count, and whether the seat is active; null where only its transaction was looked at. */
      standing: { isActive: boolean; balance: bigint } | null
    }
  | Extract<FoundAnnouncement, { is: 'refused' | 'none' }>
  | { is: 'unknown'; why: string }

/**
 * What checks look at. Each is found out once, when it is first asked for; whoever asks for one that could not be found
 * out is told so by the same error as the check that it belongs to.
 */
export interface Facts {
  options: DoctorOptions
  config(): Promise<Config>
  network(): Promise<Network>
  /** hash160 of the stake. */
  stake(): Promise<Uint8Array>
  keys(): Promise<NodeKeys>
  certificate(): Promise<CertificatePair>
  resolver(): Promise<ResolveFamilies>
  addresses(): Promise<HostAddresses>
  /** Null where the `hosts` table stands for DNS. */
  survey(): Promise<SurveyName | null>
  /** What the daemon says if one runs on this directory, else null. */
  daemon(): Promise<DaemonStanding | null>
  rpc(): Promise<RpcClient>
  chain(): Promise<ChainFacts>
  announced(): Promise<Announced>
  /** Looks who answers at the own address; what the doctor's own endpoint answers is known to it. */
  selfLook(): Promise<SelfLook>
  endpoints(): Promise<OwnEndpoints>
  /** Seats that were active when this directory's node last followed the chain, in no order; empty if none did. */
  knownSeats(): Promise<readonly SeatRecord[]>
  /** How others saw this node when they were asked just now (R-DIAL-1). */
  sights(): Promise<readonly OutsideSight[]>
  /** Which check an error belongs to; undefined for errors of no fact. */
  ownerOf(error: unknown): string | undefined
  close(): Promise<void>
}

export interface ChainFacts {
  info: BlockchainInfo
  tip: Height
  /** Seconds since 1970, of the tip's header. */
  tipTime: number
  /** Whether header times are the wall clock's: those of a chain that is made up on the spot are not. */
  isRealTime: boolean
}

/** For one call: a doctor does not wait for a node that is starting up. */
export const callMs = 8_000
