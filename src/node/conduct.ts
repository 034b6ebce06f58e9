import type { Finding, ProposalAnswer, Seat, Signed } from '../../protocol/index.ts'
import type { ChainView } from '../week/chain-view.ts'
import type { EpochContext } from '../week/epoch-book.ts'

/**
 * What a daemon does at the points where a dishonest one would do otherwise. The honest conduct is what everybody
 * runs; the devnet's deviants replace one part each, and are otherwise the same daemon.
 */
export interface Conduct {
  /** The raw transaction that goes into a digest. */
  readTransaction: ChainView['readTransaction']
  /** May replace what a visit to a target finds; undefined visits for real. */
  findWithoutVisit(context: EpochContext, target: number): Finding | undefined
  /** What is attested, given what was found. */
  attested(context: EpochContext, findings: readonly Finding[]): Promise<readonly Finding[]>
  /** Sends an attestation out. */
  publish(context: EpochContext, signed: Signed, send: (signed: Signed) => Promise<void>): Promise<void>
  /** What a proposer is told, given what the examination of its payload came to. */
  answerProposal(from: Seat, examined: ProposalAnswer): ProposalAnswer
}

export const honestConduct = (chain: ChainView): Conduct => ({
  readTransaction: (height, index, signal) => chain.readTransaction(height, index, signal),
  findWithoutVisit: () => undefined,
  attested: (_context, findings) => Promise.resolve(findings),
  publish: (_context, signed, send) => send(signed),
  answerProposal: (_from, examined) => examined,
})
