import {
  type AttendanceEffect,
  type AttendanceState,
  type Epoch,
  startAttendance,
  stepAttendance,
} from '../../protocol/index.ts'
import { pause } from '../async/deadline.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import { drive } from './drive.ts'
import type { Outgoing } from './outgoing.ts'
import { recoverOwn } from './recovery.ts'
import type { Role, Tip } from './role.ts'
import type { SyncClient } from './sync.ts'
import type { Tasks } from './tasks.ts'

/** The start of a daemon: drives the attendance steps (R-ATT-5). */
export interface Attendance extends Role {
  onHeight(tip: Tip): Promise<void>
  /** What may be signed hangs on it. */
  state(): AttendanceState
  /** Calls back when work may begin. */
  onSettled(listener: () => Promise<void>): void
}

export interface AttendanceParts {
  collector: Collector
  sync: SyncClient
  outgoing: Outgoing
  tasks: Tasks
}

/** Between rounds of questions. */
const pauseMs = 2_000
/** Epochs are u32. */
const afterAll = 0xffff_ffff

export const createAttendance = (node: NodeContext, parts: AttendanceParts): Attendance => {
  const { collector, sync, outgoing, tasks } = parts
  let openFrom: Epoch = 0
  let onSettled: () => Promise<void> = () => Promise.resolve()

  const carryOut = async (effect: AttendanceEffect): Promise<void> => {
    switch (effect.is) {
      case 'ask': {
        const started = tasks.run('recover', (signal) => ask(effect.isAgain, signal))
        if (!started) void driver.tell({ is: 'not-asked' })
        return
      }
      case 'remember':
        return node.signing.remembers(effect.from)
      case 'send-again':
        return await outgoing.sendAgain(openFrom, node.epochs.current() ?? 0)
      case 'go-on':
        await onSettled()
    }
  }

  const driver = drive({ start: startAttendance, step: stepAttendance, carryOut })

  const ask = async (isAgain: boolean, signal: AbortSignal): Promise<void> => {
    let isAnswered = false
    try {
      if (isAgain) await pause(node.world, pauseMs, signal)
      isAnswered = await askOnce(signal)
    } finally {
      if (!isAnswered) void driver.tell({ is: 'not-asked' })
    }
  }

  /** One round of questions. False if there is no seat to ask for. */
  const askOnce = async (signal: AbortSignal): Promise<boolean> => {
    const began = node.epochs.current()
    const seat = node.ownSeat()
    const context = began === null ? undefined : await node.epochs.get(began)
    if (began === null || seat === undefined || context?.rowOf(seat) === undefined) return false
    const found = await recoverOwn(node, collector, sync, context.snapshot, seat, signal)
    const last = await node.attestations.lastOwnBefore(afterAll)
    const ended = node.epochs.current() ?? 0
    const answers = { ...found, began, ended, lastOwn: last?.epoch ?? null }
    await driver.tell({ is: 'asked', answers })
    if (driver.state().asking === 'done') {
      node.logger.info({ recovery: found }, 'other seats were asked for own attestations')
    }
    return true
  }

  return {
    async onHeight({ epoch, openFrom: from }) {
      openFrom = from
      const seat = node.ownSeat()
      const context = await node.epochs.get(epoch)
      const isSeated = seat !== undefined && context?.rowOf(seat) !== undefined
      await driver.tell({ is: 'height', epoch, isSeated })
    },
    state: () => driver.state(),
    onSettled(listener) {
      onSettled = listener
    },
  }
}
