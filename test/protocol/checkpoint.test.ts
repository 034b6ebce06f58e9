import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import {
  type Attestation,
  certifiersOf,
  type Checkpoint,
  checkpointAnswerCodec,
  type CheckpointFrame,
  checkpointRequestCodec,
  checkCertificate,
  checkFrame,
  cidOf,
  chooseContents,
  compareContents,
  listedAgain,
  createEpochProofs,
  createProof,
  decodeCertificate,
  decodeCheckpoint,
  encodeCanonical,
  encodeCheckpoint,
  encodeProof,
  epochRoot,
  fillFrame,
  hash,
  hexToBytes,
  maxCheckpointBytes,
  merklePath,
  nobleBls,
  parseAnchor,
  proofPagesOf,
  proposalAnswerCodec,
  proposalRequestCodec,
  readProofPages,
  registryRootOf,
  type SeatRecord,
  seniorityStart,
  takeSeniors,
  verifyAbsence,
  wantsAnswer,
  type Week,
  snapshotRootOf,
} from '../../protocol/index.ts'
import { maxWants, readWants } from '../../protocol/checkpoint-messages.ts'
import { checkpointCid, maxCheckpointEpochs } from '../../protocol/checkpoint.ts'
import {
  type AbsenceProof,
  decodeInclusion,
  encodeInclusion,
  proveInclusion,
  verifyInclusion,
} from '../../protocol/inclusion.ts'
import { attestationLeaf, merkleRoot } from '../../protocol/merkle.ts'
import { maxAmount } from '../../protocol/params.ts'
import { decodeProofPage, maxPageProofs } from '../../protocol/proof-page.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import {
  attestationOf,
  epochOf,
  genesis,
  networkId,
  nodesOf,
  seedOf,
  signAttestation,
  type TestEpoch,
} from './fixture.ts'

const { verify } = createEd25519Verifier({ maxKeys: 1_000 })
const week = '2026-W47' as Week
const earlier = '2026-W45' as Week
const nodes = nodesOf(9)
const epochs: readonly TestEpoch[] = [2, 3, 9].map((epoch) => epochOf(nodes, epoch, 3))

const frame: CheckpointFrame = {
  networkId,
  week,
  freezeHash: seedOf('F'),
  previous: { checkpoint: cidOf(seedOf('previous')), height: 900, blockHash: seedOf('anchor') },
  registryRoot: seedOf('registry'),
  handsOn: { count: 7, root: seedOf('list') },
  weeks: [
    { week: earlier, paramsHash: seedOf('old'), income: 3n, epochs: framed(epochs.slice(0, 2)) },
    { week, paramsHash: seedOf('new'), income: 5n, epochs: framed(epochs.slice(2)) },
  ],
}

function framed(list: readonly TestEpoch[]) {
  return list.map(({ epoch, beacon, nodes: snapshot }) => ({
    epoch,
    beacon,
    seats: snapshot.length,
    snapshotRoot: snapshotRootOf(snapshot),
  }))
}

const made = (epoch: TestEpoch, variant = 0) =>
  nodes.map((node, index) =>
    signAttestation(
      attestationOf(epoch, index, undefined, { evidence: cidOf(seedOf(epoch.epoch, index, variant)) }),
      node.sign,
    ),
  )

const rowsOf = (epoch: TestEpoch) =>
  made(epoch).map(({ attestation, cid }) => ({ seat: attestation.seat, cid }))

const checkpoint: Checkpoint = fillFrame(
  frame,
  (number) => {
    const rows = rowsOf(epochs.find(({ epoch }) => epoch === number)!)
    return { count: rows.length, root: epochRoot(rows) }
  },
  () => [],
)

describe('R-CP-1 the payload', () => {
  test('is read as it was written, and says of which chain it is', () => {
    const bytes = encodeCheckpoint(checkpoint)
    expect(decodeCheckpoint(bytes)).toEqual({ is: 'ok', value: checkpoint })
    expect(checkFrame(frame, checkpoint)).toEqual({ is: 'accept', value: undefined })
    expect(checkpointCid(checkpoint).equals(cidOf(bytes))).toBe(true)
  })

  test('is refused in any other form, whatever byte is changed', () => {
    const bytes = encodeCheckpoint(checkpoint)
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = bytes.slice()
        changed[at]! ^= change
        const decoded = decodeCheckpoint(changed)
        // What is still a payload is another one, with another id.
        if (decoded.is === 'ok') expect(encodeCheckpoint(decoded.value)).toEqual(changed)
      }),
      { numRuns: 500 },
    )
    expect(decodeCheckpoint(new Uint8Array(maxCheckpointBytes + 1))).toEqual({ is: 'bad', code: 'too-long' })
    expect(decodeCheckpoint(bytes.subarray(1))).toMatchObject({ is: 'bad' })
  })

  test('at its largest stays within its limit', () => {
    const one = {
      epoch: 0xffff_ffff,
      beacon: seedOf('b'),
      seats: 0xffff_ffff,
      snapshotRoot: seedOf('s'),
      count: 0xffff_ffff,
      root: seedOf('r'),
    }
    const largest: Checkpoint = {
      ...checkpoint,
      previous: { ...checkpoint.previous!, height: 0xffff_ffff },
      handsOn: { count: 0xffff_ffff, root: seedOf('list') },
      weeks: Array.from({ length: maxCheckpointEpochs }, (_, i) => ({
        week,
        paramsHash: seedOf('p'),
        income: maxAmount,
        epochs: [one],
        proofPages: i < 1_024 ? [cidOf(seedOf('page'))] : [],
      })),
    }
    const bytes = encodeCheckpoint(largest)
    // 8,192 · (118 + 55) + 1,024 · 41 + 248, as the rule has it.
    expect(bytes.length).toBe(1_459_448)
    expect(bytes.length).toBeLessThanOrEqual(maxCheckpointBytes)
    expect(decodeCheckpoint(bytes).is).toBe('ok')
    // A proposal of it fits its message, whatever seat and view it names.
    const proposal = proposalRequestCodec.encode([
      'propose',
      0xffff,
      0xffff_ffff,
      new Uint8Array(maxCheckpointBytes),
    ])
    expect(proposal.length).toBeLessThanOrEqual(proposalRequestCodec.maxBytes)
    // Four years of weeks that were all pending, each of 42 epochs: less than a megabyte.
    const week42 = { ...largest.weeks.at(-1)!, epochs: Array.from({ length: 42 }, () => one) }
    const waited = { ...largest, weeks: Array.from({ length: 195 }, () => week42) }
    expect(encodeCheckpoint(waited).length).toBe(195 * (42 * 118 + 56) + 247)
  })

  test('must list exactly the weeks, epochs and beacons of the chain', () => {
    const codeOf = (changes: Partial<Checkpoint>) => {
      const checked = checkFrame(frame, { ...checkpoint, ...changes })
      return checked.is === 'accept' ? 'accept' : checked.code
    }
    const [old, own] = checkpoint.weeks as [Checkpoint['weeks'][0], Checkpoint['weeks'][0]]
    const [row] = own.epochs as [(typeof own.epochs)[0]]
    expect(codeOf({ networkId: '0'.repeat(32) as typeof networkId })).toBe('checkpoint-network')
    expect(codeOf({ week: earlier })).toBe('checkpoint-week')
    expect(codeOf({ weeks: [own] })).toBe('checkpoint-weeks')
    expect(codeOf({ weeks: [own, old] })).toBe('checkpoint-weeks')
    expect(codeOf({ weeks: [old, { ...own, epochs: [row, row] }] })).toBe('checkpoint-epochs')
    expect(codeOf({ weeks: [old, { ...own, epochs: [{ ...row, beacon: seedOf('x') }] }] })).toBe(
      'checkpoint-epochs',
    )
    expect(codeOf({ weeks: [old, { ...own, epochs: [{ ...row, count: 10 }] }] })).toBe('checkpoint-count')
    const pages = Array.from({ length: 1_025 }, () => cidOf(seedOf('page')))
    expect(codeOf({ weeks: [old, { ...own, proofPages: pages }] })).toBe('checkpoint-pages')
  })
})

describe('R-CP-1 pages of proofs', () => {
  const [epoch] = epochs
  const keyOf = ({ epoch: number, beacon, seat }: Attestation) =>
    number === epoch!.epoch && beacon.every((byte, i) => byte === epoch!.beacon[i])
      ? nodes.find((node) => node.seat === seat)?.peer
      : undefined
  const twice = [made(epoch!), made(epoch!, 1)] as const
  const proofs = nodes.map((_, i) => encodeProof(createProof(twice[0][i]!.signed, twice[1][i]!.signed)))
  const pageOf = (list: readonly Uint8Array[]) => proofPagesOf(networkId, earlier, list)
  const read = (pages: readonly { bytes: Uint8Array }[]) =>
    readProofPages(
      networkId,
      earlier,
      pages.map(({ bytes }) => bytes),
      keyOf,
      verify,
    )

  test('hold one proof of each seat, in rising order', () => {
    const pages = pageOf(proofs)
    expect(pages).toHaveLength(1)
    const listed = read(pages)
    expect(listed.is === 'accept' && [...listed.value.keys()]).toEqual(nodes.map(({ seat }) => seat))
    expect(read([])).toMatchObject({ is: 'accept' })
    expect(read(pageOf(proofs.toReversed()))).toEqual({ is: 'reject', code: 'proofs-order' })
    expect(read(pageOf([proofs[0]!, proofs[0]!]))).toEqual({ is: 'reject', code: 'proofs-order' })
  })

  test('all but the last are full', () => {
    const many = Array.from({ length: maxPageProofs + 1 }, () => proofs[0]!)
    const pages = pageOf(many)
    expect(pages.map(({ bytes }) => decodeProofPage(bytes))).toMatchObject([
      { value: { proofs: many.slice(1) } },
      { value: { proofs: [proofs[0]] } },
    ])
    expect(read([...pageOf(proofs.slice(0, 3)), ...pageOf(proofs.slice(3))])).toEqual({
      is: 'reject',
      code: 'proofs-not-full',
    })
  })

  test('hold no proof of another week, network or seat, and none that is not signed', () => {
    const elsewhere = proofPagesOf(networkId, week, proofs)
    expect(read(elsewhere)).toEqual({ is: 'reject', code: 'proofs-of-another-week' })
    const [other] = [epochs[2]!]
    const stranger = encodeProof(createProof(made(other)[0]!.signed, made(other, 1)[0]!.signed))
    expect(read(pageOf([stranger]))).toEqual({ is: 'reject', code: 'equivocation-unknown-seat' })
    const forged = twice[0][0]!.signed
    const unsigned = encodeProof(
      createProof({ ...forged, signature: new Uint8Array(64) }, twice[1][0]!.signed),
    )
    expect(read(pageOf([unsigned]))).toEqual({ is: 'reject', code: 'equivocation-signature' })
    expect(read([{ bytes: encodeCanonical(['proofs', 1, networkId, earlier, []]) }])).toEqual({
      is: 'reject',
      code: 'proofs-wrong-shape',
    })
  })
})

const recordOf = (seat: number, changes: Partial<SeatRecord> = {}): SeatRecord => ({
  seat,
  stake: seedOf('stake', seat).slice(0, 20),
  peer: seedOf('peer', seat),
  host: `n${seat}.devnet.test`,
  p2p: 9_000,
  tls: 9_001,
  bls: Uint8Array.of(...seedOf('bls', seat), ...seedOf('more', seat).subarray(0, 16)),
  blsSince: 101,
  at: 100,
  announced: { height: 101, index: seat },
  activeSince: 101,
  ...changes,
})

test('R-CP-1 the registry root is that of RFC 6962 over every seat, retired ones too', () => {
  const records = [recordOf(0), recordOf(1, { activeSince: null }), recordOf(2)]
  const leaves = records.map((record) =>
    encodeCanonical([
      record.seat,
      record.stake,
      record.peer,
      record.host,
      record.p2p,
      record.tls,
      record.bls,
      record.at,
      record.activeSince,
    ]),
  )
  expect(registryRootOf(records)).toEqual(merkleRoot(leaves))
  expect(registryRootOf(records)).not.toEqual(registryRootOf(records.slice(0, 2)))
})

describe('R-CP-2 seniors and certifiers', () => {
  test('a seat counts from the last earlier week on, with one key and without a break', () => {
    const from = 200
    const seats = [
      recordOf(0, { activeSince: 200 }),
      recordOf(1, { activeSince: 201 }),
      recordOf(2, { activeSince: null }),
      recordOf(3, { blsSince: 201 }),
      recordOf(4, { blsSince: 200, activeSince: 150 }),
    ]
    expect(takeSeniors(seats, from).map(({ seat }) => seat)).toEqual([0, 4])
  })

  test('the start is the previous week, but not before the first full snapshot was taken', () => {
    const start = (epoch: number) => genesis.activationHeight + epoch * genesis.epochBlocks
    const both = { first: 10, last: 14 }
    expect(seniorityStart(genesis, both, 5, 2)).toBe(start(5))
    expect(seniorityStart(genesis, both, 5, 9)).toBe(start(8))
    expect(seniorityStart(genesis, both, null, 2)).toBe(start(10))
    expect(seniorityStart(genesis, both, null, 14)).toBe(start(13))
    expect(seniorityStart(genesis, both, 5, 15)).toBeNull()
    expect(seniorityStart(genesis, both, 5, null)).toBeNull()
  })

  test('each view draws its own, by beacon and number alone', () => {
    const seniors = Array.from({ length: 200 }, (_, seat) => ({ seat: 3 * seat, bls: seedOf('bls', seat) }))
    const drawn = certifiersOf(seniors, seedOf('beacon'), 0, 128)
    expect(drawn).toHaveLength(128)
    expect(new Set(drawn.map(({ seat }) => seat)).size).toBe(128)
    expect(certifiersOf(seniors, seedOf('beacon'), 1, 128)).not.toEqual(drawn)
    expect(certifiersOf(seniors, seedOf('beacon'), 0, 128)).toEqual(drawn)
    expect(certifiersOf(seniors, seedOf('other'), 0, 128)).not.toEqual(drawn)
    expect(certifiersOf(seniors.slice(0, 5), seedOf('beacon'), 0, 128)).toHaveLength(5)
  })

  test('is drawn as in R-COM-1 with the seed that the rule names', () => {
    // The whole shuffle of three, spelt out by hand from the stream of the seed.
    const seniors = [0, 1, 2].map((seat) => ({ seat, bls: seedOf(seat) }))
    const beacon = seedOf('beacon')
    const words = new DataView(Uint8Array.from(hashOf(hash('certifiers', beacon, 7))).buffer)
    const order = [0, 1, 2]
    const swap = (i: number, j: number): void => {
      ;[order[i], order[j]] = [order[j]!, order[i]!]
    }
    swap(2, words.getUint32(0) % 3)
    swap(1, words.getUint32(4) % 2)
    expect(certifiersOf(seniors, beacon, 7, 128).map(({ seat }) => seat)).toEqual(order)
  })
})

function hashOf(seed: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(seed).update(new Uint8Array(4)).digest())
}

describe('R-CP-3 contents', () => {
  const cid = (label: string) => cidOf(seedOf(label))
  const row = (seat: number, heldAt: number, label = 'a') => ({ seat, cid: cid(`${seat}${label}`), heldAt })
  const bounds = { mustHold: 100, closes: 120 }
  const none = new Set<number>()
  const contentsOf = (rows: readonly { seat: number; cid: ReturnType<typeof cid> }[]) => ({
    count: rows.length,
    root: epochRoot(rows),
  })

  test('held by a height means before it', () => {
    const rows = [row(1, 99), row(2, 100), row(3, 119), row(4, 120)]
    const holding = { rows, bounds }
    const compare = (listed: typeof rows) =>
      compareContents(holding, none, contentsOf(listed), { is: 'leaves', rows: listed })
    expect(compareContents(holding, none, contentsOf(rows.slice(0, 3)), null)).toEqual({ is: 'agrees' })
    expect(compareContents(holding, none, contentsOf(rows.slice(0, 1)), null)).toEqual({ is: 'agrees' })
    expect(compare([rows[0]!, rows[2]!])).toEqual({ is: 'agrees' })
    expect(compare(rows.slice(1, 3))).toEqual({
      is: 'differs',
      missing: [{ seat: 1, cid: rows[0]!.cid }],
      late: [],
    })
    expect(compare(rows)).toEqual({ is: 'differs', missing: [], late: [4] })
  })

  test('who did not run through an epoch takes all that it can hold', () => {
    const holding = { rows: [row(1, 500)], bounds: null }
    const listed = [row(1, 0), row(2, 0)]
    expect(compareContents(holding, none, contentsOf(listed), { is: 'leaves', rows: listed })).toEqual({
      is: 'fetch',
      seats: [2],
    })
    expect(compareContents(holding, none, contentsOf([row(1, 0)]), null)).toEqual({ is: 'agrees' })
  })

  test('of a week that is listed again nothing comes too late: two sides of a partition agree on all that both held', () => {
    // Each held its own in time and got the other's when the partition had healed.
    const left = [row(1, 50), row(2, 50), row(3, 400), row(4, 400)]
    const right = [row(1, 300), row(2, 300), row(3, 50), row(4, 50)]
    const union = contentsOf(left)
    const compare = (rows: typeof left, isAgain: boolean) => {
      const holding = { rows, bounds }
      return compareContents(isAgain ? listedAgain(holding) : holding, none, union, {
        is: 'leaves',
        rows: left,
      })
    }
    expect(compare(left, false)).toEqual({ is: 'differs', missing: [], late: [3, 4] })
    expect(compare(right, false)).toEqual({ is: 'differs', missing: [], late: [1, 2] })
    expect(compare(left, true)).toEqual({ is: 'agrees' })
    expect(compare(right, true)).toEqual({ is: 'agrees' })
    for (const rows of [left, right]) {
      const again = listedAgain({ rows, bounds })
      expect(chooseContents(again, none, () => undefined)).toMatchObject({ ...union, isOwn: true })
      // What it held in time must be listed all the same, and what it has never seen is fetched, not refused.
      const others = rows.filter(({ heldAt }) => heldAt >= bounds.mustHold)
      expect(compareContents(again, none, contentsOf(others), { is: 'leaves', rows: others })).toMatchObject({
        is: 'differs',
        late: [],
      })
      const more = [...left, row(9, 0)]
      expect(compareContents(again, none, contentsOf(more), { is: 'leaves', rows: more })).toEqual({
        is: 'fetch',
        seats: [9],
      })
    }
    // Who did not run through the epoch is bound by nothing, listed again or not.
    expect(listedAgain({ rows: left, bounds: null })).toEqual({ rows: left, bounds: null })
  })

  test('bits with spare bits, of another length or count, and leaves of another root are no set', () => {
    const rows = [row(1, 1), row(2, 1)]
    const holding = { rows, bounds }
    const wrong = { count: 1, root: epochRoot([row(1, 1, 'x')]) }
    const bits = (...bytes: number[]) =>
      compareContents(holding, none, wrong, { is: 'bits', seats: [1, 2], bits: Uint8Array.from(bytes) })
    expect(bits(0b101)).toEqual({ is: 'bad', code: 'contents-form' })
    expect(bits(1, 0)).toEqual({ is: 'bad', code: 'contents-form' })
    expect(bits(3)).toEqual({ is: 'bad', code: 'contents-count' })
    expect(bits(1)).toEqual({ is: 'ask', for: 'leaves' })
    const leaves = (list: typeof rows) => compareContents(holding, none, wrong, { is: 'leaves', rows: list })
    expect(leaves([row(1, 1)])).toEqual({ is: 'bad', code: 'contents-root' })
    expect(leaves(rows.toReversed())).toEqual({ is: 'bad', code: 'contents-form' })
    // The right leaves of another payload of the seat: it is not held, so it came too late.
    expect(leaves([row(1, 1, 'x')])).toEqual({
      is: 'differs',
      missing: rows.map(({ seat, cid: id }) => ({ seat, cid: id })),
      late: [1],
    })
    expect(compareContents(holding, new Set([1]), wrong, { is: 'leaves', rows: [row(1, 1, 'x')] })).toEqual({
      is: 'bad',
      code: 'contents-equivocator',
    })
  })
})

describe('R-CP-7 inclusion', () => {
  const [epoch] = epochs
  const bytes = encodeCheckpoint(checkpoint)
  const all = made(epoch!)

  test('every attestation of an anchored set can be shown to be in it', () => {
    for (const { signed, attestation } of all) {
      const proof = proveInclusion(bytes, rowsOf(epoch!), signed.payload)
      const read = decodeInclusion(encodeInclusion(proof))
      expect(read).toEqual({ is: 'ok', value: proof })
      expect(verifyInclusion(proof, cidOf(bytes))).toEqual({ is: 'accept', value: attestation })
    }
  })

  test('nothing else can', () => {
    const proof = proveInclusion(bytes, rowsOf(epoch!), all[3]!.signed.payload)
    const codeOf = (changes: Partial<typeof proof>, anchored = cidOf(bytes)) => {
      const verified = verifyInclusion({ ...proof, ...changes }, anchored)
      return verified.is === 'accept' ? 'accept' : verified.code
    }
    expect(codeOf({}, cidOf(seedOf('another')))).toBe('inclusion-checkpoint')
    expect(codeOf({ attestation: made(epoch!, 1)[3]!.signed.payload })).toBe('inclusion-path')
    expect(codeOf({ attestation: new Uint8Array(3) })).toBe('inclusion-attestation')
    expect(codeOf({ attestation: made(epochOf(nodes, 77, 3))[3]!.signed.payload })).toBe('inclusion-epoch')
    expect(codeOf({ index: 4 })).toBe('inclusion-path')
    expect(codeOf({ path: proof.path.slice(1) })).toBe('inclusion-path')
    expect(() => proveInclusion(bytes, rowsOf(epoch!), made(epoch!, 1)[0]!.signed.payload)).toThrow(
      RangeError,
    )
  })

  test('R-CP-7 that a seat is absent is shown by the leaves next to it, and of one that attested by none', () => {
    const held = all.map(({ attestation, signed }) => ({
      seat: attestation.seat,
      cid: cidOf(signed.payload),
      payload: signed.payload,
    }))
    for (const left of [[], [2], [1, 3, 4], [0, 1], all.map((_, i) => i)]) {
      const rows = held.filter((_, i) => left.includes(i)).sort((a, b) => a.seat - b.seat)
      const contents = { count: rows.length, root: epochRoot(rows) }
      const fixed: Checkpoint = {
        ...checkpoint,
        weeks: checkpoint.weeks.map((week) => ({
          ...week,
          epochs: week.epochs.map((one) => (one.epoch === epoch!.epoch ? { ...one, ...contents } : one)),
        })),
      }
      const codeOf = (proof: AbsenceProof): string => {
        const verified = verifyAbsence(fixed, proof)
        return verified.is === 'accept' ? 'accept' : verified.code
      }
      const leaves = rows.map(({ seat, cid }) => attestationLeaf(seat, cid))
      const proofs = createEpochProofs(epoch!.epoch, rows)
      const sides = [
        null,
        ...rows.map(({ payload: attestation }, index) => ({
          attestation,
          index,
          path: merklePath(leaves, index),
        })),
      ]
      const highest = Math.max(...held.map(({ seat }) => seat)) + 2
      for (let seat = 0; seat <= highest; seat++) {
        const isThere = rows.some((row) => row.seat === seat)
        const absence = proofs.absenceOf(seat)
        expect([absence === null, proofs.leafOf(seat) === null]).toEqual([isThere, !isThere])
        if (absence !== null) expect(codeOf(absence)).toBe('accept')
        // Of all pairs of leaves, the neighbours alone prove it.
        const accepted = sides.flatMap((before) =>
          sides.filter((after) => codeOf({ epoch: epoch!.epoch, seat, before, after }) === 'accept'),
        )
        expect(accepted).toHaveLength(isThere ? 0 : 1)
      }
      expect(codeOf({ epoch: 4_000_000, seat: 0, before: null, after: null })).toBe('inclusion-epoch')
    }
  })

  test('an inner node of the tree is no leaf', () => {
    // RFC 6962: leaves and nodes are hashed under different first bytes.
    const leaves = rowsOf(epoch!).map(({ seat, cid }) => attestationLeaf(seat, cid))
    expect(merkleRoot(leaves)).not.toEqual(merkleRoot([merkleRoot(leaves.slice(0, 8)), leaves[8]!]))
  })
})

describe('R-MSG-1 messages about checkpoints', () => {
  test('an answer with the longest lists fits its limit, and is read as it was written', () => {
    const rows = Array.from({ length: maxWants }, (_, i) => ({
      epoch: 0xffff_fff0,
      seat: 0xffff_0000 + i,
      digest: seedOf(i),
    }))
    const wants = { missing: rows, late: rows.map(({ epoch, seat }) => ({ epoch, seat })), proofs: [] }
    const answer = wantsAnswer({ ...wants, proofs: wants.late })
    const bytes = proposalAnswerCodec.encode(answer)
    expect(bytes.length).toBeLessThanOrEqual(proposalAnswerCodec.maxBytes)
    const decoded = proposalAnswerCodec.decode(bytes)
    expect(decoded).toEqual({ is: 'ok', value: answer })
    expect(readWants(answer as Parameters<typeof readWants>[0]).missing).toEqual(rows)
    const tooMany = wantsAnswer({ ...wants, missing: [...rows, rows[0]!], late: [] })
    expect(proposalAnswerCodec.decode(proposalAnswerCodec.encode(tooMany))).toMatchObject({ is: 'bad' })
  })

  test('requests and answers are read as they were written, and nothing else is', () => {
    const id = cidOf(seedOf('x'))
    for (const request of [
      ['checkpoint', id],
      ['page', id],
      ['bits', id, 7],
      ['leaves', id, 7, 0, 1_024],
      ['certificate', week],
    ] as const) {
      const decoded = checkpointRequestCodec.decode(checkpointRequestCodec.encode(request))
      expect(decoded.is === 'ok' && JSON.stringify(decoded.value)).toBe(JSON.stringify(request))
    }
    const refused = (value: Parameters<typeof encodeCanonical>[0]) =>
      checkpointRequestCodec.decode(encodeCanonical(value)).is
    expect(refused(['leaves', id, 7, 0, 1_025])).toBe('bad')
    expect(refused(['certificate', '2025-W53'])).toBe('bad')
    expect(refused(['bits', id, -1])).toBe('bad')
    expect(refused(['bits', id])).toBe('bad')
    const answer = ['leaves', [[7, seedOf('a')]]] as ['leaves', [number, Uint8Array][]]
    expect(checkpointAnswerCodec.decode(checkpointAnswerCodec.encode(answer))).toEqual({
      is: 'ok',
      value: answer,
    })
    const proposal = proposalRequestCodec.encode(['propose', 3, 40, encodeCheckpoint(checkpoint)])
    expect(proposalRequestCodec.decode(proposal)).toMatchObject({ is: 'ok', value: ['propose', 3, 40, {}] })
    expect(
      proposalRequestCodec.decode(encodeCanonical(['propose', 65_536, 40, new Uint8Array()])),
    ).toMatchObject({
      is: 'bad',
    })
  })
})

test('R-CP-4 the certificate of the golden vectors holds, and its memo is that of R-CP-5', () => {
  const folder = new URL('../../protocol/vectors/', import.meta.url)
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
  const golden = read('checkpoint') as {
    freezeHash: string
    views: { certifiers: number[] }[]
    certificate: { view: number; encoded: string }
    anchorMemo: string
    inclusion: { encoded: string }
    cid: string
  }
  const keys = (read('announcements') as { bls: string }[]).map(({ bls }) => hexToBytes(bls))
  const decoded = decodeCertificate(hexToBytes(golden.certificate.encoded))
  if (decoded.is === 'bad') throw new Error(decoded.code)
  const { certificate, networkId: ofNetwork } = decoded.value
  const certifiers = golden.views[certificate.view]!.certifiers.map((seat) => ({ seat, bls: keys[seat]! }))
  const checked = checkCertificate(
    ofNetwork,
    certificate,
    certifiers,
    hexToBytes(golden.freezeHash),
    nobleBls,
  )
  expect(checked).toEqual({ is: 'accept', value: undefined })
  expect(parseAnchor(golden.anchorMemo)).toEqual({ is: 'accept', value: certificate })
  const inclusion = decodeInclusion(hexToBytes(golden.inclusion.encoded))
  if (inclusion.is === 'bad') throw new Error(inclusion.code)
  expect(verifyInclusion(inclusion.value, CID.parse(golden.cid)).is).toBe('accept')
})
