import { z } from 'zod'
import { isHost } from './announcement.ts'
import { bytesOf, SeatNumber } from './ids.ts'
import { codecOf, MessageCode } from './messages.ts'
import { isObservedAddress } from './observed-address.ts'
import { RulesetNumber } from './probe-answer.ts'
import { instanceBytes } from './question.ts'
import { Verdict } from './verdict.ts'

/** What a node that was not announced yet says in the place of its seat: no seat has this number. */
export const unseated = 0xffff_ffff

const Port = z.int().min(1).max(65_535)

/**
 * R-DIAL-1: ["dial-back", host, p2p port, TLS port, seat or `unseated`, stake, nonce of the probe]. There is no address
 * in it: what is dialled is where the question came from.
 */
export const DialBackRequest = z.tuple([
  z.literal('dial-back'),
  z.string().refine(isHost),
  Port,
  Port,
  SeatNumber,
  bytesOf(20),
  bytesOf(32),
])
export type DialBackRequest = z.infer<typeof DialBackRequest>

/** At most 200 characters of printable ASCII: it is printed on terminals. */
const Seen = z.string().regex(/^[\x20-\x7e]{0,200}$/)

/** What the libp2p port may turn out to be: the other verdicts need more than a connection. */
export const P2pDialVerdict = z.literal([Verdict.valid, Verdict.unreachable, Verdict.abstain])
export const TlsDialVerdict = z.literal([
  Verdict.valid,
  Verdict.tlsUnreachable,
  Verdict.tlsInvalid,
  Verdict.tlsUnbound,
  Verdict.abstain,
])

/** What the answer to a probe signs beside host and nonce (R-PROBE-1), with the signature: the asker can verify it. */
export const ProbeProof = z.tuple([
  /** Exporter of the dialler's connection. */
  bytesOf(32),
  bytesOf(instanceBytes),
  RulesetNumber,
  z.boolean(),
  bytesOf(64),
])
export type ProbeProof = z.infer<typeof ProbeProof>

/** Answers to a `DialBackRequest`: what the dialling node saw, or why it did not dial. */
export const DialBackAnswer = z.union([
  /**
   * ["dialled", observed address, clock in seconds since 1970, [verdict, what was seen] of libp2p, the same of TLS, what
   * the probe's answer signed if it was valid]
   */
  z.tuple([
    z.literal('dialled'),
    z.custom<Uint8Array>((value) => value instanceof Uint8Array && isObservedAddress(value)),
    z.int().min(0).max(0xff_ffff_ffff),
    z.tuple([P2pDialVerdict, Seen]),
    z.tuple([TlsDialVerdict, Seen]),
    ProbeProof.nullable(),
  ]),
  z.tuple([z.literal('later'), z.enum(['busy', 'quota'])]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type DialBackAnswer = z.infer<typeof DialBackAnswer>

/** Reads and writes `DialBackRequest`. */
export const dialBackRequestCodec = codecOf<DialBackRequest>(DialBackRequest, 192)
/** Reads and writes `DialBackAnswer`. */
export const dialBackAnswerCodec = codecOf<DialBackAnswer>(DialBackAnswer, 640)
