import type { CID } from 'multiformats/cid'
import {
  type Anchor,
  type Checkpoint,
  cidOf,
  encodeSigned,
  type Epoch,
  epochRootInSteps,
  equalBytes,
  type HeldRow,
  type ListedEpoch,
  type Seat,
  type VerifyEd25519,
  type Week,
} from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import type { FrameParts } from './anchored-frame.ts'
import { askCheckpoint, fetchAttestations, fetchLeaves } from './asking.ts'
import type { EpochBook, EpochContext } from './epoch-book.ts'
import { checkProofPages } from './listed-proofs.ts'
import type { CheckpointBlocks, Leaf, Log, Provider } from './ports.ts'

/** An anchored week of which everything is at hand: the set that counts (R-CP-5). */
export interface AnchoredWeek {
  week: Week
  anchor: Anchor
  checkpoint: Checkpoint
  equivocators: ReadonlySet<Seat>
}

/** What an anchored week is put together from. */
export interface AnchoredParts extends FrameParts {
  epochs: Pick<EpochBook, 'get' | 'beaconOf' | 'epochsOfWeek' | 'unknownRulesetOf'>
  checkpoints: CheckpointBlocks
  /** All that is held of an epoch, equivocators included. */
  held(context: EpochContext): Promise<readonly HeldRow[]>
  verify: VerifyEd25519
  /** Where the missing is asked for; null without a network. */
  peers: {
    /** Some providers of what a checkpoint fixes, in a new order each time; more are looked for as they are wanted. */
    draw(checkpoint: CID, signal: AbortSignal): AsyncIterable<Provider>
    /** Takes in an attestation that stands under an anchored root. */
    take(context: EpochContext, bytes: Uint8Array): Promise<unknown>
  } | null
  /** What to do about what nobody has; by default, to let the daemon look for it. */
  missingHint?: string
  /** Called for each week that was brought together. */
  onComplete?(week: AnchoredWeek): void
  /** Called when everything of an epoch is at hand. */
  onEpoch?(progress: { week: Week; epoch: Epoch; done: number; total: number }): void
  logger: Log
}

export const blockOf = async (
  parts: AnchoredParts,
  anchor: Anchor,
  kind: 'checkpoint' | 'page',
  cid: CID,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const own = await parts.checkpoints.get(cid)
  if (own !== undefined) return own
  const fetched = await fromAnybody(
    parts,
    anchor.checkpoint,
    `${kind} ${cid.toString()}`,
    async (provider) => {
      const answer = await askCheckpoint(provider, [kind, cid], signal)
      if (answer.is === 'bad' || answer.value[0] !== kind) return undefined
      const bytes = answer.value[1] as Uint8Array
      return cidOf(bytes).equals(cid) ? bytes : undefined
    },
    signal,
  )
  await parts.checkpoints.put(anchor.week, [fetched])
  return fetched
}

export const equivocatorsUnder = async (
  parts: AnchoredParts,
  anchor: Anchor,
  week: Week,
  pages: readonly CID[],
  signal: AbortSignal,
): Promise<ReadonlySet<Seat>> => {
  const blocks: Uint8Array[] = []
  for (const cid of pages) blocks.push(await blockOf(parts, anchor, 'page', cid, signal))
  const read = await checkProofPages(parts, week, blocks)
  if (read.is === 'ignore') {
    throw new SecnodeError('ANCHORED_MISSING', `a snapshot of week ${week} is not in this store`, {
      exitCode: 3,
      hint: 'Let the node follow the chain from the activation height on.',
    })
  }
  if (read.is === 'reject') {
    throw new SecnodeError('ANCHORED_INVALID', `the proofs that week ${week} lists are wrong: ${read.code}`)
  }
  return new Set(read.value.keys())
}

/** The leaves under a root: own ones if they make it, else those of whoever knows. */
export const leavesUnder = async (
  parts: AnchoredParts,
  cid: CID,
  listed: ListedEpoch,
  equivocators: ReadonlySet<Seat>,
  signal: AbortSignal,
): Promise<readonly Leaf[]> => {
  const { checkpoints, epochs } = parts
  const isRoot = async (leaves: readonly Leaf[]): Promise<boolean> =>
    leaves.length === listed.count && equalBytes(await inSlices(epochRootInSteps(leaves)), listed.root)
  const stored = await checkpoints.contents(cid, listed.epoch)
  if (stored !== undefined && (await isRoot(stored))) return stored
  const context = await epochs.get(listed.epoch)
  if (context === undefined) {
    throw new SecnodeError('ANCHORED_MISSING', `epoch ${listed.epoch} is not in this store`, {
      exitCode: 3,
    })
  }
  const { mustHold, closes } = context.phases
  const own = (await parts.held(context)).filter(({ seat }) => !equivocators.has(seat))
  for (const before of [closes, mustHold, Number.POSITIVE_INFINITY]) {
    const rows = own.filter(({ heldAt }) => heldAt < before)
    if (await isRoot(rows)) {
      await checkpoints.putContents(cid, listed.epoch, rows)
      return rows
    }
  }
  const leaves = await fromAnybody(
    parts,
    cid,
    `the attestations of epoch ${listed.epoch}`,
    async (provider) => {
      const found = await fetchLeaves(provider, cid, listed.epoch, listed.count, signal)
      return found !== null && (await isRoot(found)) ? found : undefined
    },
    signal,
  )
  await checkpoints.putContents(cid, listed.epoch, leaves)
  return leaves
}

/** Fetches the attestations of these leaves that are not held. */
export const completeEpoch = async (
  parts: AnchoredParts,
  checkpoint: CID,
  listed: ListedEpoch,
  leaves: readonly Leaf[],
  signal: AbortSignal,
): Promise<void> => {
  const context = (await parts.epochs.get(listed.epoch))!
  const isHeld = async (): Promise<Leaf[]> => {
    const held = new Map((await parts.held(context)).map((row) => [row.seat, row]))
    return leaves.filter(({ seat, cid }) => held.get(seat)?.cid.equals(cid) !== true)
  }
  let missing = await isHeld()
  if (missing.length === 0) return
  await fromAnybody(
    parts,
    checkpoint,
    `${missing.length} attestations of epoch ${listed.epoch}`,
    async (provider) => {
      const wanted = new Set(missing.map(({ cid }) => cid.toString()))
      const seats = missing.map(({ seat }) => seat)
      for await (const given of fetchAttestations(provider, context, seats, signal)) {
        if (given === null) return undefined
        for (const signed of given) {
          // Only what stands under the root: what else this seat signed changes nothing any more.
          if (wanted.has(cidOf(signed.payload).toString())) {
            await parts.peers!.take(context, encodeSigned(signed))
          }
        }
      }
      missing = await isHeld()
      return missing.length === 0 ? true : undefined
    },
    signal,
  )
}

/** Asks one after the other until somebody gives what `take` accepts. */
const fromAnybody = async <T>(
  parts: AnchoredParts,
  checkpoint: CID,
  what: string,
  take: (provider: Provider) => Promise<T | undefined>,
  signal: AbortSignal,
): Promise<T> => {
  if (parts.peers !== null) {
    for await (const provider of parts.peers.draw(checkpoint, signal)) {
      try {
        const taken = await take(provider)
        if (taken !== undefined) return taken
      } catch (error) {
        signal.throwIfAborted()
        parts.logger.debug({ peer: provider.name, reason: messageOf(error) }, `could not ask for ${what}`)
      }
    }
  }
  throw new SecnodeError('ANCHORED_MISSING', `${what} cannot be found`, {
    exitCode: 3,
    hint:
      parts.missingHint ?? 'Start the daemon, or let it run on: it asks other nodes until it has everything.',
  })
}
