import { createEvidenceSource } from '../week-io/evidence-source.ts'
import { gaveReceiptFrom, recomputeFrom } from '../week-io/explain-sources.ts'
import type { ExplainSources } from '../week/explain/sources.ts'
import { anchorIn, heldIn } from '../week-io/case-verifier.ts'
import type { VerifierFacts } from '../week/explain/verified-case.ts'
import type { AssembledNode } from './assemble.ts'

/** What an explanation is made from, of a running daemon: its store, its host on the network, its chain node. */
export const explainSourcesOfNode = (
  { daemon, network, weeks }: Pick<AssembledNode, 'daemon' | 'network' | 'weeks'>,
  signal: AbortSignal,
): ExplainSources => {
  const { node, host } = daemon
  return {
    ...weeks,
    world: node.world,
    evidence: createEvidenceSource({
      evidence: node.evidence,
      host: () => Promise.resolve(host),
      resolveHost: node.resolveHost,
      allowLoopback: node.allowLoopback,
    }),
    verify: node.verifier.verify,
    recompute: recomputeFrom(network, node.chain, signal),
    ownSeat: () => Promise.resolve(node.ownSeat()),
    gaveReceipt: gaveReceiptFrom(node.work),
    checkpointPayload: (cid) => daemon.checkpoints.get(cid),
  }
}

/** What a case file is checked against, of a running daemon. */
export const verifierOfNode = (
  { daemon, network, weeks, follower }: Pick<AssembledNode, 'daemon' | 'network' | 'weeks' | 'follower'>,
  signal: AbortSignal,
): VerifierFacts => ({
  network,
  epochs: weeks.epochs,
  verify: daemon.node.verifier.verify,
  recompute: recomputeFrom(network, follower, signal),
  held: (context) => heldIn(weeks, context, signal),
  anchorOf: (week) => Promise.resolve(anchorIn(follower.weeks(), week)),
})
