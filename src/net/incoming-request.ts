import type { StreamDecision } from '../admission/streams.ts'
import { follow, unlessAborted } from '../async/abort.ts'
import { SecnodeError } from '../errors.ts'
import type { PeerAddress } from './peer-address.ts'

/** The other end of a connection, which does not change. */
export interface Asker {
  /** Hex of the key. */
  peer: string
  peerKey: Uint8Array
  /** Null if the connection is not plain TCP. */
  from: PeerAddress | null
}

export interface IncomingOptions {
  asker: Asker
  isStranger: boolean
  stopping: AbortSignal
}

/** One request from the opening of its stream to its end: what was decided of it, and what it gives back at the end. */
export class IncomingRequest implements Disposable {
  readonly asker: Asker
  readonly isStranger: boolean
  /** For the metrics. */
  outcome: 'ok' | 'busy' | 'refused' = 'ok'

  readonly #abort = new AbortController()
  readonly #turnedAway = new AbortController()
  readonly #ends: (() => void)[] = []
  #turn: 'work' | 'busy' | null = null
  // Most requests wait for nothing: what only waiting needs is made for those that do.
  #onTurn: ((turn: 'work' | 'busy') => void) | null = null
  #waiting: AbortController | null = null
  #isGone = false
  #isOver = false

  constructor({ asker, isStranger, stopping }: IncomingOptions) {
    this.asker = asker
    this.isStranger = isStranger
    this.onEnd(follow(this.#abort, stopping))
  }

  /** Aborted when this node gives it up, or the host stops. Work goes on when the peer has gone: it may ask again. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Aborted when this node says that it is busy: what is left of the request is not read. */
  get turnedAway(): AbortSignal {
    return this.#turnedAway.signal
  }

  /** Aborted with `signal`, and when the peer has gone, too: it needs no place to wait in. */
  get waitSignal(): AbortSignal {
    if (this.#waiting === null) {
      this.#waiting = new AbortController()
      this.onEnd(follow(this.#waiting, this.signal))
      if (this.#isGone) this.#waiting.abort(gone)
    }
    return this.#waiting.signal
  }

  /** Whether its turn has not come yet. */
  get isWaiting(): boolean {
    return this.#turn === null
  }

  /** Whether it is worked on, or told that this node is busy. Rejects if the peer has gone or the signal aborts first. */
  async turn(signal: AbortSignal): Promise<'work' | 'busy'> {
    signal.throwIfAborted()
    if (this.#turn !== null && !this.#isGone) return this.#turn
    const { promise, resolve } = Promise.withResolvers<'work' | 'busy'>()
    this.#onTurn = resolve
    if (this.#turn !== null) resolve(this.#turn)
    return await unlessAborted(unlessAborted(promise, this.waitSignal), signal)
  }

  /** Carries out what admission decided of it. */
  decide(decision: StreamDecision<unknown>): void {
    if (decision.is === 'refuse') this.cut(refusals[decision.code])
    else if (decision.is !== 'read') {
      this.#turn ??= decision.is
      this.#onTurn?.(this.#turn)
    }
    if (decision.is === 'busy')
      this.#turnedAway.abort(new SecnodeError('NET_BUSY', 'too many requests at a time'))
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
    this.#isGone = true
    this.#waiting?.abort(gone)
  }

  [Symbol.dispose](): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const end of this.#ends.reverse()) end()
  }
}

// Made once: nearly all streams end so, and what an error costs is to say where it was made.
const gone = new SecnodeError('NET_CLOSED', 'the peer closed the stream')

const refusals = {
  'no-business': new SecnodeError('NET_NO_BUSINESS', 'this peer is not served on this protocol'),
  displaced: new SecnodeError('NET_DISPLACED', 'another request has the place'),
} as const
