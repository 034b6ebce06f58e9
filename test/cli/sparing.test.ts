import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { sparing } from '../../src/cli/sparing.ts'

const module = new URL('../../src/cli/sparing.ts', import.meta.url).href
const script = `
  import { runSparingly } from '${module}'
  runSparingly()
  console.log(JSON.stringify([process.pid, process.execArgv, process.env.MALLOC_ARENA_MAX, process.argv.slice(1)]))
`

const run = async (flags: string[], env: NodeJS.ProcessEnv) => {
  const { NODE_OPTIONS: _options, MALLOC_ARENA_MAX: _arenas, ...others } = process.env
  const argv = [...flags, '--input-type=module', '-e', script, 'start', '--config', 'one.yaml']
  const child = spawn(process.execPath, argv, {
    env: { ...others, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  const [pid, execArgv, arenas, rest] = JSON.parse(said) as [number, string[], string, string[]]
  expect(pid).toBe(child.pid)
  expect(rest).toEqual(['start', '--config', 'one.yaml'])
  const semiSpaces = execArgv.filter((flag) => flag.includes('semi'))
  return { semiSpaces, arenas }
}

test.skipIf(process.platform === 'win32')(
  'a daemon runs sparingly, in the process that was started',
  async () => {
    expect(await run([], {})).toEqual({ semiSpaces: sparing.execArgv, arenas: '2' })
  },
)

test.skipIf(process.platform === 'win32')('what is set already stands', async () => {
  expect(await run(['--max-semi-space-size=8'], {})).toEqual({
    semiSpaces: ['--max-semi-space-size=8'],
    arenas: '2',
  })
  expect(await run([], { NODE_OPTIONS: '--max_semi_space_size=16', MALLOC_ARENA_MAX: '7' })).toEqual({
    semiSpaces: [],
    arenas: '7',
  })
})
