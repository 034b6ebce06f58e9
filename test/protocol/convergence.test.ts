import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  bitfieldOf,
  bytesToHex,
  type ChainName,
  decodeAttestation,
  type EquivocationProof,
  hasBit,
  indexOfSeat,
  type SignedAttestation,
  type Week,
} from '../../protocol/index.ts'
import { tallyBytes } from '../../protocol/tally/document.ts'
import {
  type CollectedEpoch,
  collect,
  createCollectedEpoch,
  rootOfStanding,
  standingAttestations,
} from './collected.ts'
import {
  attestationOf,
  epochOf,
  genesis,
  networkId,
  nodesOf,
  paramsWith,
  signAttestation,
} from './fixture.ts'
import { type AttestedInput, createTally } from './judged.ts'

const nodes = nodesOf(9)
const epochs = [2, 3].map((number) => epochOf(nodes, number, 5))
const equivocators = [1, 4]

/** All that is ever sent: one attestation of most seats and epochs, and two of the equivocators in epoch 2. */
const sent: SignedAttestation[] = epochs.flatMap((epoch, e) =>
  nodes.flatMap((node, index) => {
    if (e === 1 && index === 7) return []
    const first = signAttestation(
      attestationOf(epoch, index, (target) => (target === 8 ? 2 : 0)),
      node.sign,
    )
    if (e !== 0 || !equivocators.includes(index)) return [first]
    return [
      first,
      signAttestation(
        attestationOf(epoch, index, () => 7),
        node.sign,
      ),
    ]
  }),
)

interface Node {
  collected: CollectedEpoch[]
  proofs: Map<number, EquivocationProof>
}

const createNode = (): Node => ({
  collected: epochs.map(({ epoch, beacon }) => createCollectedEpoch(epoch, beacon)),
  proofs: new Map(),
})

const receive = (node: Node, message: SignedAttestation, height: number): void => {
  const epoch = node.collected.find(({ epoch }) => epoch === message.attestation.epoch)!
  const outcome = collect(epoch, message, height)
  if (outcome.is === 'equivocation') node.proofs.set(message.attestation.seat, outcome.proof)
}

/** R-SYNC-1 without its network: whatever one side holds and the other does not, and the proofs. */
const sync = (node: Node, other: Node): void => {
  for (const [i, theirs] of other.collected.entries()) {
    const has = bitfieldOf(nodes.length, (index) => node.collected[i]!.bySeat.has(nodes[index]!.seat))
    for (const [index, { seat }] of nodes.entries()) {
      const held = theirs.bySeat.get(seat)
      if (held === undefined || hasBit(has, index)) continue
      const attestation = decodeAttestation(held.signed.payload)!
      receive(node, { attestation, cid: held.cid, signed: held.signed }, 0)
    }
  }
  for (const [seat, proof] of other.proofs) node.proofs.set(seat, proof)
}

const tallyOf = (node: Node): Uint8Array => {
  const input: AttestedInput = {
    networkId,
    chain: genesis.chain as ChainName,
    week: '2026-W47' as Week,
    state: 'anchored',
    params: paramsWith({ committee: 5 }),
    checkpoint: null,
    anchor: null,
    equivocators: new Set(node.proofs.keys()),
    fund: 1_000_003n,
    epochs: node.collected.map(({ epoch, beacon, bySeat }) => ({
      epoch,
      beacon,
      snapshot: nodes,
      attestations: nodes.map(({ seat }) => {
        const held = bySeat.get(seat)
        return held === undefined ? undefined : decodeAttestation(held.signed.payload)!
      }),
    })),
  }
  return tallyBytes(createTally(input).document)
}

const rootsOf = (node: Node): string[] =>
  node.collected.map((epoch) =>
    bytesToHex(rootOfStanding(standingAttestations(epoch, new Set(node.proofs.keys())))),
  )

describe('R-SYNC-1 any order, repetition or loss, then sync', () => {
  /** The order in which messages come to a node: any, some never, some twice. */
  const course = fc.array(fc.nat(sent.length - 1), { maxLength: 3 * sent.length })

  test('R-SYNC-1 nodes that got different messages hold the same standing set and tally the same bytes', () => {
    const reference = createNode()
    for (const message of sent) receive(reference, message, 0)
    const expected = tallyOf(reference)
    fc.assert(
      fc.property(course, course, (a, b) => {
        const [one, two] = [createNode(), createNode()]
        for (const [node, order] of [
          [one, a],
          [two, b],
        ] as const) {
          for (const [height, i] of order.entries()) receive(node, sent[i]!, height)
        }
        // A third has everything, in the other order: with it every proof becomes known.
        const third = createNode()
        for (const message of sent.toReversed()) receive(third, message, 0)
        for (const [node, from] of [
          [one, two],
          [one, third],
          [two, one],
          [third, one],
          [two, third],
        ] as const)
          sync(node, from)
        expect(rootsOf(one)).toEqual(rootsOf(third))
        expect(rootsOf(two)).toEqual(rootsOf(third))
        for (const node of [one, two, third]) expect(tallyOf(node)).toEqual(expected)
      }),
      { numRuns: 100 },
    )
  })

  test('R-ATT-3 which of two payloads came first leaves no trace once the proof is known', () => {
    const [forward, backward] = [createNode(), createNode()]
    for (const message of sent) receive(forward, message, 0)
    for (const message of sent.toReversed()) receive(backward, message, 0)
    const firstOf = (node: Node) => node.collected[0]!.bySeat.get(nodes[1]!.seat)!.cid.toString()
    expect(firstOf(forward)).not.toBe(firstOf(backward))
    expect(new Set(forward.proofs.keys())).toEqual(new Set(equivocators.map((index) => nodes[index]!.seat)))
    expect(rootsOf(forward)).toEqual(rootsOf(backward))
    expect(forward.proofs.get(nodes[1]!.seat)).toEqual(backward.proofs.get(nodes[1]!.seat))
  })

  test('R-SYNC-1 the first of a seat is held since its height; the same again is known', () => {
    const node = createNode()
    const message = sent[0]!
    expect(collect(node.collected[0]!, message, 7)).toMatchObject({
      is: 'first',
      held: { heldAt: 7, seat: message.attestation.seat },
    })
    expect(collect(node.collected[0]!, message, 9)).toEqual({ is: 'known' })
    expect(() => collect(node.collected[1]!, message, 9)).toThrow('another epoch')
  })

  test('R-SYNC-1 bit i is bit i mod 8 of byte i / 8', () => {
    expect(bitfieldOf(10, (i) => i === 0 || i === 9)).toEqual(Uint8Array.of(1, 2))
    expect(bitfieldOf(0, () => true)).toEqual(new Uint8Array(0))
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 50 }), (bits) => {
        const field = bitfieldOf(bits.length, (i) => bits[i]!)
        expect(field.length).toBe(Math.ceil(bits.length / 8))
        expect(bits.map((_, i) => hasBit(field, i))).toEqual(bits)
        expect(hasBit(field, 400)).toBe(false)
      }),
    )
    expect(indexOfSeat(nodes, nodes[3]!.seat)).toBe(3)
  })
})
