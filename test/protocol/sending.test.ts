import { describe, expect, test } from 'vitest'
import { againOf, type SendingEvent, startSending, stepSending } from '../../protocol/index.ts'
import type { SendingState } from '../../protocol/sending.ts'

const own = (changes: object = {}) => ({ id: 1, over: 80, closes: 86, isLast: false, ...changes })
const signed = (height = 78, changes: object = {}): SendingEvent => ({
  is: 'signed',
  own: own(changes),
  height,
})

/** The effects of each event, one after the other. */
const effectsOf = (state: SendingState, ...events: SendingEvent[]) =>
  events.map((event) => {
    const step = stepSending(state, event)
    state = step.state
    return step.effects
  })

const wait = [{ is: 'wait', id: 1 }]
const send = [{ is: 'send', id: 1 }]
const forget = [{ is: 'forget', id: 1 }]
const moment: SendingEvent = { is: 'moment', id: 1 }
const sent: SendingEvent = { is: 'sent', id: 1 }
const astray: SendingEvent = { is: 'astray', id: 1 }
const stop: SendingEvent = { is: 'stop' }
const height = (at: number): SendingEvent => ({ is: 'height', height: at })

describe('R-ATT-5 an attestation that was signed', () => {
  test.each<[string, SendingEvent[], readonly unknown[][]]>([
    ['waits for its moment', [signed(), height(79), moment, sent, height(80)], [wait, [], send, [], []]],
    ['waits no longer than its epoch', [signed(), height(80), moment, sent], [wait, send, [], []]],
    ['is sent at once when its epoch is over', [signed(80)], [send]],
    ['is sent when its daemon stops', [signed(), stop, sent], [wait, send, []]],
    ['is sent at once by a daemon that stops', [stop, signed()], [[], send]],
    [
      'R-ATT-7 waits to the end of its epoch where another daemon may come first',
      [signed(78, { isLast: true }), moment, height(79), height(80), sent],
      [[], send, [], [], []],
    ],
    ['R-ATT-7 is left to the next start then', [signed(78, { isLast: true }), stop], [[], []]],
    [
      'R-CHAIN-2 R-ATT-6 under a beacon that is gone is tried at each height until its epoch closes',
      [signed(), moment, astray, height(79), astray, height(86), height(87)],
      [wait, send, [], send, [], forget, []],
    ],
    ['R-CHAIN-2 and not after a stop', [signed(), stop, astray, height(79)], [wait, send, [], []]],
    [
      'is sent once, whatever comes while it is sent',
      [signed(), moment, moment, height(80), stop],
      [wait, send, [], [], []],
    ],
    ['R-ATT-6 is forgotten when its epoch has closed', [signed(), height(86), moment], [wait, forget, []]],
  ])('%s', (_name, events, effects) => {
    expect(effectsOf(startSending(true), ...events)).toEqual(effects)
  })

  test('without a spread is sent at once', () => {
    expect(effectsOf(startSending(false), signed(), sent, height(80))).toEqual([send, [], []])
    expect(effectsOf(startSending(false), signed(78, { isLast: true }), height(80))).toEqual([[], send])
  })

  test('goes its own way, several of them', () => {
    const second: SendingEvent = { is: 'signed', own: own({ id: 2, over: 88, closes: 94 }), height: 79 }
    const [, , both] = effectsOf(startSending(true), signed(), second, height(88))
    expect(both).toEqual([...forget, { is: 'send', id: 2 }])
  })
})

test.each([
  [true, false, 'publish'],
  [true, true, 'publish'],
  [false, false, 'hold'],
  [false, true, 'nothing'],
])('R-ATT-5 after a start, epoch open %s and held %s: %s', (isOpen, isHeld, what) => {
  expect(againOf({ isOpen, isHeld })).toBe(what)
})
