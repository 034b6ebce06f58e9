import { LRUCache } from 'lru-cache'
import { decodeAttestation, type Epoch, equalBytes } from '../../protocol/index.ts'
import type { EpochContext } from '../week/epoch-book.ts'
import { createEvidenceSource } from '../week-io/evidence-source.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import type { Tasks } from './tasks.ts'

/**
 * R-ATT-8: the evidence of what another daemon attested for the seat of this node. Auditors ask for it two epochs later
 * (R-EVID-2), and by then this node may be the one that they ask.
 */
export interface EvidenceCopy {
  /** After each height that was handled at the tip, in epoch `current`. */
  onHeight(current: Epoch): Promise<void>
}

/** One a block: an epoch has more blocks than that. */
const maxTriesOfBlock = 8
/** Evidence blocks of the epochs that are looked at, and of some branches. */
const maxRemembered = 32

export const createEvidenceCopy = (node: NodeContext, collector: Collector, tasks: Tasks): EvidenceCopy => {
  const triesByCid = new LRUCache<string, number>({ max: maxRemembered })
  let isAsking = false

  const copy = async (context: EpochContext, signal: AbortSignal): Promise<void> => {
    const row = rowOfOther(node, context)
    const [held] = row === undefined ? [] : await collector.heldOf(context, [row.seat])
    const attestation = held === undefined ? null : decodeAttestation(held.signed.payload)
    if (row === undefined || attestation === null) return
    if ((await node.evidence.get(attestation.evidence)) !== undefined) return
    const cid = attestation.evidence.toString()
    const tries = triesByCid.get(cid) ?? 0
    if (tries >= maxTriesOfBlock) return
    triesByCid.set(cid, tries + 1)
    const { evidence, resolveHost, allowLoopback } = node
    const host = () => Promise.resolve(node.host)
    const source = createEvidenceSource({ evidence, host, resolveHost, allowLoopback })
    const found = await source.find(attestation, row, undefined, signal)
    if (found.is === 'missing') {
      node.logger.debug({ epoch: context.epoch, reason: found.why }, 'evidence of the seat cannot be had now')
    }
  }

  return {
    async onHeight(current) {
      if (isAsking) return
      const others: EpochContext[] = []
      for (let epoch = Math.max(0, current - 2); epoch <= current; epoch++) {
        const context = await node.epochs.get(epoch)
        if (context !== undefined && rowOfOther(node, context) !== undefined) others.push(context)
      }
      if (others.length === 0) return
      isAsking = tasks.run('copy evidence', async (signal) => {
        try {
          for (const context of others) await copy(context, signal)
        } finally {
          isAsking = false
        }
      })
    },
  }
}

/** The seat of this node's stake in an epoch in which the chain has it under another key. */
const rowOfOther = (node: NodeContext, { rowOf }: EpochContext) => {
  const seat = node.chain.seatOfStake(node.stake)
  const row = seat === undefined ? undefined : rowOf(seat)
  return row === undefined || equalBytes(row.peer, node.keys.peerKey) ? undefined : row
}
