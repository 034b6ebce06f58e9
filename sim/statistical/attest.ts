import { Verdict } from '../../protocol/index.ts'
import type { ActorStream } from '../actor-stream.ts'
import type { Actor } from '../population.ts'
import { nameFalsely } from './false-address.ts'
import { cellOf, challengerAt, countChallengers, type Ring } from './ring.ts'

/**
 * What attackers write instead of what they saw. Marks in `withoutReceipts` (by node) those whose verdicts 0 have no
 * receipts behind them, for the audit two epochs later.
 */
export const attestAsAttackers = (
  ring: Ring,
  streams: readonly ActorStream[],
  withoutReceipts: Uint8Array,
): void => {
  // Who copies reads what the others wrote, so he comes last.
  const writers = ring.actors.filter(({ isAttacker }) => isAttacker)
  for (const actor of writers) if (!actor.strategies.has('copycat')) write(ring, actor, streams[actor.index]!)
  for (const actor of writers) if (actor.strategies.has('copycat')) copy(ring, actor)
  for (const actor of writers) {
    const falsely = actor.strategies.get('false-address')
    if (falsely?.kind === 'false-address') nameFalsely(ring, actor, falsely.lie)
  }
  for (const actor of writers) {
    if (actor.strategies.has('lazy') || actor.strategies.has('copycat'))
      markWithoutReceipts(ring, actor, withoutReceipts)
  }
}

const write = (ring: Ring, actor: Actor, stream: ActorStream): void => {
  const { size, k } = ring.committees
  const { attests, verdicts } = ring.flat
  const vouches = actor.strategies.has('vouch')
  const isLazy = actor.strategies.has('lazy')
  const accuse = actor.strategies.get('accuse')
  if (actor.strategies.has('silent')) {
    for (let position = 0; position < size; position++)
      if (ring.actorAt[position] === actor.index) attests[position] = 0
    return
  }
  if (!vouches && !isLazy && accuse === undefined) return
  const own = new Uint8Array(size)
  for (let position = 0; position < size; position++)
    own[position] = ring.actorAt[position] === actor.index ? 1 : 0
  const colluders = countChallengers(ring.committees, own)
  for (let position = 0; position < size; position++) {
    if (own[position] === 0) continue
    for (let i = 0; i < k; i++) {
      const target = (position + 1 + i) % size
      const cell = position * k + i
      if (own[target] === 1) {
        if (vouches || isLazy) verdicts[cell] = Verdict.valid
      } else if (accuse?.kind === 'accuse') {
        const isWorthIt = accuse.when === 'always' || 2 * colluders[target]! > k
        // A timeout leaves no evidence that anybody could check.
        if (isWorthIt && (accuse.share === 1 || stream.uniform() < accuse.share))
          verdicts[cell] = Verdict.timeout
      } else if (isLazy) verdicts[cell] = Verdict.valid
    }
  }
}

const copy = (ring: Ring, actor: Actor): void => {
  const { size, k } = ring.committees
  const { attests, verdicts } = ring.flat
  const isCopy = (position: number): boolean => ring.actorAt[position] === actor.index
  for (let target = 0; target < size; target++) {
    let valid = 0
    let others = 0
    for (let i = 0; i < k; i++) {
      const challenger = challengerAt(ring, target, i)
      if (isCopy(challenger) || attests[challenger] === 0) continue
      others++
      if (verdicts[cellOf(ring, target, i)] === Verdict.valid) valid++
    }
    const verdict = 2 * valid >= others ? Verdict.valid : Verdict.unreachable
    for (let i = 0; i < k; i++) {
      if (isCopy(challengerAt(ring, target, i))) verdicts[cellOf(ring, target, i)] = verdict
    }
  }
}

/** With no verdict 0 there is nothing to show receipts for (R-EVID-2). */
const markWithoutReceipts = (ring: Ring, actor: Actor, withoutReceipts: Uint8Array): void => {
  const { size, k } = ring.committees
  for (let position = 0; position < size; position++) {
    if (ring.actorAt[position] !== actor.index || ring.flat.attests[position] === 0) continue
    const row = ring.flat.verdicts.subarray(position * k, position * k + k)
    if (row.includes(Verdict.valid)) withoutReceipts[ring.nodeAt[position]!] = 1
  }
}
