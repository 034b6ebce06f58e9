import { describe, expect, test } from 'vitest'
import {
  createStream,
  decodeCheckpoint,
  type Epoch,
  type ProposalAnswer,
  type RandomStream,
  type Seat,
  wantsAnswer,
} from '../../protocol/index.ts'
import { maxWants } from '../../protocol/checkpoint-messages.ts'
import { maxRevisions } from '../../protocol/proposing.ts'
import {
  betweenBounds,
  type CertifierNetwork,
  type CertifierNode,
  createCertifierNetwork,
  inTime,
  tooLate,
} from './certifier-network.ts'
import { seedOf } from './fixture.ts'

/** Heights of the first view, until a certificate is known. */
const runView = (network: CertifierNetwork, heights = network.params.viewBlocks): void => {
  const { freezeHeight, published } = network
  for (let h = freezeHeight; h < freezeHeight + heights && published.length === 0; h++) network.advance(h)
}

const listedSeats = (network: CertifierNetwork, epoch: Epoch): Seat[] => {
  const name = network.published[0]!.checkpoint.toString()
  const offer = network.nodes.flatMap((node) => node.offers.get(name) ?? [])[0]!
  expect(decodeCheckpoint(offer.bytes).is).toBe('ok')
  return offer.rowsByEpoch.get(epoch)!.map(({ seat }) => seat)
}

const epochsOf = (network: CertifierNetwork): Epoch[] => network.epochs.map(({ epoch }) => epoch)

const rowOf = (network: CertifierNetwork, epoch: Epoch, seat: Seat) => ({
  epoch,
  seat,
  digest: network.attestation(epoch, seat).cid.multihash.digest,
})

const noWants = { missing: [], late: [], proofs: [] }

/** Nodes in the order of their positions in the first view: the first proposes first. */
const byPosition = (network: CertifierNetwork): CertifierNode[] =>
  network.certifiers(0).map(({ seat }) => network.nodeOf(seat))

/** Rounds of each proposer of a view. */
const roundsByProposer = (network: CertifierNetwork): number[] => {
  const counts = new Map<string, number>()
  for (const name of network.proposals) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts.values()]
}

/**
 * Of some epochs a liar released its own attestation as block b(e + 2) spread: a part of the nodes took it in time. Of
 * the others it withheld it, and misses another one of these in each answer.
 */
const dribbling = (count: number, timed: number, share: number, seed: string): CertifierNetwork => {
  const network = createCertifierNetwork(count, { viewBlocks: 8 }, { epochs: 42, signs: false })
  const [liar] = byPosition(network).slice(-1)
  const stream = createStream(seedOf('dribble', seed))
  for (const node of network.nodes) {
    if (node === liar) continue
    for (const [i, epoch] of epochsOf(network).entries()) {
      const attestation = network.attestation(epoch, liar!.seat)
      if (i < timed && stream.below(100) < 100 * share) network.hold(node, attestation, tooLate(epoch) - 1)
      else node.held.get(epoch)!.delete(liar!.seat)
    }
  }
  network.freeze()
  const withheld = epochsOf(network).slice(timed)
  const asked = new Map<Seat, number>()
  liar!.lie = (_offer, from) => {
    const round = asked.get(from) ?? 0
    asked.set(from, round + 1)
    return wantsAnswer({
      ...noWants,
      missing: [rowOf(network, withheld[round % withheld.length]!, liar!.seat)],
    })
  }
  return network
}

describe('R-CP-3 a certifier that misses another attestation in each round', () => {
  test.each([
    [16, 16, 0.5],
    [16, 8, 0.5],
    [10, 1, 0.5],
    [10, 4, 0.5],
    [10, 20, 0.35],
    [10, 20, 0.65],
  ])(
    'of %i, %i of them held in time by a share of %f, spoils no more than two rounds',
    (count, timed, share) => {
      const network = dribbling(count, timed, share, `${count}:${timed}:${share}`)
      runView(network, 1)
      expect(network.published).toHaveLength(1)
      expect(network.proposals.length).toBeLessThanOrEqual(3)
    },
  )

  test('spoils nothing when it does so before the honest ones have time to answer', () => {
    const network = createCertifierNetwork(
      128,
      { viewBlocks: 80, certifiers: 128 },
      { epochs: 8, signs: false },
    )
    const nodes = byPosition(network)
    const liars = nodes.slice(-8)
    for (const { seat } of liars) {
      for (const node of nodes) {
        if (!liars.includes(node)) for (const epoch of epochsOf(network)) node.held.get(epoch)!.delete(seat)
      }
    }
    network.freeze()
    for (const [i, node] of nodes.slice(1, -8).entries()) {
      if (i % 6 !== 0) node.isBusyUntil = network.freezeHeight + 1
    }
    let asked = 0
    for (const liar of liars) {
      liar.lie = () => {
        const missing = [rowOf(network, epochsOf(network)[asked++ % 8]!, liar.seat)]
        return wantsAnswer({ ...noWants, missing })
      }
    }
    network.advance(network.freezeHeight)
    expect(network.published).toEqual([])
    expect(nodes[0]!.state.proposing!.revision).toBeLessThanOrEqual(2)
    network.advance(network.freezeHeight + 1)
    expect(network.published).toHaveLength(1)
    expect(network.proposals.every((name) => name === `0:${nodes[0]!.seat}`)).toBe(true)
  })
})

describe('R-CP-3 what a proposer lists of what is disputed', () => {
  test('is judged together: two attestations, each missed by another fifth', () => {
    const network = createCertifierNetwork(20, { viewBlocks: 80 }, { signs: false })
    const nodes = byPosition(network)
    const [a, b] = [nodes[18]!.seat, nodes[19]!.seat]
    const epoch = epochsOf(network)[1]!
    for (const [i, node] of nodes.entries()) {
      for (const [seat, from] of [
        [a, 1],
        [b, 5],
      ] as const) {
        const heldAt =
          i === 0 ? tooLate(epoch) : i >= from && i < from + 4 ? inTime(epoch) : betweenBounds(epoch)
        network.hold(node, network.attestation(epoch, seat), heldAt)
      }
    }
    network.freeze()
    runView(network, 2)
    expect(network.published).toHaveLength(1)
    expect(new Set(network.proposals)).toEqual(new Set([`0:${nodes[0]!.seat}`]))
    // With one of them enough can vote; the proposer itself cannot.
    expect(listedSeats(network, epoch).filter((seat) => seat === a || seat === b)).toHaveLength(1)
  })

  test('leaves out what a fifth of liars miss and another fifth calls late', () => {
    const network = createCertifierNetwork(100, { viewBlocks: 80 }, { signs: false })
    const nodes = byPosition(network)
    const epoch = epochsOf(network)[1]!
    const { seat } = nodes[99]!
    for (const [i, node] of nodes.entries()) {
      const heldAt = i >= 1 && i < 20 ? tooLate(epoch) : betweenBounds(epoch)
      network.hold(node, network.attestation(epoch, seat), heldAt)
    }
    network.freeze()
    const missing = [rowOf(network, epoch, seat)]
    for (const node of nodes.slice(-20)) node.lie = () => wantsAnswer({ ...noWants, missing })
    runView(network, 1)
    expect(network.published).toHaveLength(1)
    expect(network.proposals).toHaveLength(2)
    expect(listedSeats(network, epoch)).not.toContain(seat)
  })

  test('is never what it held by mustHold, though a third call everything late', () => {
    const network = createCertifierNetwork(16, {}, { signs: false })
    const nodes = byPosition(network)
    network.freeze()
    const late = epochsOf(network).flatMap((epoch) => nodes.map(({ seat }) => ({ epoch, seat })))
    for (const node of nodes.slice(-6)) node.lie = () => wantsAnswer({ ...noWants, late })
    runView(network)
    expect(network.published).toEqual([])
    for (const node of nodes.slice(0, 10)) {
      for (const { rowsByEpoch } of node.offers.values()) {
        for (const epoch of epochsOf(network)) expect(rowsByEpoch.get(epoch)).toHaveLength(16)
      }
    }
    // One fewer, and each payload is enough.
    const other = createCertifierNetwork(16, {}, { signs: false })
    other.freeze()
    for (const node of byPosition(other).slice(-5)) node.lie = () => wantsAnswer({ ...noWants, late })
    runView(other)
    expect(other.proposals).toHaveLength(1)
    for (const epoch of epochsOf(other)) expect(listedSeats(other, epoch)).toHaveLength(16)
  })

  test('is told to a proposer that was away in as many answers as it takes, whatever a liar adds to them', () => {
    const network = createCertifierNetwork(16, { viewBlocks: 80 }, { epochs: 22, others: 112, signs: false })
    const nodes = byPosition(network)
    const [away, liar] = [nodes[0]!, nodes[15]!]
    const epochs = epochsOf(network)
    expect(epochs.length * 128).toBeGreaterThan(2 * maxWants)
    for (const node of nodes) {
      if (node !== liar) for (const epoch of epochs) node.held.get(epoch)!.delete(liar.seat)
    }
    away.ranThrough = false
    for (const rows of away.held.values()) rows.clear()
    network.freeze()
    const late = epochs.flatMap((epoch) => network.seats.map((seat) => ({ epoch, seat }))).slice(0, maxWants)
    let asked = 0
    liar.lie = () =>
      wantsAnswer({ ...noWants, missing: [rowOf(network, epochs[asked++ % 22]!, liar.seat)], late })
    runView(network, 8)
    expect(network.published).toHaveLength(1)
    expect(new Set(network.proposals)).toEqual(new Set([`0:${away.seat}`]))
    for (const epoch of epochs) expect(listedSeats(network, epoch)).toHaveLength(127)
  })
})

/** What a liar answers, knowing what every other certifier holds. */
type Strategy = (round: number, listed: (epoch: Epoch, seat: Seat) => boolean) => ProposalAnswer | undefined

interface Dispute {
  epoch: Epoch
  seat: Seat
  /** Honest certifiers must list it or may, or may list it or hold it as late; of withheld ones they know nothing. */
  is: 'must-or-may' | 'may-or-late' | 'withheld'
}

const strategiesOf = (
  network: CertifierNetwork,
  disputes: readonly Dispute[],
  random: RandomStream,
): readonly Strategy[] => {
  const row = ({ epoch, seat }: Dispute) => rowOf(network, epoch, seat)
  const all = epochsOf(network).flatMap((epoch) => network.seats.map((seat) => ({ epoch, seat })))
  const withheld = disputes.filter(({ is }) => is === 'withheld')
  const real = disputes.filter(({ is }) => is !== 'withheld')
  const wants = (
    missing: readonly Dispute[],
    late: readonly { epoch: Epoch; seat: Seat }[],
  ): ProposalAnswer => wantsAnswer({ ...noWants, missing: missing.map(row), late })
  const against: Strategy = (_, listed) =>
    wants(
      real.filter((one) => one.is === 'may-or-late' && !listed(one.epoch, one.seat)),
      real.filter((one) => one.is === 'must-or-may' && listed(one.epoch, one.seat)),
    )
  const turn = random.below(16)
  return [
    () => undefined,
    () => ['later', 'busy'],
    () => ['refused', 'contents-unavailable'],
    () => wants([], all.slice(0, maxWants)),
    (round) => wants(withheld.slice(round % (withheld.length || 1)).slice(0, 1), []),
    (round) => wants([], [all[(round * 7 + turn) % all.length]!]),
    (round) =>
      wants(
        real.filter((_, i) => i % 3 === round % 3),
        real.filter((_, i) => i % 3 !== round % 3),
      ),
    against,
    // One after the other, each in a round of its own.
    (round, listed) => (round === turn ? against(round, listed) : ['later', 'busy']),
    (round) =>
      round === turn ? wants(withheld.slice(turn % (withheld.length || 1)), []) : ['later', 'busy'],
    (round, listed) =>
      round < 2 ? against(round, listed) : wants(withheld.slice(round % 7).slice(0, 1), []),
  ]
}

/** Fewer than a third are liars; honest nodes hold nothing that one of them must list and another has too late. */
const quarrelling = (seed: number): { network: CertifierNetwork; liars: ReadonlySet<CertifierNode> } => {
  const random = createStream(seedOf('quarrel', seed))
  const count = [10, 13, 16, 22][random.below(4)]!
  const network = createCertifierNetwork(count, { viewBlocks: 24 }, { epochs: 6, signs: false })
  const most = Math.ceil(count / 3) - 1
  const liars = new Set<CertifierNode>()
  while (liars.size < most - random.below(2)) liars.add(network.nodes[random.below(count)]!)
  const disputes: Dispute[] = []
  for (const { seat } of liars) {
    for (const epoch of epochsOf(network)) {
      const is = (['must-or-may', 'may-or-late', 'withheld', null] as const)[random.below(4)]!
      if (is !== null) disputes.push({ epoch, seat, is })
    }
  }
  for (const { epoch, seat, is } of disputes) {
    const share = 1 + random.below(9)
    for (const node of network.nodes) {
      const isFirst = random.below(10) < share
      if (liars.has(node)) continue
      if (is === 'must-or-may')
        network.hold(node, network.attestation(epoch, seat), isFirst ? inTime(epoch) : betweenBounds(epoch))
      else if (is === 'may-or-late' && isFirst)
        network.hold(node, network.attestation(epoch, seat), betweenBounds(epoch))
      else node.held.get(epoch)!.delete(seat)
    }
  }
  network.freeze()
  const isTogether = random.below(2) === 0
  const together = random.below(11)
  for (const liar of liars) {
    const strategies = strategiesOf(network, disputes, random)
    const strategy = strategies[isTogether ? together : random.below(strategies.length)]!
    const rounds = new Map<Seat, number>()
    liar.lie = (_offer, from) => {
      const round = rounds.get(from) ?? 0
      rounds.set(from, round + 1)
      const { cid } = network.nodeOf(from).state.proposing!.payload!
      const { rowsByEpoch } = network.nodeOf(from).offers.get(cid.toString())!
      return strategy(round, (epoch, seat) => rowsByEpoch.get(epoch)!.some((row) => row.seat === seat))
    }
  }
  return { network, liars }
}

test('R-CP-3 with fewer than a third of liars and all honest certifiers up, a payload of the first view is certified', () => {
  for (let seed = 1; seed <= 16; seed++) {
    const { network, liars } = quarrelling(seed)
    runView(network)
    expect(network.published.length, `seed ${seed}`).toBeGreaterThan(0)
    // A payload is new, or it goes out once at a height.
    for (const rounds of roundsByProposer(network)) {
      expect(rounds, `seed ${seed}`).toBeLessThanOrEqual(maxRevisions + network.params.viewBlocks)
    }
    for (const node of network.nodes.filter((one) => !liars.has(one))) {
      expect(node.offers.size).toBeLessThanOrEqual(maxRevisions)
      for (const epoch of epochsOf(network)) expectMustRows(node, epoch)
    }
  }
})

const expectMustRows = (node: CertifierNode, epoch: Epoch): void => {
  const must = [...node.held.get(epoch)!.values()].filter(({ heldAt }) => heldAt < betweenBounds(epoch))
  for (const { rowsByEpoch } of node.offers.values()) {
    const listed = new Set(rowsByEpoch.get(epoch)!.map(({ seat }) => seat))
    for (const { seat } of must) expect(listed.has(seat)).toBe(true)
  }
}
