import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { topicsOf, Verdict, type Verdict as VerdictCode, verdictNames } from '../../../protocol/index.ts'
import type { DeliveryState } from '../alerts/delivery.ts'
import { type Daemon, daemonVersion } from '../../node/daemon.ts'
import type { ObservedContact } from '../../node/contact/contact.ts'
import type { SelfMetrics } from '../../node/metrics.ts'
import type { Judgement } from './judge.ts'
import type { EpochWords, Observations } from './observations.ts'
import { standingOf } from './verdicts.ts'
import { visitsDue } from './visits.ts'

/** Puts a look at the daemon into its metrics. */
export interface SelfGauges {
  set(observations: Observations, judgement: Judgement, alerts: readonly DeliveryState[]): Promise<void>
}

const statuses = [
  'idle',
  'catching-up',
  'following',
  'node-behind',
  'node-unreachable',
  'node-lies',
  'failed',
] as const
/** Thousands of files are asked for their size: not at every block. */
const storeLookMs = 60_000

export const createSelfGauges = (daemon: Daemon, confirmations: number, directory: string): SelfGauges => {
  const { metrics, host, node } = daemon
  const { self } = metrics
  self.buildInfo.set({ version: daemonVersion }, 1)
  let storeLookedAtMs: number | null = null
  /** Of the last epoch that was counted into `ownEpochs`. */
  let lastCounted = -1

  const setStoreBytes = async (): Promise<void> => {
    const nowMs = node.world.monotonicMs()
    if (storeLookedAtMs !== null && nowMs - storeLookedAtMs < storeLookMs) return
    storeLookedAtMs = nowMs
    self.storeBytes.set(await bytesBelow(join(directory, 'store')))
  }

  /** Each epoch once, when nothing more can come. */
  const countEpochs = (words: readonly EpochWords[]): void => {
    for (const one of words.toReversed()) {
      if (!one.isClosed || one.epoch <= lastCounted) continue
      lastCounted = one.epoch
      self.ownEpochs.inc({ outcome: standingOf(one).is })
    }
  }

  return {
    async set(observations, { findings }, alerts) {
      const {
        chain,
        seat,
        words,
        duty,
        visits,
        registration,
        certificate,
        disk,
        contact,
        moved,
        unknownRuleset,
      } = observations
      if (chain.tip !== null) {
        self.chainTipHeight.set(chain.tip)
        self.chainLag.set(Math.max(0, chain.tip - confirmations - chain.height))
      }
      for (const status of statuses) self.chainStatus.set({ status }, status === chain.status ? 1 : 0)
      self.seat.set(seat ?? -1)
      const isElsewhere = moved !== null && moved.from <= (daemon.epochs.current() ?? 0)
      self.signing.set(node.signing.isOn() && !isElsewhere && unknownRuleset?.isInForce !== true ? 1 : 0)
      if (registration !== null) {
        const isActive = registration.is === 'announced' && registration.isActive
        self.isActive.set(isActive ? 1 : 0)
        self.stake.set(registration.is === 'announced' ? Number(registration.balance) / 1e8 : 0)
      }
      setWords(self, words ?? [])
      countEpochs(words ?? [])
      if (duty?.attested === true) self.ownAbstentions.set(duty.abstained)
      if (visits !== null) {
        self.visitsDue.set(visitsDue(visits))
        self.visitsCame.set(visits.challengers.filter(({ came }) => came).length)
      }
      self.findings.reset()
      for (const { code, severity } of findings) self.findings.inc({ code, severity })
      const peers = host.peers()
      const registered = peers.filter(({ isRegistered }) => isRegistered).length
      self.peers.set({ kind: 'registered' }, registered)
      self.peers.set({ kind: 'stranger' }, peers.length - registered)
      for (const [topic, { name }] of Object.entries(topicsOf(node.networkId))) {
        self.gossipPeers.set({ topic }, host.gossipPeers(name))
        self.gossipNeighbours.set({ topic }, host.gossipNeighbours(name))
      }
      if (contact !== null) setContact(self, contact)
      self.alertsWaiting.set(alerts.reduce((sum, { waiting }) => sum + waiting, 0))
      if (certificate !== null) self.certificateExpiry.set(certificate.notAfterMs / 1_000)
      if (disk !== null) {
        self.diskFreeBytes.set(disk.freeBytes)
        self.diskBytes.set(disk.totalBytes)
      }
      await setStoreBytes()
    },
  }
}

const setContact = (self: SelfMetrics, { isAlone, hearing, branch, streams }: ObservedContact): void => {
  self.alone.set(isAlone ? 1 : 0)
  if (hearing !== null && hearing.others > 0) self.unheard.set(1 - hearing.heard / hearing.others)
  if (branch !== null && branch.seats > 0) self.otherBranch.set(branch.other / branch.seats)
  self.unreadStreams.set(streams.unread)
}

/** Of the newest epoch of which anybody has said anything. */
const setWords = (self: SelfMetrics, words: readonly EpochWords[]): void => {
  const told = words.find(({ challengers }) => challengers.some(({ verdict }) => verdict !== null))
  if (told === undefined) return
  const count = (verdict: number | null): number =>
    told.challengers.filter((word) => word.verdict === verdict).length
  for (const verdict of Object.values(Verdict)) {
    self.challengers.set({ verdict: verdictNames[verdict as VerdictCode] }, count(verdict))
  }
  self.challengers.set({ verdict: 'silent' }, count(null))
}

/** LevelDB keeps its files in one folder; one that goes away meanwhile is none. */
const bytesBelow = async (directory: string): Promise<number> => {
  const names = await readdir(directory).catch(() => [])
  const sizes = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(directory, name)).catch(() => null)
      return found?.size ?? 0
    }),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
