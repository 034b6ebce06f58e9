import type { Inspector } from './watch.ts'
import { unitsOf } from './work.ts'

export interface EnvelopeInspector {
  /** Of the encrypted bytes. */
  inspect: Inspector
  /** So many bytes of content came out of them. */
  contains: (bytes: number) => void
}

/**
 * Compares what comes in encrypted with what comes out: a packet without content is deciphered for nothing, and nobody above
 * ever sees that it was there.
 */
export const createEnvelopeInspector = (charge: (units: number) => number): EnvelopeInspector => {
  let encrypted = 0
  let content = 0
  let charged = 0
  return {
    inspect: ({ byteLength }) => {
      // What came before, whose content has come out meanwhile.
      const overhead = encrypted - content * (1 + maxOverhead) - slackBytes
      encrypted += byteLength
      if (overhead <= charged) return null
      const packets = (overhead - charged) / packetOverheadBytes
      charged = overhead
      const owes = charge(packets * unitsOf.emptyPacket)
      return owes > 0 ? { passes: byteLength, owes } : null
    },
    contains: (bytes) => {
      content += bytes
    },
  }
}

/** A length of two bytes and a tag of 16. */
const packetOverheadBytes = 18
/** An honest packet holds a header of a muxer frame at least, 12 bytes. */
const maxOverhead = packetOverheadBytes / 12
/** What may be under way: a packet that is not whole yet. */
const slackBytes = 2 + 65_535
