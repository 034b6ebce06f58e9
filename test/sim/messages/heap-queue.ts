import { createEventHeap, type EventQueue } from '../../../sim/messages/events.ts'

/** The same queue as nothing but a binary heap: what the wheel must agree with, and what it is measured against. */
export const createHeapQueue = (): EventQueue => {
  const heap = createEventHeap()
  let now = 0
  return {
    now: () => now,
    schedule: (at, kind, node, a, b) => {
      if (at < now) throw new RangeError(`an event at ${at} µs is scheduled at ${now} µs`)
      heap.push(at, kind, node, a, b)
    },
    run: (until, handle) => {
      let handled = 0
      for (; heap.size() > 0 && heap.firstAt() <= until; handled++) {
        now = heap.firstAt()
        const { kind, node, a, b } = heap.takeFirst()
        handle(kind, node, a, b)
      }
      return handled
    },
    size: heap.size,
    bytes: heap.bytes,
  }
}
