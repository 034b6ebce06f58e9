import {
  answeredFault,
  applyChange,
  type Attestation,
  attestationMessage,
  beaconOf,
  bytesToHex,
  type ChainBlock,
  type ChainTransaction,
  type ChallengeTerms,
  cidOf,
  coin,
  createCommittees,
  createDigest,
  createProof,
  createRegistry,
  createStream,
  type DigestedTally,
  encodeAttestation,
  encodeEvidence,
  encodeProof,
  encodeReceipt,
  encodeSigned,
  epochPhases,
  epochRoot,
  epochStart,
  type EvidenceEntry,
  Genesis,
  hash,
  judgeBlock,
  medianTimePast,
  networkIdOf,
  nobleBls,
  Params,
  paramsHash,
  receiptResponse,
  samplesOf,
  seenFault,
  type Sign,
  type Signed,
  signPayload,
  type Snapshot,
  takeSnapshot,
  targetsOf,
  utf8ToBytes,
  Verdict,
  weekOfTime,
} from '../../protocol/index.ts'
import type { TallyEpoch } from '../../protocol/tally/input.ts'
import { auditSeed, sampleSeed, shuffleSeed } from '../../protocol/beacon.ts'
import type { Evidence } from '../../protocol/evidence.ts'
import { attestationLeaf } from '../../protocol/merkle.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { blocksVector } from './golden-blocks.ts'
import { bundleVector } from './golden-bundle.ts'
import { checkpointVector } from './golden-checkpoint.ts'
import { possessionVector } from './golden-possession.ts'
import { fullVector } from './golden-full.ts'
import { judgingVector } from './golden-judging.ts'
import {
  blsSecretOf,
  createOwner,
  type Json,
  type Owner,
  payingTo,
  secretOf,
  transactionVector,
} from './golden-owner.ts'
import { listsVector } from './golden-lists.ts'
import { puzzleVector } from './golden-puzzle.ts'
import { probeVector, questionVector } from './golden-question.ts'
import { relayVector } from './golden-relay.ts'
import { revivalVector } from './golden-revival.ts'
import { weeksVector } from './golden-weeks.ts'
import { createTally } from './judged.ts'

const hex = bytesToHex

const genesis = Genesis.parse({
  chain: 'zcash-regtest',
  activationHeight: 200,
  announceAddress: 'zregtestsapling1example',
  viewingKey: 'zivkregtestsapling1example',
  minStake: 42n * coin,
  minSeniors: 4,
  epochBlocks: 8,
  confirmations: 2,
  announceBlocks: 1_000,
})
const networkId = networkIdOf(genesis)
const params = Params.parse({
  committee: 3,
  samples: 8,
  attestBlocks: 2,
  fund: { kind: 'fixed', amount: 10n * coin },
  feeReserve: coin,
})

const owners = ['a', 'b', 'c', 'd', 'e', 'f']
const evidenceAudit = hash('an audit beacon of the vectors')

/** The chain of the vectors: hashes of labels, and a block every 75 seconds from the middle of 2026-W47. */
const blockHash = (height: number): Uint8Array => secretOf(`block ${height}`)
const blockTime = (height: number): number => Date.UTC(2026, 10, 18, 12) / 1_000 + 75 * (height - 200)
const transactionCount = (height: number): number => 1 + (height % 5)
const rawTransaction = (height: number, index: number): Uint8Array => {
  const seed = utf8ToBytes(`transaction ${height} ${index}`)
  return Uint8Array.from({ length: 100 + (height % 50) }, (_, i) => seed[i % seed.length]!)
}

const ownerOf = (label: string, at: number): Owner => createOwner(genesis, { label, at })

/** The same week with other funds: none, less than there are points of score, and so much that some amounts are 0. */
const fundsVector = (tallyOf: (fund: bigint) => DigestedTally): Json =>
  [0n, params.feeReserve, params.feeReserve + 1n, params.feeReserve + 5n].map((fund) => {
    const { document, digest } = tallyOf(fund)
    return { fund: fund.toString(), document: JSON.parse(JSON.stringify(document)) as Json, digest }
  })

const snapshotVector = (snapshot: Snapshot): Json =>
  snapshot.map((row) => ({
    seat: row.seat,
    stake: hex(row.stake),
    peer: hex(row.peer),
    host: row.host,
    p2p: row.p2p,
    tls: row.tls,
    bls: hex(row.bls),
  }))

const signedVector = (signed: Signed): Json => ({
  payload: hex(signed.payload),
  signature: hex(signed.signature),
  encoded: hex(encodeSigned(signed)),
  cid: cidOf(signed.payload).toString(),
})

/** Six owners announce, one spends its stake, another announces again; then the snapshots of epochs 2 and 3. */
const registryOf = (people: readonly Owner[]) => {
  const registry = createRegistry(genesis, networkId)
  const first = genesis.activationHeight
  const announcement = (owner: Owner, label: string, memo = owner.memo): ChainTransaction =>
    payingTo(owner, label, genesis.minStake, memo)
  const again = ownerOf('b', first + 5)
  const spent = announcement(people[5]!, 'f')
  const transactions = new Map<number, ChainTransaction[]>([
    [first, [...people.slice(0, 5).map((owner, i) => announcement(owner, owners[i]!)), spent]],
    [first + 6, [announcement(again, 'b again', again.memo)]],
    [epochStart(genesis, 1), [{ spends: [spent.payments[0]!.outpoint], payments: [], memo: null }]],
  ])
  const blocks: ChainBlock[] = []
  const snapshots: Snapshot[] = []
  for (let height = first; height <= epochStart(genesis, 2); height++) {
    const block: ChainBlock = {
      height,
      hash: blockHash(height),
      previousHash: blockHash(height - 1),
      time: blockTime(height),
      transactions: transactions.get(height) ?? [],
      certificateSpends: [],
    }
    applyChange(registry, judgeBlock(registry, block, nobleBls))
    blocks.push(block)
    for (const e of [2, 3]) {
      if (height === epochStart(genesis, e - 1))
        snapshots[e] = takeSnapshot(registry, epochStart(genesis, e - 2))
    }
  }
  return { registry, blocks, snapshots }
}

/** Every vector file by name: computed from fixed seeds by `protocol/` alone. */
export const goldenVectors = (): ReadonlyMap<string, Json> => {
  const people = owners.map((label) => ownerOf(label, genesis.activationHeight - 1))
  const { registry, blocks, snapshots } = registryOf(people)
  const signOf = (seat: number): Sign => people[seat]!.sign

  const epochs = [2, 3].map((e) => {
    const snapshot = snapshots[e]!
    const beacon = beaconOf(networkId, e, blockHash(epochStart(genesis, e)))
    return { e, snapshot, beacon, committees: createCommittees(beacon, snapshot.length, params.committee) }
  })

  const addressOf = (seat: number): Uint8Array =>
    seat === 3
      ? Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3)
      : Uint8Array.of(198, 51, 100, seat)

  const termsOf = (at: (typeof epochs)[number], challenger: number, target: number): ChallengeTerms => ({
    networkId,
    epoch: at.e,
    beacon: at.beacon,
    targetSeat: at.snapshot[target]!.seat,
    targetStake: at.snapshot[target]!.stake,
    challengerSeat: at.snapshot[challenger]!.seat,
    nonce: secretOf(`nonce ${at.e} ${at.snapshot[challenger]!.seat} ${at.snapshot[target]!.seat}`),
  })

  const digestOf = (terms: ChallengeTerms) => {
    const samples = samplesOf(terms, params.samples, epochStart(genesis, terms.epoch), transactionCount)
    const builder = createDigest(terms)
    for (const { height, index } of samples) builder.add(rawTransaction(height, index))
    return { samples, digest: builder.finish() }
  }

  const receiptOf = (terms: ChallengeTerms, digest = digestOf(terms).digest): Signed =>
    signPayload('receipt', networkId, encodeReceipt({ ...terms, digest }), signOf(terms.targetSeat))

  /** Seat 4 gives a wrong digest in epoch 2, cannot be reached in epoch 3; the challenger on seat 0 abstains once. */
  const entryOf = (at: (typeof epochs)[number], challenger: number, target: number): EvidenceEntry => {
    const terms = termsOf(at, challenger, target)
    if (at.e === 3 && terms.challengerSeat === 0 && target === targetsOf(at.committees, challenger)[2]) {
      return seenFault(Verdict.abstain, 'own chain: timeout')
    }
    if (terms.targetSeat !== 4) return { verdict: Verdict.valid, receipt: receiptOf(terms) }
    return at.e === 2
      ? answeredFault(
          Verdict.wrongDigest,
          receiptResponse(receiptOf(terms, secretOf('wrong digest'))),
          at.committees.k,
        )
      : seenFault(Verdict.unreachable, 'connection refused')
  }

  const attested = epochs.map((at) =>
    at.snapshot.map((row, index) => {
      const targets = targetsOf(at.committees, index)
      const evidence: Evidence = {
        networkId,
        epoch: at.e,
        beacon: at.beacon,
        seat: row.seat,
        entries: targets.map((target) => entryOf(at, index, target)),
      }
      const block = encodeEvidence(evidence)
      const verdicts = Uint8Array.from(evidence.entries, (entry) => entry.verdict)
      const attestation: Attestation = {
        networkId,
        epoch: at.e,
        beacon: at.beacon,
        seat: row.seat,
        stake: row.stake,
        previous: null,
        verdicts,
        addresses: targets
          .filter((_, i) => verdicts[i] === Verdict.valid)
          .map((target) => addressOf(at.snapshot[target]!.seat)),
        evidence: cidOf(block),
      }
      return { evidence, block, attestation }
    }),
  )
  const signed = attested.map((ofEpoch, i) =>
    ofEpoch.map(({ attestation }) => {
      const before =
        i === 0 ? undefined : attested[0]!.find((other) => other.attestation.seat === attestation.seat)
      const linked = {
        ...attestation,
        previous: before === undefined ? null : cidOf(encodeAttestation(before.attestation)),
      }
      return {
        attestation: linked,
        signed: signPayload('att', networkId, encodeAttestation(linked), signOf(attestation.seat)),
      }
    }),
  )

  const [second, third] = epochs as [(typeof epochs)[number], (typeof epochs)[number]]
  const challenged = termsOf(second, 0, targetsOf(second.committees, 0)[0]!)
  const answer = digestOf(challenged)
  const receipt = receiptOf(challenged)
  const first = attested[0]![0]!
  const audited = attested[0]!.find(({ attestation }) => attestation.verdicts.includes(Verdict.wrongDigest))!
  const zeros = [...audited.attestation.verdicts].flatMap((code, i) => (code === Verdict.valid ? [i] : []))
  const drawn = createStream(auditSeed(evidenceAudit, audited.attestation.seat)).below(zeros.length)

  const equivocation = signPayload(
    'att',
    networkId,
    encodeAttestation({
      ...first.attestation,
      verdicts: first.attestation.verdicts.map(() => 255),
      addresses: [],
    }),
    signOf(first.attestation.seat),
  )

  const tallyEpochs: TallyEpoch[] = epochs.map((at, i) => ({
    epoch: at.e,
    beacon: at.beacon,
    snapshot: at.snapshot,
    attestations: signed[i]!.map(({ attestation }) => attestation),
  }))
  const week = weekOfTime(
    medianTimePast(Array.from({ length: 11 }, (_, i) => blockTime(epochStart(genesis, 2) - i))),
  )
  const tallyOf = (fund: bigint): DigestedTally =>
    createTally({
      networkId,
      chain: genesis.chain,
      week,
      state: 'anchored',
      params,
      checkpoint: cidOf(secretOf('checkpoint')),
      anchor: { height: 300, hash: blockHash(300) },
      equivocators: new Set([second.snapshot[1]!.seat]),
      fund,
      epochs: tallyEpochs,
    })
  const tally = tallyOf(10n * coin)

  const words = createStream(shuffleSeed(second.beacon))
  const vectors = new Map<string, Json>([
    [
      'network',
      {
        genesis: { ...genesis, minStake: genesis.minStake.toString() },
        networkId,
        params: {
          ...params,
          anchorBond: params.anchorBond.toString(),
          feeReserve: params.feeReserve.toString(),
          fund: { kind: 'fixed', amount: (10n * coin).toString() },
        },
        paramsHash: hex(paramsHash(params)),
      },
    ],
    ['announcements', people.map((owner) => owner.vector)],
    [
      'registry',
      {
        blocks: blocks.map((block) => ({
          height: block.height,
          transactions: block.transactions.map(transactionVector),
        })),
        seats: registry.seats.map((record) => ({
          seat: record.seat,
          stake: hex(record.stake),
          at: record.at,
          announced: { height: record.announced.height, index: record.announced.index },
          activeSince: record.activeSince,
        })),
        snapshots: epochs.map(({ e, snapshot }) => ({ epoch: e, rows: snapshotVector(snapshot) })),
      },
    ],
    [
      'epochs',
      epochs.map(({ e, beacon, committees, snapshot }) => ({
        epoch: e,
        phases: { ...epochPhases(genesis, params.attestBlocks, e) },
        blockHash: hex(blockHash(epochStart(genesis, e))),
        beacon: hex(beacon),
        shuffleSeed: hex(shuffleSeed(beacon)),
        seats: snapshot.length,
        k: committees.k,
        ring: [...committees.ring],
        targets: snapshot.map((_, index) => targetsOf(committees, index)),
      })),
    ],
    [
      'random',
      {
        seed: hex(shuffleSeed(second.beacon)),
        words: Array.from({ length: 16 }, () => words.word()),
        below: [1, 2, 3, 10, 1_000, 3_221_225_472, 2_147_483_649, 4_294_967_296].map((n) => {
          const stream = createStream(shuffleSeed(second.beacon))
          return { n, numbers: Array.from({ length: 12 }, () => stream.below(n)) }
        }),
        shuffles: [1, 2, 5, 20].map((n) => ({ n, ring: [...createCommittees(second.beacon, n, 1).ring] })),
      },
    ],
    [
      'challenge',
      {
        epoch: challenged.epoch,
        beacon: hex(challenged.beacon),
        targetSeat: challenged.targetSeat,
        targetStake: hex(challenged.targetStake),
        challengerSeat: challenged.challengerSeat,
        nonce: hex(challenged.nonce),
        lastHeight: epochStart(genesis, challenged.epoch),
        sampleSeed: hex(
          sampleSeed(challenged.beacon, challenged.targetSeat, challenged.challengerSeat, challenged.nonce),
        ),
        samples: answer.samples.map(({ height, index }) => ({
          height,
          transactions: transactionCount(height),
          index,
          raw: hex(rawTransaction(height, index)),
        })),
        ...questionVector(challenged, signOf(challenged.challengerSeat), secretOf),
        digest: hex(answer.digest),
        receipt: signedVector(receipt),
        probe: probeVector(
          challenged,
          `${owners[challenged.targetSeat]!}.example.org`,
          signOf(challenged.targetSeat),
          secretOf,
        ),
      },
    ],
    [
      'evidence',
      {
        seat: audited.attestation.seat,
        verdicts: hex(audited.attestation.verdicts),
        block: hex(audited.block),
        cid: cidOf(audited.block).toString(),
        audit: { beacon: hex(evidenceAudit), verdictsValid: zeros.length, drawn, entry: zeros[drawn]! },
      },
    ],
    [
      'attestations',
      epochs.map(({ e }, i) => ({
        epoch: e,
        attestations: signed[i]!.map((row) => ({
          seat: row.attestation.seat,
          previous: row.attestation.previous?.toString() ?? null,
          verdicts: hex(row.attestation.verdicts),
          addresses: row.attestation.addresses.map((address) => hex(address)),
          evidence: row.attestation.evidence.toString(),
          signedBytes: hex(attestationMessage(networkId, row.signed.payload)),
          signed: signedVector(row.signed),
          leaf: hex(attestationLeaf(row.attestation.seat, cidOf(row.signed.payload))),
        })),
        root: hex(
          epochRoot(
            signed[i]!.map((row) => ({ seat: row.attestation.seat, cid: cidOf(row.signed.payload) })),
          ),
        ),
      })),
    ],
    [
      'equivocation',
      {
        seat: first.attestation.seat,
        second: signedVector(equivocation),
        proof: hex(encodeProof(createProof(signed[0]![0]!.signed, equivocation))),
      },
    ],
    [
      'tally',
      {
        fund: (10n * coin).toString(),
        equivocators: [second.snapshot[1]!.seat],
        epochs: [second.e, third.e],
        document: JSON.parse(JSON.stringify(tally.document)) as Json,
        digest: tally.digest,
      },
    ],
    ['funds', fundsVector((fund) => tallyOf(fund))],
    [
      'possession',
      possessionVector({
        networkId,
        secret: blsSecretOf('bls a'),
        stake: people[0]!.stake,
        otherSecret: blsSecretOf('bls b'),
        otherStake: people[1]!.stake,
      }),
    ],
    [
      'puzzle',
      puzzleVector({
        networkId,
        purpose: 'sync/1',
        server: ed25519FromSeed(secretOf('node a')).publicKey,
        client: ed25519FromSeed(secretOf('node b')).publicKey,
        cookie: secretOf('cookie').slice(0, 16),
        effort: 1_000,
      }),
    ],
    ['lists', listsVector()],
    ['relay', relayVector()],
    ['judging', judgingVector()],
    ['revival', revivalVector(genesis, blockHash)],
    ['full', fullVector(genesis, week, blockHash)],
    ['blocks', blocksVector()],
    ['weeks', weeksVector(genesis, registry.seats.slice(0, 5), blockHash)],
  ])
  const others = Object.fromEntries(vectors) as unknown as Parameters<typeof checkpointVector>[0]
  const checkpoint = checkpointVector(others, blockHash)
  const bundled = epochs.map(({ e }, i) => ({
    epoch: e,
    rows: signed[i]!.map((row, j) => ({ ...row, evidence: attested[i]![j]!.block })).filter(
      ({ attestation }) => !checkpoint.equivocators.includes(attestation.seat),
    ),
  }))
  return vectors.set('checkpoint', checkpoint).set('bundle', bundleVector(checkpoint, bundled))
}
