import { type ChainTip, type Epoch, whyNotTaken } from '../../protocol/index.ts'
import { placesFound, type freePlaces } from '../places.ts'
import { createChallenges } from './challenges.ts'
import type { EpochContext } from './epoch-context.ts'
import type { Epochs } from './epochs.ts'
import { createGossip, type Gossip } from './gossip.ts'
import type { Ground } from './ground.ts'
import { kinds } from './kinds.ts'
import type { Observed } from './observed.ts'
import { createPublishing } from './publishing.ts'
import { createStarts } from './starts.ts'
import { createSync, type Sync } from './sync.ts'

/** What nodes do by themselves: they come up, ask one another, attest, pass on and compare. */
export interface Traffic {
  gossip: Gossip
  sync: Sync
  /** An epoch opens; `wasUp` as of before it. `isWorked`: it is challenged and attested. */
  open(context: EpochContext, wasUp: Uint8Array, isWorked: boolean): void
  /** Takes in what was asked of another certifier. */
  take(node: number, epoch: Epoch, indexes: readonly number[]): void
  publishCertificate(node: number, certificate: Uint8Array): void
  handle(kind: number, node: number, a: number, b: number): void
}

/** Ids of certificates: more than come in a run, in the order in which they are heard of. */
const certificateIds = 256
/** Of an attestation of a closed epoch, with its signature: what one with eleven verdicts takes. */
const attestationBytes = 400

export interface TrafficParts {
  epochs: Epochs
  observed: Observed
  places: ReturnType<typeof freePlaces>
  /** A certificate has come to a node. */
  hear: (node: number, certificate: Uint8Array) => void
}

export const createTraffic = (ground: Ground, parts: TrafficParts): Traffic => {
  const { rules, plan, population, actorOfNode, streamOf, queue, chance, network, clock } = ground
  const { isUp, victims, connections, mesh, holdings, propagation, heightOf } = ground
  const { genesis, params, networkId } = rules
  const { nodes } = population
  const { passes } = victims
  const { epochs, observed, places, hear } = parts
  const { messages, idsPerEpoch } = epochs
  const certificates: Uint8Array[] = []

  /** All follow one chain here, and nobody names epochs that do not exist. */
  const tip: ChainTip = { height: 0, ageSeconds: null, spacingSeconds: 0 }
  const freshness = { genesis, confirmedHeight: 0, tip: () => tip, isCompared: () => true }

  /** An attestation has come to a node, in whatever way; false if it was held before. */
  const take = (node: number, context: EpochContext, index: number, isGossip: boolean): boolean => {
    if (!holdings.take(node, context.epoch, index, heightOf(node), 'verified')) return false
    observed.taken(node, isGossip)
    const from = context.nodeOfIndex[index]!
    const isCounted = node !== from && context.isUp[node] === 1 && !actorOfNode(from).isAttacker
    if (isCounted) propagation.add(queue.now() - publishing.publishedAt(context.firstMessage + index))
    return true
  }

  const onFirst = (node: number, message: number): boolean => {
    if (message >= messages) {
      hear(node, certificates[message - messages]!)
      return true
    }
    const context = epochs.ofMessage(message)!
    // R-ATT-6: what is right in itself, and for everybody the same, was judged when it was made.
    freshness.confirmedHeight = heightOf(node)
    if (whyNotTaken('gossip', context.epoch, true, freshness) !== null) return false
    return take(node, context, message - context.firstMessage, true)
  }

  const gossip = createGossip(queue, network, chance, {
    nodes,
    messages: messages + certificateIds,
    plan,
    connections,
    mesh,
    isUp,
    onFirst,
    passes,
  })
  const sync = createSync(queue, network, chance, {
    nodes,
    plan,
    isUp,
    holdings,
    openEpochs: () => epochs.open(),
    take: (node, epoch, indexes) => {
      // Its week may have been fixed meanwhile.
      if (!holdings.isKnown(epoch)) return 0
      if (!holdings.isOpen(epoch)) return holdings.addLate(node, epoch, indexes)
      const context = epochs.get(epoch)!
      let fresh = 0
      for (const index of indexes) {
        gossip.markSeen(node, context.firstMessage + index)
        if (take(node, context, index, false)) fresh++
      }
      return fresh
    },
    bytesOf: (epoch, index) =>
      holdings.isOpen(epoch) ? publishing.bytesOf(epochs.get(epoch)!.firstMessage + index) : attestationBytes,
  })

  const challenges = createChallenges(queue, network, chance, {
    nodes,
    retries: params.retries,
    responseMs: params.responseMs,
    confirmations: genesis.confirmations,
    serviceMs: plan.serviceMs,
    placesFor: (target, challenger) =>
      actorOfNode(target).isAttacker ? Infinity : placesFound(places, actorOfNode(challenger), 'challenge'),
    isUp,
    attendanceOf: (node) => starts.state(node),
    // As in the statistical engine the rate is that of all tries together, so each fails with its root.
    missRateOf: (node) => actorOfNode(node).missRate ** (1 / (params.retries + 1)),
    addressOf: (node) => {
      const address = population.addressOf[node]!
      return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address)
    },
    secretsOf: streamOf('secrets'),
    clock,
    onAttest: (node, context, findings) => {
      if (!actorOfNode(node).strategies.has('silent')) publishing.attest(node, context, findings)
    },
  })
  const publishing = createPublishing(queue, chance, {
    genesis,
    networkId,
    population,
    actorOfNode,
    messages: messages,
    spreadSeconds: plan.spreadSeconds,
    isUp,
    clock,
    heightOf,
    holdings,
    openEpochs: () => epochs.open(),
    onWithheld: (epoch, index, until) => observed.withheld(epoch, index, until),
    onHeld: (node, context) => {
      if (!actorOfNode(node).isAttacker) propagation.expect(context.isUp.reduce((sum, up) => sum + up, 0) - 1)
    },
    send: (node, message, bytes) => gossip.publish(node, message, bytes),
  })
  const starts = createStarts(queue, network, chance, {
    nodes,
    isUp,
    heldOf: (node, seatOf) =>
      epochs.open().filter(({ epoch, indexOfNode }) => {
        const index = indexOfNode[seatOf]!
        return index !== -1 && holdings.holds(node, epoch, index)
      }).length,
    sendAgain: (node) => publishing.sendAgain(node),
    goOn: (node) => challenges.begin(node),
  })

  return {
    gossip,
    sync,
    open: (context, wasUp, isWorked) => {
      gossip.forget(context.firstMessage, context.firstMessage + idsPerEpoch)
      mesh.settle(isUp, network.isCut)
      for (let node = 0; node < nodes; node++) {
        if (isUp[node] === wasUp[node]) continue
        if (isUp[node] === 0) {
          publishing.lose(node)
          continue
        }
        sync.start(node)
        starts.start(node, context.epoch - 1)
      }
      starts.open(context)
      if (isWorked) challenges.open(context)
      else challenges.close()
    },
    take: (node, epoch, indexes) => {
      if (!holdings.isOpen(epoch)) holdings.addLate(node, epoch, indexes)
      else for (const index of indexes) take(node, epochs.get(epoch)!, index, false)
    },
    publishCertificate: (node, certificate) => {
      const message = messages + (certificates.length % certificateIds)
      certificates[message - messages] = certificate
      gossip.publish(node, message, certificate.length)
    },
    handle: (kind, node, a, b) => {
      switch (kind) {
        case kinds.gossip:
        case kinds.heartbeat:
        case kinds.ihave:
        case kinds.iwant:
          return gossip.handle(kind, node, a, b)
        case kinds.syncDue:
        case kinds.sync:
          return sync.handle(kind, node, a, b)
        case kinds.publish:
        case kinds.release:
          return publishing.handle(kind, node, a, b)
        case kinds.ownAsked:
        case kinds.ownAnswered:
        case kinds.ownSilent:
        case kinds.askOwnDue:
          return starts.handle(kind, node, a, b)
        default:
          challenges.handle(kind, node, a, b)
      }
    },
  }
}
