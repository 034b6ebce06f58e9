import {
  bytesToHex,
  cidOf,
  concatBytes,
  encodeCanonical,
  type Epoch,
  hexToBytes,
  type Signed,
} from '../../protocol/index.ts'
import { encodeAttestationBlock } from '../../src/week/attestation-block.ts'

/** What a week has under its roots, the last epoch last. */
export interface BundledEpoch {
  epoch: Epoch
  rows: readonly { signed: Signed; evidence: Uint8Array }[]
}

/** R-CP-8: the bundle of a checkpoint, bare and with evidence. */
export const bundleVector = (
  checkpoint: { payload: string; proofPages: readonly { bytes: string }[] },
  epochs: readonly BundledEpoch[],
) => {
  const payload = hexToBytes(checkpoint.payload)
  const pages = checkpoint.proofPages.map(({ bytes }) => hexToBytes(bytes))
  const carOf = (withEvidence: boolean): string =>
    bytesToHex(
      concatBytes(
        headerOf(payload),
        ...[payload, ...pages].map(sectionOf),
        ...epochs
          .toReversed()
          .flatMap(({ epoch, rows }) => [
            sectionOf(encodeAttestationBlock({ epoch, rows: rows.map(({ signed }) => signed) })),
            ...(withEvidence ? rows.map(({ evidence }) => sectionOf(evidence)) : []),
          ]),
      ),
    )
  return { bare: carOf(false), withEvidence: carOf(true) }
}

const headerOf = (payload: Uint8Array): Uint8Array =>
  concatBytes(
    hexToBytes('3aa265726f6f747381'),
    encodeCanonical(cidOf(payload)),
    hexToBytes('6776657273696f6e01'),
  )

const sectionOf = (bytes: Uint8Array): Uint8Array => {
  const length: number[] = []
  let rest = 36 + bytes.length
  for (; rest >= 0x80; rest >>= 7) length.push((rest & 0x7f) | 0x80)
  return concatBytes(Uint8Array.of(...length, rest), cidOf(bytes).bytes, bytes)
}
