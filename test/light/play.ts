import { PassThrough } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import {
  type Anchor,
  type Attestation,
  beaconOf,
  certifiersOfView,
  cidOf,
  coin,
  createCommittees,
  createProof,
  createTallyOfJudged,
  type DigestedTally,
  encodeAttestation,
  encodeCheckpoint,
  encodeProof,
  type Epoch,
  epochRoot,
  epochStart,
  fillFrame,
  formatAnchor,
  frameOf,
  Genesis,
  type Height,
  merklePath,
  networkIdOf,
  noWeeks,
  proofPagesOf,
  type SeatRecord,
  seniorLeaf,
  type Signed,
  signersOf,
  signPayload,
  type Snapshot,
  snapshotRootOf,
  startOfWeek,
  stepWeeks,
  targetsOf,
  Verdict,
  voteMessage,
  type Week,
  weekAfter,
  type WeekRecord,
} from '../../protocol/index.ts'
import { aggregateVotes, createBls, signVote } from '../../src/keys/bls.ts'
import { createNodeKeys } from '../../src/keys/node-key.ts'
import { bundleParts, exportBundle, type WeekData } from '../../src/week/bundle.ts'
import { verifyWeek } from '../../src/week/verify-week.ts'
import { sha256, sinkOf } from '../../src/week-io/native.ts'
import { nativeEngine } from '../../src/week-io/worker-pool.ts'
import { addressOf, genesis as baseGenesis, paramsWith, seedOf } from '../protocol/fixture.ts'
import type { LightCheckpoint, LightNetwork } from './verifier.ts'

/** Weeks as a node sees them, and what of them a verifier without a chain is given. */
export interface PlayedWeeks {
  network: LightNetwork
  /** By height. */
  headers: Map<Height, Uint8Array>
  /** Of the anchored checkpoints, in the order of the chain. */
  checkpoints: LightCheckpoint[]
  /** What a node computes of each week that an anchor fixes. */
  tallies: Map<Week, DigestedTally>
}

const firstWeek = '2026-W47' as Week
const epochsPerWeek = 3
const genesis = Genesis.parse({ ...baseGenesis, epochBlocks: 8, confirmations: 2 })
const networkId = networkIdOf(genesis)
const fund = { kind: 'treasury' as const, scripts: [{ from: 1, script: '76a9' }] }
// Fewer certifiers than seniors: a draw that is wrong by one seat is noticed.
const params = paramsWith({ committee: 4, attestBlocks: 2, certifiers: 5, viewBlocks: 4, fund })
const schedule = [{ from: firstWeek, params }]
const rules = { genesis, networkId, schedule }
const bls = createBls()

const nodeCount = 8
const keys = Array.from({ length: nodeCount }, (_, i) => {
  let drawn = 0
  return createNodeKeys((length) => seedOf('light', i, drawn++).slice(0, length))
})
const indexOf = (seat: number): number => (seat - 1) / 3

const hashAt = (height: Height): Uint8Array => seedOf('block', 0, height)
const beaconAt = (epoch: Epoch): Uint8Array => beaconOf(networkId, epoch, hashAt(epochStart(genesis, epoch)))
const incomeOf = (week: Week): bigint => 1_000n * coin + BigInt(startOfWeek(week) % 1_000_003)

/** The seventh seat joins late, and the third one leaves. */
const joins = epochStart(genesis, 7)
const leaves = epochStart(genesis, 9)

const seatsAfter = (height: Height): SeatRecord[] =>
  keys.map((key, i) => {
    const since = i === nodeCount - 1 ? joins : genesis.activationHeight
    const isActive = height >= since && !(i === 2 && height >= leaves)
    return {
      seat: 3 * i + 1,
      stake: seedOf('stake', i).slice(0, 20),
      peer: key.peerKey,
      host: `n${i}.devnet.test`,
      p2p: 9_000,
      tls: 9_001,
      bls: key.blsPublicKey,
      blsSince: since,
      at: since,
      announced: { height: since, index: i },
      activeSince: isActive ? since : null,
    }
  })

/** R-EPOCH-5. */
const snapshotAt = (epoch: Epoch): Snapshot =>
  epoch < 2
    ? []
    : seatsAfter(epochStart(genesis, epoch - 1)).filter(
        ({ activeSince }) => activeSince !== null && activeSince <= epochStart(genesis, epoch - 2),
      )

const medianTimeAt = (height: Height): number => {
  const spacing = Math.floor(604_800 / (epochsPerWeek * genesis.epochBlocks))
  return startOfWeek(firstWeek) + 60 + (height - genesis.activationHeight) * spacing
}

const attest = (epoch: Epoch, seat: number, previous: Attestation['previous']): Signed => {
  const snapshot = snapshotAt(epoch)
  const index = snapshot.findIndex((row) => row.seat === seat)
  const targets = targetsOf(createCommittees(beaconAt(epoch), snapshot.length, params.committee), index)
  // The fifth seat is down in every other epoch, and what the second one says of it is a lie.
  const verdicts = Uint8Array.from(targets, (target) =>
    snapshot[target]!.seat === 13 && (epoch % 2 === 0) === (seat !== 4) ? Verdict.unreachable : Verdict.valid,
  )
  const payload = encodeAttestation({
    networkId,
    epoch,
    beacon: beaconAt(epoch),
    seat,
    stake: snapshot[index]!.stake,
    previous,
    verdicts,
    addresses: targets
      .filter((_, i) => verdicts[i] === Verdict.valid)
      .map((at) => addressOf(snapshot[at]!.seat)),
    evidence: cidOf(seedOf('evidence', epoch, seat)),
  })
  return signPayload('att', networkId, payload, keys[indexOf(seat)]!.sign)
}

/** Of every epoch, what its seats attest; the fourth seat leaves its links out, and one is silent for an epoch. */
const attestations = (epochs: number): Map<Epoch, Map<number, Signed>> => {
  const last = new Map<number, Signed>()
  const byEpoch = new Map<Epoch, Map<number, Signed>>()
  for (let epoch = 0; epoch < epochs; epoch++) {
    const rows = new Map<number, Signed>()
    for (const { seat } of snapshotAt(epoch)) {
      if (epoch === 4 && seat === 1) continue
      const before = seat === 10 ? undefined : last.get(seat)
      const signed = attest(epoch, seat, before === undefined ? null : cidOf(before.payload))
      last.set(seat, signed)
      rows.set(seat, signed)
    }
    byEpoch.set(epoch, rows)
  }
  return byEpoch
}

/** The seat that signs twice in the seventh epoch. */
const equivocator = 16
const equivocates = 7

const proofOf = (signed: Signed): Uint8Array =>
  encodeProof(createProof(signed, attest(equivocates, equivocator, cidOf(seedOf('another')))))

/** Weeks of three epochs, from the first one on; of those named `pending` the windows bring no anchor. */
export const playWeeks = async (weekCount: number, pending: readonly Week[]): Promise<PlayedWeeks> => {
  const held = attestations(epochsPerWeek * weekCount)
  const headers = new Map<Height, Uint8Array>()
  const checkpoints: LightCheckpoint[] = []
  const tallies = new Map<Week, DigestedTally>()
  let weeks = noWeeks
  const end = epochStart(genesis, epochsPerWeek * weekCount + 1) + genesis.confirmations + 2
  for (let height = genesis.activationHeight; height <= end; height++) {
    headers.set(height, hashAt(height))
    const epoch = Math.floor((height - genesis.activationHeight) / genesis.epochBlocks)
    const due = weeks.records.find(
      ({ freeze, week }) =>
        freeze?.height === height - genesis.confirmations - 1 &&
        freeze.hash !== null &&
        !pending.includes(week),
    )
    const certified = due && certify(due)
    weeks = stepWeeks(
      { ...rules, voided: [] },
      weeks,
      {
        height,
        hash: hashAt(height),
        medianTime: medianTimeAt(height),
        snapshotSeats: snapshotAt(epoch).length,
        seatsBefore: () => seatsAfter(height - 1),
        candidates: certified === undefined ? [] : [{ index: 1, memo: certified.memo }],
      },
      bls,
    ).weeks
    if (due === undefined || certified === undefined) continue
    const { anchor } = weeks.records.find(({ week }) => week === due.week)!
    checkpoints.push(await giveOut(due, certified, anchor!))
  }
  return {
    network: { genesis, schedule, trusted: cidOf(checkpoints[0]!.payload) },
    headers,
    checkpoints,
    tallies,
  }

  /** Four of five certifiers vote; the payload holds what all of them hold. */
  function certify(record: WeekRecord) {
    const frame = frameOf(rules, weeks, record.week, {
      registryRoot: seedOf('registry'),
      incomeOf,
      epochOf: (epoch) => ({
        beacon: beaconAt(epoch),
        seats: snapshotAt(epoch).length,
        snapshotRoot: snapshotRootOf(snapshotAt(epoch)),
      }),
    })
    const weekOf = (epoch: Epoch): Week =>
      frame.weeks.find(({ epochs }) => epochs.some((one) => one.epoch === epoch))!.week
    const equivocatorsOf = (week: Week): Signed[] =>
      frame.weeks
        .find((one) => one.week === week)!
        .epochs.filter(({ epoch }) => epoch === equivocates)
        .map(({ epoch }) => held.get(epoch)!.get(equivocator)!)
    const rowsOf = (epoch: Epoch): Signed[] =>
      [...held.get(epoch)!]
        .filter(([seat]) => seat !== equivocator || equivocatorsOf(weekOf(epoch)).length === 0)
        .map(([, signed]) => signed)
    const leavesOf = (epoch: Epoch) => {
      const seats = [...held.get(epoch)!].filter(([, signed]) => rowsOf(epoch).includes(signed))
      return seats.map(([seat, { payload }]) => ({ seat, cid: cidOf(payload) }))
    }
    const pagesOf = (week: Week) => proofPagesOf(networkId, week, equivocatorsOf(week).map(proofOf))
    const payload = encodeCheckpoint(
      fillFrame(
        frame,
        (epoch) => ({ count: leavesOf(epoch).length, root: epochRoot(leavesOf(epoch)) }),
        (week) => pagesOf(week).map(({ cid }) => cid),
      ),
    )
    const view = 0
    const certifiers = certifiersOfView(rules, record, view)
    const vote = { week: record.week, view, checkpoint: cidOf(payload), freezeHash: frame.freezeHash }
    const votes = certifiers
      .slice(1)
      .map(({ seat }) => signVote(keys[indexOf(seat)]!.blsSecretKey, voteMessage(networkId, vote)))
    const positions = new Set(certifiers.slice(1).map((_, i) => i + 1))
    const signers = signersOf(positions, certifiers.length)
    const memo = formatAnchor({ ...vote, signers, signature: aggregateVotes(votes)! })
    const pages = new Map(
      frame.weeks.flatMap(({ week }) =>
        pagesOf(week).map(({ cid, bytes }) => [cid.toString(), bytes] as const),
      ),
    )
    const source: WeekData = {
      checkpointOf: () => Promise.resolve(payload),
      block: (cid) => Promise.resolve(pages.get(cid.toString())),
      async *attestations(_, { epoch }) {
        yield* rowsOf(epoch)
      },
    }
    return { frame, payload, memo, certifiers, source, list: record.list!.seniors }
  }

  /** What the light file has of it, and what a node that has the chain computes. */
  async function giveOut(
    record: WeekRecord,
    { frame, payload, memo, certifiers, source, list }: ReturnType<typeof certify>,
    { height, blockHash }: Anchor,
  ): Promise<LightCheckpoint> {
    const out = new PassThrough()
    const [bundle] = await Promise.all([
      buffer(out),
      exportBundle(source, record.week, sinkOf(out), { sha256 }),
    ])
    const verified = await verifyWeek(
      bundleParts(source, record.week, { sha256 }),
      {
        anchored: cidOf(payload),
        frame,
        snapshotOf: (epoch) => Promise.resolve(snapshotAt(epoch)),
        paramsOf: () => params,
      },
      nativeEngine(0),
    )
    for (const [week, { equivocators, epochs }] of verified.weeks) {
      const tally = createTallyOfJudged({
        networkId,
        chain: 'zcash-regtest',
        week,
        state: 'anchored',
        params,
        checkpoint: cidOf(payload),
        anchor: { height, hash: blockHash },
        equivocators,
        fund: incomeOf(week),
        epochs,
      })
      tallies.set(week, tally)
    }
    const leaves = list.map(seniorLeaf)
    return {
      payload,
      anchor: { height, memo },
      certifiers: certifiers.map(({ seat, bls: key }) => {
        const index = list.findIndex((senior) => senior.seat === seat)
        return { seat, bls: key, path: merklePath(leaves, index) }
      }),
      snapshots: new Map(
        frame.weeks.flatMap(({ epochs }) =>
          epochs.map(({ epoch }) => [
            epoch,
            snapshotAt(epoch).map(({ seat, stake, peer, host }) => ({ seat, stake, peer, host })),
          ]),
        ),
      ),
      bundle: new Uint8Array(bundle),
    }
  }
}

/** The names of the first weeks. */
export const weekNames = (count: number): Week[] => {
  const names = [firstWeek]
  while (names.length < count) names.push(weekAfter(names.at(-1)!))
  return names
}
