import { z } from 'zod'
import { Week } from '../../../../protocol/index.ts'
import { named, Hex32, Base64, CidText, Text, SignedText } from '../../api/schemas.ts'
import { Challenge } from '../history/schemas.ts'

export const Check = named(
  'Check',
  z.strictObject({
    about: z.enum(['signature', 'evidence', 'receipts', 'answer', 'digest', 'audit']),
    is: z.enum(['holds', 'fails', 'missing', 'unchecked']),
    detail: Text,
  }),
)

/** One verdict with everything that stands behind it. */
export const VerdictDetail = named(
  'Verdict',
  z.strictObject({
    ...Challenge.shape,
    week: Week,
    host: z.string(),
    challengerHost: z.string(),
    /** What the challenger says that it saw. */
    saw: Text.nullable(),
    /** SHA-256 of the bad answer that it got. */
    answerHash: Hex32.nullable(),
    attestation: SignedText.nullable(),
    evidence: z
      .strictObject({
        cid: CidText,
        block: Base64.nullable(),
        from: z.enum(['store', 'network', 'file']).nullable(),
      })
      .nullable(),
    checks: z.array(Check),
    /** Whether this node gave that challenger a receipt in the epoch; null for other nodes. */
    gaveReceipt: z.boolean().nullable(),
  }),
)
export type VerdictDetail = z.infer<typeof VerdictDetail>
