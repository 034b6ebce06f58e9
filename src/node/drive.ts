import { createSequence } from '../async/serial.ts'

/** A step function at work: one event after the other, each with its effects. */
export interface Driver<State, Event> {
  state(): State
  /** Resolves when the event's effects are carried out. Rejects with what failed; later events are taken all the same. */
  tell(event: Event): Promise<void>
}

export interface DriveParts<State, Event, Effect> {
  start: State
  step(state: State, event: Event): { state: State; effects: readonly Effect[] }
  carryOut(effect: Effect): Promise<void> | void
  /** Writes down the state, before its effects and after them. */
  record?: {
    before(state: State, previous: State): Promise<void>
    after(state: State, previous: State): Promise<void>
  }
}

export const drive = <State, Event, Effect>(
  parts: DriveParts<State, Event, Effect>,
): Driver<State, Event> => {
  const turns = createSequence()
  let state = parts.start
  const take = async (event: Event): Promise<void> => {
    const previous = state
    const step = parts.step(previous, event)
    state = step.state
    await parts.record?.before(step.state, previous)
    for (const effect of step.effects) await parts.carryOut(effect)
    await parts.record?.after(step.state, previous)
  }
  return {
    state: () => state,
    tell: (event) => turns.run(() => take(event)),
  }
}
