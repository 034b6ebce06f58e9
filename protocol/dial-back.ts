import { z } from 'zod'
import { isHost } from './announcement.ts'
import { bytesOf, SeatNumber } from './ids.ts'
import { codecOf, MessageCode } from './messages.ts'
import { isObservedAddress } from './observed-address.ts'
import { Verdict } from './verdict.ts'

/** What a node that was not announced yet says in the place of its seat: no seat has this number. */
export const unseated = 0xffff_ffff

const Port = z.int().min(1).max(65_535)

/**
 * R-DIAL-1: ["dial-back", host, p2p port, TLS port, seat or `unseated`, stake]. There is no address in it: what is
 * dialled is where the question came from.
 */
export const DialBackRequest = z.tuple([
  z.literal('dial-back'),
  z.string().refine(isHost),
  Port,
  Port,
  SeatNumber,
  bytesOf(20),
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

export const DialBackAnswer = z.union([
  /** ["dialled", observed address, clock in seconds since 1970, [verdict, what was seen] of libp2p, the same of TLS] */
  z.tuple([
    z.literal('dialled'),
    z.custom<Uint8Array>((value) => value instanceof Uint8Array && isObservedAddress(value)),
    z.int().min(0).max(0xff_ffff_ffff),
    z.tuple([P2pDialVerdict, Seen]),
    z.tuple([TlsDialVerdict, Seen]),
  ]),
  z.tuple([z.literal('later'), z.enum(['busy', 'quota'])]),
  z.tuple([z.literal('refused'), MessageCode]),
])
export type DialBackAnswer = z.infer<typeof DialBackAnswer>

export const dialBackRequestCodec = codecOf<DialBackRequest>(DialBackRequest, 128)
export const dialBackAnswerCodec = codecOf<DialBackAnswer>(DialBackAnswer, 512)
