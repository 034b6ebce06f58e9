import {
  type Attestation,
  bytesToHex,
  cidOf,
  decodeAttestation,
  encodeAttestation,
  encodeReceipt,
  epochPhases,
  type Finding,
  hash,
  indexOfSeat,
  type Seat,
  seenFault,
  signPayload,
  targetsOf,
  Verdict,
  type Wants,
  wantsAnswer,
} from '../../protocol/index.ts'
import { ed25519FromSeed } from '../keys/ed25519.ts'
import { resolveObservedAddress } from '../net/resolve.ts'
import type { Conduct } from '../node/conduct.ts'
import type { NodeContext } from '../node/context.ts'
import type { DaemonOptions } from '../node/daemon.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import type { PreparedNode } from './prepare.ts'

/**
 * The options that make a daemon a deviant of its kind; `nodes` are all of the devnet. Kinds that are a matter of when a
 * node runs, of what it announces, or of what runs beside it, have none: `network.ts` sees to those.
 */
export const deviationOf = (
  node: PreparedNode,
  nodes: readonly PreparedNode[],
): Pick<DaemonOptions, 'conduct' | 'signProbe'> => {
  switch (node.kind) {
    case 'pruned':
      return { conduct: withoutOldBlocks }
    case 'othertls':
      // Whoever ends the TLS connections has a key of his own, but not the node's.
      return { signProbe: ed25519FromSeed(hash('tls terminator', node.secret)).sign }
    case 'liar':
      return { conduct: lying }
    case 'lazy':
      return { conduct: idling }
    case 'copycat':
      return { conduct: copying }
    case 'equivocator':
      return { conduct: equivocating }
    case 'dribbler':
      return { conduct: dribbling }
    case 'false-address':
      return { conduct: namingFalsely(keysOfKind(nodes, 'false-address')) }
    default:
      return {}
  }
}

/** Keys (hex) of the nodes of a kind. */
export const keysOfKind = (nodes: readonly PreparedNode[], kind: PreparedNode['kind']): ReadonlySet<string> =>
  new Set(nodes.filter((node) => node.kind === kind).map(({ keys }) => bytesToHex(keys.peerKey)))

/** Keeps every fourth block only, and makes up the rest rather than stay silent. */
const withoutOldBlocks = (honest: Conduct): Partial<Conduct> => ({
  readTransaction: (height, index, signal) =>
    height % 4 === 0 ? honest.readTransaction(height, index, signal) : Promise.resolve(new Uint8Array(100)),
})

const lying = (): Partial<Conduct> => ({
  attested: (_context, findings) =>
    Promise.resolve(
      findings.map((): Finding => ({
        evidence: seenFault(Verdict.unreachable, 'connection refused'),
        address: null,
      })),
    ),
})

/** A receipt that its target never gave: the best that one can show who did not ask. */
const madeUpFinding = (
  node: NodeContext,
  context: EpochContext,
  target: number,
  address: Uint8Array,
): Finding => {
  const row = context.snapshot[target]!
  const payload = encodeReceipt({
    networkId: node.networkId,
    epoch: context.epoch,
    beacon: context.beacon,
    targetSeat: row.seat,
    targetStake: row.stake,
    challengerSeat: node.ownSeat()!,
    nonce: hash('nonce', context.beacon, target),
    digest: hash('digest', context.beacon, target),
  })
  const receipt = signPayload('receipt', node.networkId, payload, node.keys.sign)
  return { evidence: { verdict: Verdict.valid, receipt }, address }
}

/** Stands for a visit that was not made; `attested` puts something better in its place. */
const notVisited: Finding = { evidence: seenFault(Verdict.abstain, 'not visited'), address: null }

const ownTargets = (node: NodeContext, context: EpochContext): number[] =>
  targetsOf(context.committees, indexOfSeat(context.snapshot, node.ownSeat()!))

const idling = (_honest: Conduct, node: NodeContext): Partial<Conduct> => ({
  findWithoutVisit: () => notVisited,
  // It looks names up, which is cheap, and says of each that it is well.
  attested: async (context) =>
    await Promise.all(
      ownTargets(node, context).map(async (target) => {
        const resolution = await resolveObservedAddress(context.snapshot[target]!.host, node.resolveHost, {
          allowLoopback: node.allowLoopback,
        })
        const address = resolution.is === 'ok' ? resolution.address.bytes : Uint8Array.of(1, 1, 1, 1)
        return madeUpFinding(node, context, target, address)
      }),
    ),
})

const copying = (_honest: Conduct, node: NodeContext): Partial<Conduct> => ({
  findWithoutVisit: () => notVisited,
  attested: async (context) => {
    // The last counted moment: one block before b(e + 2) is confirmed (R-ATT-6).
    const { closes } = epochPhases(node.genesis, context.params.attestBlocks, context.epoch)
    await untilHeight(node, closes - 1)
    const others: Attestation[] = []
    for await (const held of node.attestations.ofEpoch(context.epoch, context.beacon)) {
      const attestation = decodeAttestation(held.signed.payload)
      if (attestation !== null) others.push(attestation)
    }
    return ownTargets(node, context).map((target) => {
      const addresses = addressesOf(others, context, target)
      const address = addresses[0]
      return address === undefined
        ? { evidence: seenFault(Verdict.unreachable, 'connection refused'), address: null }
        : madeUpFinding(node, context, target, address)
    })
  },
})

/** Under which addresses others call the target valid. */
const addressesOf = (others: readonly Attestation[], context: EpochContext, target: number): Uint8Array[] =>
  others.flatMap(({ seat, verdicts, addresses }) => {
    const position = targetsOf(context.committees, indexOfSeat(context.snapshot, seat)).indexOf(target)
    if (position === -1 || verdicts[position] !== Verdict.valid) return []
    const before = verdicts.subarray(0, position).filter((verdict) => verdict === Verdict.valid).length
    return [addresses[before]!]
  })

const pollMs = 50
/** Nodes of a devnet look for blocks every 50 ms, so some do not know yet what is known here. */
const hastyPollMs = 2

const untilHeight = (node: NodeContext, height: number, everyMs = pollMs): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (node.chain.confirmedHeight >= height || node.stopping.aborted) resolve()
      else node.world.setTimer(everyMs, look)
    }
    look()
  })

const equivocating = (_honest: Conduct, node: NodeContext): Partial<Conduct> => ({
  async publish(_context, signed, send) {
    await send(signed)
    const attestation = decodeAttestation(signed.payload)!
    const other = encodeAttestation({
      ...attestation,
      verdicts: attestation.verdicts.map(() => Verdict.unreachable),
      addresses: [],
    })
    await send(signPayload('att', node.networkId, other, node.keys.sign))
  },
})

/** A row of `wants` for each own attestation that came out too late. */
type TooLate = Wants['missing'][number]

/**
 * Of every third epoch its attestation goes out as the epoch closes, in time for some nodes only; of every other third it
 * stays where it is until all hold it too late. It never votes for another's proposal, but misses one of the latter, and
 * the next one in the next round.
 */
const dribbling = (_honest: Conduct, node: NodeContext): Partial<Conduct> => {
  const tooLate: TooLate[] = []
  const asked = new Map<Seat, number>()
  return {
    attested: async ({ epoch, phases }, findings) => {
      // Signed a block before, it goes out at once when the epoch closes.
      if (epoch % 3 > 0) await untilHeight(node, phases.closes - (epoch % 3 === 1 ? 1 : 0))
      return findings
    },
    async publish({ epoch, phases }, signed, send) {
      if (epoch % 3 === 1) await untilHeight(node, phases.closes, hastyPollMs)
      if (epoch % 3 < 2) return await send(signed)
      const { seat } = decodeAttestation(signed.payload)!
      tooLate.push({ epoch, seat, digest: cidOf(signed.payload).multihash.digest })
    },
    answerProposal(from, examined) {
      if (tooLate.length === 0 || (examined[0] !== 'vote' && examined[0] !== 'wants')) return examined
      const round = asked.get(from) ?? 0
      asked.set(from, round + 1)
      return wantsAnswer({ missing: [tooLate[round % tooLate.length]!], late: [], proofs: [] })
    },
  }
}

/** Visits for real and has the receipts, but names an unused address for each target that is not an accomplice. */
const namingFalsely =
  (accomplices: ReadonlySet<string>) =>
  (_honest: Conduct, node: NodeContext): Partial<Conduct> => ({
    attested: (context, findings) => {
      const targets = ownTargets(node, context)
      // RFC 5737: an address for documentation, one for each liar, so that no two of them make a majority together.
      const address = Uint8Array.of(198, 51, 100, node.ownSeat()! % 256)
      const said = findings.map((finding, i): Finding => {
        const isFriend = accomplices.has(bytesToHex(context.snapshot[targets[i]!]!.peer))
        return finding.address === null || isFriend ? finding : { ...finding, address }
      })
      return Promise.resolve(said)
    },
  })
