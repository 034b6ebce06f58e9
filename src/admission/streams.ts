import { createPlaces } from './places.ts'

/**
 * Who may ask on one request protocol, and when. What a node owes, it keeps room for (R-ADM-1): the class of a stream is
 * known from the key of its connection when it opens, so peers that this node owes an answer have places of their own,
 * which nobody else's streams take. Pure: no clock, no I/O; the adapter reads, works and answers, and says what happened.
 */
export interface StreamRules {
  /** Unfinished streams of one peer; its newest displaces its least advanced. */
  maxPerPeer: number
  /** Strangers' requests that are being read, all together. */
  maxStrangersReading: number
  /** Requests of registered peers without duty worked on at once, one of each peer; the others wait in turn. */
  seatPlaces: number
  maxSeatsWaiting: number
  /** Answers to them that are being sent; the reading is theirs, so slow readers give way to the next. */
  maxSeatsAnswering: number
  /** Lengths of all requests that are being read together, in bytes. */
  maxReadingBytes: number
}

/**
 * `duty`: this node owes the peer an answer; under pressure the lowest rank is preferred. `seat`: any other registered
 * peer. `outsider`: a peer that has no business on this protocol.
 */
export type StreamClass =
  { is: 'duty'; rank: number } | { is: 'seat' } | { is: 'stranger' } | { is: 'outsider' }

export type StreamEvent<Id> =
  | { is: 'opened'; id: Id; peer: string; address: string; of: StreamClass }
  /** The length before the request was read. */
  | { is: 'sized'; id: Id; bytes: number }
  /** The whole request was read. Strangers go through the gate of puzzles next, and are not worked on here. */
  | { is: 'read'; id: Id }
  /** The answer is in memory: what is left is the peer's own reading. */
  | { is: 'answered'; id: Id }
  /** The stream ended, whatever way. */
  | { is: 'ended'; id: Id }

export type StreamDecision<Id> =
  /** Read the request of this stream. */
  | { is: 'read'; id: Id }
  /** Do what it asks for now; a request that was read and gets no decision waits. */
  | { is: 'work'; id: Id }
  /** Say that this node is busy, and end. */
  | { is: 'busy'; id: Id }
  /** End the stream unread, at no fault of the peer. */
  | { is: 'refuse'; id: Id; code: 'no-business' | 'displaced' }

export interface StreamAdmission<Id> {
  step(event: StreamEvent<Id>, nowMs: number): StreamDecision<Id>[]
  counts(): StreamCounts
}

export interface StreamCounts {
  reading: number
  waiting: number
  working: number
  readingBytes: number
}

interface StreamState<Id> {
  id: Id
  peer: string
  of: StreamClass
  stage: 'reading' | 'waiting' | 'working' | 'answering'
  /** Charged while the request is being read. */
  bytes: number
}

/** Order in which a peer's own streams give way to its newest. */
const progressOf = { reading: 0, answering: 1, waiting: 2, working: 3 } as const

export const createStreamAdmission = <Id>(rules: StreamRules): StreamAdmission<Id> => {
  const streams = new Map<Id, StreamState<Id>>()
  const ofPeers = createPlaces<Id>({
    maxPlaces: Infinity,
    levels: [{ maxPlaces: rules.maxPerPeer, weight: 1 }],
    graceMs: 0,
  })
  // A stranger's key costs nothing: its address counts, and all of them share a pool.
  const strangersReading = createPlaces<Id>({
    maxPlaces: rules.maxStrangersReading,
    levels: [{ maxPlaces: rules.maxStrangersReading, weight: 1 }],
    graceMs: strangerGraceMs,
  })
  const waiting = createPlaces<Id>({
    maxPlaces: rules.maxSeatsWaiting,
    levels: [{ maxPlaces: rules.maxPerPeer, weight: 1 }],
    graceMs: 0,
  })
  const answering = createPlaces<Id>({
    maxPlaces: rules.maxSeatsAnswering,
    levels: [{ maxPlaces: rules.maxPerPeer, weight: 1 }],
    graceMs: readerGraceMs,
  })
  /** In the order in which their requests were read. */
  const queue = new Set<StreamState<Id>>()
  /** Seats with a working place, each one. */
  const working = new Map<string, StreamState<Id>>()
  let readingBytes = 0

  const setStage = (stream: StreamState<Id>, stage: StreamState<Id>['stage']): void => {
    leaveStage(stream)
    stream.stage = stage
    ofPeers.advance(stream.id, progressOf[stage])
  }

  /** Gives back what the stage holds. */
  const leaveStage = (stream: StreamState<Id>): void => {
    switch (stream.stage) {
      case 'reading':
        strangersReading.leave(stream.id)
        readingBytes -= stream.bytes
        stream.bytes = 0
        return
      case 'waiting':
        waiting.leave(stream.id)
        queue.delete(stream)
        return
      case 'working':
        if (working.get(stream.peer) === stream) working.delete(stream.peer)
        return
      case 'answering':
        answering.leave(stream.id)
    }
  }

  const remove = (id: Id): void => {
    const stream = streams.get(id)
    if (stream === undefined) return
    leaveStage(stream)
    streams.delete(id)
    ofPeers.leave(id)
  }

  const end = (id: Id, decision: StreamDecision<Id>): StreamDecision<Id>[] => {
    remove(id)
    return [decision, ...admitWaiting()]
  }

  /** A request that was read is told so; any other is not worth an answer. */
  const displaced = (id: Id): StreamDecision<Id>[] =>
    end(
      id,
      streams.get(id)?.stage === 'waiting' ? { is: 'busy', id } : { is: 'refuse', id, code: 'displaced' },
    )

  const mayWork = (stream: StreamState<Id>): boolean =>
    working.size < rules.seatPlaces && !working.has(stream.peer)

  /** Gives free places to those who wait, the longest first, one to each peer. */
  const admitWaiting = (): StreamDecision<Id>[] => {
    const admitted: StreamDecision<Id>[] = []
    if (working.size >= rules.seatPlaces) return admitted
    for (const stream of queue) {
      if (!mayWork(stream)) continue
      admitted.push(work(stream))
    }
    return admitted
  }

  const work = (stream: StreamState<Id>): StreamDecision<Id> => {
    setStage(stream, 'working')
    if (stream.of.is === 'seat') working.set(stream.peer, stream)
    return { is: 'work', id: stream.id }
  }

  const open = (
    { id, peer, address, of }: Extract<StreamEvent<Id>, { is: 'opened' }>,
    nowMs: number,
  ): StreamDecision<Id>[] => {
    if (of.is === 'outsider') return [{ is: 'refuse', id, code: 'no-business' }]
    const decisions = ofPeers.arrive(id, [peer], nowMs).flatMap(displaced)
    if (of.is === 'stranger') {
      decisions.push(...strangersReading.arrive(id, [address], nowMs).flatMap(displaced))
    }
    streams.set(id, { id, peer, of, stage: 'reading', bytes: 0 })
    return [...decisions, { is: 'read', id }]
  }

  /** Requests being read share a bound in bytes; those of lower rank give way, the last that came first. */
  const charge = (stream: StreamState<Id>, bytes: number): StreamDecision<Id>[] => {
    const decisions: StreamDecision<Id>[] = []
    while (readingBytes + bytes > rules.maxReadingBytes) {
      const reading = [...streams.values()].filter((other) => other.stage === 'reading' && other.bytes > 0)
      const last = reading.reduce<StreamState<Id> | null>(
        (worst, other) => (worst === null || rankOf(other) >= rankOf(worst) ? other : worst),
        null,
      )
      if (last === null || rankOf(last) <= rankOf(stream))
        return end(stream.id, { is: 'busy', id: stream.id })
      decisions.push(...end(last.id, { is: 'busy', id: last.id }))
    }
    stream.bytes = bytes
    readingBytes += bytes
    return decisions
  }

  const onRead = (stream: StreamState<Id>, nowMs: number): StreamDecision<Id>[] => {
    if (stream.of.is !== 'seat' || (queue.size === 0 && mayWork(stream))) return [work(stream)]
    setStage(stream, 'waiting')
    queue.add(stream)
    const pushedOut = waiting.arrive(stream.id, [stream.peer], nowMs)
    return [...pushedOut.flatMap(displaced), ...admitWaiting()]
  }

  const onAnswered = (stream: StreamState<Id>, nowMs: number): StreamDecision<Id>[] => {
    setStage(stream, 'answering')
    const slow = stream.of.is === 'seat' ? answering.arrive(stream.id, [stream.peer], nowMs) : []
    return [...slow.flatMap(displaced), ...admitWaiting()]
  }

  return {
    step: (event, nowMs) => {
      if (event.is === 'opened') return open(event, nowMs)
      const stream = streams.get(event.id)
      // It was displaced, and ends.
      if (stream === undefined) return []
      switch (event.is) {
        case 'sized':
          return charge(stream, event.bytes)
        case 'read':
          return onRead(stream, nowMs)
        case 'answered':
          return onAnswered(stream, nowMs)
        case 'ended':
          remove(event.id)
          return admitWaiting()
      }
    },
    counts: () => ({
      reading: [...streams.values()].filter(({ stage }) => stage === 'reading').length,
      waiting: queue.size,
      working: [...streams.values()].filter(({ stage }) => stage === 'working').length,
      readingBytes,
    }),
  }
}

const strangerGraceMs = 500
const readerGraceMs = 2_000

/** Those without duty come after all that have one. */
const rankOf = (stream: { of: StreamClass }): number => (stream.of.is === 'duty' ? stream.of.rank : Infinity)
