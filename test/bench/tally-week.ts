import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { parentPort, Worker, workerData } from 'node:worker_threads'
import {
  beaconOf,
  type CheckpointFrame,
  cidOfDigest,
  coin,
  type Committees,
  createCommittees,
  encodeAttestation,
  type Epoch,
  fillFrame,
  hash,
  type NetworkId,
  Params,
  paramsHash,
  signPayload,
  type Signed,
  type Snapshot,
  targetsOf,
  Verdict,
  type Week,
  encodeCheckpoint,
} from '../../protocol/index.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import type { WeekData } from '../../src/week/bundle.ts'
import { createRoot } from '../../src/week/root.ts'
import { sha256 } from '../../src/week-io/native.ts'

/** A made-up week: every seat attests in every epoch, signs for real, and links as nodes do. */
export interface MadeWeek {
  seats: number
  epochs: number
  /** Share of attestations that nobody names as the previous one. */
  unlinked: number
}

export const madeWeek = '2026-W47' as Week
export const madeNetwork = hash('bench network')
  .reduce((text, byte) => text + byte.toString(16).padStart(2, '0'), '')
  .slice(0, 32) as NetworkId
export const madeParams = Params.parse({ fund: { kind: 'fixed', amount: 10_000n * coin } })
const firstEpoch: Epoch = 5_000

export const epochsOfWeek = ({ epochs }: MadeWeek): Epoch[] =>
  Array.from({ length: epochs }, (_, i) => firstEpoch + i)
export const beaconOfEpoch = (epoch: Epoch): Uint8Array =>
  beaconOf(madeNetwork, epoch, hash('bench block', epoch))

export const frameOfWeek = (week: MadeWeek): CheckpointFrame => ({
  networkId: madeNetwork,
  week: madeWeek,
  freezeHash: hash('bench block F'),
  previous: null,
  registryRoot: hash('bench registry'),
  handsOn: { count: week.seats, root: hash('bench list') },
  weeks: [
    {
      week: madeWeek,
      paramsHash: paramsHash(madeParams),
      income: 10_000n * coin,
      epochs: epochsOfWeek(week).map((epoch) => ({
        epoch,
        beacon: beaconOfEpoch(epoch),
        seats: week.seats,
        snapshotRoot: hash('bench snapshot', epoch),
      })),
    },
  ],
})

const stakeOf = (seat: number): Uint8Array => hash('bench stake', seat).slice(0, 20)

/** The one snapshot of all its epochs; `peers` are 32 bytes a seat. */
export const snapshotOfWeek = (peers: Uint8Array): Snapshot =>
  Array.from({ length: peers.length / 32 }, (_, seat) => ({
    seat,
    stake: stakeOf(seat),
    peer: peers.subarray(32 * seat, 32 * seat + 32),
    host: `n${seat}.example.net`,
    p2p: 9_000,
    tls: 9_001,
    bls: new Uint8Array(48),
    announced: { height: 1, index: seat },
  }))

/** Of some seats, in all epochs: rows one after the other, u32 length, payload, signature. */
interface SeatRange {
  from: number
  peers: Uint8Array
  /** By epoch. */
  rows: Uint8Array[]
}

/** Signs a week on all cores. `onSeats` hears how many seats are done. */
export const makeWeek = async (
  week: MadeWeek,
  threads: number,
  onSeats: (done: number) => void,
): Promise<{ source: WeekData; peers: Uint8Array }> => {
  const perTask = Math.ceil(week.seats / (threads * 16))
  const starts = Array.from({ length: Math.ceil(week.seats / perTask) }, (_, i) => i * perTask)
  const ranges: SeatRange[] = []
  let done = 0
  await Promise.all(
    Array.from({ length: threads }, async () => {
      const worker = new Worker(new URL(import.meta.url), { workerData: { week } })
      for (let from = starts.shift(); from !== undefined; from = starts.shift()) {
        const to = Math.min(week.seats, from + perTask)
        worker.postMessage({ from, to }, [])
        const [range] = (await once(worker, 'message')) as [SeatRange]
        ranges.push(range)
        done += to - from
        onSeats(done)
      }
      await worker.terminate()
    }),
  )
  ranges.sort((a, b) => a.from - b.from)
  const peers = new Uint8Array(32 * week.seats)
  for (const range of ranges) peers.set(range.peers, 32 * range.from)

  function* rowsOf(epoch: Epoch): Generator<Signed> {
    for (const { rows } of ranges) {
      const bytes = rows[epoch - firstEpoch]!
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      for (let offset = 0; offset < bytes.length;) {
        const end = offset + 4 + view.getUint32(offset)
        yield { payload: bytes.subarray(offset + 4, end), signature: bytes.subarray(end, end + 64) }
        offset = end + 64
      }
    }
  }
  const checkpoint = fillFrame(
    frameOfWeek(week),
    (epoch) => {
      const root = createRoot(sha256)
      let seat = 0
      for (const { payload } of rowsOf(epoch)) root.add(seat++, digestOf(payload))
      return { count: root.count, root: root.root() }
    },
    () => [],
  )
  const bytes = encodeCheckpoint(checkpoint)
  return {
    peers,
    source: {
      checkpointOf: async () => bytes,
      block: async () => undefined,
      async *attestations(_, { epoch }) {
        yield* rowsOf(epoch)
      },
    },
  }
}

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

/** One seat in a hundred is down for the whole week, and one in two hundred judges nobody. */
const isDown = (seat: number): boolean => seat % 100 === 7
const abstains = (seat: number): boolean => seat % 200 === 11

const makeRange = (
  week: MadeWeek,
  committees: readonly Committees[],
  from: number,
  to: number,
): SeatRange => {
  const peers = new Uint8Array(32 * (to - from))
  const rows: Uint8Array[][] = committees.map(() => [])
  for (let seat = from; seat < to; seat++) {
    const { publicKey, sign } = ed25519FromSeed(hash('bench key', seat))
    peers.set(publicKey, 32 * (seat - from))
    const chance = createHash('sha256').update(`links ${seat}`).digest()
    let previous = null
    for (const [i, committee] of committees.entries()) {
      const epoch = firstEpoch + i
      const targets = targetsOf(committee, seat)
      const verdicts = Uint8Array.from(targets, (target) =>
        abstains(seat) ? Verdict.abstain : isDown(target) ? Verdict.unreachable : Verdict.valid,
      )
      const valid = targets.filter((_, j) => verdicts[j] === Verdict.valid)
      const isLinked = chance[i % 32]! >= Math.round(256 * week.unlinked)
      const { payload, signature } = signPayload(
        'att',
        madeNetwork,
        encodeAttestation({
          networkId: madeNetwork,
          epoch,
          beacon: beacons[i]!,
          seat,
          stake: stakeOf(seat),
          previous: isLinked ? previous : null,
          verdicts,
          addresses: valid.map((target) =>
            Uint8Array.of(10, target >> 16, (target >> 8) & 255, target & 255),
          ),
          evidence: cidOfDigest(createHash('sha256').update(`evidence ${epoch} ${seat}`).digest()),
        }),
        sign,
      )
      previous = cidOfDigest(digestOf(payload))
      const row = new Uint8Array(4 + payload.length + 64)
      new DataView(row.buffer).setUint32(0, payload.length)
      row.set(payload, 4)
      row.set(signature, 4 + payload.length)
      rows[i]!.push(row)
    }
  }
  return { from, peers, rows: rows.map((list) => new Uint8Array(Buffer.concat(list))) }
}

let beacons: Uint8Array[] = []

if (parentPort !== null) {
  const port = parentPort
  const { week } = workerData as { week: MadeWeek }
  beacons = epochsOfWeek(week).map(beaconOfEpoch)
  const committees = beacons.map((beacon) => createCommittees(beacon, week.seats, madeParams.committee))
  port.on('message', ({ from, to }: { from: number; to: number }) => {
    const range = makeRange(week, committees, from, to)
    const buffers = range.rows.map(({ buffer }) => buffer as ArrayBuffer)
    port.postMessage(range, buffers)
  })
}
