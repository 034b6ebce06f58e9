import type { CID } from 'multiformats/cid'
import { equalBytes } from './bytes.ts'

/** One attestation of a seat in the anchored set, as R-ATT-4 sees it. */
export interface LinkedAttestation {
  cid: CID
  previous: CID | null
  /** The seat's key in the snapshot of that epoch. */
  publicKey: Uint8Array
}

/**
 * R-ATT-4: which of one seat's anchored attestations are authentic: those whose own signature verifies, and those
 * that an authentic one under the same key names as its previous. `rows` in rising order of epoch: then the last
 * signature of an unbroken chain is the only one that is asked for. The result does not depend on the order.
 */
export const authenticAttestations = (
  rows: readonly LinkedAttestation[],
  isSigned: (index: number) => boolean,
): boolean[] => {
  const authentic = rows.map(() => false)
  const previousOf = (index: number): number | undefined => {
    const { previous, publicKey } = rows[index]!
    if (previous === null) return undefined
    const isNamed = (row: LinkedAttestation | undefined): boolean => row?.cid.equals(previous) === true
    // Nearly always the row before; a week has some 42 rows of a seat, so looking through them all is cheap too.
    const found = isNamed(rows[index - 1]) ? index - 1 : rows.findIndex(isNamed)
    return found !== -1 && equalBytes(rows[found]!.publicKey, publicKey) ? found : undefined
  }
  for (let last = rows.length - 1; last >= 0; last--) {
    if (authentic[last] === true || !isSigned(last)) continue
    for (let i: number | undefined = last; i !== undefined && authentic[i] !== true; i = previousOf(i)) {
      authentic[i] = true
    }
  }
  return authentic
}
