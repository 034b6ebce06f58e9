import { secp256k1 } from '@noble/curves/secp256k1.js'
import { base64 } from '@scure/base'
import {
  addressOfStake,
  announcementMessage,
  type Attestation,
  beaconOf,
  type BlsVerifier,
  type ChainBlock,
  type ChainTransaction,
  coin,
  cidOf,
  createCommittees,
  type Committees,
  encodeAttestation,
  formatMemo,
  formatUnsignedMemo,
  Genesis,
  hash,
  hash160,
  type Height,
  messageDigest,
  type NetworkId,
  networkIdOf,
  outpointKey,
  Params,
  peerIdOfKey,
  type Sign,
  type Signed,
  type SignedAttestation,
  signPayload,
  type SnapshotRow,
  Verdict,
} from '../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession } from '../../protocol/bls.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'

export const genesis = Genesis.parse({
  chain: 'zcash-regtest',
  activationHeight: 101,
  announceAddress: 'zregtestsapling1announce',
  viewingKey: 'zivkregtestsapling1announce',
  minStake: 42n * coin,
  minSeniors: 4,
  epochBlocks: 24,
  confirmations: 4,
  announceBlocks: 1_000,
})

export const networkId: NetworkId = networkIdOf(genesis)

export const paramsWith = (changes: Partial<Params> = {}): Params =>
  Params.parse({ fund: { kind: 'fixed', amount: 1_000n * coin }, feeReserve: 0n, ...changes })

/** 32 bytes that depend on the label alone. */
export const seedOf = (...label: (string | number)[]): Uint8Array => hash('test', ...label)

export interface TestNode extends SnapshotRow {
  sign: Sign
}

/** A seat with a real Ed25519 key; its BLS key is filler. */
export const nodeOf = (seat: number): TestNode => {
  const { publicKey, sign } = ed25519FromSeed(seedOf('ed25519', seat))
  return {
    seat,
    stake: seedOf('stake', seat).slice(0, 20),
    peer: publicKey,
    host: `n${seat}.devnet.test`,
    p2p: 9_000,
    tls: 9_001,
    bls: seedOf('bls', seat),
    announced: { height: genesis.activationHeight, index: seat },
    sign,
  }
}

const rows = new Map<number, TestNode>()

/** `count` seats, 3 apart so that seats and indexes are not mixed up unseen. */
export const nodesOf = (count: number): TestNode[] =>
  Array.from({ length: count }, (_, i) => {
    const seat = 3 * i + 1
    const node = rows.get(seat) ?? nodeOf(seat)
    rows.set(seat, node)
    return node
  })

export interface TestEpoch {
  epoch: number
  beacon: Uint8Array
  nodes: readonly TestNode[]
  committees: Committees
}

export const epochOf = (nodes: readonly TestNode[], epoch: number, committee = 11): TestEpoch => {
  const beacon = beaconOf(networkId, epoch, seedOf('block', epoch))
  return { epoch, beacon, nodes, committees: createCommittees(beacon, nodes.length, committee) }
}

/** 127.0.x.y, one for each seat. */
export const addressOf = (seat: number): Uint8Array => Uint8Array.of(127, 0, seat >> 8, seat & 0xff)

/** What the node at `index` attests: `verdictOf` by index of the target; addresses are those of the targets. */
export const attestationOf = (
  epoch: TestEpoch,
  index: number,
  verdictOf: (target: number) => number = () => Verdict.valid,
  changes: Partial<Attestation> = {},
): Attestation => {
  const { committees, nodes } = epoch
  const node = nodes[index]!
  const position = committees.positions[index]!
  const targets = Array.from(
    { length: committees.k },
    (_, i) => committees.ring[(position + 1 + i) % committees.size]!,
  )
  const verdicts = Uint8Array.from(targets, verdictOf)
  return {
    networkId,
    epoch: epoch.epoch,
    beacon: epoch.beacon,
    seat: node.seat,
    stake: node.stake,
    previous: null,
    verdicts,
    addresses: targets
      .filter((_, i) => verdicts[i] === Verdict.valid)
      .map((target) => addressOf(nodes[target]!.seat)),
    evidence: cidOf(seedOf('evidence', epoch.epoch, node.seat)),
    ...changes,
  }
}

export const signAttestation = (attestation: Attestation, sign: Sign): SignedAttestation => {
  const signed: Signed = signPayload('att', attestation.networkId, encodeAttestation(attestation), sign)
  return { attestation, cid: cidOf(signed.payload), signed }
}

/** A stake's wallet: what `signmessage` of the family gives. */
export interface TestWallet {
  stake: Uint8Array
  signMessage(message: string): string
}

export const walletOf = (label: string | number): TestWallet => {
  const secretKey = seedOf('wallet', label)
  const stake = hash160(secp256k1.getPublicKey(secretKey, true))
  return {
    stake,
    signMessage: (message) => {
      const signature = secp256k1.sign(messageDigest(message), secretKey, {
        prehash: false,
        format: 'recovered',
      })
      // noble puts the recovery id first as 0 to 3; wallets add 27, and 4 for a compressed key.
      return base64.encode(Uint8Array.of(31 + signature[0]!, ...signature.subarray(1)))
    },
  }
}

/** A whole memo of a stake, rightly signed; `changes` go in before signing. */
export const memoOf = (
  label: string | number,
  at: Height,
  changes: Partial<Parameters<typeof formatUnsignedMemo>[0]> = {},
): string => {
  const wallet = walletOf(label)
  const blsKey = seedOf('bls secret', label)
  blsKey[0] = 0 // below the group's order
  const unsigned = formatUnsignedMemo({
    peer: peerIdOfKey(ed25519FromSeed(seedOf('peer', label)).publicKey),
    host: `n${label}.devnet.test`,
    p2p: 9_000,
    tls: 9_001,
    at,
    stake: addressOfStake(genesis.chain, wallet.stake),
    bls: changes.bls ?? blsPublicKey(blsKey),
    pop: changes.pop ?? nobleProvePossession(networkId, blsKey, wallet.stake),
    ...changes,
  })
  return formatMemo(unsigned, wallet.signMessage(announcementMessage(networkId, unsigned)))
}

/** Possession was tested elsewhere; a proof of real pairings costs 32 ms. */
export const trustingBls: BlsVerifier = {
  verifyPossessions: (_, claims) => claims.map(() => true),
  verifyAggregate: () => true,
}

let transactions = 0

/** A transaction with a txid of its own. */
export const transactionOf = (
  payments: readonly { payee: Uint8Array; value: bigint }[],
  options: { spends?: readonly string[]; memo?: string; label?: string | number } = {},
): ChainTransaction => {
  const txid = seedOf('tx', options.label ?? transactions++)
  return {
    spends: options.spends ?? [],
    payments: payments.map((payment, i) => ({ ...payment, outpoint: outpointKey(txid, i) })),
    memo: options.memo ?? null,
  }
}

export const blockOf = (height: Height, txs: readonly ChainTransaction[] = []): ChainBlock => ({
  height,
  hash: seedOf('hash', height),
  previousHash: seedOf('hash', height - 1),
  time: 1_700_000_000 + 75 * height,
  transactions: txs,
  certificateSpends: [],
})
