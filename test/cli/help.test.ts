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

/** Every command, those that only group others as well, with its whole name. */
const withAllBelow = (command: Command, name: string): [string, Command][] => [
  [name, command],
  ...command.commands.flatMap((child) => withAllBelow(child, `${name} ${child.name()}`)),
]

const commands = withAllBelow(createProgram(io), 'secnode')

test('there are commands', () => expect(commands.length).toBeGreaterThan(30))

test.each(commands)('%s --help has a description and an example that names it', (name, command) => {
  printed = ''
  command.outputHelp()
  expect(command.description()).not.toBe('')
  const [, examples] = printed.split(/^Examples?:$/m)
  expect(examples, 'a line "Example:" or "Examples:"').toBeDefined()
  // `sim` hands everything on to the simulator's own command line.
  expect(examples).toContain(name)
})
