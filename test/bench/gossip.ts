import { createPublicKey, verify as nativeVerify, type KeyObject } from 'node:crypto'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import {
  type Attestation,
  attestationMessage,
  type AttestingEpoch,
  beaconOf,
  cidOf,
  encodeAttestation,
  encodeSigned,
  hash,
  type NetworkId,
  readAttestation,
  type SignedAttestation,
  signPayload,
} from '../../protocol/index.ts'
import { createEd25519Verifier, ed25519FromSeed } from '../../src/keys/ed25519.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import { collect, createCollectedEpoch } from '../protocol/collected.ts'
import { createHeldEpoch } from '../../src/node/held-epoch.ts'
import { compareRouters } from './gossip-router.ts'

/**
 * What gossip costs a node of a network with committees of 11: validations of attestations a second, against native
 * Ed25519 verification alone of the same signatures in the same run, on the calling thread and on the thread pool; and
 * the memory of those held; then processor time of the router in front of it, with its guard and without. The validator is `readAttestation` and the verifier of `src/keys`, as the daemon puts them
 * together. Options: `--seconds <n>` per case (4), `--seats <n>` (2,000).
 */
export const run = async (options: string[]): Promise<void> => {
  const { values } = parseArgs({
    args: options,
    options: { seconds: { type: 'string', default: '4' }, seats: { type: 'string', default: '2000' } },
  })
  const milliseconds = Number(values.seconds) * 1000
  const seats = Number(values.seats)
  if (!(milliseconds > 0)) throw new RangeError('--seconds takes a number above 0')
  if (!(seats >= 16 && seats <= 100_000)) throw new RangeError('--seats takes a number from 16 to 100000')

  const rows = Array.from({ length: seats }, (_, seat) => createRow(seat))
  const verifier = createEd25519Verifier({ maxKeys: seats })
  const epoch: AttestingEpoch = { beacon, k, identityOf: (seat) => rows[seat] }
  const read = (row: Row) =>
    readAttestation(
      networkId,
      row.message,
      () => epoch,
      () => undefined,
    )
  const isValid = (row: Row): boolean => {
    const validation = read(row)
    if (validation.is !== 'accept') return false
    const { publicKey, signed } = validation.value
    return verifier.verify(publicKey, attestationMessage(networkId, signed.payload), signed.signature)
  }
  const isValidAsync = async (row: Row): Promise<boolean> => {
    const validation = read(row)
    if (validation.is !== 'accept') return false
    const { publicKey, signed } = validation.value
    return verifier.verifyAsync(publicKey, attestationMessage(networkId, signed.payload), signed.signature)
  }
  const isSigned = (row: Row): boolean => nativeVerify(null, row.signedBytes, row.key, row.signature)
  const isSignedAsync = (row: Row): Promise<boolean> =>
    new Promise((resolve, reject) => {
      nativeVerify(null, row.signedBytes, row.key, row.signature, (error, isValid) => {
        if (error === null) resolve(isValid)
        else reject(error)
      })
    })

  // Keys are judged and imported once, when a seat is registered: not part of either rate.
  if (!rows.every((row) => isValid(row) && isSigned(row)))
    throw new Error('an attestation of the benchmark is not valid')
  const wrong = { ...rows[0]!, message: rows[0]!.message.map((byte, i) => (i === 100 ? byte ^ 1 : byte)) }
  if (isValid(wrong) || (await isValidAsync(wrong))) throw new Error('a changed attestation was valid')

  const print = (line: object): void =>
    void process.stdout.write(`${JSON.stringify({ bench: 'gossip', ...line })}\n`)
  const sync = takeTurns(rows, milliseconds)
  print({ case: 'sync', ...(await compare(sync(isValid), sync(isSigned))) })
  const pooled = takeTurnsAsync(rows, milliseconds)
  print({ case: 'thread pool', ...(await compare(pooled(isValidAsync), pooled(isSignedAsync))) })
  print({ case: 'read', ...readOnly(rows, read, milliseconds) })
  print({ case: 'memory', ...memoryOfHeld(rows) })
  for (const row of await compareRouters(milliseconds)) print(row)
}

const networkId = '0123456789abcdef0123456789abcdef' as NetworkId
const epochNumber = 1_204
const beacon = beaconOf(networkId, epochNumber, hash('a block'))
const k = 11

interface Row {
  peer: Uint8Array
  stake: Uint8Array
  message: Uint8Array
  signedBytes: Uint8Array
  signature: Uint8Array
  key: KeyObject
}

const createRow = (seat: number): Row => {
  const { publicKey, sign } = ed25519FromSeed(hash('seat', seat))
  const stake = hash('stake', seat).slice(0, 20)
  const attestation: Attestation = {
    networkId,
    epoch: epochNumber,
    beacon,
    seat,
    stake,
    previous: cidOf(hash('previous', seat)),
    verdicts: Uint8Array.from({ length: k }, (_, i) => (i === seat % 23 ? 2 : 0)),
    addresses: Array.from({ length: seat % 23 < k ? k - 1 : k }, (_, i) =>
      hash('address', seat, i).slice(0, 4),
    ),
    evidence: cidOf(hash('evidence', seat)),
  }
  const signed = signPayload('att', networkId, encodeAttestation(attestation), sign)
  return {
    peer: publicKey,
    stake,
    message: encodeSigned(signed),
    signedBytes: attestationMessage(networkId, signed.payload),
    signature: signed.signature,
    // DER around the 32 bytes of an Ed25519 key, RFC 8410.
    key: createPublicKey({
      key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]),
      format: 'der',
      type: 'spki',
    }),
  }
}

/** Tasks a second while it runs for some milliseconds. */
type Turn = (milliseconds: number) => Promise<{ count: number; elapsedMs: number }>

const slices = 20

/** Takes turns, so that whatever else the machine does meets both alike. */
const compare = async (validation: Measured, reference: Measured) => {
  const totals = [validation, reference].map((measured) => ({ ...measured, count: 0, elapsedMs: 0 }))
  await validation.turn(validation.sliceMs)
  await reference.turn(reference.sliceMs)
  for (let slice = 0; slice < slices; slice++) {
    for (const total of totals) {
      const { count, elapsedMs } = await total.turn(total.sliceMs)
      total.count += count
      total.elapsedMs += elapsedMs
    }
  }
  const [validationsPerSecond, verificationsPerSecond] = totals.map(
    ({ count, elapsedMs }) => (1_000 * count) / elapsedMs,
  )
  return {
    validationsPerSecond: Math.round(validationsPerSecond!),
    verificationsPerSecond: Math.round(verificationsPerSecond!),
    ratio: Number((validationsPerSecond! / verificationsPerSecond!).toFixed(3)),
  }
}

interface Measured {
  turn: Turn
  sliceMs: number
}

const takeTurns =
  (rows: readonly Row[], milliseconds: number) =>
  (task: (row: Row) => boolean): Measured => {
    let next = 0
    return {
      sliceMs: milliseconds / slices / 2,
      turn: async (forMs) => {
        const start = performance.now()
        let count = 0
        let elapsedMs = 0
        for (; elapsedMs < forMs; elapsedMs = performance.now() - start, count++) {
          if (!task(rows[next++ % rows.length]!)) throw new Error('not valid')
        }
        return { count, elapsedMs }
      },
    }
  }

/** As many under way at once as keep every thread of the pool busy. */
const underWay = 64

const takeTurnsAsync =
  (rows: readonly Row[], milliseconds: number) =>
  (task: (row: Row) => Promise<boolean>): Measured => {
    let next = 0
    return {
      sliceMs: milliseconds / slices / 2,
      turn: async (forMs) => {
        const start = performance.now()
        let count = 0
        const work = async (): Promise<void> => {
          while (performance.now() - start < forMs) {
            if (!(await task(rows[next++ % rows.length]!))) throw new Error('not valid')
            count++
          }
        }
        await Promise.all(Array.from({ length: underWay }, work))
        return { count, elapsedMs: performance.now() - start }
      },
    }
  }

/** Everything of a validation but the signature. */
const readOnly = (rows: readonly Row[], read: (row: Row) => unknown, milliseconds: number) => {
  const start = performance.now()
  let count = 0
  let elapsedMs = 0
  for (; elapsedMs < milliseconds / 4; elapsedMs = performance.now() - start)
    read(rows[count++ % rows.length]!)
  return {
    readsPerSecond: Math.round((1_000 * count) / elapsedMs),
    microseconds: Number(((1_000 * elapsedMs) / count).toFixed(2)),
  }
}

const held = 10_000

/**
 * Memory per 10,000 attestations: as a daemon holds them, with the payloads in its store, and whole in the collector of
 * `protocol/`, against their bytes on the wire.
 */
const memoryOfHeld = (rows: readonly Row[]) => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const used = (): number => {
    collectGarbage()
    collectGarbage()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const rowOf = (seat: number): Row => rows[seat % rows.length]!
  const epoch: AttestingEpoch = { beacon, k, identityOf: rowOf }
  // Signatures are not looked at here; what is held is the same whether they are right or wrong.
  const received = (seat: number): SignedAttestation => {
    const read = readAttestation(
      networkId,
      rowOf(seat).message,
      () => epoch,
      () => undefined,
    )
    if (read.is !== 'accept') throw new Error(read.code)
    const { attestation, cid, signed } = read.value
    return { attestation: { ...attestation, seat }, cid, signed }
  }
  const snapshot = Array.from({ length: held }, (_, seat) => ({ seat }))
  const start = used()
  const inDaemon = createHeldEpoch({ epoch: epochNumber, beacon, snapshot } as unknown as EpochContext)
  for (let seat = 0; seat < held; seat++) inDaemon.add({ seat, cid: received(seat).cid, heldAt: 0 })
  const daemonBytes = used() - start

  const before = used()
  const collected = createCollectedEpoch(epochNumber, beacon)
  for (let seat = 0; seat < held; seat++) collect(collected, received(seat), 0)
  const wholeBytes = used() - before
  if (inDaemon.count !== held || collected.bySeat.size !== held) throw new Error('not all are held')
  const wireBytes = snapshot.reduce((sum, { seat }) => sum + rowOf(seat).message.length, 0)
  return {
    attestations: held,
    wireBytes,
    daemonBytes,
    wholeBytes,
    daemonRatio: Number((daemonBytes / wireBytes).toFixed(3)),
    wholeRatio: Number((wholeBytes / wireBytes).toFixed(2)),
  }
}
