import { PassThrough } from 'node:stream'
import { beforeAll, expect, test } from 'vitest'
import {
  type Anchor,
  type ChainWeeks,
  cidOf,
  type Epoch,
  epochPhases,
  type Signed,
  type WeekRecord,
} from '../../protocol/index.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import { createAttestationStore } from '../../src/store/attestations.ts'
import { createCheckpointStore } from '../../src/store/checkpoints.ts'
import { createEvidenceStore } from '../../src/store/evidence.ts'
import { createMemoryStore } from '../../src/store/memory-store.ts'
import { createAdmission } from '../../src/week/admission.ts'
import { exportBundle } from '../../src/week/bundle.ts'
import { importAnchored, type ImportTarget } from '../../src/week-io/import-bundle.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { genesis, networkId, seedOf } from '../protocol/fixture.ts'
import { type AnchoredSet, createAnchoredSet, params, type SetOptions, week } from '../week/anchored-set.ts'

const bundleOf = async (set: AnchoredSet): Promise<Uint8Array> => {
  const out = new PassThrough()
  const written = exportBundle(set.source, week, sinkOf(out), { sha256, withEvidence: true })
  const [chunks] = await Promise.all([out.toArray() as Promise<Uint8Array[]>, written])
  return new Uint8Array(Buffer.concat(chunks))
}

const anchorOf = (set: AnchoredSet): Anchor => ({
  height: 500,
  blockHash: seedOf('anchor'),
  index: 1,
  week,
  view: 0,
  checkpoint: set.chain.anchored,
})

const weeksWith = (anchor: Anchor | null): ChainWeeks => {
  const record: WeekRecord = {
    week,
    first: 10 as Epoch,
    last: 12 as Epoch,
    freeze: { height: 400, hash: seedOf('F') },
    own: null,
    list: null,
    commits: null,
    covers: [],
    anchor,
    isPending: false,
  }
  return { records: [record], fullFrom: null, handedOn: null }
}

/** A real store in memory, on a chain that says what the set says. */
const targetOf = (set: AnchoredSet, anchor: Anchor | null = anchorOf(set)) => {
  const store = createMemoryStore()
  const attestations = createAttestationStore(store)
  const contexts = new Map(
    set.epochs.map(({ epoch, beacon, committees, nodes }): [Epoch, EpochContext] => [
      epoch,
      {
        epoch,
        week,
        params,
        beacon,
        snapshot: nodes,
        committees,
        phases: epochPhases(genesis, params.attestBlocks, epoch),
        rowOf: (seat) => nodes.find((node) => node.seat === seat),
      },
    ]),
  )
  const target: ImportTarget = {
    networkId,
    weeks: () => weeksWith(anchor),
    epochs: { get: async (epoch) => contexts.get(epoch) },
    checkpoints: createCheckpointStore(store),
    evidence: createEvidenceStore(store),
    admit: createAdmission(networkId, attestations, createEd25519Verifier({ maxKeys: 100 }), () => 600),
  }
  const heldOf = async (epoch: Epoch): Promise<Signed[]> =>
    (await Array.fromAsync(attestations.ofEpoch(epoch, contexts.get(epoch)!.beacon))).map(
      ({ signed }) => signed,
    )
  return { target, heldOf }
}

const opened = (bytes: Uint8Array) =>
  async function* () {
    yield bytes
  }

let set: AnchoredSet
let bytes: Uint8Array
const setWith = (options: SetOptions): AnchoredSet => createAnchoredSet({ equivocators: [2], ...options })

beforeAll(async () => {
  set = setWith({})
  bytes = await bundleOf(set)
})

test('R-CP-8 all that a bundle holds is in the store, under its roots', async () => {
  const { target, heldOf } = targetOf(set)
  const summary = await importAnchored(target, opened(bytes))
  expect(summary).toMatchObject({ weeks: [week], attestations: 15, evidence: 15 })
  for (const { epoch } of set.epochs) {
    const rows = set.rows.get(epoch)!
    expect((await heldOf(epoch)).map(({ payload }) => cidOf(payload).toString())).toEqual(
      rows.map(({ cid }) => cid.toString()),
    )
    const leaves = (await target.checkpoints.contents(set.chain.anchored, epoch))!
    expect(leaves.map(({ seat, cid }) => [seat, cid.toString()])).toEqual(
      rows.map(({ attestation, cid }) => [attestation.seat, cid.toString()]),
    )
  }
  expect(await target.checkpoints.get(set.chain.anchored)).toBeDefined()
})

test('R-ATT-4 a row without its own valid signature stays out, and is named', async () => {
  const [, node] = set.epochs[0]!.nodes
  const other = setWith({
    hand: (epoch, index, signed) =>
      epoch === 11 && index === 1 ? { ...signed, signature: new Uint8Array(64).fill(1) } : signed,
  })
  const { target, heldOf } = targetOf(other)
  await expect(importAnchored(target, opened(await bundleOf(other)))).rejects.toMatchObject({
    code: 'BUNDLE_UNSIGNED',
    exitCode: 3,
    message: expect.stringContaining(`seat ${node!.seat} in epoch 11`),
  })
  expect(await heldOf(11 as Epoch)).toHaveLength(4)
  expect(await heldOf(12 as Epoch)).toHaveLength(5)
})

test('R-CP-5 nothing comes in that the chain does not anchor, or anchors otherwise', async () => {
  const unanchored = targetOf(set, null)
  await expect(importAnchored(unanchored.target, opened(bytes))).rejects.toMatchObject({
    code: 'WEEK_NOT_ANCHORED',
    exitCode: 3,
  })
  const elsewhere = targetOf(set, { ...anchorOf(set), checkpoint: cidOf(seedOf('another')) })
  await expect(importAnchored(elsewhere.target, opened(bytes))).rejects.toMatchObject({
    code: 'BUNDLE_FOREIGN',
  })
  for (const { heldOf, target } of [unanchored, elsewhere]) {
    expect(await heldOf(10 as Epoch)).toEqual([])
    expect(await target.checkpoints.get(set.chain.anchored)).toBeUndefined()
  }
})

test('R-CP-8 a file that breaks off at its end leaves the store as it was', async () => {
  const { target, heldOf } = targetOf(set)
  await expect(importAnchored(target, opened(bytes.subarray(0, -1)))).rejects.toMatchObject({
    code: 'BUNDLE_CUT',
  })
  expect(await heldOf(12 as Epoch)).toEqual([])
  expect(await target.checkpoints.get(set.chain.anchored)).toBeUndefined()
})
