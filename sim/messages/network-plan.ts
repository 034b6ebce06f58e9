import { z } from 'zod'
import assumed from '../data/network.json' with { type: 'json' }

const from = (least: number, most: number, what: string) =>
  z.number({ error: `write ${what} from ${least} to ${most}` }).superRefine((value, context) => {
    if (!(value >= least && value <= most))
      context.addIssue({ code: 'custom', message: `write ${what} from ${least} to ${most}` })
  })

const whole = (least: number, most: number) =>
  z.int({ error: `write a whole number from ${least} to ${most}` }).superRefine((value, context) => {
    if (value < least || value > most)
      context.addIssue({ code: 'custom', message: `write a whole number from ${least} to ${most}` })
  })

/**
 * What lies between nodes, and how they pass things on. The message engine alone reads it; what is left out comes from
 * sim/data/network.json, which names the sources.
 */
export const NetworkPlan = z
  .strictObject({
    /** The way between any two nodes, uniform in this range; without it, by the regions of the two. */
    latencyMs: z
      .tuple([from(0, 10_000, 'milliseconds'), from(0, 10_000, 'milliseconds')], {
        error: 'write two numbers of milliseconds, such as [10, 100]',
      })
      .optional(),
    /** With regions: how much longer than the median a message takes at most, as a share of it. */
    latencySpread: from(0, 10, 'a number').default(assumed.latencySpread),
    /** Of each node's line, outwards. */
    megabitsPerSecond: from(0.01, 1_000_000, 'a number').default(assumed.megabitsPerSecond),
    /** Share of the messages that never come. */
    loss: from(0, 1, 'a share').default(assumed.loss),
    /** Mean over nodes of how much later than its miner they have a block. */
    blockDelaySeconds: from(0, 600, 'seconds').default(assumed.blockDelaySeconds),
    /** From the arrival of an attestation until it is passed on. */
    validationMs: from(0, 10_000, 'milliseconds').default(assumed.validationMs),
    /** From the arrival of a challenge until its answer leaves. */
    serviceMs: from(0, 60_000, 'milliseconds').default(assumed.serviceMs),
    /** Seats that a node dials by itself for gossip; those that dial it come on top. */
    connections: whole(1, 100).default(assumed.connections),
    /** An attestation goes out at a random moment of this span. */
    spreadSeconds: from(0, 900, 'seconds').default(assumed.spreadSeconds),
    /** How often a node compares what it holds with that of a random seat (R-SYNC-1). */
    syncSeconds: from(0.1, 3_600, 'seconds').default(assumed.syncSeconds),
    /** Named as in the specification of gossipsub. */
    gossip: z
      .strictObject({
        degree: whole(1, 100).default(assumed.gossip.degree),
        degreeLow: whole(1, 100).default(assumed.gossip.degreeLow),
        degreeHigh: whole(1, 100).default(assumed.gossip.degreeHigh),
        lazyDegree: whole(0, 100).default(assumed.gossip.lazyDegree),
        gossipFactor: from(0, 1, 'a share').default(assumed.gossip.gossipFactor),
        heartbeatMs: from(50, 60_000, 'milliseconds').default(assumed.gossip.heartbeatMs),
        historyGossip: whole(1, 10).default(assumed.gossip.historyGossip),
      })
      .prefault({})
      .superRefine(({ degree, degreeLow, degreeHigh }, context) => {
        if (!(degreeLow <= degree && degree <= degreeHigh))
          context.addIssue({
            code: 'custom',
            path: ['degree'],
            message: `degreeLow ${degreeLow}, degree ${degree}, degreeHigh ${degreeHigh}: write them in rising order`,
          })
      }),
  })
  .superRefine(({ latencyMs }, context) => {
    if (latencyMs !== undefined && latencyMs[0] > latencyMs[1])
      context.addIssue({
        code: 'custom',
        path: ['latencyMs'],
        message: 'write the smaller number of milliseconds first',
      })
  })
export type NetworkPlan = z.infer<typeof NetworkPlan>
