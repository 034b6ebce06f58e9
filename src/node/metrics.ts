import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { type NetCounter, netCounters, type NetMetrics } from '../net/counters.ts'

/** Every metric of the daemon, declared in one place. */
export interface NodeMetrics {
  registry: Registry
  confirmedHeight: Gauge
  epoch: Gauge
  attestationsHeld: Gauge
  /** label `verdict`: the words of R-VERD-1. */
  verdicts: Counter<'verdict'>
  /** What others asked of this node, by the answer's code. */
  challengesAnswered: Counter<'answer'>
  /** Inbound messages by kind, outcome (accept, ignore, reject) and code. */
  messages: Counter<'kind' | 'outcome' | 'code'>
  syncExchanges: Counter<'outcome'>
  equivocations: Counter
  visitSeconds: Histogram
  /** What the network host counts: `secnode_net_<name>_total`, told apart by the label `is`. */
  net: NetMetrics
}

export const createNodeMetrics = (): NodeMetrics => {
  const registry = new Registry()
  const registers = [registry]
  const ofNet = new Map(
    Object.entries(netCounters).map(([name, { help, label }]) => [
      name as NetCounter,
      new Counter({
        name: `secnode_net_${name}_total`,
        help: `${help}, by ${label}`,
        labelNames: ['is'],
        registers,
      }),
    ]),
  )
  return {
    registry,
    net: { increment: (counter, label) => ofNet.get(counter)?.inc({ is: label }) },
    confirmedHeight: new Gauge({
      name: 'secnode_confirmed_height',
      help: 'Height of the last confirmed block that was followed',
      registers,
    }),
    epoch: new Gauge({ name: 'secnode_epoch', help: 'Current epoch', registers }),
    attestationsHeld: new Gauge({
      name: 'secnode_attestations_held',
      help: 'Attestations held of the current and the previous epoch',
      registers,
    }),
    verdicts: new Counter({
      name: 'secnode_verdicts_total',
      help: 'Verdicts attested by this node',
      labelNames: ['verdict'],
      registers,
    }),
    challengesAnswered: new Counter({
      name: 'secnode_challenges_answered_total',
      help: 'Challenges that others put to this node, by answer',
      labelNames: ['answer'],
      registers,
    }),
    messages: new Counter({
      name: 'secnode_messages_total',
      help: 'Messages taken in, by kind, outcome and code',
      labelNames: ['kind', 'outcome', 'code'],
      registers,
    }),
    syncExchanges: new Counter({
      name: 'secnode_sync_exchanges_total',
      help: 'Comparisons of roots with peers, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    equivocations: new Counter({
      name: 'secnode_equivocations_total',
      help: 'Equivocations proved',
      registers,
    }),
    visitSeconds: new Histogram({
      name: 'secnode_visit_seconds',
      help: 'Seconds that a visit to a target took',
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
      registers,
    }),
  }
}

/** The count of a counter's series whose first label has this value. */
export const counterTotal = async (counter: Counter, value: string): Promise<number> => {
  const { values } = await counter.get()
  return values.reduce(
    (sum, series) => (Object.values(series.labels).includes(value) ? sum + series.value : sum),
    0,
  )
}
