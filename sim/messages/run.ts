import { epochOfHeight, epochStart, type Height } from '../../protocol/index.ts'
import { freePlaces } from '../places.ts'
import type { Scenario } from '../scenario.ts'
import type { Measures, WeekRow } from '../statistical/account.ts'
import type { EpochContext } from './epoch-context.ts'
import { createEpochs } from './epochs.ts'
import { createGround } from './ground.ts'
import { kinds } from './kinds.ts'
import { createObserved, type Sent } from './observed.ts'
import type { Propagation } from './propagation.ts'
import { createTraffic } from './traffic.ts'
import { createWeeks } from './weeks.ts'

export interface MessageRunResult {
  measures: Measures
  weeks: WeekRow[]
  propagation: Propagation
}

/**
 * One run of the message engine: every attestation, visit, exchange, proposal and vote is a message that takes its way.
 * Who comes and goes, who is down, and the account are the statistical engine's, draw for draw.
 */
export const runMessages = (
  scenario: Scenario,
  repeat: number,
  onProgress: (share: number) => void = () => undefined,
): MessageRunResult => {
  const ground = createGround(scenario, repeat)
  const { rules, population, membership, account, queue, network, clock, isUp, holdings, propagation } =
    ground
  const { genesis, epochsPerWeek } = rules
  const epochs = createEpochs(ground, (context) => {
    if (epochs.isCounted(context.week)) observed.closed(context)
  })
  const observed = createObserved(population, holdings, ground.victims.isVictim, (node, epoch) =>
    epochs.ranThrough(node, epoch),
  )
  const places = freePlaces(population.actors)
  const traffic = createTraffic(ground, {
    epochs,
    observed,
    places,
    hear: (node, certificate) => weeks.certifying.hear(node, certificate),
  })
  const weeks = createWeeks(ground, { epochs, observed, places, traffic })
  /** Sent up to the end of the last week: what follows is only there to close it. */
  let sent: Sent | null = null

  const openEpoch = (height: Height): EpochContext | null => {
    const epoch = epochOfHeight(genesis, height)!
    const wasUp = isUp.slice()
    const context = epochs.begin(epoch)
    if (context === null) return null
    // Runs on after the last week, until that week's window is over; nothing is asked or attested then.
    const isWorked = context.week <= scenario.weeks
    traffic.open(context, wasUp, isWorked)
    if (!isWorked) sent ??= { bytes: sumOf(network.sentBytes), messages: sumOf(network.sentMessages) }
    onProgress(Math.min(1, (epoch - 2) / (scenario.weeks * epochsPerWeek)))
    return context
  }

  const onConfirmed = (height: Height): void => {
    // They change as the epoch opens, and the chain's weeks ask for those before it.
    const isStart = epochStart(genesis, epochOfHeight(genesis, height)!) === height
    const seatsBefore = isStart ? membership.seats.slice() : []
    weeks.onConfirmed(height, isStart ? openEpoch(height) : null, seatsBefore)
  }

  const handle = (kind: number, node: number, a: number, b: number): void => {
    switch (kind) {
      case kinds.certifierDue:
      case kinds.certifier:
      case kinds.certifierSilence:
        return weeks.certifying.handle(kind, node, a, b)
      case kinds.block:
        return
      default:
        traffic.handle(kind, node, a, b)
    }
  }

  for (let tip = genesis.activationHeight; weeks.fates.length < scenario.weeks; tip++) {
    const at = clock.minedAt(tip)
    // Nothing happens in it but that the clock stands there.
    queue.schedule(at, kinds.block, 0, 0, 0)
    queue.run(at, handle)
    weeks.onMined(tip)
    const confirmed = tip - genesis.confirmations
    if (confirmed < genesis.activationHeight) continue
    onConfirmed(confirmed)
    weeks.certifying.onBlock(confirmed, tip)
  }
  const measures = {
    ...account.measures(weeks),
    ...observed.measures({
      gossip: traffic.gossip,
      sync: traffic.sync,
      traffic: sent ?? { bytes: 0, messages: 0 },
      certifying: weeks.certifying.counts,
      propagation,
      epochs: Math.floor(scenario.weeks * epochsPerWeek),
    }),
  }
  return { measures, weeks: account.rows, propagation: propagation.curve() }
}

const sumOf = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0)
