import {
  againOf,
  type AttendanceEffect,
  type AttendanceState,
  type Epoch,
  epochPhases,
  epochStart,
  type Height,
  isHeldBack,
  mayAttest,
  nextWork,
  type SendingEffect,
  type SendingEvent,
  startAttendance,
  startSending,
  stepAttendance,
  stepSending,
  whyClosed,
} from '../../protocol/index.ts'
import type { AttendanceEvent } from '../../protocol/attendance.ts'
import type { SendingState } from '../../protocol/sending.ts'

/**
 * One seat's daemon over its life, with its disk, its chain and the other seats, as far as R-ATT-5 is concerned: the
 * steps of the protocol, with everything else reduced to names. A payload is a number; each signature makes a new one.
 */

export const shape = { activationHeight: 0, epochBlocks: 8, confirmations: 2 }
export const attestBlocks = 2

const phasesOf = (epoch: Epoch) => epochPhases(shape, attestBlocks, epoch)

/** What outlives the process; a copy of it may be put back later. */
interface Disk {
  /** Payload by epoch and beacon. */
  signed: Map<string, number>
  records: Set<string>
  held: Set<string>
}

interface Process {
  attendance: AttendanceState
  sending: SendingState
  /** The epoch and beacon that are worked on. */
  work: string | null
  /** A round of questions under way, and the epoch in which it began. */
  asking: Epoch | null
  keysById: Map<number, string>
  /** Ids whose random moment is to come. */
  timers: Set<number>
  /** What was signed in this process, to be sent by it. */
  signedHere: Set<string>
  startedIn: Epoch | null
  /** Keys of work that was recorded when the process started. */
  recordsAtStart: ReadonlySet<string>
  /** What the rounds of questions brought so far. */
  wasAnswered: boolean
  isConfirmed: boolean
}

/** What a run of the model shows; `faults` says which rule was broken and when. */
export interface Life {
  readonly faults: readonly string[]
  readonly signedByKey: ReadonlyMap<string, ReadonlySet<number>>
  readonly publishedByKey: ReadonlyMap<string, ReadonlySet<number>>
  block(): void
  /** The round of questions under way ends with so many answers, of three that are needed. */
  answer(answered: number): void
  moment(): void
  /** The process ends without a word, and starts again. */
  crash(): void
  /** The process sends what waits, ends, and starts again. */
  stop(): void
  /** Takes a copy of the disk and remembers the height of the chain. */
  copy(): void
  /** Crashes; the copy is put back, and with `isWhole` the chain node with it. */
  restore(isWhole: boolean): void
  /** The last blocks are replaced by those of another branch, which may have been there before. */
  reorganise(depth: number, branch: number): void
  /** An attestation of the own key comes from the network. */
  hear(): void
  /** Starts once more and gets all answers: then everything that was signed is out, if it is not too late for that. */
  settle(): void
}

export const createLife = (hasSpread: boolean): Life => {
  const faults: string[] = []
  const signedByKey = new Map<string, Set<number>>()
  const publishedByKey = new Map<string, Set<number>>()
  const branchByEpoch = new Map<Epoch, number>()
  let payloads = 0
  let ids = 0
  /** Confirmed height of the own chain node. */
  let height: Height = 0
  let disk: Disk = { signed: new Map(), records: new Set(), held: new Set() }
  let copied = { disk: structuredClone(disk), height }
  let isRestored = false

  const start = (): Process => ({
    attendance: startAttendance,
    sending: startSending(hasSpread),
    work: null,
    asking: null,
    keysById: new Map(),
    timers: new Set(),
    signedHere: new Set(),
    startedIn: null,
    recordsAtStart: new Set(disk.records),
    wasAnswered: false,
    isConfirmed: false,
  })
  let process = start()

  const current = (): Epoch => Math.floor(height / shape.epochBlocks)
  const keyOf = (epoch: Epoch): string => `${epoch} ${branchByEpoch.get(epoch) ?? 0}`
  const epochOf = (key: string): Epoch => Number(key.split(' ')[0])
  const isCanonical = (key: string): boolean =>
    key === keyOf(epochOf(key)) && epochStart(shape, epochOf(key)) <= height
  const add = (all: Map<string, Set<number>>, key: string, payload: number): void =>
    void all.set(key, (all.get(key) ?? new Set()).add(payload))

  const publish = (key: string): void => {
    disk.held.add(key)
    add(publishedByKey, key, disk.signed.get(key)!)
  }

  const tellAttendance = (event: AttendanceEvent): void => {
    const step = stepAttendance(process.attendance, event)
    process.attendance = step.state
    for (const effect of step.effects) carryOutAttendance(effect)
  }

  const carryOutAttendance = (effect: AttendanceEffect): void => {
    if (effect.is === 'ask') process.asking = current()
    else if (effect.is === 'send-again') sendAgain()
    else if (effect.is === 'go-on') work()
  }

  const sendAgain = (): void => {
    for (const key of disk.signed.keys()) {
      if (!isCanonical(key)) continue
      const isOpen = whyClosed(shape, epochOf(key), height) === null
      const what = againOf({ isOpen, isHeld: disk.held.has(key) })
      if (what === 'publish') publish(key)
      else if (what === 'hold') disk.held.add(key)
    }
  }

  const tellSending = (event: SendingEvent): void => {
    const step = stepSending(process.sending, event)
    process.sending = step.state
    for (const effect of step.effects) carryOutSending(effect)
  }

  const carryOutSending = ({ is, id }: SendingEffect): void => {
    const key = process.keysById.get(id)!
    if (is === 'wait') process.timers.add(id)
    else process.timers.delete(id)
    if (is !== 'send') return
    if (isCanonical(key)) publish(key)
    tellSending({ is: isCanonical(key) ? 'sent' : 'astray', id })
  }

  /** What the challenger does at a height. */
  const work = (): void => {
    const epoch = current()
    const key = keyOf(epoch)
    const phases = phasesOf(epoch)
    if (process.work !== key) {
      process.work = null
      const record = { isSigned: disk.signed.has(key), isRecorded: disk.records.has(key) }
      const next = nextWork(process.attendance, epoch, phases, height, record)
      if (next === 'none') return
      disk.records.add(key)
      process.work = key
    }
    if (height < phases.attests || isHeldBack(process.attendance, phases, height)) return
    process.work = null
    if (!mayAttest(process.attendance, epoch) || disk.signed.has(key)) return
    sign(epoch, key)
  }

  const sign = (epoch: Epoch, key: string): void => {
    checkFence(epoch, key)
    const payload = payloads++
    disk.signed.set(key, payload)
    add(signedByKey, key, payload)
    process.signedHere.add(key)
    const id = ids++
    process.keysById.set(id, key)
    const own = {
      id,
      over: epochStart(shape, epoch + 1),
      closes: phasesOf(epoch).closes,
      isLast: payload % 5 === 4,
    }
    tellSending({ is: 'signed', own, height })
  }

  /** The fence in the words of the rule, not of the steps. */
  const checkFence = (epoch: Epoch, key: string): void => {
    if (!process.wasAnswered) faults.push(`signed ${key} before anybody had answered`)
    if (epoch > process.startedIn!) return
    if (!process.isConfirmed) faults.push(`signed ${key} of the start without three answers`)
    if (!process.recordsAtStart.has(key)) faults.push(`signed ${key} of the start without a record`)
  }

  /** What was signed here of this branch goes out at the latest when its epoch is over. */
  const checkSent = (): void => {
    for (const key of process.signedHere) {
      const epoch = epochOf(key)
      const isDue = height >= epochStart(shape, epoch + 1) && height < phasesOf(epoch).closes
      if (isDue && isCanonical(key) && !publishedByKey.has(key)) faults.push(`${key} was not sent in time`)
    }
  }

  /** All others know what was published; what the own disk lacks of it is recorded. */
  const learn = (): number => {
    let learned = 0
    for (const [key, [payload]] of publishedByKey) {
      if (disk.signed.has(key)) continue
      disk.signed.set(key, payload!)
      disk.held.add(key)
      learned++
    }
    return learned
  }

  const end = (): void => {
    process = start()
  }

  const life: Life = {
    faults,
    signedByKey,
    publishedByKey,
    block() {
      height++
      process.startedIn ??= current()
      tellAttendance({ is: 'height', epoch: current(), isSeated: true })
      tellSending({ is: 'height', height })
      work()
      checkSent()
    },
    answer(answered) {
      const began = process.asking
      if (began === null) return
      process.asking = null
      const learned = answered > 0 ? learn() : 0
      const isEnough = answered >= 3
      if (answered > 0) process.wasAnswered = true
      else process.startedIn = began
      if (isEnough && learned === 0) process.isConfirmed = true
      const lastOwn = disk.signed.size === 0 ? null : Math.max(...[...disk.signed.keys()].map(epochOf))
      const answers = { began, ended: current(), answered, isEnough, learned, lastOwn }
      tellAttendance({ is: 'asked', answers })
    },
    moment() {
      const [id] = process.timers
      if (id === undefined) return
      process.timers.delete(id)
      tellSending({ is: 'moment', id })
    },
    crash: end,
    stop() {
      tellSending({ is: 'stop' })
      end()
    },
    copy() {
      copied = { disk: structuredClone(disk), height }
    },
    restore(isWhole) {
      isRestored = true
      disk = structuredClone(copied.disk)
      if (isWhole) height = copied.height
      end()
    },
    reorganise(depth, branch) {
      const to = Math.max(0, height - depth)
      for (let epoch = Math.floor(to / shape.epochBlocks) + 1; epoch <= current(); epoch++) {
        branchByEpoch.set(epoch, branch)
      }
      height = to
    },
    hear() {
      learn()
    },
    settle() {
      end()
      const before = [...disk.signed.keys()]
      life.block()
      life.answer(3)
      for (const key of before) {
        if (!isCanonical(key)) continue
        const isOpen = whyClosed(shape, epochOf(key), height) === null
        if (isOpen && !publishedByKey.get(key)?.has(disk.signed.get(key)!))
          faults.push(`${key} was not sent again`)
        if (!disk.held.has(key)) faults.push(`${key} is not held`)
      }
      const { attendance } = process
      if (!isRestored && attendance.fence !== 'open') faults.push('the fence stayed shut')
    },
  }
  return life
}
