import {
  type Attestation,
  type CheckpointFrame,
  cidOf,
  createProof,
  encodeCheckpoint,
  encodeEvidence,
  encodeProof,
  type Epoch,
  epochRoot,
  fillFrame,
  type Params,
  paramsHash,
  proofPagesOf,
  type Seat,
  seenFault,
  type Signed,
  type SignedAttestation,
  snapshotRootOf,
  Verdict,
  type Week,
} from '../../protocol/index.ts'
import type { WeekData } from '../../src/week/bundle.ts'
import type { WeekChain } from '../../src/week/verify-week.ts'
import {
  attestationOf,
  epochOf,
  networkId,
  nodesOf,
  paramsWith,
  seedOf,
  signAttestation,
  type TestEpoch,
} from '../protocol/fixture.ts'

export const week = '2026-W47' as Week
export const earlierWeek = '2026-W46' as Week
export const params = paramsWith({ committee: 3 })

export interface SetOptions {
  seats?: number
  params?: Params
  /** By week, in rising order. */
  epochs?: readonly (readonly [Week, readonly Epoch[]])[]
  equivocators?: readonly number[]
  /** Whether the attestation of the seat at `index` names its previous one. */
  isLinked?: (epoch: Epoch, index: number) => boolean
  /** Changes an attestation before it is signed. */
  change?: (epoch: Epoch, index: number, attestation: Attestation) => Attestation
  /** Changes what is handed out in place of a signed attestation. */
  hand?: (epoch: Epoch, index: number, signed: Signed) => Signed
  attests?: (epoch: Epoch, index: number) => boolean
}

/** A small anchored checkpoint with everything under it: real signatures, real roots, evidence for every attestation. */
export interface AnchoredSet {
  source: WeekData
  chain: WeekChain
  epochs: readonly TestEpoch[]
  rows: ReadonlyMap<Epoch, readonly SignedAttestation[]>
  equivocators: readonly Seat[]
}

export const createAnchoredSet = (options: SetOptions = {}): AnchoredSet => {
  const ofWeek = options.params ?? params
  const nodes = nodesOf(options.seats ?? 6)
  const byWeek = options.epochs ?? [[week, [10, 11, 12]]]
  const epochs = byWeek
    .flatMap(([, numbers]) => numbers)
    .map((epoch) => epochOf(nodes, epoch, ofWeek.committee))
  const equivocators = (options.equivocators ?? []).map((index) => nodes[index]!.seat)
  const evidence = new Map<string, Uint8Array>()
  const previous = new Map<number, SignedAttestation>()
  const rows = new Map<Epoch, SignedAttestation[]>()
  for (const testEpoch of epochs) {
    const { epoch, beacon, committees } = testEpoch
    const signedRows: SignedAttestation[] = []
    for (const [index, node] of nodes.entries()) {
      if (equivocators.includes(node.seat) || options.attests?.(epoch, index) === false) continue
      const block = encodeEvidence({
        networkId,
        epoch,
        beacon,
        seat: node.seat,
        entries: Array.from({ length: committees.k }, () => seenFault(Verdict.timeout, 'nothing')),
      })
      const evidenceCid = cidOf(block)
      evidence.set(evidenceCid.toString(), block)
      const linked = options.isLinked?.(epoch, index) ?? true
      const attestation = attestationOf(testEpoch, index, () => Verdict.valid, {
        evidence: evidenceCid,
        previous: linked ? (previous.get(index)?.cid ?? null) : null,
      })
      const signed = signAttestation(options.change?.(epoch, index, attestation) ?? attestation, node.sign)
      previous.set(index, signed)
      signedRows.push(signed)
    }
    rows.set(epoch, signedRows)
  }
  const [proofWeek] = byWeek[0]!
  const proofs = equivocators.map((seat) => {
    const index = nodes.findIndex((node) => node.seat === seat)
    const [one, two] = ['one', 'two'].map((label) => {
      const attestation = attestationOf(epochs[0]!, index, undefined, { evidence: cidOf(seedOf(label)) })
      return signAttestation(attestation, nodes[index]!.sign).signed
    })
    return encodeProof(createProof(one!, two!))
  })
  const pages = proofPagesOf(networkId, proofWeek, proofs)
  const frame: CheckpointFrame = {
    networkId,
    week: byWeek.at(-1)![0],
    freezeHash: seedOf('F'),
    previous: null,
    registryRoot: seedOf('registry'),
    handsOn: { count: nodes.length, root: seedOf('list') },
    weeks: byWeek.map(([name, numbers]) => ({
      week: name,
      paramsHash: paramsHash(ofWeek),
      income: 0n,
      epochs: numbers.map((epoch) => ({
        epoch,
        beacon: epochs.find((found) => found.epoch === epoch)!.beacon,
        seats: nodes.length,
        snapshotRoot: snapshotRootOf(nodes),
      })),
    })),
  }
  const leavesOf = (epoch: Epoch) =>
    rows.get(epoch)!.map(({ attestation, cid }) => ({ seat: attestation.seat, cid }))
  const payload = encodeCheckpoint(
    fillFrame(
      frame,
      (epoch) => ({ count: leavesOf(epoch).length, root: epochRoot(leavesOf(epoch)) }),
      (name) => (name === proofWeek ? pages.map(({ cid }) => cid) : []),
    ),
  )
  const blocks = new Map([...evidence, ...pages.map(({ cid, bytes }) => [cid.toString(), bytes] as const)])
  return {
    source: {
      checkpointOf: async () => payload,
      block: async (cid) => blocks.get(cid.toString()),
      async *attestations(_, { epoch }) {
        for (const { attestation, signed } of rows.get(epoch)!) {
          const index = nodes.findIndex((node) => node.seat === attestation.seat)
          yield options.hand?.(epoch, index, signed) ?? signed
        }
      },
    },
    chain: {
      anchored: cidOf(payload),
      frame,
      snapshotOf: async () => nodes,
      paramsOf: () => ofWeek,
    },
    epochs,
    rows,
    equivocators,
  }
}
