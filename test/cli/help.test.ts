import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/program.ts'
import type { CliIo } from '../../src/cli/io.ts'

let printed = ''
const io: CliIo = {
  stdout: (text) => void (printed += text),
  stderr: () => undefined,
  isTerminal: false,
  signal: new AbortController().signal,
  setExitCode: () => undefined,
}

/** Every command that does something, with its whole name. */
const leaves = (command: Command, name: string): [string, Command][] =>
  command.commands.length === 0
    ? [[name, command]]
    : command.commands.flatMap((child) => leaves(child, `${name} ${child.name()}`))

const commands = leaves(createProgram(io), 'secnode')

test('there are commands', () => expect(commands.length).toBeGreaterThan(15))

test.each(commands)('%s --help has a description and an example that names it', (name, command) => {
  printed = ''
  command.outputHelp()
  expect(command.description()).not.toBe('')
  const [, examples] = printed.split(/^Examples?:$/m)
  expect(examples, 'a line "Example:" or "Examples:"').toBeDefined()
  // `sim` hands everything on to the simulator's own command line.
  expect(examples).toContain(name)
})
