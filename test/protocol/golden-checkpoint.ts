import {
  createEpochProofs,
  beaconOf,
  bytesToHex,
  type Certificate,
  certifiersOf,
  type CheckpointFrame,
  cidOf,
  encodeCertificate,
  encodeCheckpoint,
  type Epoch,
  epochRoot,
  epochStart,
  fillFrame,
  formatAnchor,
  hexToBytes,
  type NetworkId,
  proofPagesOf,
  type Leaf,
  registryRootOf,
  type SeatRecord,
  signersOf,
  snapshotRootOf,
  takeSeniors,
  voteMessage,
  type Week,
} from '../../protocol/index.ts'
import { nobleAggregateVotes, nobleSignBls } from '../../protocol/bls.ts'
import { encodeInclusion, proveInclusion } from '../../protocol/inclusion.ts'
import { commitmentOf, seniorListOf } from '../../protocol/seniors.ts'

/** What this vector reads of the others, as their files have it. */
interface Others {
  network: {
    networkId: NetworkId
    paramsHash: string
    genesis: { activationHeight: number; epochBlocks: number }
    params: { certifiers: number; fund: { amount: string } }
  }
  announcements: readonly { blsSecret: string; peerKey: string; host: string; bls: string }[]
  registry: {
    seats: readonly { seat: number; stake: string; at: number; activeSince: number | null }[]
    snapshots: readonly {
      epoch: Epoch
      rows: readonly { seat: number; stake: string; peer: string; host: string }[]
    }[]
  }
  attestations: readonly {
    epoch: Epoch
    attestations: readonly { seat: number; signed: { payload: string } }[]
  }[]
  epochs: readonly { epoch: Epoch; beacon: string; seats: number }[]
  equivocation: { seat: number; proof: string }
  tally: { document: { week: string } }
}

const hex = bytesToHex

/**
 * The checkpoint of the week of epochs 2 and 3 with one equivocator, its certifiers, votes, certificate and anchor, and
 * an inclusion proof. Built from the values of the other files, so that a second reading can do the same.
 */
export const checkpointVector = (others: Others, blockHash: (height: number) => Uint8Array) => {
  const { networkId, genesis, params, paramsHash } = others.network
  const week = others.tally.document.week as Week
  const lastEpoch = others.epochs.at(-1)!.epoch
  const freeze = epochStart(genesis, lastEpoch + 2)
  const freezeHash = blockHash(freeze)
  const beacon = beaconOf(networkId, lastEpoch + 2, freezeHash)
  const seats = others.registry.seats.map((row): SeatRecord => {
    const { peerKey, host, bls } = others.announcements[row.seat]!
    return {
      seat: row.seat,
      stake: hexToBytes(row.stake),
      peer: hexToBytes(peerKey),
      host,
      p2p: 9_000,
      tls: 443,
      bls: hexToBytes(bls),
      blsSince: genesis.activationHeight,
      at: row.at,
      announced: { height: genesis.activationHeight, index: row.seat },
      activeSince: row.activeSince,
    }
  })
  const pages = proofPagesOf(networkId, week, [hexToBytes(others.equivocation.proof)])
  const rows = new Map(
    others.attestations.map(({ epoch, attestations }) => [
      epoch,
      attestations
        .filter(({ seat }) => seat !== others.equivocation.seat)
        .map(({ seat, signed }) => ({
          seat,
          cid: cidOf(hexToBytes(signed.payload)),
          payload: hexToBytes(signed.payload),
        })),
    ]),
  )
  const list = seniorListOf(takeSeniors(seats, genesis.activationHeight))
  const snapshotRoots = new Map(
    others.registry.snapshots.map(({ epoch, rows: snapshot }) => [
      epoch,
      snapshotRootOf(
        snapshot.map(({ seat, stake, peer, host }) => ({
          seat,
          stake: hexToBytes(stake),
          peer: hexToBytes(peer),
          host,
        })),
      ),
    ]),
  )
  const frame: CheckpointFrame = {
    networkId,
    week,
    freezeHash,
    previous: null,
    registryRoot: registryRootOf(seats),
    handsOn: commitmentOf(list),
    weeks: [
      {
        week,
        paramsHash: hexToBytes(paramsHash),
        income: BigInt(params.fund.amount),
        epochs: others.epochs.map((row) => ({
          epoch: row.epoch,
          beacon: hexToBytes(row.beacon),
          seats: row.seats,
          snapshotRoot: snapshotRoots.get(row.epoch)!,
        })),
      },
    ],
  }
  const contentsOf = (epoch: Epoch) => ({
    count: rows.get(epoch)!.length,
    root: epochRoot(rows.get(epoch)!),
  })
  const payload = encodeCheckpoint(fillFrame(frame, contentsOf, () => pages.map(({ cid }) => cid)))
  const checkpoint = cidOf(payload)

  const views = [0, 1, 2].map((view) => ({
    view,
    certifiers: certifiersOf(list.seniors, beacon, view, params.certifiers).map(({ seat }) => seat),
  }))
  const view = 1
  const { certifiers } = views[view]!
  const message = voteMessage(networkId, { week, view, checkpoint, freezeHash })
  // All but the one at position 3.
  const voting = certifiers.flatMap((seat, position) => (position === 3 ? [] : [{ seat, position }]))
  const votes = voting.map(({ seat, position }) => ({
    position,
    seat,
    signature: nobleSignBls(hexToBytes(others.announcements[seat]!.blsSecret), message),
  }))
  const certificate: Certificate = {
    week,
    view,
    checkpoint,
    signers: signersOf(new Set(voting.map(({ position }) => position)), certifiers.length),
    signature: nobleAggregateVotes(votes.map(({ signature }) => signature)),
  }
  const shown = rows.get(lastEpoch)![2]!
  const inclusion = proveInclusion(payload, rows.get(lastEpoch)!, shown.payload)
  /** Of the equivocator, and of seats above and below all. */
  const proofs = createEpochProofs(lastEpoch, rows.get(lastEpoch)!)
  const absences = [others.equivocation.seat, 4_294_967_295].map((seat) => proofs.absenceOf(seat)!)
  const leafOf = (leaf: Leaf | null) =>
    leaf === null
      ? null
      : {
          attestation: hex(leaf.attestation),
          index: leaf.index,
          path: leaf.path.map((step) => hex(step)),
        }
  return {
    week,
    freezeHeight: freeze,
    freezeHash: hex(freezeHash),
    previous: null,
    registryRoot: hex(frame.registryRoot),
    handsOn: { count: frame.handsOn.count, root: hex(frame.handsOn.root) },
    income: params.fund.amount,
    snapshotRoots: frame.weeks[0]!.epochs.map(({ snapshotRoot }) => hex(snapshotRoot)),
    equivocators: [others.equivocation.seat],
    proofPages: pages.map(({ cid, bytes }) => ({ bytes: hex(bytes), cid: cid.toString() })),
    epochs: others.epochs.map(({ epoch }) => {
      const { count, root } = contentsOf(epoch)
      return { epoch, count, root: hex(root) }
    }),
    payload: hex(payload),
    cid: checkpoint.toString(),
    views,
    voteMessage: hex(message),
    votes: votes.map(({ position, seat, signature }) => ({ position, seat, signature: hex(signature) })),
    certificate: {
      view,
      signers: hex(certificate.signers),
      signature: hex(certificate.signature),
      encoded: hex(encodeCertificate(networkId, certificate)),
    },
    anchorMemo: formatAnchor(certificate),
    inclusion: {
      epoch: lastEpoch,
      seat: shown.seat,
      index: inclusion.index,
      path: inclusion.path.map((hash) => hex(hash)),
      encoded: hex(encodeInclusion(inclusion)),
    },
    absences: absences.map(({ epoch, seat, before, after }) => ({
      epoch,
      seat,
      before: leafOf(before),
      after: leafOf(after),
    })),
  }
}
