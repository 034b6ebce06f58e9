import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { hexToBytes, peerIdOfKey } from '../../protocol/index.ts'
import { type NetCounter, netCounters, type NetMetrics } from '../net/counters.ts'
import type { GossipStatus } from '../net/host.ts'
import type { GateStatus } from '../net/puzzle-gate.ts'

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
  /** How each visit ended: a word of R-VERD-1, or `later`. */
  visits: Counter<'result'>
  /** From a challenge to the signed receipt. */
  answerSeconds: Histogram
  certifierVotes: Counter
  anchorsPosted: Counter<'outcome'>
  alerts: Counter<'outcome' | 'kind'>
  /** What the daemon looks at of itself now and then. */
  self: SelfMetrics
  /** What the network host counts: `secnode_net_<name>_total`, told apart by the label `is`. */
  net: NetMetrics
  /** Whom to ask, whenever somebody looks, how strangers fare on each protocol (R-PUZ-4, R-PUZ-5). */
  watchGates(gates: () => readonly Gate[]): void
  /** Whom to ask, whenever somebody looks, what gossip makes this node remember; null while it does not run. */
  watchGossip(read: () => GossipStatus | null): void
}

/** Set by the self-diagnosis at each look. */
export interface SelfMetrics {
  buildInfo: Gauge<'version'>
  chainTipHeight: Gauge
  chainLag: Gauge
  chainStatus: Gauge<'status'>
  seat: Gauge
  signing: Gauge
  isActive: Gauge
  stake: Gauge
  /** label `verdict`: a word of R-VERD-1, or `silent`. */
  challengers: Gauge<'verdict'>
  ownEpochs: Counter<'outcome'>
  ownAbstentions: Gauge
  visitsDue: Gauge
  visitsCame: Gauge
  findings: Gauge<'code' | 'severity'>
  peers: Gauge<'kind'>
  gossipPeers: Gauge<'topic'>
  gossipNeighbours: Gauge<'topic'>
  unheard: Gauge
  otherBranch: Gauge
  unreadStreams: Gauge
  alone: Gauge
  alertsWaiting: Gauge
  certificateExpiry: Gauge
  storeBytes: Gauge
  diskFreeBytes: Gauge
  diskBytes: Gauge
}

type Gate = Omit<GateStatus, 'spent'>

const ofGates = {
  secnode_puzzle_effort: {
    help: 'Hashes of work that a stranger is asked for before he is answered, 0 for none, by protocol',
    valueOf: ({ effort }: Gate): number => effort,
  },
  secnode_strangers_inside: {
    help: 'Requests of strangers that are being answered, by protocol',
    valueOf: ({ inside }: Gate): number => inside,
  },
  secnode_strangers_waiting: {
    help: 'Requests of strangers that wait for a place, by protocol',
    valueOf: ({ waiting }: Gate): number => waiting,
  },
}

/** Series of peers that are no offenders any more are gone: there are never more than a few. */
const createGossipGauges = (registers: Registry[]): NodeMetrics['watchGossip'] => {
  let read: () => GossipStatus | null = () => null
  const entries = new Gauge({
    name: 'secnode_gossip_entries',
    help: 'What gossip makes this node remember, by kind: each has a bound, whatever others send',
    labelNames: ['of'],
    registers,
    collect: () => {
      for (const [kind, count] of Object.entries(read()?.entries ?? {})) entries.set({ of: kind }, count)
    },
  })
  const offenders = new Gauge({
    name: 'secnode_gossip_offenders',
    help: 'Units of work of peers above their budget of gossip in the last ten minutes, dropped unread: the 16 worst',
    labelNames: ['peer'],
    registers,
    collect: () => {
      offenders.reset()
      for (const { peer, dropped } of read()?.offenders ?? []) {
        offenders.set({ peer: peerIdOfKey(hexToBytes(peer)) }, dropped)
      }
    },
  })
  return (source) => {
    read = source
  }
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
  let gates: () => readonly Gate[] = () => []
  for (const [name, { help, valueOf }] of Object.entries(ofGates)) {
    const gauge = new Gauge({
      name,
      help,
      labelNames: ['purpose'],
      registers,
      collect: () => {
        for (const gate of gates()) gauge.set({ purpose: gate.purpose }, valueOf(gate))
      },
    })
  }
  return {
    registry,
    watchGates: (read) => {
      gates = read
    },
    watchGossip: createGossipGauges(registers),
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
    visits: new Counter({
      name: 'secnode_visits_total',
      help: 'Visits to targets, retries included, by how they ended',
      labelNames: ['result'],
      registers,
    }),
    answerSeconds: new Histogram({
      name: 'secnode_challenge_answer_seconds',
      help: 'Seconds from a challenge to the signed receipt: reading the samples, most of all',
      buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    certifierVotes: new Counter({
      name: 'secnode_certifier_votes_total',
      help: 'Votes that this node signed for checkpoints of a week',
      registers,
    }),
    anchorsPosted: new Counter({
      name: 'secnode_anchors_posted_total',
      help: 'Tries to post the anchor of a week, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    alerts: new Counter({
      name: 'secnode_alerts_total',
      help: 'Alerts that were taken (sent), tries that were not (failed), and alerts given up (lost)',
      labelNames: ['outcome', 'kind'],
      registers,
    }),
    self: createSelfMetrics(registers),
  }
}

const createSelfMetrics = (registers: Registry[]): SelfMetrics => {
  const gauge = (name: string, help: string): Gauge => new Gauge({ name: `secnode_${name}`, help, registers })
  const labelled = <Label extends string>(name: string, help: string, ...labelNames: Label[]): Gauge<Label> =>
    new Gauge({ name: `secnode_${name}`, help, labelNames, registers })
  return {
    buildInfo: labelled('build_info', 'Always 1; the label says which version runs', 'version'),
    chainTipHeight: gauge('chain_tip_height', 'Height of the tip of the chain node'),
    chainLag: gauge('chain_lag_blocks', 'Confirmed blocks of the chain node that were not followed yet'),
    chainStatus: labelled('chain_status', '1 for what the follower does now, 0 for the rest', 'status'),
    signing: gauge(
      'signing',
      '1 while it attests and votes; 0 once another daemon runs with its keys or the chain names another key',
    ),
    seat: gauge('seat', 'Number of the seat of the stake; -1 before its announcement'),
    isActive: gauge('seat_active', '1 if the stake is enough and announced, 0 if not'),
    stake: gauge('stake_coins', 'Coins that count towards the stake'),
    challengers: labelled(
      'seat_verdicts',
      'Challengers of the last epoch that was told of this seat, by what they say of it',
      'verdict',
    ),
    ownEpochs: new Counter({
      name: 'secnode_seat_epochs_total',
      help: 'Epochs of this seat that came to an end, by what its challengers made of them',
      labelNames: ['outcome'],
      registers,
    }),
    ownAbstentions: gauge('own_abstentions', 'Abstentions in the last attestation of this node'),
    visitsDue: gauge('visits_due', 'Visits of challengers that should have come by now in this epoch'),
    visitsCame: gauge('visits_came', 'Challengers that came in this epoch'),
    findings: labelled('findings', 'Findings that stand, by code and severity', 'code', 'severity'),
    peers: labelled('peers', 'Connected peers', 'kind'),
    gossipPeers: labelled('gossip_peers', 'Connected peers that take part in a topic', 'topic'),
    gossipNeighbours: labelled(
      'gossip_neighbours',
      'Peers that pass messages of a topic on to this node: its neighbours in the mesh',
      'topic',
    ),
    unheard: gauge(
      'unheard_ratio',
      'Share of the other seats whose attestation of the last judged epoch was not heard by mustHold',
    ),
    otherBranch: gauge(
      'other_branch_ratio',
      'Share of the seats that were looked at which work under another beacon than this node',
    ),
    unreadStreams: gauge(
      'unread_streams',
      'Streams of other peers on which no request has come, of the protocol with most for its places',
    ),
    alone: gauge(
      'alone',
      '1 if gossip or the other seats do not reach this node, or its chain is another one than theirs',
    ),
    alertsWaiting: gauge('alerts_waiting', 'Alerts that were not delivered yet'),
    certificateExpiry: gauge(
      'certificate_expiry_timestamp_seconds',
      'End of the TLS certificate in use, in seconds since 1970',
    ),
    storeBytes: gauge('store_bytes', 'Bytes of the files of the store'),
    diskFreeBytes: gauge('disk_free_bytes', 'Bytes that may be written to the disk of the data directory'),
    diskBytes: gauge('disk_bytes', 'Size of the disk of the data directory in bytes'),
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
