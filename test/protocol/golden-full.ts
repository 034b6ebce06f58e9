import {
  beaconOf,
  bytesToHex,
  cidOf,
  createProof,
  encodeAttestation,
  encodeProof,
  epochRoot,
  epochStart,
  type Genesis,
  networkIdOf,
  proofPagesOf,
  type Signed,
  signPayload,
  type Week,
} from '../../protocol/index.ts'
import { attestationLeaf } from '../../protocol/merkle.ts'
import { maxPageProofs } from '../../protocol/proof-page.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { encodeAttestationBlock, rowsPerBlock } from '../../src/week/attestation-block.ts'
import { secretOf } from './golden-owner.ts'

/** So many seats attest twice; those after them once. */
const equivocators = maxPageProofs + 1
const honest = rowsPerBlock + 1
const targets = 11

/**
 * R-CP-1, R-CP-8: a page of 128 proofs and the next one, a block of 512 attestations and the next one, of one epoch. All
 * follows from labels, so the file holds lengths and ids instead of half a megabyte.
 */
export const fullVector = (genesis: Genesis, week: Week, blockHash: (height: number) => Uint8Array) => {
  const networkId = networkIdOf(genesis)
  const epoch = 2
  const beacon = beaconOf(networkId, epoch, blockHash(epochStart(genesis, epoch)))
  const signed = (seat: number, verdict: number): Signed => {
    const payload = encodeAttestation({
      networkId,
      epoch,
      beacon,
      seat,
      stake: secretOf(`full stake ${seat}`).slice(0, 20),
      previous: null,
      verdicts: new Uint8Array(targets).fill(verdict),
      addresses:
        verdict === 0
          ? Array.from({ length: targets }, (_, i) => Uint8Array.of(198, 51, seat >> 8, (seat + i) & 255))
          : [],
      evidence: cidOf(secretOf(`full evidence ${seat}`)),
    })
    return signPayload('att', networkId, payload, ed25519FromSeed(secretOf(`full node ${seat}`)).sign)
  }
  const proofs = Array.from({ length: equivocators }, (_, seat) =>
    encodeProof(createProof(signed(seat, 0), signed(seat, 255))),
  )
  const rows = Array.from({ length: honest }, (_, i) => {
    const seat = equivocators + i
    const row = signed(seat, 0)
    return { seat, signed: row, cid: cidOf(row.payload) }
  })
  const blocks = [rows.slice(0, rowsPerBlock), rows.slice(rowsPerBlock)].map((part) =>
    encodeAttestationBlock({ epoch, rows: part.map((row) => row.signed) }),
  )
  const described = (bytes: Uint8Array) => ({ length: bytes.length, cid: cidOf(bytes).toString() })
  return {
    week,
    epoch,
    beacon: bytesToHex(beacon),
    equivocators,
    honest,
    targets,
    firstProof: bytesToHex(proofs[0]!),
    pages: proofPagesOf(networkId, week, proofs).map(({ bytes }) => described(bytes)),
    blocks: blocks.map(described),
    firstLeaf: bytesToHex(attestationLeaf(rows[0]!.seat, rows[0]!.cid)),
    root: bytesToHex(epochRoot(rows)),
  }
}
