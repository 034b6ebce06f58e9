import type { Finding } from '../alerts/finding.ts'
import { remedies } from './codes.ts'
import type { ObservedVisits, Observations } from './observations.ts'

/** Challengers who are down themselves or find their chain behind: of ten, one may stay away by its own doing. */
const shareOfHonest = 0.9
/** So unlikely must it be that no more came by chance, before anything is said: once in 500 epochs. */
const maxChance = 0.002

/** How many challengers should have come by now. */
export const visitsDue = ({ challengers, share }: ObservedVisits): number => challengers.length * share

/** R-CHAL-1: whether the challengers of the epoch come. Null while it is too early to say. */
export const judgeVisits = ({ visits, seat }: Observations): Finding[] | null => {
  if (visits === null || visits.challengers.length === 0) return null
  const { challengers, epoch } = visits
  const k = challengers.length
  const missing = challengers.filter(({ came }) => !came)
  const came = k - missing.length
  // More than half came: whatever the rest says, it is not the majority.
  if (2 * came > k) return []
  if (chanceOfAtMost(came, k, shareOfHonest * visits.share) > maxChance) return null
  const who = missing.map(({ seat: one, host }) => `seat ${one} (${host})`).join(', ')
  return [
    {
      code: 'visits-missing',
      subject: `seat ${seat ?? '?'}`,
      severity: 'warning',
      title: came === 0 ? 'no challenger comes' : `only ${came} of ${k} challengers came`,
      detail:
        `In epoch ${epoch} ${came} of ${k} challengers have asked this node, where about ` +
        `${Math.round(visitsDue(visits))} should have by now. Who cannot reach it will say so, and an epoch of which ` +
        `more than half say so is lost (R-TALLY-1). Not seen: ${who}.`,
      remedy: remedies['visits-missing'],
      evidence: [],
    },
  ]
}

/** P(X ≤ `most`) of a binomial with `n` tries of chance `p`. */
export const chanceOfAtMost = (most: number, n: number, p: number): number => {
  let sum = 0
  for (let i = 0; i <= most; i++) sum += choose(n, i) * p ** i * (1 - p) ** (n - i)
  return Math.min(1, sum)
}

const choose = (n: number, k: number): number => {
  let product = 1
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i
  return product
}
