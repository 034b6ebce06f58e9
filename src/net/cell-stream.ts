import type { Stream } from '@libp2p/interface'
import { AbstractMessageStream } from '@libp2p/utils'
import {
  type Cell,
  cellBytes,
  cellPayloadBytes,
  concatBytes,
  decodeCell,
  encodeCell,
  encodeEnd,
  endCodeOf,
  maxCellsBack,
  maxCellsForth,
} from '../../protocol/index.ts'
import type { World } from '../world.ts'
import type { Turns } from './turns.ts'

/** How a link ended. */
export interface LinkEnd {
  /** Of an END cell, of our own end, or `gone`, `toll`, `cell-…`, `too-many-cells`. */
  code: string
  /**
   * `link`: the neighbour broke R-RELAY-3, and nothing that it passes on for others looks like that. `session`: what came
   * inside could not be deciphered, which is the fault of whoever is at the other end of the session.
   */
  fault: 'none' | 'link' | 'session'
  /** What came in a TOLL cell. */
  toll: Uint8Array | null
}

export interface CellStreamOptions {
  turns: Turns
  world: Pick<World, 'setTimer'>
  /**
   * For the side that was called: what the OPEN cell holds, which must come first. The stream is on hold from there on,
   * and takes hardly anything more, until it is admitted.
   */
  onOpen?: (payload: Uint8Array) => void
  /** Once. */
  onEnd: (end: LinkEnd) => void
}

/** What libp2p hands over: bytes, or a list of them. */
interface Bytes {
  subarray(): Uint8Array
}

/** Cells that wait for their turn, before the stream is told to stop. */
const pauseAbove = 64
const resumeBelow = 16
/** Behind OPEN, before it is admitted: the first message of a handshake, and nobody has a reason to send more. */
const maxEarlyCells = 2
/** A peer that got the last cell closes at once; one that does not is cut off. */
const lingerMs = 1_000

/**
 * R-RELAY-3: bytes both ways in cells of one size, over a libp2p stream. Cells that came in are taken out one by one, in
 * turn with other links; `hold` stops that, and then the stream of the other side. Noise runs over it as over any
 * message stream.
 */
export class CellStream extends AbstractMessageStream {
  readonly #stream: Stream
  readonly #options: CellStreamOptions
  /** What is there of a cell. */
  #partial: Uint8Array = new Uint8Array()
  readonly #waiting: Uint8Array[] = []
  #received = 0
  #sent = 0
  readonly #maxReceived: number
  readonly #maxSent: number
  #isOpened: boolean
  #isAdmitted: boolean
  #isHeld = false
  #isPaused = false
  #hasEnded = false

  constructor(stream: Stream, options: CellStreamOptions) {
    const isCaller = options.onOpen === undefined
    const [maxReceived, maxSent] = isCaller ? [maxCellsBack, maxCellsForth] : [maxCellsForth, maxCellsBack]
    // Our own bounds are below: nothing may lie in a buffer that is larger than all a link carries, and its last cell.
    const buffers = {
      maxReadBufferLength: (maxReceived + 1) * cellBytes,
      maxWriteBufferLength: (maxSent + 1) * cellBytes,
    }
    super({
      log: stream.log,
      direction: stream.direction,
      maxMessageSize: cellPayloadBytes,
      ...buffers,
    })
    this.#stream = stream
    this.#options = options
    this.#maxReceived = maxReceived
    this.#maxSent = maxSent
    this.#isOpened = this.#isAdmitted = isCaller
    Object.assign(stream, buffers)
    stream.addEventListener('message', ({ data }) => this.#onBytes(data))
    stream.addEventListener('drain', () => this.safeDispatchEvent('drain'))
    stream.addEventListener('close', () => this.#onGone())
    stream.addEventListener('remoteCloseWrite', () => this.#onGone())
    // A stream may have been reset before anybody listened.
    if (stream.status !== 'open') queueMicrotask(() => this.#onGone())
  }

  get cells(): { received: number; sent: number } {
    return { received: this.#received, sent: this.#sent }
  }

  /** The first cell of the side that calls. */
  open(payload: Uint8Array): void {
    this.#write(encodeCell({ kind: 'open', payload }))
  }

  /** Says what must be paid, and closes. */
  askToll(payload: Uint8Array): void {
    this.#end(encodeCell({ kind: 'toll', payload }), { code: 'toll', fault: 'none', toll: null })
  }

  /** Takes in what waits behind OPEN. */
  admit(): void {
    this.#isAdmitted = true
    this.release()
  }

  /** Says why, and closes. Idempotent. */
  end(code: string, fault: LinkEnd['fault'] = 'none'): void {
    this.#end(encodeEnd(code), { code, fault, toll: null })
  }

  /** No more cells are taken out until `release`: whoever they go to is full. */
  hold(): void {
    this.#isHeld = true
  }

  release(): void {
    this.#isHeld = false
    if (this.#waiting.length > 0) this.#options.turns.ready(this.#takeOne)
  }

  close(): Promise<void> {
    this.end('done')
    return Promise.resolve()
  }

  sendData(data: Bytes): { sentBytes: number; canSendMore: boolean } {
    const payload = data.subarray()
    return {
      sentBytes: payload.length,
      canSendMore: this.#write(encodeCell({ kind: 'data', payload })),
    }
  }

  /** The session over it has aborted it: it could not decipher what came, or its buffer was full. */
  sendReset(): void {
    this.end('undecipherable', 'session')
  }

  sendPause(): void {
    this.hold()
  }

  sendResume(): void {
    this.release()
  }

  #write(cell: Uint8Array): boolean {
    if (this.#hasEnded || this.#stream.status !== 'open') return true
    if (this.#sent >= this.#maxSent) {
      this.end('too-many-cells')
      return true
    }
    this.#sent++
    return this.#stream.send(cell)
  }

  #end(last: Uint8Array, end: LinkEnd): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    if (this.#stream.status === 'open') {
      try {
        this.#stream.send(last)
      } catch {
        // Gone already: nobody is left to be told.
      }
    }
    this.#closeStream()
    this.#finish(end)
  }

  #onBytes(data: Bytes): void {
    if (this.#hasEnded) return
    // A copy: what libp2p hands over may be a view of a buffer that others use.
    const bytes = concatBytes(this.#partial, data.subarray())
    const whole = bytes.length - (bytes.length % cellBytes)
    this.#partial = bytes.subarray(whole)
    for (let at = 0; at < whole; at += cellBytes) this.#waiting.push(bytes.subarray(at, at + cellBytes))
    this.#received += whole / cellBytes
    // The last one may say that it is the last.
    if (this.#received > this.#maxReceived + 1) return this.end('too-many-cells', 'link')
    if (!this.#isAdmitted && this.#waiting.length > maxEarlyCells + (this.#isOpened ? 0 : 1)) {
      return this.end('too-early', 'link')
    }
    if (this.#waiting.length > pauseAbove && !this.#isPaused && this.#stream.readStatus === 'readable') {
      this.#isPaused = true
      this.#stream.pause()
    }
    if (this.#waiting.length > 0 && !this.#isHeld) this.#options.turns.ready(this.#takeOne)
  }

  #takeOne = (): boolean => {
    if (this.#isHeld || this.#hasEnded) return false
    const bytes = this.#waiting.shift()
    if (bytes === undefined) return false
    if (this.#isPaused && this.#waiting.length < resumeBelow && this.#stream.readStatus === 'paused') {
      this.#isPaused = false
      this.#stream.resume()
    }
    const cell = decodeCell(bytes)
    if (cell.is === 'bad') this.end(cell.code, 'link')
    else this.#take(cell.value)
    return this.#waiting.length > 0 && !this.#isHeld && !this.#hasEnded
  }

  #take(cell: Cell): void {
    const { onOpen } = this.#options
    if (cell.kind === 'end') {
      this.#endAs({ code: endCodeOf(cell.payload) ?? 'gone', fault: 'none', toll: null })
    } else if (cell.kind === 'data' && this.#isOpened) {
      this.onData(cell.payload)
    } else if (cell.kind === 'open' && onOpen !== undefined && !this.#isOpened) {
      this.#isOpened = true
      this.hold()
      onOpen(cell.payload)
    } else if (cell.kind === 'toll' && onOpen === undefined) {
      this.#endAs({ code: 'toll', fault: 'none', toll: cell.payload })
    } else {
      this.end('cell-out-of-place', 'link')
    }
  }

  /** Closed or reset without an END cell, or with cells before it that have not had their turn. */
  #onGone(): void {
    if (this.#hasEnded) return
    if (this.#waiting.length > 0 && !this.#isHeld && this.#stream.status !== 'reset') {
      while (this.#takeOne());
      if (this.#hasEnded) return
    }
    this.#endAs({ code: 'gone', fault: 'none', toll: null })
  }

  /** The other side has ended it. */
  #endAs(end: LinkEnd): void {
    this.#hasEnded = true
    this.#closeStream()
    this.#finish(end)
  }

  #finish(end: LinkEnd): void {
    this.#waiting.length = 0
    this.#partial = new Uint8Array()
    if (this.status === 'open') this.onTransportClosed()
    this.#options.onEnd(end)
  }

  #closeStream(): void {
    const stream = this.#stream
    if (stream.status !== 'open' && stream.status !== 'closing') return
    if (stream.readStatus === 'paused') stream.resume()
    const cancel = this.#options.world.setTimer(lingerMs, () => {
      stream.abort(new Error('the other side did not close the stream'))
    })
    stream.addEventListener('close', cancel, { once: true })
    stream.close().catch((error: Error) => stream.abort(error))
  }
}
