import {
  againOf,
  type Epoch,
  epochStart,
  type Finding,
  type Genesis,
  type Height,
  type NetworkId,
  type SendingEvent,
  type SendingState,
  startSending,
  stepSending,
  whyClosed,
} from '../../protocol/index.ts'
import type { Actor, Population } from '../population.ts'
import { makeAttestation } from './attestations.ts'
import type { ChainClock } from './chain-clock.ts'
import type { NodeChance } from './chance.ts'
import type { EpochContext } from './epoch-context.ts'
import type { EventQueue } from './events.ts'
import type { Holdings } from './holdings.ts'
import { kinds } from './kinds.ts'

/** Own attestations on their way out: the protocol's sending steps (R-ATT-5), and those that are withheld. */
export interface Publishing {
  /** A node attests. */
  attest(node: number, context: EpochContext, findings: readonly Finding[]): void
  /** The node went down: what waits is lost with the process, and on disk. */
  lose(node: number): void
  /** Sends again what the node signed before it went down. */
  sendAgain(node: number): void
  bytesOf(message: number): number
  /** Microseconds at which the message went out. */
  publishedAt(message: number): number
  handle(kind: number, node: number, a: number, b: number): void
}

export interface PublishingOptions {
  genesis: Genesis
  networkId: NetworkId
  population: Population
  actorOfNode: (node: number) => Actor
  /** Ids of messages that are in use at a time. */
  messages: number
  spreadSeconds: number
  isUp: Uint8Array
  clock: ChainClock
  heightOf: (node: number) => Height
  holdings: Holdings
  openEpochs: () => readonly EpochContext[]
  onWithheld: (epoch: Epoch, index: number, until: 'must-hold' | 'closes') => void
  /** Its node holds it from now on, and shows it to others. */
  onHeld: (node: number, context: EpochContext) => void
  /** Hands a message to gossip. */
  send: (node: number, message: number, bytes: number) => void
}

export const createPublishing = (
  queue: EventQueue,
  chance: NodeChance,
  options: PublishingOptions,
): Publishing => {
  const { genesis, networkId, population, clock, heightOf, holdings, isUp } = options
  const spreadMicros = options.spreadSeconds * 1e6
  const idle = startSending(spreadMicros > 0)
  const states: SendingState[] = Array.from({ length: population.nodes }, () => idle)
  const bytesOf = new Uint32Array(options.messages)
  const publishedAt = new Float64Array(options.messages)
  /** By message: the epoch that its node signed and, unless it withholds it, wants everybody to have; −1 for none. */
  const signedOf = new Int32Array(options.messages).fill(-1)

  const contextOf = (message: number): EpochContext | undefined =>
    options
      .openEpochs()
      .find(
        ({ firstMessage, committees }) => message >= firstMessage && message < firstMessage + committees.size,
      )

  const tell = (node: number, event: SendingEvent): void => {
    const step = stepSending(states[node]!, event)
    states[node] = step.state
    for (const { is, id } of step.effects) {
      if (is === 'wait') wait(node, id)
      else if (is === 'send') {
        publish(node, id)
        tell(node, { is: 'sent', id })
      }
    }
  }

  /** Its moment, or the block with which its epoch is over, if the node hears that first. */
  const wait = (node: number, message: number): void => {
    const { epoch } = contextOf(message)!
    const moment = queue.now() + Math.floor(chance.uniform(node) * spreadMicros)
    const over = clock.heardAt(node, epochStart(genesis, epoch + 1) + genesis.confirmations)
    queue.schedule(Math.max(queue.now(), Math.min(moment, over)), kinds.publish, node, message, epoch)
  }

  const hold = (node: number, context: EpochContext, message: number): void => {
    if (!holdings.take(node, context.epoch, message - context.firstMessage, heightOf(node), 'own')) return
    publishedAt[message] = queue.now()
    options.onHeld(node, context)
  }

  const publish = (node: number, message: number): void => {
    const context = contextOf(message)
    if (context === undefined) return
    hold(node, context, message)
    options.send(node, message, bytesOf[message]!)
  }

  /** Withheld until its node hears the block of a bound; undefined for what goes out as the rule says. */
  const withheldUntil = (node: number, { phases }: EpochContext) => {
    const withhold = options.actorOfNode(node).strategies.get('withhold')
    if (withhold?.kind !== 'withhold') return undefined
    const bound = withhold.until === 'closes' ? phases.closes : phases.mustHold
    const heard = clock.heardAt(node, bound + genesis.confirmations)
    const at = Math.max(queue.now(), heard) + Math.round(withhold.secondsAfter * 1e6)
    return { at, until: withhold.until }
  }

  /** What the tally is going to read. */
  const writeVerdicts = (
    { committees, flat, nodeOfIndex }: EpochContext,
    index: number,
    verdicts: Uint8Array,
  ) => {
    const { k, size, ring, positions } = committees
    const position = positions[index]!
    for (const [i, verdict] of verdicts.entries()) {
      const target = nodeOfIndex[ring[(position + 1 + i) % size]!]!
      flat.verdicts[position * k + i] = verdict
      flat.addresses[position * k + i] = population.addressOf[target]!
    }
  }

  return {
    attest: (node, context, findings) => {
      const { epoch, phases } = context
      const index = context.indexOfNode[node]!
      const { bytes, ...signed } = makeAttestation(networkId, context, index, findings)
      holdings.exists(epoch, index, signed)
      writeVerdicts(context, index, signed.attestation.verdicts)
      const message = context.firstMessage + index
      bytesOf[message] = bytes
      publishedAt[message] = Infinity
      const withheld = withheldUntil(node, context)
      if (withheld !== undefined) {
        queue.schedule(withheld.at, kinds.release, node, message, epoch)
        options.onWithheld(epoch, index, withheld.until)
        return
      }
      signedOf[message] = epoch
      const over = epochStart(genesis, epoch + 1)
      const own = { id: message, over, closes: phases.closes, isLast: false }
      tell(node, { is: 'signed', own, height: heightOf(node) })
    },
    lose: (node) => {
      states[node] = idle
    },
    sendAgain: (node) => {
      for (const context of options.openEpochs()) {
        const { epoch, firstMessage } = context
        const index = context.indexOfNode[node]!
        if (index === -1 || signedOf[firstMessage + index] !== epoch) continue
        const isOpen = whyClosed(genesis, epoch, heightOf(node)) === null
        const what = againOf({ isOpen, isHeld: holdings.holds(node, epoch, index) })
        if (what === 'publish') publish(node, firstMessage + index)
        else if (what === 'hold') hold(node, context, firstMessage + index)
      }
    },
    bytesOf: (message) => bytesOf[message]!,
    publishedAt: (message) => publishedAt[message]!,
    handle: (kind, node, message, epoch) => {
      if (contextOf(message)?.epoch !== epoch) return
      if (kind === kinds.release) {
        // From now on it is sent like any other, by the next start if the node is down.
        signedOf[message] = epoch
        if (isUp[node] === 1) publish(node, message)
      } else if (isUp[node] === 1) {
        const height = heightOf(node)
        const isOver = height >= epochStart(genesis, epoch + 1)
        tell(node, isOver ? { is: 'height', height } : { is: 'moment', id: message })
      }
    },
  }
}
