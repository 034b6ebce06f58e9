import { z } from 'zod'
import { defaultHops, defaultPrefixBits, Genesis, maxCommittee, maxHops, Params } from '../protocol/index.ts'
import addressPrices from './data/address-prices.json' with { type: 'json' }
import { weeklyCost } from './costs.ts'
import { NetworkPlan } from './messages/network-plan.ts'
import economy from './data/economy.json' with { type: 'json' }
import chain from './data/chain.json' with { type: 'json' }
import population from './data/population.json' with { type: 'json' }
import { SimulationError } from './errors.ts'
import { faultTexts, whatToWrite } from './faults.ts'
import { regionNames } from './regions.ts'

/** As large as the typed arrays of the tally allow with room to spare (2^21 seats). */
const maxNodes = 200_000
/** The message engine holds of every node which attestations it has: 5,000 times 5,000 of four epochs are 200 MB. */
const maxMessageNodes = 5_000

const share = (what: string) =>
  z.number({ error: `${what} is a share: write a number from 0 to 1` }).superRefine((value, context) => {
    if (value < 0 || value > 1)
      context.addIssue({ code: 'custom', message: `${what} is a share: write a number from 0 to 1` })
  })

const count = (least: number, most: number) =>
  z.int({ error: `write a whole number from ${least} to ${most}` }).superRefine((value, context) => {
    if (value < least || value > most)
      context.addIssue({ code: 'custom', message: `write a whole number from ${least} to ${most}` })
  })

const positive = (what: string) =>
  z.number().superRefine((value, context) => {
    if (!(value > 0)) context.addIssue({ code: 'custom', message: `${what}: write a number above 0` })
  })

const seconds = (what: string) =>
  z.number().superRefine((value, context) => {
    if (!(value >= 0 && value <= 86_400))
      context.addIssue({ code: 'custom', message: `${what}: write seconds from 0 to 86400` })
  })

const ActorName = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, {
  error: 'write a name of lower-case letters, digits and hyphens, such as many-stakes',
})

export const AddressPrice = z.enum(Object.keys(addressPrices.prices) as [keyof typeof addressPrices.prices], {
  error: `write one of ${Object.keys(addressPrices.prices).join(', ')}`,
})

/** Where the nodes of an actor stand. They fill addresses, /24s and /16s evenly; no two actors share a /16. */
export const AddressPlan = z.strictObject({
  /** Distinct addresses; as many as nodes unless said. With fewer, nodes share them. */
  ips: count(1, maxNodes).optional(),
  prefixes24: count(1, maxNodes),
  prefixes16: count(1, 20_000),
  /** Hosting networks that hold these /16s, evenly; one for each /16 unless said. No two actors share one. */
  networks: count(1, 20_000).optional(),
  price: AddressPrice.default('hosting-address'),
})
export type AddressPlan = z.infer<typeof AddressPlan>

const RegionName = z.enum(regionNames as [string, ...string[]], {
  error: `write regions of ${regionNames.join(', ')}`,
})

/** Which share of an actor's nodes stands in each region (sim/data/region-latencies.json). */
export const RegionShares = z
  .record(z.string(), share('what stands in a region'))
  .superRefine((shares, context) => {
    const unknown = Object.keys(shares).filter((name) => !regionNames.includes(name))
    for (const name of unknown)
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `write regions of ${regionNames.join(', ')}`,
      })
    const sum = Object.values(shares).reduce((total, part) => total + part, 0)
    if (unknown.length === 0 && Math.abs(sum - 1) > 1e-9)
      context.addIssue({ code: 'custom', message: `the shares sum to ${sum}: write shares that sum to 1` })
  })

/** Honest nodes of one kind. */
export const Honest = z.strictObject({
  name: ActorName,
  nodes: count(0, maxNodes),
  /** How many nodes one operator has, at most; numbers fall as a power law with the exponent. */
  largestOperator: count(1, maxNodes).default(1),
  operatorExponent: positive('exponent of the power law').default(population.operatorExponent),
  availability: share('availability').default(population.availability),
  /** Mean length of an outage. */
  outageEpochs: count(1, 1_000).default(population.outageEpochs),
  /** Chance that a challenge of a node that is up fails on the way, all retries included. */
  missRate: share('missRate').default(population.missRate),
  /** Mean weeks until a node goes and another with a new stake comes; left out, nobody goes. */
  lifetimeWeeks: positive('lifetimeWeeks').optional(),
  addresses: AddressPlan,
  /** Those of sim/data/region-shares.json unless said. */
  regions: RegionShares.optional(),
})
export type Honest = z.infer<typeof Honest>

/** What an attacker does. Strategies are composed: each changes one duty, and the rest is done honestly. */
const strategies = {
  /** All nodes ask one full copy of the chain for their answers; it reads one transaction after the other. */
  'shared-copy': z.strictObject({
    kind: z.literal('shared-copy'),
    readsPerSecond: positive('readsPerSecond'),
    megabitsPerSecond: positive('megabitsPerSecond'),
    /** What one challenge with its probe moves over that copy's line. */
    exchangeBytes: positive('exchangeBytes'),
  }),
  /** Keeps this share of the blocks and answers what it can. */
  'partial-chain': z.strictObject({ kind: z.literal('partial-chain'), kept: share('kept') }),
  /** Says valid of nodes of its own that fail. */
  vouch: z.strictObject({ kind: z.literal('vouch') }),
  /** Says a fault, which leaves no evidence, of others: of all it can, or only where it decides the committee. */
  accuse: z.strictObject({
    kind: z.literal('accuse'),
    when: z.enum(['always', 'majority'], { error: 'write always or majority' }),
    /** Share of its targets, drawn anew each time. */
    share: share('share').default(1),
  }),
  /** Calls honest targets that it finds valid so, but under an unused address: each liar has one of its own. */
  'false-address': z.strictObject({
    kind: z.literal('false-address'),
    /**
     * Of all of them; of at most half of its decided targets, those with most accomplices first; or only where its group
     * leaves no majority for the true address.
     */
    lie: z
      .enum(['always', 'half', 'where-it-wins'], { error: 'write always, half or where-it-wins' })
      .default('always'),
  }),
  /** Asks nobody and says valid of all: there are no receipts in its evidence. */
  lazy: z.strictObject({ kind: z.literal('lazy') }),
  /** Asks nobody and says what most of the other challengers say; no receipts either. */
  copycat: z.strictObject({ kind: z.literal('copycat') }),
  /** Publishes no attestation. */
  silent: z.strictObject({ kind: z.literal('silent') }),
  /** Is off the network and only pretends by means of the other strategies. */
  absent: z.strictObject({ kind: z.literal('absent') }),
  /** Mines, and throws away blocks whose beacon captures fewer than `atLeast` committees of honest nodes. */
  grind: z.strictObject({
    kind: z.literal('grind'),
    minerShare: share('minerShare').refine((value) => value < 1, {
      error: 'minerShare: write a number below 1, for who mines all blocks decides all beacons',
    }),
    atLeast: count(1, maxNodes).default(1),
  }),
  /** Does not vote as a certifier. */
  stall: z.strictObject({ kind: z.literal('stall') }),
  /**
   * As a certifier it votes for nobody else's proposal, but misses one of its own attestations, another one in each round.
   * With `withhold` others hold them too late.
   */
  dribble: z.strictObject({ kind: z.literal('dribble') }),
  /** Attests, but releases it only when a bound of R-CP-3 comes, so that it splits honest nodes. */
  withhold: z.strictObject({
    kind: z.literal('withhold'),
    /** What was held by must-hold must be in a checkpoint, what was not held by closes may not. */
    until: z.enum(['must-hold', 'closes'], { error: 'write must-hold or closes' }),
    /** After its node hears the block with that height. */
    secondsAfter: seconds('secondsAfter').default(0),
  }),
  /** Each node holds as many places of every honest node as that gives one peer, with streams on which nothing comes. */
  hog: z.strictObject({
    kind: z.literal('hog'),
    /** `by-duty`: each challenger and certifier has places of its own; `common`: all registered peers share them. */
    places: z.enum(['by-duty', 'common'], { error: 'write by-duty or common' }).default('by-duty'),
    on: z
      .enum(['challenge', 'propose', 'both'], { error: 'write challenge, propose or both' })
      .default('both'),
  }),
  /** Each node runs twice under one key; in this share of epochs both sign, differently (R-ATT-3). */
  twin: z.strictObject({ kind: z.literal('twin'), share: share('share').default(1) }),
  /** Is all the neighbours that some honest nodes have, and passes nothing on to them or from them. */
  eclipse: z.strictObject({
    kind: z.literal('eclipse'),
    victims: count(1, maxNodes),
    /** `gossip`: their neighbours; `all`: every way to and from them but that of blocks. */
    of: z.enum(['gossip', 'all'], { error: 'write gossip or all' }).default('gossip'),
  }),
  /**
   * As a hop, lets circuits fail of which it is not both ends (R-RELAY-2): `best`, each at the moment that serves it best,
   * and none where that would lose the transaction; `afterwards`, every one, when it is whole.
   */
  'drop-circuits': z.strictObject({
    kind: z.literal('drop-circuits'),
    when: z.enum(['best', 'afterwards'], { error: 'write best or afterwards' }).default('best'),
  }),
} as const

export const strategyKinds = Object.keys(strategies) as (keyof typeof strategies)[]

export const Strategy = z.discriminatedUnion('kind', Object.values(strategies) as never, {
  error: `unknown strategy: write one of ${strategyKinds.join(', ')}`,
}) as unknown as z.ZodType<z.infer<(typeof strategies)[keyof typeof strategies]>>
export type Strategy = z.infer<typeof Strategy>
export type StrategyKind = Strategy['kind']

export const Attacker = z
  .strictObject({
    name: ActorName,
    /** Either the number of nodes or their share of all nodes, the attackers' included. */
    nodes: count(0, maxNodes).optional(),
    share: share('share').optional(),
    /** What he can spend: on stakes at once, on addresses, machines and capital each week. */
    budget: z
      .strictObject({
        coins: positive('coins').optional(),
        usdPerWeek: positive('usdPerWeek').optional(),
      })
      .default({}),
    addresses: AddressPlan.optional(),
    regions: RegionShares.optional(),
    /** Servers with a chain on them; one for each node unless said. */
    machines: count(0, maxNodes).optional(),
    strategies: z.array(Strategy).max(10).default([]),
  })
  .superRefine((attacker, context) => {
    if ((attacker.nodes === undefined) === (attacker.share === undefined)) {
      context.addIssue({ code: 'custom', path: ['nodes'], message: 'write either nodes or share' })
    }
    if (attacker.share === 1)
      context.addIssue({
        code: 'custom',
        path: ['share'],
        message: 'write a share below 1, or a number of nodes',
      })
    const kinds = attacker.strategies.map(({ kind }) => kind)
    for (const [i, kind] of kinds.entries()) {
      const other = kinds.findIndex((earlier, j) => j < i && excludes(earlier, kind))
      if (other !== -1) {
        context.addIssue({
          code: 'custom',
          path: ['strategies', i],
          message: `${kind} and ${kinds[other]!} are about one duty: write one of them`,
        })
      }
    }
  })
export type Attacker = z.infer<typeof Attacker>

/** Strategies of one duty cannot be had together. */
const duties: readonly (readonly StrategyKind[])[] = [
  ['shared-copy', 'partial-chain', 'absent'],
  ['lazy', 'copycat', 'silent', 'withhold'],
  ['lazy', 'copycat', 'accuse', 'false-address'],
  ['stall', 'dribble'],
]
const excludes = (a: StrategyKind, b: StrategyKind): boolean =>
  a === b || duties.some((duty) => duty.includes(a) && duty.includes(b))

const incidentFields = {
  from: count(0, 30_000),
  epochs: count(1, 30_000),
  /** Of all nodes, or of those in `regions`; drawn once, at random. */
  share: share('share').optional(),
  /** Nodes of these regions only, all of them unless `share` says less: who stands together fails together. */
  regions: z.array(RegionName).min(1, { error: 'write at least one region' }).optional(),
}

/** What each engine plays; a strategy that is about messages says nothing without them, and the other way round. */
const engineOf: Readonly<Record<StrategyKind, 'statistical' | 'messages' | 'both'>> = {
  'shared-copy': 'statistical',
  'partial-chain': 'statistical',
  vouch: 'statistical',
  accuse: 'statistical',
  'false-address': 'statistical',
  twin: 'statistical',
  lazy: 'statistical',
  copycat: 'statistical',
  absent: 'statistical',
  'drop-circuits': 'statistical',
  silent: 'both',
  grind: 'both',
  stall: 'both',
  hog: 'both',
  dribble: 'messages',
  withhold: 'messages',
  eclipse: 'messages',
}

/** What befalls everybody. Epochs count from the first of the first week. */
const Incident = z
  .discriminatedUnion(
    'kind',
    [
      /** They are down. Without `regions` attackers are spared: they keep their machines up. */
      z.strictObject({ kind: z.literal('outage'), ...incidentFields }),
      /** They cannot reach the others, nor be reached by them. */
      z.strictObject({ kind: z.literal('partition'), ...incidentFields }),
    ],
    { error: 'unknown incident: write one of outage, partition' },
  )
  .superRefine(({ share, regions }, context) => {
    if (share === undefined && regions === undefined)
      context.addIssue({ code: 'custom', path: ['share'], message: 'write share, regions or both' })
  })
export type Incident = z.infer<typeof Incident>

/** People who send transactions through circuits of hops; the rules are those of R-RELAY-1 and 2. */
export const Relay = z.strictObject({
  hops: count(1, maxHops).default(defaultHops),
  /** Leading bits of IPv4 in which no two hops agree; 32 asks for other addresses only. */
  prefixBits: count(1, 32).default(defaultPrefixBits.ipv4),
  users: count(1, 100_000),
  /** Of each user over the whole run. */
  transactions: count(1, 10_000),
})
export type Relay = z.infer<typeof Relay>

const parameters = Params.pick({
  committee: true,
  samples: true,
  responseMs: true,
  attestBlocks: true,
  retries: true,
  minAvailability: true,
  maxPerPrefix: true,
  certifiers: true,
  viewBlocks: true,
  anchorBlocks: true,
}).extend({
  committee: z
    .int({ error: `write a whole number from 1 to ${maxCommittee}` })
    .min(1, { error: `a committee has 1 to ${maxCommittee} members` })
    .max(maxCommittee, { error: `a committee has 1 to ${maxCommittee} members (R-NET-2)` })
    .default(Params.shape.committee.parse(undefined)),
  activationHeight: Genesis.shape.activationHeight.default(chain.activationHeight),
  minSeniors: Genesis.shape.minSeniors.default(chain.minSeniors),
  epochBlocks: Genesis.shape.epochBlocks.default(chain.epochBlocks),
  confirmations: Genesis.shape.confirmations.default(chain.confirmations),
  blockSeconds: positive('blockSeconds').default(chain.blockSeconds),
  /** Coins, not base units. */
  minStakeCoins: count(0, 21_000_000).default(chain.minStakeCoins),
  /** Coins that are paid out each week, after fees. */
  fundCoins: count(0, 21_000_000).default(chain.fundCoins),
})

export const Scenario = z
  .strictObject({
    name: ActorName,
    shows: z.string().max(1_000).default(''),
    expect: z.string().max(2_000).default(''),
    seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
    repeats: count(1, 10_000).default(10),
    weeks: count(1, 520),
    /** Seats and epochs, or every message of every node. */
    engine: z
      .enum(['statistical', 'messages'], { error: 'write statistical or messages' })
      .default('statistical'),
    network: NetworkPlan.optional(),
    /** Rules that the protocol does not have, to compare it with. */
    comparator: z
      .strictObject({
        /** R-TALLY-2 with the class alone, as if an address had no part in it. */
        agreement: z
          .enum(['by-address', 'by-class'], { error: 'write by-address or by-class' })
          .default('by-address'),
      })
      .prefault({}),
    protocol: parameters.prefault({}),
    economy: z
      .strictObject({
        coinUsd: positive('coinUsd').default(economy.coinUsd),
        capitalPerYear: share('capitalPerYear').default(economy.capitalPerYear),
        machineUsdPerMonth: positive('machineUsdPerMonth').default(economy.machineUsdPerMonth),
      })
      .prefault({}),
    population: z.array(Honest).min(1).max(20),
    attackers: z.array(Attacker).max(20).default([]),
    incidents: z.array(Incident).max(100).default([]),
    relay: Relay.optional(),
  })
  .superRefine((scenario, context) => {
    const actors = [...scenario.population, ...scenario.attackers]
    const honest = honestNodes(scenario.population)
    if (new Set(actors.map(({ name }) => name)).size < actors.length) {
      context.addIssue({ code: 'custom', path: ['attackers'], message: 'give every actor another name' })
    }
    if (honest < 4)
      context.addIssue({
        code: 'custom',
        path: ['population'],
        message: 'write at least 4 honest nodes: with fewer seats nothing is credited (R-COM-1)',
      })
    const shares = scenario.attackers.reduce((sum, attacker) => sum + (attacker.share ?? 0), 0)
    if (shares >= 1) {
      context.addIssue({
        code: 'custom',
        path: ['attackers'],
        message: 'the shares of attackers must stay below 1 together',
      })
      return
    }
    const sizes = attackerNodes(scenario)
    for (const [i, attacker] of scenario.attackers.entries()) {
      const nodes = sizes[i]!
      const { coins } = attacker.budget
      const stake = nodes * scenario.protocol.minStakeCoins
      if (coins !== undefined && stake > coins) {
        const most = Math.floor(coins / scenario.protocol.minStakeCoins)
        context.addIssue({
          code: 'custom',
          path: ['attackers', i, attacker.share === undefined ? 'nodes' : 'share'],
          message:
            `${nodes} nodes lock ${stake} coins, the budget has ${coins}: ` +
            `write at most ${most} nodes or a budget of ${stake} coins`,
        })
      }
    }
    for (const [i, attacker] of scenario.attackers.entries()) {
      const { usdPerWeek } = attacker.budget
      if (usdPerWeek === undefined) continue
      const cost = weeklyCost(
        scenario,
        planOf(attacker, sizes[i]!),
        sizes[i]!,
        attacker.machines ?? sizes[i]!,
      )
      if (cost > usdPerWeek) {
        context.addIssue({
          code: 'custom',
          path: ['attackers', i, 'budget', 'usdPerWeek'],
          message: `${sizes[i]!} nodes cost ${cost.toFixed(2)} USD a week: write at least ${Math.ceil(cost)} or fewer nodes`,
        })
      }
    }
    const total = honest + sizes.reduce((sum, nodes) => sum + nodes, 0)
    if (total > maxNodes) {
      context.addIssue({
        code: 'custom',
        path: ['population'],
        message: `${total} nodes: write at most ${maxNodes} together`,
      })
    }
    for (const fault of whyEngineFails(scenario, sizes, total)) context.addIssue({ code: 'custom', ...fault })
    if (scenario.protocol.committee > total - 1) {
      context.addIssue({
        code: 'custom',
        path: ['protocol', 'committee'],
        message: `${total} seats have at most ${total - 1} challengers each: write at most that`,
      })
    }
    const prefixes = [
      ...scenario.population.map(({ addresses, nodes }) => Math.min(addresses.prefixes16, nodes)),
      ...scenario.attackers.map((attacker, i) => Math.min(planOf(attacker, sizes[i]!).prefixes16, sizes[i]!)),
    ].reduce((sum, count) => sum + count, 0)
    if (scenario.relay?.prefixBits === 16 && scenario.relay.hops > prefixes) {
      context.addIssue({
        code: 'custom',
        path: ['relay', 'hops'],
        message: `all nodes stand in ${prefixes} /16s, and no two hops share one (R-RELAY-1): write at most ${prefixes}`,
      })
    }
    for (const [path, plan, nodes] of [
      ...scenario.population.map((group, i) => [['population', i], group.addresses, group.nodes] as const),
      ...scenario.attackers.map((group, i) => [['attackers', i], group.addresses, sizes[i]!] as const),
    ]) {
      const wrong = plan === undefined ? null : whyPlanFails(plan, nodes)
      if (wrong !== null)
        context.addIssue({ code: 'custom', path: [...path, 'addresses', wrong[0]], message: wrong[1] })
    }
  })
export type Scenario = z.infer<typeof Scenario>

/** What the engine that is asked for does not play. */
const whyEngineFails = (
  {
    engine,
    network,
    comparator,
    relay,
    population,
    attackers,
  }: {
    engine: 'statistical' | 'messages'
    network?: NetworkPlan | undefined
    comparator: { agreement: 'by-address' | 'by-class' }
    relay?: Relay | undefined
    population: readonly Pick<Honest, 'nodes'>[]
    attackers: readonly Attacker[]
  },
  sizes: readonly number[],
  total: number,
): { path: (string | number)[]; message: string }[] => {
  const faults: { path: (string | number)[]; message: string }[] = []
  if (engine === 'statistical' && network !== undefined) {
    faults.push({
      path: ['network'],
      message: 'the statistical engine has no messages: write engine: messages, or leave network out',
    })
  }
  if (engine === 'messages' && relay !== undefined) {
    faults.push({
      path: ['relay'],
      message: 'the messages engine has no circuits: write engine: statistical, or leave relay out',
    })
  }
  if (engine === 'messages' && comparator.agreement !== 'by-address') {
    faults.push({
      path: ['comparator', 'agreement'],
      message: 'the messages engine plays the protocol alone: write engine: statistical, or by-address',
    })
  }
  if (engine === 'messages' && total > maxMessageNodes) {
    faults.push({
      path: ['population'],
      message: `${total} nodes: write at most ${maxMessageNodes} together, or engine: statistical`,
    })
  }
  for (const [i, { strategies: chosen }] of attackers.entries()) {
    for (const [j, strategy] of chosen.entries()) {
      const path = ['attackers', i, 'strategies', j]
      const other = engineOf[strategy.kind]
      if (other !== 'both' && other !== engine) {
        const played = strategyKinds.filter((kind) => [engine, 'both'].includes(engineOf[kind]))
        faults.push({
          path: [...path, 'kind'],
          message: `the engine ${engine} does not play ${strategy.kind}: write engine: ${other}, or one of ${played.join(', ')}`,
        })
      }
      if (strategy.kind !== 'eclipse') continue
      if (strategy.victims > honestNodes(population)) {
        faults.push({
          path: [...path, 'victims'],
          message: `write at most ${honestNodes(population)} victims: there are no more honest nodes`,
        })
      }
      if (sizes[i] === 0)
        faults.push({ path: ['attackers', i, 'nodes'], message: 'write at least one node that eclipses' })
    }
  }
  return faults
}

/** A /24 has 254 hosts, a /16 has 256 of them. */
const whyPlanFails = (plan: AddressPlan, nodes: number): [string, string] | null => {
  const ips = plan.ips ?? nodes
  if (plan.prefixes24 > plan.prefixes16 * 256) {
    return ['prefixes24', `write at most ${plan.prefixes16 * 256}: a /16 has 256 of them`]
  }
  if (plan.networks !== undefined && plan.networks > plan.prefixes16) {
    return ['networks', `write at most ${plan.prefixes16}: each holds a /16 at least`]
  }
  if (ips > plan.prefixes24 * 254) {
    return [
      'prefixes24',
      `${ips} addresses need at least ${Math.ceil(ips / 254)}: a /24 has 254 usable addresses`,
    ]
  }
  return null
}

const honestNodes = (groups: readonly Pick<Honest, 'nodes'>[]): number =>
  groups.reduce((sum, { nodes }) => sum + nodes, 0)

/** Nodes of each attacker: shares are of all nodes, those of all attackers included. */
export const attackerNodes = (scenario: {
  population: readonly Pick<Honest, 'nodes'>[]
  attackers: readonly { nodes?: number | undefined; share?: number | undefined }[]
}): number[] => {
  const counted = scenario.attackers.reduce((sum, { nodes }) => sum + (nodes ?? 0), 0)
  const shares = scenario.attackers.reduce((sum, { share }) => sum + (share ?? 0), 0)
  const all = (honestNodes(scenario.population) + counted) / (1 - shares)
  return scenario.attackers.map(({ nodes, share }) => nodes ?? Math.round(all * (share ?? 0)))
}

/** Where an attacker's nodes stand; if nothing is said, each in a /24 of its own. */
export const planOf = (attacker: Pick<Attacker, 'addresses'>, nodes: number): AddressPlan =>
  attacker.addresses ?? {
    prefixes24: Math.max(1, nodes),
    prefixes16: Math.max(1, Math.ceil(nodes / 256)),
    price: 'cloud-address',
  }

/** Checks what was read from a file; every fault is named with its path and what to write. */
export const parseScenario = (value: unknown, origin: string): Scenario => {
  const parsed = Scenario.safeParse(value, { error: whatToWrite })
  if (parsed.success) return parsed.data
  throw new SimulationError(
    'bad-scenario',
    `${origin} is no scenario: ${faultTexts(parsed.error.issues).join('; ')}`,
    'docs/simulator.md lists the fields; `sim list --show NAME` prints a built-in scenario to start from',
  )
}
