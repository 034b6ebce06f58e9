import {
  type ChallengeTerms,
  createDigest,
  drawSamples,
  epochStart,
  type Genesis,
  type Sample,
} from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { ChainView } from './chain-view.ts'

/** Reads of one digest that are under way at once: a disk answers several together sooner than one by one. */
const parallelReads = 8

/**
 * R-CHAL-2, R-CHAL-3 from a chain: the digest for these terms. Throws DIGEST_CHAIN if a header is missing, or what
 * reading a transaction throws.
 */
export const digestOf = async (
  genesis: Genesis,
  terms: ChallengeTerms,
  samples: number,
  chain: Pick<ChainView, 'transactionCountAt' | 'readTransaction'>,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const drawing = drawSamples(terms, samples, epochStart(genesis, terms.epoch))
  let step = drawing.next()
  while (step.done !== true) {
    const count = await chain.transactionCountAt(step.value)
    if (count === undefined) {
      throw new SecnodeError('DIGEST_CHAIN', `block ${step.value} was not followed yet`, {
        hint: 'Wait until the follower has caught up.',
      })
    }
    step = drawing.next(count)
  }
  return await readDigest(terms, step.value, chain, signal)
}

const readDigest = async (
  terms: ChallengeTerms,
  samples: readonly Sample[],
  chain: Pick<ChainView, 'readTransaction'>,
  signal: AbortSignal,
): Promise<Uint8Array> => {
  const digest = createDigest(terms)
  for (let i = 0; i < samples.length; i += parallelReads) {
    const transactions = await Promise.all(
      samples
        .slice(i, i + parallelReads)
        .map(({ height, index }) => chain.readTransaction(height, index, signal)),
    )
    for (const transaction of transactions) digest.add(transaction)
  }
  return digest.finish()
}
