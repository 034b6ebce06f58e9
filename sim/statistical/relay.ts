import {
  defaultPrefixBits,
  drawHops,
  outcomeNames,
  type LastClass,
  lastClassOf,
  maxCircuitAttempts,
  mayBeHop,
  outcomeEpochs,
  type RelayCandidate,
  saysEnough,
  suspectsOf,
} from '../../protocol/index.ts'
import { type ActorStream, createActorStream } from '../actor-stream.ts'
import { circuitBothEnds, linkedAtLeastOnce, type PrefixClass } from '../closed-forms.ts'
import type { Actor, Population } from '../population.ts'
import type { Scenario } from '../scenario.ts'
import type { Measures } from './account.ts'
import { createCutPlan, type Cut, type CutPlan } from './circuit-cuts.ts'
import type { Membership } from './membership.ts'

/** People who send transactions through circuits (R-RELAY-1 and 2), and what attackers among the hops learn. */
export interface RelayUse {
  /** Sends the transactions of an epoch; `epoch` counts from the first of the first week. */
  step(epoch: number, membership: Membership, isUp: (node: number) => boolean): void
  /** Outcomes of the epoch that has closed, and how many attested in it, for the draws of those that follow. */
  closed(seats: Uint32Array, outcomes: Uint8Array, attested: number): void
  measures(): Measures
}

interface Hop extends RelayCandidate {
  node: number
}

/** Null where the scenario has no users. `epochs` is the length of the run. */
export const createRelayUse = (
  scenario: Scenario,
  repeat: number,
  population: Population,
  epochs: number,
): RelayUse | null => {
  const { relay } = scenario
  if (relay === undefined) return null
  const { hops, users, transactions } = relay
  const prefixBits = { ...defaultPrefixBits, ipv4: relay.prefixBits }
  const stream = createActorStream(scenario.seed, repeat, 'relay')
  const senders = drawSenders(users, transactions, epochs, stream)
  const addresses = Array.from(population.addressOf, addressBytes)
  const attackers = population.actors.filter(({ isAttacker }) => isAttacker)
  /** Of the last closed epochs, by seat. */
  let lastClasses: ReadonlyMap<number, LastClass>[] = []
  const tallies = attackers.map(() => createTally(users))
  const sent = { transactions: 0, delivered: 0, circuits: 0 }

  const actorsOn = (path: readonly Hop[]): Actor[] =>
    path.map(({ node }) => population.actors[population.actorOf[node]!]!)

  /** Where somebody on the path lets it fail because it does not show him both ends: the first who does. */
  const cutOf = (
    path: readonly Hop[],
    wasReached: readonly boolean[],
    left: number,
    plans: ReadonlyMap<Actor, CutPlan>,
  ): Cut => {
    const actors = actorsOn(path)
    const cuts = attackers.map((actor): Cut => {
      const strategy = actor.strategies.get('drop-circuits')
      if (strategy?.kind !== 'drop-circuits' || !actors.includes(actor)) return undefined
      const isHis = actors.map((hop) => hop === actor)
      if (strategy.when === 'best') return plans.get(actor)!.cutOf(isHis, wasReached, left)
      return isHis[0] === true && isHis.at(-1) === true ? undefined : null
    })
    return cuts.reduce(earlier, undefined)
  }

  /** The path by which a transaction goes out, or null if the client gives up (R-RELAY-2). */
  const send = (
    candidates: readonly Hop[],
    isUp: (node: number) => boolean,
    plans: ReadonlyMap<Actor, CutPlan>,
  ): Hop[] | null => {
    const excluded = new Set<Hop['seat']>()
    let places: readonly (Hop | null)[] = Array.from({ length: hops }, () => null)
    let wasReached: readonly boolean[] = places.map(() => false)
    for (let left = maxCircuitAttempts; left > 0; left--) {
      const path = drawHops({ candidates, places, excluded, prefixBits }, stream)
      if (path === null) return null
      sent.circuits++
      const down = path.findIndex(({ node }) => !isUp(node))
      const broken = earlier(down === -1 ? undefined : down, cutOf(path, wasReached, left, plans))
      if (broken === undefined) return path
      const seats = path.map(({ seat }) => seat)
      for (const seat of suspectsOf(seats, broken)) excluded.add(seat)
      places = path.map((hop) => (excluded.has(hop.seat) ? null : hop))
      wasReached = places.map((hop, i) => hop !== null && (wasReached[i]! || i <= (broken ?? hops)))
    }
    return null
  }

  return {
    step: (epoch, membership, isUp) => {
      const now = senders[epoch] ?? []
      if (now.length === 0) return
      const candidates = membership.seats.flatMap(({ seat }): Hop[] => {
        if (!membership.isHeld(seat)) return []
        if (!mayBeHop(lastClasses.map((classes) => classes.get(seat) ?? null))) return []
        const node = membership.nodeOfSeat(seat)
        return [{ seat, node, address: addresses[node]! }]
      })
      const plans = new Map(
        attackers.map((actor) => [actor, createCutPlan(hops, shareOf(candidates, actor))]),
      )
      const expected = attackers.map((actor) => expectedOf(candidates, actor, relay.prefixBits, hops))
      for (const user of now) {
        sent.transactions++
        for (const [i, tally] of tallies.entries()) tally.expect(expected[i]!)
        const path = send(candidates, isUp, plans)
        if (path === null) continue
        sent.delivered++
        const actors = actorsOn(path)
        for (const [i, actor] of attackers.entries())
          tallies[i]!.add(
            user,
            actors.map((hop) => hop === actor),
          )
      }
    },
    closed: (seats, outcomes, attested) => {
      const classes = new Map<number, LastClass>()
      if (saysEnough(attested, seats.length)) {
        for (const [index, seat] of seats.entries())
          classes.set(seat, lastClassOf(outcomeNames[outcomes[index]!]!))
      }
      lastClasses = [classes, ...lastClasses].slice(0, outcomeEpochs)
    },
    measures: () => {
      const measures: Measures = {
        'relay.delivered': ratio(sent.delivered, sent.transactions),
        'relay.circuitsPerTransaction': ratio(sent.circuits, sent.transactions),
      }
      for (const [i, { name }] of attackers.entries()) {
        for (const [measure, value] of Object.entries(tallies[i]!.measures(sent, transactions)))
          measures[`relay.${measure}.${name}`] = value
      }
      return measures
    },
  }
}

/** Who sends in each epoch: every user so many transactions, each in an epoch drawn at random. */
const drawSenders = (
  users: number,
  transactions: number,
  epochs: number,
  stream: ActorStream,
): readonly number[][] => {
  const senders: number[][] = Array.from({ length: epochs }, () => [])
  for (let user = 0; user < users; user++) {
    for (let i = 0; i < transactions; i++) senders[stream.below(epochs)]!.push(user)
  }
  return senders
}

interface Expected {
  bothEnds: number | null
  square: number
}

/** What closed forms say of one draw from these candidates. */
const expectedOf = (candidates: readonly Hop[], actor: Actor, prefixBits: number, hops: number): Expected => {
  const byPrefix = new Map<number, PrefixClass>()
  let owned = 0
  for (const hop of candidates) {
    const prefix = new DataView(hop.address.buffer).getUint32(0) >>> (32 - prefixBits)
    const found = byPrefix.get(prefix) ?? { seats: 0, attackers: 0 }
    const isOwn = isOf(hop, actor) ? 1 : 0
    byPrefix.set(prefix, { seats: found.seats + 1, attackers: found.attackers + isOwn })
    owned += isOwn
  }
  return {
    bothEnds: circuitBothEnds([...byPrefix.values()], hops),
    square: candidates.length === 0 ? 0 : (owned / candidates.length) ** 2,
  }
}

/** Of two places at which a circuit fails, the one that comes first. */
const earlier = (a: Cut, b: Cut): Cut => {
  const order = (cut: Cut): number => (cut === undefined ? Infinity : (cut ?? Number.MAX_SAFE_INTEGER))
  return order(b) < order(a) ? b : a
}

const isOf = ({ node }: Hop, actor: Actor): boolean => node >= actor.first && node < actor.first + actor.nodes

const shareOf = (candidates: readonly Hop[], actor: Actor): number =>
  candidates.length === 0 ? 0 : candidates.filter((hop) => isOf(hop, actor)).length / candidates.length

/** What one attacker saw of the transactions that went out. */
const createTally = (users: number) => {
  const seen = { bothEnds: 0, firstOnly: 0, lastOnly: 0, whole: 0 }
  const isLinked = new Uint8Array(users)
  const expected = { transactions: 0, bothEnds: 0, square: 0, isKnown: true }
  return {
    expect: ({ bothEnds, square }: Expected): void => {
      expected.transactions++
      expected.bothEnds += bothEnds ?? 0
      expected.square += square
      if (bothEnds === null) expected.isKnown = false
    },
    add: (user: number, own: readonly boolean[]): void => {
      const isFirst = own[0] === true
      const isLast = own.at(-1) === true
      if (isFirst && isLast) {
        seen.bothEnds++
        isLinked[user] = 1
      } else if (isFirst) seen.firstOnly++
      else if (isLast) seen.lastOnly++
      if (own.every(Boolean)) seen.whole++
    },
    measures: (sent: { delivered: number }, transactions: number): Measures => {
      const bothEnds = expected.isKnown ? ratio(expected.bothEnds, expected.transactions) : null
      return {
        bothEnds: ratio(seen.bothEnds, sent.delivered),
        'bothEnds.closedForm': bothEnds,
        'bothEnds.square': ratio(expected.square, expected.transactions),
        firstOnly: ratio(seen.firstOnly, sent.delivered),
        lastOnly: ratio(seen.lastOnly, sent.delivered),
        whole: ratio(seen.whole, sent.delivered),
        linkedUsers: ratio(
          isLinked.reduce((sum, one) => sum + one, 0),
          users,
        ),
        'linkedUsers.closedForm': bothEnds === null ? null : linkedAtLeastOnce(bothEnds, transactions),
      }
    },
  }
}

const addressBytes = (address: number): Uint8Array => {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, address)
  return bytes
}

const ratio = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole)
