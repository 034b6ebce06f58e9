import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import {
  bytesToHex,
  checkSecondQuestion,
  cidOf,
  createRegistry,
  decodeAttestation,
  decodeCheckpoint,
  decodeEvidence,
  decodeQuestion,
  decodeReceipt,
  decodeSigned,
  hexToBytes,
  judgeBlock,
  isQuestionSigned,
  keyOfPeerId,
  nobleBls,
  parseAnchor,
  type SeatRecord,
  stakeOfAddress,
  takeSeniors,
  validateProof,
  verifyEd25519,
  attestationMessage,
  type NetworkId,
} from '../../protocol/index.ts'
import { chainBlockOf } from '../../src/chain-node/follower/chain-block.ts'
import { hasValidMerkleRoot, parseBlock } from '../../src/chain/formats/block.ts'
import { networkOf, Profile } from '../../src/chain/profiles.ts'
import { createBls } from '../../src/keys/bls.ts'
import { verifyBundle } from '../../src/week/bundle.ts'
import { sha256 } from '../../src/week-io/native.ts'
import type { blocksVector } from './golden-blocks.ts'
import type { possessionVector } from './golden-possession.ts'
import type { weeksVector } from './golden-weeks.ts'
import { goldenVectors } from './golden.ts'

const folder = new URL('../../protocol/vectors/', import.meta.url)
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
const golden = goldenVectors()

describe('golden vectors', () => {
  test('R-NET-1 every file is one of these, and none is missing', () => {
    const files = readdirSync(folder).filter((file) => file.endsWith('.json'))
    expect(files.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
      [...golden.keys()].map((name) => `${name}.json`).toSorted((a, b) => (a < b ? -1 : 1)),
    )
  })

  test.each([...golden])('R-HASH-1 %s.json is what the rules give', (name, value) => {
    expect(read(name)).toEqual(JSON.parse(JSON.stringify(value)))
  })
})

interface SignedVector {
  payload: string
  signature: string
  encoded: string
  cid: string
}

const hasPython = spawnSync('python3', ['--version']).status === 0

test.runIf(hasPython)('R-CODEC-1 R-TALLY-7 check.py, which shares no code with this, agrees', () => {
  const checked = spawnSync('python3', [fileURLToPath(new URL('check.py', folder))], { encoding: 'utf8' })
  expect(checked).toMatchObject({ status: 0, stderr: '', stdout: 'every vector agrees\n' })
})

describe('golden vectors read back', () => {
  const { networkId } = read('network') as { networkId: NetworkId }
  const announcements = read('announcements') as {
    peer: string
    peerKey: string
    stake: string
    stakeAddress: string
    bls: string
    pop: string
  }[]
  const keyOfSeat = (seat: number) => hexToBytes(announcements[seat]!.peerKey)

  test('R-REG-2 keys, addresses and proofs of the announcements', () => {
    for (const { peer, peerKey, stake, stakeAddress, bls, pop } of announcements) {
      expect(keyOfPeerId(peer)).toEqual(hexToBytes(peerKey))
      expect(stakeOfAddress('zcash-regtest', stakeAddress)).toEqual(hexToBytes(stake))
      const claim = { bls: hexToBytes(bls), stake: hexToBytes(stake), pop: hexToBytes(pop) }
      expect(nobleBls.verifyPossessions(networkId, [claim])).toEqual([true])
    }
  })

  test.each([
    ['noble', nobleBls],
    ['blst', createBls()],
  ])('R-REG-2 proofs and votes of possession.json, one by one and all together, by %s', (_, bls) => {
    const { claims, votes } = read('possession') as ReturnType<typeof possessionVector>
    const given = claims.map((claim) => ({
      bls: hexToBytes(claim.bls),
      stake: hexToBytes(claim.stake),
      pop: hexToBytes(claim.pop),
    }))
    const expected = claims.map(({ isProved }) => isProved)
    expect(bls.verifyPossessions(networkId, given)).toEqual(expected)
    expect(given.map((claim) => bls.verifyPossessions(networkId, [claim])[0])).toEqual(expected)
    const good = given.filter((_claim, i) => expected[i])
    expect(bls.verifyPossessions(networkId, good)).toEqual(good.map(() => true))
    for (const { name, keys, message, signature, isValid } of votes) {
      const isVerified = bls.verifyAggregate(keys.map(hexToBytes), hexToBytes(message), hexToBytes(signature))
      expect(isVerified, name).toBe(isValid)
    }
  })

  test('R-ATT-1 attestations decode, are signed by their seats, and link to the one before', () => {
    const epochs = read('attestations') as {
      attestations: { seat: number; previous: string | null; signed: SignedVector }[]
    }[]
    const before = new Map<number, string>()
    for (const { attestations } of epochs) {
      for (const { seat, previous, signed } of attestations) {
        const payload = hexToBytes(signed.payload)
        expect(decodeAttestation(payload)?.seat).toBe(seat)
        expect(cidOf(payload).toString()).toBe(signed.cid)
        expect(decodeSigned(hexToBytes(signed.encoded), 1_280)).toMatchObject({
          is: 'ok',
          value: { payload },
        })
        expect(
          verifyEd25519(
            keyOfSeat(seat),
            attestationMessage(networkId, payload),
            hexToBytes(signed.signature),
          ),
        ).toBe(true)
        expect(previous).toBe(before.get(seat) ?? null)
        before.set(seat, signed.cid)
      }
    }
  })

  test('R-CHAL-1 R-PROBE-1 questions, the proof of a second one, and the answer to a probe are signed', () => {
    type Row = { payload: string; signature: string }
    const { question, other, challengerSeat, targetSeat, probe } = read('challenge') as {
      question: Row
      other: Row
      challengerSeat: number
      targetSeat: number
      probe: { signedBytes: string; signature: string }
    }
    const signedOf = ({ payload, signature }: Row) => ({
      payload: hexToBytes(payload),
      signature: hexToBytes(signature),
    })
    const key = keyOfSeat(challengerSeat)
    const own = decodeQuestion(signedOf(question).payload)!
    expect(isQuestionSigned(networkId, key, signedOf(question), verifyEd25519)).toBe(true)
    expect(checkSecondQuestion(own, key, signedOf(other), verifyEd25519).is).toBe('accept')
    expect(checkSecondQuestion(own, key, signedOf(question), verifyEd25519).is).toBe('reject')
    expect(checkSecondQuestion(own, keyOfSeat(targetSeat), signedOf(other), verifyEd25519).is).toBe('reject')
    const { signedBytes, signature } = probe
    const isSigned = verifyEd25519(keyOfSeat(targetSeat), hexToBytes(signedBytes), hexToBytes(signature))
    expect(isSigned).toBe(true)
  })

  test('R-EVID-1 the receipt and the evidence block decode, and the proof holds', () => {
    const { receipt, digest } = read('challenge') as { receipt: SignedVector; digest: string }
    expect(decodeReceipt(hexToBytes(receipt.payload))?.digest).toEqual(hexToBytes(digest))
    const { block, verdicts } = read('evidence') as { block: string; verdicts: string }
    expect(decodeEvidence(hexToBytes(block))?.entries.map((entry) => entry.verdict)).toEqual([
      ...hexToBytes(verdicts),
    ])
    const { proof, seat } = read('equivocation') as { proof: string; seat: number }
    const judged = validateProof(
      networkId,
      hexToBytes(proof),
      (about) => keyOfSeat(about.seat),
      verifyEd25519,
    )
    expect(judged).toMatchObject({ is: 'accept', value: { about: { seat } } })
  })

  test('R-TALLY-7 paid seats are those with an amount, whoever R-TALLY-5 calls paid', () => {
    const funds = read('funds') as {
      document: { totals: { fund: string; paidSeats: number }; seats: { amount: string }[] }
    }[]
    for (const { document } of funds) {
      const { totals, seats } = document
      expect(totals.paidSeats).toBe(seats.filter(({ amount }) => amount !== '0').length)
    }
    expect(funds.map(({ document }) => [document.totals.fund, document.totals.paidSeats])).toEqual([
      ['0', 0],
      ['0', 0],
      ['1', 0],
      ['5', 3],
    ])
  })

  test('R-REG-5 R-CP-2 a key that comes back inside one block has stayed, another one has not, nor has a stake that was gone', () => {
    const { seats } = read('revival') as {
      seats: { seat: number; keySince: number; activeSince: number; bls: string; stake: string }[]
    }
    const records = seats.map((row) => ({
      seat: row.seat,
      bls: hexToBytes(row.bls),
      blsSince: row.keySince,
      activeSince: row.activeSince,
    })) as unknown as SeatRecord[]
    expect(takeSeniors(records, 200).map(({ seat }) => seat)).toEqual([0, 2])
    expect(takeSeniors(records, 214).map(({ seat }) => seat)).toEqual([0, 1, 2, 3])
  })

  test('R-CP-1 R-CP-5 R-CP-6 checkpoints of one and of several weeks decode, and the anchor names the one it fixes', () => {
    const { weeks } = read('weeks') as ReturnType<typeof weeksVector>
    for (const { week, listed, payload, previous, checkpoint, anchor } of weeks) {
      const decoded = decodeCheckpoint(hexToBytes(payload))
      if (decoded.is === 'bad') throw new Error(decoded.code)
      expect(decoded.value.weeks.map((row) => row.week)).toEqual(listed)
      expect(decoded.value.week).toBe(week)
      expect(decoded.value.previous?.checkpoint.toString()).toBe(previous?.checkpoint)
      const parsed = anchor === null ? null : parseAnchor(anchor.memo)
      if (parsed?.is === 'accept') expect(parsed.value.checkpoint.toString()).toBe(checkpoint)
      else expect(parsed).toBe(null)
    }
  })

  test('R-CP-8 the bundles are read whole, and hold the checkpoint of checkpoint.json', async () => {
    const { cid } = read('checkpoint') as { cid: string }
    const bundles = read('bundle') as { bare: string; withEvidence: string }
    async function* inOne(hex: string): AsyncGenerator<Uint8Array> {
      yield hexToBytes(hex)
    }
    const summaryOf = async (hex: string) => {
      const { checkpoint, ...counts } = await verifyBundle(inOne(hex), { sha256 })
      expect(checkpoint.toString()).toBe(cid)
      return counts
    }
    expect(await summaryOf(bundles.bare)).toMatchObject({ blocks: 4, attestations: 8, evidence: 0 })
    expect(await summaryOf(bundles.withEvidence)).toMatchObject({ blocks: 12, attestations: 8, evidence: 8 })
  })

  test.each(read('blocks') as ReturnType<typeof blocksVector>)(
    'R-CHAIN-1 R-CHAIN-4 R-REG-1 a raw block and its viewing key give the seat: $pool',
    async (vector) => {
      const genesis = { ...vector.genesis, minStake: BigInt(vector.genesis.minStake) }
      const params = { fund: { kind: 'fixed', amount: 0n } } as const
      const profile = Profile.parse({ name: 'vector', genesis, schedule: [{ from: '2026-W01', params }] })
      const network = networkOf(profile)
      expect(network.networkId).toBe(vector.networkId)
      const block = parseBlock(hexToBytes(vector.block), network.facts.family)
      expect(hasValidMerkleRoot(block)).toBe(true)
      const { chainBlock } = await chainBlockOf(network, block, vector.height, null)
      expect(chainBlock.transactions.map(({ memo }) => memo)).toEqual([null, vector.announcement.memo, null])
      const registry = createRegistry(profile.genesis, network.networkId)
      const change = judgeBlock(registry, chainBlock, nobleBls)
      expect(change.refused).toEqual([])
      expect(
        change.seats.map(({ after }) => [after.seat, bytesToHex(after.stake), after.activeSince]),
      ).toEqual([[0, vector.announcement.stake, vector.height]])
      // Who has another key reads nothing.
      const { chainBlock: unread } = await chainBlockOf(
        { ...network, viewingKeys: {} },
        block,
        vector.height,
        null,
      )
      expect(unread.transactions.every(({ memo }) => memo === null)).toBe(true)
    },
  )
})
