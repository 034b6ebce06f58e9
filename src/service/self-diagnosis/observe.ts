import { statfs } from 'node:fs/promises'
import {
  addressOfStake,
  bytesToHex,
  challengersOf,
  decodeAttestation,
  type Epoch,
  equalBytes,
  type Height,
  indexOfSeat,
  firstVisitsEnd,
  peerIdOfKey,
  readEvidence,
  type Seat,
  secondNonceSeen,
  Verdict,
} from '../../../protocol/index.ts'
import type { Follower } from '../../chain-node/follower/follower.ts'
import type { AnchorWallet } from '../../node/anchor-wallet.ts'
import { type Config, publicPortsOf } from '../config.ts'
import type { TwinSighting } from '../../store/signing.ts'
import type { Daemon } from '../../node/daemon.ts'
import type { EpochContext } from '../../week/epoch-book.ts'
import type { ObservedOutside } from '../../node/ask-outside.ts'
import type {
  Difference,
  ObservedChain,
  ObservedDuty,
  ObservedVisits,
  Observations,
  Registration,
} from './observations.ts'
import { createWordReader } from './words.ts'
import { withDeadline } from '../../async/deadline.ts'

export interface ObserverOptions {
  daemon: Daemon
  follower: Follower
  config: Pick<Config, 'host' | 'dir' | 'listen' | 'public' | 'anchor'>
  /** Null if the configuration names none. */
  anchorWallet: Pick<AnchorWallet, 'balance' | 'needed'> | null
  /** Of a process that began as a standby. */
  takenOver?: Observations['takenOver']
}

/** It changes once a week. */
const walletRestMs = 10 * 60_000
const walletTimeoutMs = 5_000

/** Looks at a running daemon, and remembers since when things have been as they are. */
export interface Observer {
  observe(outside: ObservedOutside | null, signal: AbortSignal): Promise<Observations>
}

export const createObserver = ({
  daemon,
  follower,
  config,
  anchorWallet,
  takenOver = null,
}: ObserverOptions): Observer => {
  const { node, epochs, collector, challenger, host, contact } = daemon
  const { world } = node
  const words = createWordReader(daemon)
  const since = { status: '', statusMs: 0, height: -1, heightMs: 0, aloneMs: null as number | null }
  /** Confirmed height since which the daemon has been at the tip without a break; null while it is not. */
  let watchedFrom: Height | null = null
  let lastHeight: Height = -1

  const observeChain = (nowMs: number): ObservedChain => {
    const { status, confirmedHeight } = follower
    if (status.is !== since.status) Object.assign(since, { status: status.is, statusMs: nowMs })
    if (confirmedHeight !== since.height) Object.assign(since, { height: confirmedHeight, heightMs: nowMs })
    return {
      status: status.is,
      detail: 'error' in status && status.error instanceof Error ? status.error.message : null,
      sinceMs: nowMs - since.statusMs,
      stillMs: nowMs - since.heightMs,
      height: confirmedHeight,
      tip: 'tip' in status ? status.tip : null,
    }
  }

  const registrationOf = (): Registration => {
    const { genesis } = node
    const stake = addressOfStake(genesis.chain, node.stake)
    const standing = follower.standingOf(node.stake)
    if (standing === undefined) return { is: 'none', stake, minStake: genesis.minStake }
    const { record, balance } = standing
    const { p2p, tls } = publicPortsOf(config)
    // A standby whose own key is announced is about to start again as the seat.
    const isSuccessor = equalBytes(record.peer, node.keys.peerKey)
    const keys: readonly [Difference['what'], string, string][] = [
      ['peer id', peerIdOfKey(record.peer), (isSuccessor ? node.keys : node.seatKeys).peerId],
      ['voting key', bytesToHex(record.bls), bytesToHex(node.seatKeys.blsPublicKey)],
    ]
    // A standby may have a name of its own, which is announced when it takes over by the chain (R-ATT-8).
    const place: typeof keys = node.isStandby
      ? []
      : [
          ['host', record.host, config.host],
          ['p2p port', String(record.p2p), String(p2p)],
          ['tls port', String(record.tls), String(tls)],
        ]
    const pairs = [...keys, ...place]
    return {
      is: 'announced',
      stake,
      isActive: record.activeSince !== null,
      balance,
      minStake: genesis.minStake,
      differences: pairs.flatMap(([what, announced, own]) =>
        announced === own ? [] : [{ what, announced, own }],
      ),
    }
  }

  const visitsOf = async (context: EpochContext, seat: Seat, from: Height): Promise<ObservedVisits> => {
    const { snapshot, committees, phases, epoch, beacon } = context
    const asked = daemon.askedBy(epoch)
    const challengers: ObservedVisits['challengers'][number][] = []
    for (const index of challengersOf(committees, indexOfSeat(snapshot, seat))) {
      const row = snapshot[index]!
      // A receipt outlives a restart; who was refused or asked to come later was here all the same.
      const came = asked.has(row.seat) || (await node.work.getReceipt(epoch, beacon, row.seat)) !== undefined
      challengers.push({ seat: row.seat, host: row.host, came })
    }
    const end = firstVisitsEnd(phases)
    // Visits that this very block calls for are still on their way.
    const until = Math.min(daemon.handledHeight() - 1, end)
    const share = (until - Math.max(phases.opens, from)) / Math.max(1, end - phases.opens)
    return { epoch, share: Math.max(0, Math.min(1, share)), challengers }
  }

  /** The epoch whose window is over, or else the one that runs. */
  const dutyOf = async (
    context: EpochContext,
    seat: Seat,
    from: Height,
    signal: AbortSignal,
  ): Promise<ObservedDuty | null> => {
    const height = daemon.handledHeight()
    const before = context.epoch === 0 ? undefined : await epochs.get(context.epoch - 1)
    for (const one of [context, before]) {
      const row = one?.rowOf(seat)
      if (one === undefined || row === undefined || !equalBytes(row.peer, node.keys.peerKey)) continue
      // In the epoch of the start others may have to confirm first (R-ATT-5).
      if (from >= one.phases.opens) continue
      const signed = await node.attestations.ownSigned(one.epoch, one.beacon)
      const attestation = signed === undefined ? null : decodeAttestation(signed.payload)
      if (attestation !== null) {
        const { verdicts } = attestation
        const block = await node.evidence.get(attestation.evidence)
        const read = block === undefined ? null : readEvidence(attestation, block)
        const entries = read?.is === 'accept' ? read.value.entries : []
        signal.throwIfAborted()
        return {
          epoch: one.epoch,
          targets: verdicts.length,
          judged: verdicts.length,
          abstained: verdicts.filter((verdict) => verdict === Verdict.abstain).length,
          ...refusalsOf(entries),
          attested: true,
        }
      }
      if (height > one.phases.attests) {
        const targets = one.committees.k
        return {
          epoch: one.epoch,
          targets,
          judged: 0,
          abstained: 0,
          reasons: [],
          secondNonces: 0,
          attested: false,
        }
      }
      const work = challenger.state()
      if (work === null || work.epoch !== one.epoch) continue
      const found = work.targets.flatMap((target) => (target.is === 'found' ? [target.finding.evidence] : []))
      const abstained = found.filter(({ verdict }) => verdict === Verdict.abstain)
      if (2 * found.length < work.targets.length) continue
      return {
        epoch: one.epoch,
        targets: work.targets.length,
        judged: found.length,
        abstained: abstained.length,
        ...refusalsOf(found),
        attested: null,
      }
    }
    return null
  }

  const diskOf = async (): Promise<Observations['disk']> => {
    try {
      const { bavail, blocks, bsize } = await statfs(config.dir)
      return { directory: config.dir, freeBytes: bavail * bsize, totalBytes: blocks * bsize }
    } catch {
      // Whoever cannot look at it cannot write to it either, and that ends the daemon.
      return null
    }
  }

  let wallet: { seen: Observations['hotWallet']; untilMs: number } = { seen: null, untilMs: -Infinity }
  const hotWalletOf = async (nowMs: number, signal: AbortSignal): Promise<Observations['hotWallet']> => {
    if (anchorWallet === null || config.anchor === undefined) return { is: 'none' }
    if (nowMs < wallet.untilMs) return wallet.seen
    const { needed } = anchorWallet
    const { from: address } = config.anchor
    const balance = await withDeadline(world, walletTimeoutMs, signal, anchorWallet.balance).catch(() => null)
    signal.throwIfAborted()
    const seen = balance === null ? null : { is: 'asked' as const, address, balance, needed }
    wallet = { seen, untilMs: nowMs + walletRestMs }
    return seen
  }

  /** A daemon that stops is not seen again: what was seen of it in the last two epochs stands. */
  const rivalOf = (current: Epoch | null): TwinSighting | null => {
    const rival = node.signing.rival()
    return rival !== null && current !== null && rival.epoch >= current - 1 ? rival : null
  }

  return {
    async observe(outside, signal) {
      const nowMs = world.monotonicMs()
      const chain = observeChain(nowMs)
      const height = daemon.handledHeight()
      // Judged with each block: a chain node that does not answer for a moment takes nothing back.
      if (height !== lastHeight) watchedFrom = daemon.isCaughtUp() ? (watchedFrom ?? height) : null
      lastHeight = height
      const seat = node.ownSeat() ?? null
      const current = epochs.current()
      const context = current === null || watchedFrom === null ? undefined : await epochs.get(current)
      const own = seat === null || context === undefined || !node.ownRowIn(context) ? null : { seat, context }
      contact.look()
      const registered = host.registeredPeers()
      if (registered > 0) since.aloneMs = null
      else since.aloneMs ??= nowMs
      return {
        nowMs: world.now(),
        height,
        seat,
        host: config.host,
        chain,
        visits: own === null ? null : await visitsOf(own.context, own.seat, watchedFrom!),
        words: seat === null || watchedFrom === null ? null : await words.read(seat, watchedFrom, signal),
        duty: own === null ? null : await dutyOf(own.context, own.seat, watchedFrom!, signal),
        outside,
        certificate: daemon.certificate(),
        disk: await diskOf(),
        registration: watchedFrom === null ? null : registrationOf(),
        hotWallet: await hotWalletOf(nowMs, signal),
        isEquivocator:
          context !== undefined && seat !== null && (await collector.equivocators(context.week)).has(seat),
        twin: node.signing.twin(),
        rival: rivalOf(current),
        isStandby: node.isStandby,
        watched: daemon.takeover.watched(),
        takenOver,
        moved: daemon.takeover.moved(),
        unknownRuleset: await daemon.unknownRuleset(),
        differingCheckpoints: daemon.finality.anchored.differing(),
        network:
          context === undefined
            ? null
            : {
                registeredPeers: registered,
                otherSeats: context.snapshot.filter((row) => row.seat !== seat).length,
                aloneMs: since.aloneMs === null ? 0 : nowMs - since.aloneMs,
              },
        contact: context === undefined ? null : contact.observed(),
      }
    },
  }
}

/** Why it abstained, each reason once, and how often because a target had answered another nonce. */
const refusalsOf = (
  entries: readonly { verdict: number; seen?: string }[],
): Pick<ObservedDuty, 'reasons' | 'secondNonces'> => {
  const abstained = entries.flatMap(({ verdict, seen }) =>
    verdict === Verdict.abstain && seen !== undefined ? [seen] : [],
  )
  return {
    reasons: [...new Set(abstained)],
    secondNonces: abstained.filter((seen) => seen === secondNonceSeen).length,
  }
}
