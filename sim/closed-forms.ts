/**
 * What can be computed without drawing. Probabilities are sums of hypergeometric terms from logarithms of factorials:
 * exact to about eleven digits.
 */

const logFactorials: number[] = [0]

/** ln(n!), by summing: n is a number of seats. */
const logFactorial = (n: number): number => {
  for (let i = logFactorials.length; i <= n; i++) logFactorials.push(logFactorials[i - 1]! + Math.log(i))
  return logFactorials[n]!
}

/** ln of the number of ways to choose k of n. */
export const logChoose = (n: number, k: number): number =>
  logFactorial(n) - logFactorial(k) - logFactorial(n - k)

/** P(exactly x of the attackers are among `drawn` of `seats`), drawn without replacement. */
export const hypergeometric = (seats: number, attackers: number, drawn: number, x: number): number => {
  if (x < 0 || x > drawn || x > attackers || drawn - x > seats - attackers) return 0
  return Math.exp(logChoose(attackers, x) + logChoose(seats - attackers, drawn - x) - logChoose(seats, drawn))
}

/** P(at least `least` of the attackers are drawn). */
export const atLeast = (seats: number, attackers: number, drawn: number, least: number): number => {
  let sum = 0
  for (let x = Math.max(0, least); x <= drawn; x++) sum += hypergeometric(seats, attackers, drawn, x)
  return Math.min(1, sum)
}

/** More than half of a committee decide (R-TALLY-1). */
const majorityOf = (committee: number): number => Math.floor(committee / 2) + 1

/** P(the challengers of an honest seat are mostly attackers): they decide what it is (R-COM-1, R-TALLY-1). */
export const committeeCapture = (seats: number, attackers: number, committee: number): number =>
  atLeast(seats - 1, attackers, committee, majorityOf(committee))

/** P(the honest challengers of an honest seat are no majority): silence keeps it undecided. */
export const committeeStall = (seats: number, attackers: number, committee: number): number =>
  atLeast(seats - 1, attackers, committee, committee - majorityOf(committee) + 1)

/** P(attackers alone make a certificate): more than two thirds of the certifiers of a view (R-CP-4). */
export const certificateCapture = (seniors: number, attackers: number, certifiers: number): number => {
  const drawn = Math.min(seniors, certifiers)
  return atLeast(seniors, attackers, drawn, Math.floor((2 * drawn) / 3) + 1)
}

/** P(attackers can keep a view from a certificate): the others are not more than two thirds. */
export const certificateStall = (seniors: number, attackers: number, certifiers: number): number => {
  const drawn = Math.min(seniors, certifiers)
  return atLeast(seniors, attackers, drawn, drawn - Math.floor((2 * drawn) / 3))
}

/**
 * How much more often a beacon is one that the attacker likes if he mines with share a and throws away each block whose
 * beacon he dislikes. With p the chance that a beacon pleases him, P = p + (1 − p)·a·P, so P/p = 1/(1 − a·(1 − p)),
 * which never exceeds 1/(1 − a).
 */
export const grindingGain = (minerShare: number, likes = 0): number => 1 / (1 - minerShare * (1 - likes))

/** Blocks thrown away for each beacon, on average: what grinding costs him. */
export const grindingCost = (minerShare: number, likes: number): number => {
  const discarded = minerShare * (1 - likes)
  return discarded / (1 - discarded)
}

/** P(who keeps this share of the chain, by the measure of R-CHAL-2, has every sample of a challenge). */
export const chainCoverage = (kept: number, samples: number): number => kept ** samples

/** P(at least a majority of `committee` challenges succeed, each with this chance). */
export const majoritySucceeds = (chance: number, committee: number): number => {
  let sum = 0
  for (let x = majorityOf(committee); x <= committee; x++) {
    sum += Math.exp(logChoose(committee, x)) * chance ** x * (1 - chance) ** (committee - x)
  }
  return Math.min(1, sum)
}

/** Seats that may be hops and share a prefix: R-RELAY-1 draws at most one of them for a circuit. */
export interface PrefixClass {
  seats: number
  attackers: number
}

/** Beyond this many sets of drawn kinds the sum of `circuitBothEnds` is not worked out. */
const maxDrawnSets = 200_000

/**
 * P(first and last hop of a circuit of `hops` are the attacker's), hops drawn one after the other, each uniformly from the
 * seats whose prefix is not yet on the path (R-RELAY-1), given that the draw succeeds. Exact, by summing over the sizes
 * of the classes drawn; classes alike are taken together. One hop is both ends. Null if that are too many sums.
 */
export const circuitBothEnds = (classes: readonly PrefixClass[], hops: number): number | null => {
  const kinds = [...Map.groupBy(classes, ({ seats, attackers }) => `${seats}/${attackers}`).values()].map(
    (alike) => ({ ...alike[0]!, classes: alike.length }),
  )
  const seats = classes.reduce((sum, one) => sum + one.seats, 0)
  const attackers = classes.reduce((sum, one) => sum + one.attackers, 0)
  if (classes.length < hops || seats === 0) return 0
  if (hops === 1) return attackers / seats
  if (choose(kinds.length + hops - 2, hops - 1) > maxDrawnSets) return null
  // P(the last hop is his), by the kinds drawn so far: in which order they were drawn does not matter any more.
  const known = new Map<string, number>()
  const lastIsHis = (drawn: readonly number[], places: number, left: PrefixClass): number => {
    if (places === 1) return left.attackers / left.seats
    const key = drawn.join()
    const found = known.get(key)
    if (found !== undefined) return found
    let chance = 0
    for (const [i, kind] of kinds.entries()) {
      const undrawn = kind.classes - drawn[i]!
      if (undrawn === 0) continue
      const rest = { seats: left.seats - kind.seats, attackers: left.attackers - kind.attackers }
      chance +=
        ((undrawn * kind.seats) / left.seats) * lastIsHis(drawn.with(i, drawn[i]! + 1), places - 1, rest)
    }
    known.set(key, chance)
    return chance
  }
  let chance = 0
  const none = kinds.map(() => 0)
  for (const [i, kind] of kinds.entries()) {
    if (kind.attackers === 0) continue
    const rest = { seats: seats - kind.seats, attackers: attackers - kind.attackers }
    chance += ((kind.classes * kind.attackers) / seats) * lastIsHis(none.with(i, 1), hops - 1, rest)
  }
  return chance
}

/**
 * The same where every prefix has `perPrefix` seats and the attacker's prefixes are all his: A/N · (A − s)/(N − s), for
 * any number of hops from two on. With one seat in each, which is no rule at all, nearly f².
 */
export const circuitBothEndsEven = (seats: number, attackers: number, perPrefix = 1): number =>
  attackers < perPrefix ? 0 : ((attackers / seats) * (attackers - perPrefix)) / (seats - perPrefix)

/** P(something of this chance happens at least once in so many independent trials). */
export const linkedAtLeastOnce = (chance: number, trials: number): number => 1 - (1 - chance) ** trials

const choose = (n: number, k: number): number => Math.round(Math.exp(logChoose(n, k)))
