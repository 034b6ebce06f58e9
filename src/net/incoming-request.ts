import type { StreamDecision } from '../admission/streams.ts'
import { eitherOf } from '../async/abort.ts'
import { SecnodeError } from '../errors.ts'
import type { PeerAddress } from './peer-address.ts'

export interface IncomingOptions {
  /** Hex of the key. */
  peer: string
  peerKey: Uint8Array
  isStranger: boolean
  from: PeerAddress | null
  stopping: AbortSignal
}

/** One request from the opening of its stream to its end: what was decided of it, and what it gives back at the end. */
export class IncomingRequest implements Disposable {
  readonly peer: string
  readonly peerKey: Uint8Array
  readonly isStranger: boolean
  /** The other end of the connection that it came over; null if that is not plain TCP. */
  readonly from: PeerAddress | null
  /** Aborted when this node gives it up, or the host stops. Work goes on when the peer has gone: it may ask again. */
  readonly signal: AbortSignal
  /** Aborted when the peer has gone, too: it needs no place to wait in. */
  readonly waitSignal: AbortSignal
  /** Aborted when this node says that it is busy, too: what is left of the request is not read. */
  readonly readSignal: AbortSignal
  /** Whether it is worked on, or told that this node is busy. */
  readonly turn: Promise<'work' | 'busy'>
  /** For the metrics. */
  outcome: 'ok' | 'busy' | 'refused' = 'ok'

  readonly #abort = new AbortController()
  readonly #turnedAway = new AbortController()
  readonly #gone = new AbortController()
  readonly #decideTurn: (turn: 'work' | 'busy') => void
  readonly #ends: (() => void)[] = []
  #isOver = false

  constructor({ peer, peerKey, isStranger, from, stopping }: IncomingOptions) {
    this.peer = peer
    this.peerKey = peerKey
    this.isStranger = isStranger
    this.from = from
    this.signal = eitherOf(stopping, this.#abort.signal)
    this.readSignal = eitherOf(this.signal, this.#turnedAway.signal)
    this.waitSignal = eitherOf(this.signal, this.#gone.signal)
    const { promise, resolve } = Promise.withResolvers<'work' | 'busy'>()
    this.turn = promise
    this.#decideTurn = resolve
  }

  /** Carries out what admission decided of it. */
  decide(decision: StreamDecision<unknown>): void {
    if (decision.is === 'refuse') this.cut(refusals[decision.code])
    else if (decision.is !== 'read') this.#decideTurn(decision.is)
    if (decision.is === 'busy')
      this.#turnedAway.abort(new SecnodeError('NET_BUSY', 'too many requests at a time'))
  }

  isTurnedAway(): boolean {
    return this.#turnedAway.signal.aborted
  }

  cut(reason: SecnodeError): void {
    this.#abort.abort(reason)
  }

  /** Called once at the end; at once if it is over already. */
  onEnd(end: () => void): void {
    if (this.#isOver) end()
    else this.#ends.push(end)
  }

  /** The stream is closed. */
  peerGone(): void {
    this.#gone.abort(new SecnodeError('NET_CLOSED', 'the peer closed the stream'))
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const end of this.#ends.reverse()) end()
  }
}

const refusals = {
  'no-business': new SecnodeError('NET_NO_BUSINESS', 'this peer is not served on this protocol'),
  displaced: new SecnodeError('NET_DISPLACED', 'another request has the place'),
} as const
