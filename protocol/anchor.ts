import { base64 } from '@scure/base'
import { CID } from 'multiformats/cid'
import { maxMemoBytes, memoPrefix } from './announcement.ts'
import { type Certificate, maxSignersBytes, maxView } from './certificate.ts'
import { PayloadCid } from './codec.ts'
import type { Height } from './ids.ts'
import type { Genesis, Params } from './params.ts'
import { accept, reject, type Validation } from './validation.ts'
import { isWeek } from './week.ts'

/** Whether a memo is meant as an anchor: announcements begin with the same word. */
export const isAnchorMemo = (memo: string): boolean => memo.startsWith(`${memoPrefix}anchor `)

/** R-CP-5: the memo that anchors a certificate. With 128 certifiers 275 characters, with 1,024 at most 430. */
export const formatAnchor = ({ week, view, checkpoint, signers, signature }: Certificate): string =>
  `${memoPrefix}anchor week=${week} view=${view} checkpoint=${checkpoint.toString()}` +
  ` signers=${base64.encode(signers)} sig=${base64.encode(signature)}`

const anchorPattern =
  /^secnode:1 anchor week=([0-9]{4}-W[0-9]{2}) view=(0|[1-9][0-9]{0,4}) checkpoint=(b[a-z2-7]{58}) signers=([A-Za-z0-9+/]{1,171}={0,2}) sig=([A-Za-z0-9+/]{128})$/

/**
 * R-CP-5: reads a memo. One certificate has one spelling; whether it holds is not judged here. Accepts it, or rejects
 * it with a code.
 */
export const parseAnchor = (memo: string): Validation<Certificate> => {
  if (memo.length > maxMemoBytes) return reject('anchor-too-long')
  const match = anchorPattern.exec(memo)
  if (match === null) return reject('anchor-form')
  const [, week, viewText, cidText, signersText, signatureText] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  const view = Number(viewText)
  if (!isWeek(week)) return reject('anchor-week')
  if (view > maxView) return reject('anchor-view')
  try {
    const checkpoint = CID.parse(cidText)
    if (!PayloadCid.safeParse(checkpoint).success) return reject('anchor-checkpoint')
    const signers = base64.decode(signersText)
    if (signers.length > maxSignersBytes) return reject('anchor-signers')
    const certificate = { week, view, checkpoint, signers, signature: base64.decode(signatureText) }
    // Base32 and base64 have spare bits at their ends: what is not written like this was written otherwise.
    return formatAnchor(certificate) === memo ? accept(certificate) : reject('anchor-not-canonical')
  } catch {
    return reject('anchor-encoding')
  }
}

/** R-CP-2: the last view of a week; views count from 0. */
export const lastView = (params: Pick<Params, 'anchorBlocks' | 'viewBlocks'>): number =>
  Math.min(maxView, Math.floor(params.anchorBlocks / params.viewBlocks))

/** R-CP-2: the height of the tip at which a view opens: block F has its confirmations when view 0 does. */
export const viewOpening = (
  genesis: Pick<Genesis, 'confirmations'>,
  params: Pick<Params, 'viewBlocks'>,
  freeze: Height,
  view: number,
): Height => freeze + genesis.confirmations + view * params.viewBlocks

/**
 * R-CP-5: the last height at which an anchor of the week counts: that of the next week's freeze, if it comes before
 * `anchorBlocks` are over. While the next week still runs, `nextFreeze` is null: then its freeze is above all
 * heights that can be asked about.
 */
export const anchorWindowEnd = (
  params: Pick<Params, 'anchorBlocks'>,
  freeze: Height,
  nextFreeze: Height | null,
): Height => Math.min(freeze + params.anchorBlocks, nextFreeze ?? Number.POSITIVE_INFINITY)

/**
 * R-CHAIN-4: only such transactions are tried for an anchor's memo, and only inside an anchor window.
 * `largestOutput`: value of the transaction's largest transparent output, whatever its script.
 */
export const isAnchorCandidate = (params: Pick<Params, 'anchorBond'>, largestOutput: bigint): boolean =>
  largestOutput >= params.anchorBond
