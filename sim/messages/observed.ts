import { credited, type Epoch } from '../../protocol/index.ts'
import type { Population } from '../population.ts'
import type { Measures } from '../statistical/account.ts'
import type { CertifyingCounts } from './certifying.ts'
import type { EpochContext } from './epoch-context.ts'
import type { Gossip } from './gossip.ts'
import type { Holdings } from './holdings.ts'
import type { PropagationCount } from './propagation.ts'
import type { Sync } from './sync.ts'

/** What all nodes have sent. */
export interface Sent {
  bytes: number
  messages: number
}

/** What the message engine sees besides what both engines measure. */
export interface Observed {
  /** An attacker's attestation was released late. */
  withheld(epoch: Epoch, index: number, until: 'must-hold' | 'closes'): void
  /** An attestation came to a node, by gossip or by sync. */
  taken(node: number, isGossip: boolean): void
  /** An epoch has closed for good. */
  closed(context: EpochContext): void
  /** Its set is fixed and judged: by index, 1 for what stands in it, and codes of `outcomeNames`. */
  anchored(context: EpochContext, isListed: Uint8Array, outcomes: Uint8Array): void
  measures(parts: {
    gossip: Gossip
    sync: Sync
    traffic: Sent
    certifying: CertifyingCounts
    propagation: PropagationCount
    epochs: number
  }): Measures
}

export const createObserved = (
  population: Population,
  holdings: Holdings,
  isVictim: Uint8Array,
  ranThrough: (node: number, epoch: Epoch) => boolean,
): Observed => {
  const { nodes, actors, actorOf } = population
  const isHonest = (node: number): boolean => !actors[actorOf[node]!]!.isAttacker
  const hasVictims = isVictim.includes(1)
  const waiting: { epoch: Epoch; index: number; until: 'must-hold' | 'closes' }[] = []
  const withheld = { released: 0, split: 0, anchored: 0, decided: 0 }
  const others = { held: 0, existing: 0 }
  const victims = { held: 0, late: 0, existing: 0, own: 0, ownHeld: 0, anchored: 0, credited: 0, decided: 0 }
  const taken = { byGossip: 0, bySync: 0 }

  return {
    withheld: (epoch, index, until) => {
      withheld.released++
      waiting.push({ epoch, index, until })
    },
    taken: (node, isGossip) => {
      if (isVictim[node] === 0) return
      if (isGossip) taken.byGossip++
      else taken.bySync++
    },
    closed: (context) => {
      const { epoch } = context
      const honest: number[] = []
      for (let node = 0; node < nodes; node++)
        if (isHonest(node) && ranThrough(node, epoch)) honest.push(node)
      const existing = holdings.existing(epoch)
      for (const node of honest) {
        const counts = holdings.spans(node, epoch)
        const group = isVictim[node] === 1 ? victims : others
        group.existing += existing
        group.held += counts[1]!
        if (isVictim[node] === 1) victims.late += existing - counts[1]! - counts[2]!
      }
      for (const one of waiting) {
        if (one.epoch !== epoch) continue
        const last = one.until === 'must-hold' ? 1 : 2
        let before = 0
        for (const node of honest) {
          const span = holdings.span(node, epoch, one.index)
          if (span >= 1 && span <= last) before++
        }
        if (before > 0 && before < honest.length) withheld.split++
      }
      if (!hasVictims) return
      const outside = honest.filter((node) => isVictim[node] === 0)
      for (const victim of honest) {
        const index = context.indexOfNode[victim]!
        if (isVictim[victim] === 0 || index === -1) continue
        victims.own++
        const have = outside.filter((node) => holdings.span(node, epoch, index) === 1).length
        victims.ownHeld += have / outside.length
      }
    },
    anchored: (context, isListed, outcomes) => {
      for (const { epoch, index } of waiting) {
        if (epoch !== context.epoch) continue
        withheld.decided++
        if (isListed[index] === 1) withheld.anchored++
      }
      if (!hasVictims) return
      for (let node = 0; node < nodes; node++) {
        const index = context.indexOfNode[node]!
        if (isVictim[node] === 0 || index === -1 || context.isUp[node] === 0) continue
        victims.decided++
        if (isListed[index] === 1) victims.anchored++
        if (outcomes[index] === credited) victims.credited++
      }
    },
    measures: ({ gossip, sync, traffic, certifying, propagation, epochs }) => {
      const measures: Measures = {}
      for (const [name, share] of [
        ['p50', 0.5],
        ['p90', 0.9],
        ['p99', 0.99],
        ['p100', 1],
      ] as const)
        measures[`propagation.${name}Ms`] = propagation.quantile(share)
      measures['traffic.bytesPerNodeAndEpoch'] = ratio(traffic.bytes, nodes * epochs)
      measures['traffic.messagesPerNodeAndEpoch'] = ratio(traffic.messages, nodes * epochs)
      measures['gossip.copiesPerFirst'] = ratio(gossip.counts.arrivals, gossip.counts.firsts)
      measures['gossip.askedPerFirst'] = ratio(gossip.counts.asked, gossip.counts.firsts)
      measures['sync.fetchedPerNodeAndEpoch'] = ratio(sync.counts.fetched, nodes * epochs)
      measures['held.byMustHold'] = ratio(others.held, others.existing)
      const { votes, wants, later, refused, certified, silent, payloads, seconds } = certifying
      const answers = votes + wants + later + refused + certified + silent
      measures['certificate.payloads'] = ratio(payloads, seconds.length)
      measures['certificate.seconds'] = ratio(
        seconds.reduce((sum, value) => sum + value, 0),
        seconds.length,
      )
      measures['answers.vote'] = ratio(votes, answers)
      measures['answers.wants'] = ratio(wants, answers)
      measures['answers.later'] = ratio(later, answers)
      measures['answers.refused'] = ratio(refused, answers)
      measures['answers.silent'] = ratio(silent, answers)
      // Of those who examined a proposal, how many did not agree with it.
      measures['answers.split'] = ratio(wants, votes + wants)
      if (withheld.released > 0) {
        measures['withheld.released'] = withheld.released
        measures['withheld.splitShare'] = ratio(withheld.split, withheld.released)
        measures['withheld.anchoredShare'] = ratio(withheld.anchored, withheld.decided)
      }
      if (hasVictims) {
        measures['victims.heldByMustHold'] = ratio(victims.held, victims.existing)
        measures['victims.missedByCloses'] = ratio(victims.late, victims.existing)
        measures['victims.heldByGossip'] = ratio(taken.byGossip, taken.byGossip + taken.bySync)
        measures['victims.ownHeldByOthers'] = ratio(victims.ownHeld, victims.own)
        measures['victims.anchoredShare'] = ratio(victims.anchored, victims.decided)
        measures['victims.creditRate'] = ratio(victims.credited, victims.decided)
      }
      return measures
    },
  }
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)
