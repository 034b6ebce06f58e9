import {
  type Anchor,
  type ChainWeeks,
  encodeSigned,
  type Epoch,
  type Height,
  type NetworkId,
  type Week,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { EpochBook } from '../week/epoch-book.ts'
import type { Admit } from '../week/admission.ts'
import type { CheckpointBlocks, Leaf } from '../week/ports.ts'
import { sha256 } from './native.ts'
import { anchorOfBundle, headOfBundle } from '../week/anchor-of.ts'
import { type BundleSummary, importBundle, type VerifyBundleOptions } from '../week/bundle.ts'

/** Where a bundle goes: a store, or a daemon that has one open. */
export interface ImportTarget {
  networkId: NetworkId
  weeks(): ChainWeeks
  epochs: Pick<EpochBook, 'get'>
  checkpoints: CheckpointBlocks
  evidence: { put(epoch: Epoch, block: Uint8Array): Promise<void> }
  admit: Admit
}

/**
 * Brings a bundle into a store, if the chain has anchored it: what the store holds then makes the anchored roots. `open`
 * is called three times. Errors: those of `readBundle`; BUNDLE_FOREIGN; WEEK_NOT_ANCHORED and BUNDLE_UNSIGNED (exit code
 * 3: rows whose own signature does not verify were left out, R-ATT-4).
 */
export const importAnchored = async (
  target: ImportTarget,
  open: () => AsyncIterable<Uint8Array>,
  options: Omit<VerifyBundleOptions, 'sha256' | 'anchored'> = {},
): Promise<BundleSummary & { anchor: Anchor }> => {
  const head = await headOfBundle(open(), sha256)
  const anchor = anchorOfBundle(target.networkId, target.weeks(), head)
  const refused: { epoch: Epoch; seat: number; code: string }[] = []
  let leaves: Leaf[] = []
  const summary = await importBundle(
    open,
    {
      checkpoint: (_, bytes) => target.checkpoints.put(anchor.week, [bytes]),
      page: (_, __, bytes) => target.checkpoints.put(anchor.week, [bytes]),
      async attestations(_, listed, rows) {
        const context = await target.epochs.get(listed.epoch)
        if (context === undefined) throw new Error(`epoch ${listed.epoch} of an anchored week is not known`)
        const taken = await Promise.all(rows.map(({ signed }) => target.admit(context, encodeSigned(signed))))
        for (const [i, validation] of taken.entries()) {
          const { seat } = rows[i]!.attestation
          if (validation.is !== 'accept') refused.push({ epoch: listed.epoch, seat, code: validation.code })
        }
        leaves.push(...rows.map(({ attestation: { seat }, cid }) => ({ seat, cid })))
        if (leaves.length < listed.count) return
        await target.checkpoints.putContents(anchor.checkpoint, listed.epoch, leaves)
        leaves = []
      },
      evidence: ({ epoch }, _, bytes) => target.evidence.put(epoch, bytes),
    },
    { ...options, sha256, anchored: anchor.checkpoint },
  )
  const [first] = refused
  if (first !== undefined) {
    const others = refused.length > 1 ? `, and ${refused.length - 1} others` : ''
    throw new SecnodeError(
      'BUNDLE_UNSIGNED',
      `the attestation of seat ${first.seat} in epoch ${first.epoch} was left out (${first.code})${others}`,
      {
        exitCode: 3,
        hint: 'A store takes attestations with their own signature only. Ask another node for the bundle.',
      },
    )
  }
  return { ...summary, anchor }
}

/** What the command line prints of it, and a daemon answers. */
export interface ImportAnswer {
  checkpoint: string
  weeks: readonly Week[]
  /** Height of the anchor's block. */
  anchor: Height
  blocks: number
  attestations: number
  evidence: number
}

export const importAnswerOf = ({
  checkpoint,
  anchor,
  ...summary
}: BundleSummary & { anchor: Anchor }): ImportAnswer => ({
  checkpoint: checkpoint.toString(),
  anchor: anchor.height,
  ...summary,
})
