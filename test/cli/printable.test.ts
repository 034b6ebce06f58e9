import * as fc from 'fast-check'
import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { type CliIo, printError, printJson } from '../../src/cli/io.ts'
import { asciiJson, printable, withoutEscapes } from '../../src/cli/printable.ts'
import { SecnodeError } from '../../src/errors.ts'

/** Escapes of terminals, C1 controls, turns of direction, line separators: whatever a peer may put into a text. */
const hostile = '\u001b[31m \u009b2J \u202e \u2066 \u2028 \u200b \u0007 \r\nsecnode: all is well'
const controls = /[\p{Cf}\p{Zl}\p{Zp}]|[^\P{Cc}\n]/u

const captured = (): { io: CliIo; written: () => string } => {
  let written = ''
  const io: CliIo = {
    stdout: (text) => void (written += text),
    stderr: (text) => void (written += text),
    isTerminal: true,
    signal: new AbortController().signal,
    setExitCode: () => undefined,
  }
  return { io, written: () => written }
}

describe('texts of other nodes on a terminal', () => {
  test('are printable ASCII, or letters in a line of ours', () => {
    expect(printable(hostile)).not.toMatch(/[^ -~]/)
    expect(withoutEscapes(`Füße, ноги ${hostile}`)).toMatch(/^Füße, ноги /)
    expect(withoutEscapes(hostile)).not.toMatch(/[\n\r]/)
    expect(withoutEscapes(hostile)).not.toMatch(controls)
  })

  test('in an error: neither escapes nor lines of their own', () => {
    const { io, written } = captured()
    printError(io, new SecnodeError('RELAY_FAILED', `no circuit: ${hostile}`, { hint: hostile }), false)
    printError(io, new Error(hostile), true)
    expect(written()).not.toMatch(controls)
    expect(written()).not.toMatch(/^secnode: all is well/m)
  })

  test('in JSON: the same value, in ASCII', () => {
    const { io, written } = captured()
    printJson(io, { hostile })
    expect(written()).toMatch(/^[ -~]+\n$/)
    expect(JSON.parse(written())).toEqual({ hostile })
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
        const json = asciiJson(JSON.stringify({ value, text }))
        expect(json).toMatch(/^[ -~]+$/)
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify({ value, text })))
      }),
    )
  })

  test('in the log: lines of ASCII', () => {
    const lines: string[] = []
    const logger = pino({ hooks: { streamWrite: asciiJson } }, { write: (line) => void lines.push(line) })
    logger.info({ reason: hostile, err: new Error(hostile) }, hostile)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^[ -~]+\n$/)
    expect(JSON.parse(lines[0]!)).toMatchObject({ reason: hostile, msg: hostile })
  })
})
