/**
 * The core of the message engine: events in the order of their times, in microseconds, and those of equal times in the
 * order in which they were scheduled, so one seed gives the same bytes. An event is four numbers in typed arrays; there
 * is no object for any of them.
 *
 * What lies within the next second waits in a wheel of buckets of 1,024 µs (Brown 1988, "Calendar queues"; Varghese and
 * Lauck 1987, "Hashed and hierarchical timing wheels"): each bucket is a list of chunks that is written and read from
 * front to back, and is put in order by counting when its turn comes. What lies further ahead waits in a binary heap
 * until the wheel comes near.
 */
export interface EventQueue {
  /** Microseconds of the event under way, or of the last one. */
  readonly now: () => number
  /**
   * `at` is a whole number of microseconds, not before `now`. `kind`, `node`, `a` and `b` are u32 and mean what the
   * handler takes them for; kinds are below 2^22.
   */
  readonly schedule: (at: number, kind: number, node: number, a: number, b: number) => void
  /** Hands over all events up to and including `until`; gives their number. */
  readonly run: (until: number, handle: EventHandler) => number
  /** Events that wait. */
  readonly size: () => number
  /** Bytes of typed arrays held. */
  readonly bytes: () => number
}

export type EventHandler = (kind: number, node: number, a: number, b: number) => void

/** 1,024 µs to a bucket: offsets have ten bits, and a bucket of a busy network fits into a processor's cache. */
const bucketBits = 10
const bucketMicros = 1 << bucketBits
const offsetMask = bucketMicros - 1
/** 1,024 buckets: 1.05 seconds ahead, longer than a message travels. */
const buckets = 1_024
const bucketMask = buckets - 1
const horizonMicros = buckets * bucketMicros

/** Words of an event: kind and offset, node, a, b. */
const words = 4
/** Events of a chunk. */
const chunkEvents = 128
/** A bucket of so few, in one chunk, is put in order by insertion. */
const fewEvents = 24
const chunkWords = chunkEvents * words

export const createEventQueue = (): EventQueue => {
  // The wheel. Bucket b holds the chunks from firstChunk[b] on; cursor[b] is the word where its next event goes.
  let pool = new Uint32Array(256 * chunkWords)
  let nextChunk = new Int32Array(256)
  const firstChunk = new Int32Array(buckets).fill(-1)
  const cursor = new Int32Array(buckets).fill(-1)
  const counts = new Int32Array(buckets)
  /** A bit for each bucket with an event. */
  const filled = new Int32Array(buckets / 32)
  let freeChunk = -1
  let usedChunks = 0
  let inWheel = 0

  // The bucket under way, in order; what is scheduled for it meanwhile goes to the heap of late comers.
  let sorted = new Uint32Array(4 * 1_024 * words)
  let sortedAt = 0
  let sortedEnd = 0
  const starts = new Int32Array(bucketMicros)

  const far = createEventHeap()
  const late = createEventHeap()

  /** Start of the bucket under way, in microseconds, and its index. */
  let base = 0
  let current = 0
  let now = 0

  const takeChunk = (bucket: number): number => {
    let chunk = freeChunk
    if (chunk !== -1) freeChunk = nextChunk[chunk]!
    else {
      chunk = usedChunks++
      if (chunk === nextChunk.length) {
        pool = doubled(pool)
        nextChunk = doubledInts(nextChunk)
      }
    }
    nextChunk[chunk] = -1
    const at = cursor[bucket]!
    if (at === -1) firstChunk[bucket] = chunk
    // A full chunk's cursor stands on the first word behind it.
    else nextChunk[at / chunkWords - 1] = chunk
    return chunk * chunkWords
  }

  const push = (bucket: number, head: number, node: number, a: number, b: number): void => {
    let at = cursor[bucket]!
    // On the first word of a chunk: the one before it is full.
    if ((at & (chunkWords - 1)) === 0 || at === -1) at = takeChunk(bucket)
    pool[at] = head
    pool[at + 1] = node
    pool[at + 2] = a
    pool[at + 3] = b
    cursor[bucket] = at + words
    if (counts[bucket]!++ === 0) filled[bucket >>> 5]! |= 1 << (bucket & 31)
    inWheel++
  }

  const schedule = (at: number, kind: number, node: number, a: number, b: number): void => {
    const ahead = at - base
    if (ahead < bucketMicros) {
      if (at < now) throw new RangeError(`an event at ${at} µs is scheduled at ${now} µs`)
      late.push(at, kind, node, a, b)
    } else if (ahead < horizonMicros) {
      const micros = ahead | 0
      const bucket = (current + (micros >>> bucketBits)) & bucketMask
      push(bucket, (kind << bucketBits) | (micros & offsetMask), node, a, b)
    } else far.push(at, kind, node, a, b)
  }

  /** Puts the bucket into order by its offsets; equal ones stay in the order in which they came. */
  const sortBucket = (): void => {
    const events = counts[current]!
    sortedAt = 0
    sortedEnd = events * words
    if (events === 0) return
    if (sorted.length < sortedEnd) sorted = new Uint32Array(2 * sortedEnd)
    if (events <= fewEvents) insertFew()
    else sortMany(events)
    let last = firstChunk[current]!
    while (nextChunk[last] !== -1) last = nextChunk[last]!
    nextChunk[last] = freeChunk
    freeChunk = firstChunk[current]!
    firstChunk[current] = -1
    cursor[current] = -1
    counts[current] = 0
    filled[current >>> 5]! &= ~(1 << (current & 31))
    inWheel -= events
  }

  /** Most buckets of a quiet network hold one event or two: counters for all offsets would cost more. */
  const insertFew = (): void => {
    const from = firstChunk[current]! * chunkWords
    for (let at = 0; at < sortedEnd; at += words) {
      const offset = pool[from + at]! & offsetMask
      let to = at
      for (; to > 0 && (sorted[to - words]! & offsetMask) > offset; to -= words) {
        sorted[to] = sorted[to - 4]!
        sorted[to + 1] = sorted[to - 3]!
        sorted[to + 2] = sorted[to - 2]!
        sorted[to + 3] = sorted[to - 1]!
      }
      sorted[to] = pool[from + at]!
      sorted[to + 1] = pool[from + at + 1]!
      sorted[to + 2] = pool[from + at + 2]!
      sorted[to + 3] = pool[from + at + 3]!
    }
  }

  const sortMany = (events: number): void => {
    starts.fill(0)
    let left = events
    for (let chunk = firstChunk[current]!; chunk !== -1; chunk = nextChunk[chunk]!) {
      const from = chunk * chunkWords
      const to = from + Math.min(left, chunkEvents) * words
      for (let at = from; at < to; at += words) starts[pool[at]! & offsetMask]!++
      left -= chunkEvents
    }
    let sum = 0
    for (let offset = 0; offset < bucketMicros; offset++) {
      const here = starts[offset]!
      starts[offset] = sum
      sum += here * words
    }
    left = events
    for (let chunk = firstChunk[current]!; chunk !== -1; chunk = nextChunk[chunk]!) {
      const from = chunk * chunkWords
      const to = from + Math.min(left, chunkEvents) * words
      for (let at = from; at < to; at += words) {
        const head = pool[at]!
        const offset = head & offsetMask
        const to = starts[offset]!
        starts[offset] = to + words
        sorted[to] = head
        sorted[to + 1] = pool[at + 1]!
        sorted[to + 2] = pool[at + 2]!
        sorted[to + 3] = pool[at + 3]!
      }
      left -= chunkEvents
    }
  }

  /** What the wheel has come near to. Before anything else can be scheduled there, so equal times keep their order. */
  const takeNear = (): void => {
    const end = base + horizonMicros
    while (far.size() > 0 && far.firstAt() < end) {
      const ahead = far.firstAt() - base
      const bucket = (current + Math.floor(ahead / bucketMicros)) & bucketMask
      const head = far.takeFirst()
      push(bucket, (head.kind << bucketBits) | (ahead & offsetMask), head.node, head.a, head.b)
    }
  }

  /** Buckets from the one under way, which is empty, to the next with an event. There is one. */
  const stepsToFilled = (): number => {
    const next = (current + 1) & bucketMask
    let word = next >>> 5
    let bits = filled[word]! & (-1 << (next & 31))
    while (bits === 0) {
      word = (word + 1) & (filled.length - 1)
      bits = filled[word]!
    }
    const bucket = (word << 5) + (31 - Math.clz32(bits & -bits))
    return ((bucket - current - 1) & bucketMask) + 1
  }

  /** Goes on to the next bucket with an event; false if there is none up to `until`. */
  const advance = (until: number): boolean => {
    for (;;) {
      if (inWheel === 0) {
        // Nothing near: straight to the first of the far ones.
        if (far.size() === 0 || far.firstAt() > until) return false
        base = Math.floor(far.firstAt() / bucketMicros) * bucketMicros
        current = 0
      } else {
        const steps = stepsToFilled()
        if (base + steps * bucketMicros > until) return false
        base += steps * bucketMicros
        current = (current + steps) & bucketMask
      }
      takeNear()
      if (counts[current]! > 0) {
        sortBucket()
        return true
      }
    }
  }

  const run = (until: number, handle: EventHandler): number => {
    let handled = 0
    for (;;) {
      while (sortedAt < sortedEnd) {
        const at = sortedAt
        const head = sorted[at]!
        const micros = base + (head & offsetMask)
        if (late.size() > 0 && late.firstAt() < micros) {
          if (late.firstAt() > until) return handled
          now = late.firstAt()
          const event = late.takeFirst()
          handle(event.kind, event.node, event.a, event.b)
        } else {
          if (micros > until) return handled
          now = micros
          sortedAt = at + words
          handle(head >>> bucketBits, sorted[at + 1]!, sorted[at + 2]!, sorted[at + 3]!)
        }
        handled++
      }
      while (late.size() > 0) {
        if (late.firstAt() > until) return handled
        now = late.firstAt()
        const event = late.takeFirst()
        handle(event.kind, event.node, event.a, event.b)
        handled++
      }
      if (!advance(until)) return handled
    }
  }

  return {
    now: () => now,
    schedule,
    run,
    size: () => inWheel + (sortedEnd - sortedAt) / words + far.size() + late.size(),
    bytes: () =>
      pool.byteLength +
      nextChunk.byteLength +
      sorted.byteLength +
      firstChunk.byteLength +
      cursor.byteLength +
      counts.byteLength +
      starts.byteLength +
      far.bytes() +
      late.bytes(),
  }
}

const doubled = (values: Uint32Array): Uint32Array<ArrayBuffer> => {
  const larger = new Uint32Array(2 * values.length)
  larger.set(values)
  return larger
}

const doubledInts = (values: Int32Array): Int32Array<ArrayBuffer> => {
  const larger = new Int32Array(2 * values.length)
  larger.set(values)
  return larger
}

/** What a heap gives out; one object, written over each time. */
interface TakenEvent {
  kind: number
  node: number
  a: number
  b: number
}

/** A binary heap of events by time, then by the order in which they came. Also the reference of the benchmark. */
export const createEventHeap = () => {
  let times = new Float64Array(1_024)
  let order = new Float64Array(1_024)
  let rows = new Uint32Array(1_024 * words)
  let size = 0
  let pushed = 0
  const taken: TakenEvent = { kind: 0, node: 0, a: 0, b: 0 }

  const grow = (): void => {
    const larger = (values: Float64Array): Float64Array<ArrayBuffer> => {
      const copy = new Float64Array(2 * values.length)
      copy.set(values)
      return copy
    }
    times = larger(times)
    order = larger(order)
    rows = doubled(rows)
  }

  const set = (
    i: number,
    at: number,
    nth: number,
    kind: number,
    node: number,
    a: number,
    b: number,
  ): void => {
    times[i] = at
    order[i] = nth
    const row = i * words
    rows[row] = kind
    rows[row + 1] = node
    rows[row + 2] = a
    rows[row + 3] = b
  }

  const move = (from: number, to: number): void => {
    times[to] = times[from]!
    order[to] = order[from]!
    const [old, next] = [from * words, to * words]
    rows[next] = rows[old]!
    rows[next + 1] = rows[old + 1]!
    rows[next + 2] = rows[old + 2]!
    rows[next + 3] = rows[old + 3]!
  }

  const isBefore = (i: number, at: number, nth: number): boolean =>
    times[i]! < at || (times[i] === at && order[i]! < nth)

  return {
    size: (): number => size,
    firstAt: (): number => times[0]!,
    push: (at: number, kind: number, node: number, a: number, b: number): void => {
      if (size === times.length) grow()
      const nth = pushed++
      let i = size++
      while (i > 0) {
        const parent = (i - 1) >>> 1
        if (isBefore(parent, at, nth)) break
        move(parent, i)
        i = parent
      }
      set(i, at, nth, kind, node, a, b)
    },
    takeFirst: (): TakenEvent => {
      taken.kind = rows[0]!
      taken.node = rows[1]!
      taken.a = rows[2]!
      taken.b = rows[3]!
      size--
      if (size > 0) {
        const at = times[size]!
        const nth = order[size]!
        const row = size * words
        const [kind, node, a, b] = [rows[row]!, rows[row + 1]!, rows[row + 2]!, rows[row + 3]!]
        let i = 0
        for (;;) {
          let child = 2 * i + 1
          if (child >= size) break
          if (child + 1 < size && isBefore(child + 1, times[child]!, order[child]!)) child++
          if (!isBefore(child, at, nth)) break
          move(child, i)
          i = child
        }
        set(i, at, nth, kind, node, a, b)
      }
      return taken
    },
    bytes: (): number => times.byteLength + order.byteLength + rows.byteLength,
  }
}
