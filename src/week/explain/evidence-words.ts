import {
  bytesToHex,
  challengeAnswerCodec,
  decodeReceipt,
  decodeSigned,
  type EvidenceEntry,
  maxReceiptBytes,
  Verdict,
} from '../../../protocol/index.ts'
import { shortHex } from './checks.ts'

/** What a challenger says that it saw, in one line of printable ASCII and ellipses. */
export const describeEntry = (entry: EvidenceEntry): string => {
  switch (entry.verdict) {
    case Verdict.valid: {
      const receipt = decodeReceipt(entry.receipt.payload)
      return receipt === null
        ? 'something that is no receipt'
        : `receipt with digest ${shortHex(receipt.digest)}`
    }
    case Verdict.wrongDigest:
    case Verdict.badReceipt:
    case Verdict.tlsUnbound:
      return `${describeAnswer(entry.response, entry.verdict)}; SHA-256 ${shortHex(entry.responseHash)}`
    default:
      return entry.seen
  }
}

/** SHA-256 of the whole of a bad answer in hex, of which an entry may hold the head only. */
export const answerHashOf = (entry: EvidenceEntry): string | null =>
  'responseHash' in entry ? bytesToHex(entry.responseHash) : null

/** What a bad answer is, as far as its head shows. */
const describeAnswer = (response: Uint8Array, verdict: EvidenceEntry['verdict']): string => {
  const answer = challengeAnswerCodec.decode(response)
  if (answer.is === 'ok' && answer.value[0] === 'refused') return `refused with ${answer.value[1]}`
  const signed = decodeSigned(response, maxReceiptBytes)
  const receipt = signed.is === 'ok' ? decodeReceipt(signed.value.payload) : null
  if (receipt !== null && verdict === Verdict.wrongDigest) {
    return `receipt with digest ${shortHex(receipt.digest)}`
  }
  if (receipt !== null) {
    return `receipt of seat ${receipt.targetSeat} for seat ${receipt.challengerSeat} and epoch ${receipt.epoch} with digest ${shortHex(receipt.digest)}`
  }
  const text = new TextDecoder('latin1').decode(response)
  if (/^[ -~\r\n\t]+$/.test(text)) return `answer "${shorten(text.replaceAll(/\s+/g, ' '), 100)}"`
  return `answer of ${response.length} bytes or more, beginning ${shortHex(response)}`
}

const shorten = (text: string, maxChars: number): string =>
  text.length <= maxChars ? text : `${text.slice(0, maxChars)}…`
