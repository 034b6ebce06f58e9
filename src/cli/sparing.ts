/**
 * How a daemon runs, months on end beside a chain node: V8's young generation and glibc's arenas, both sized for speed, keep
 * some 100 MB that nothing is in. Both are fixed when a process begins.
 */
export const sparing = {
  execArgv: ['--max-semi-space-size=4'],
  env: { MALLOC_ARENA_MAX: '2' },
} as const

/**
 * Puts this process in the place of itself, run sparingly: same program, same process id, so whoever started it notices
 * nothing. What is set already stands, and then, as where a process cannot be replaced, nothing happens.
 */
export const runSparingly = (): void => {
  const set = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ').replaceAll('_', '-')
  const execArgv = sparing.execArgv.filter((flag) => !set.includes(flag.split('=')[0]!))
  const env = { ...sparing.env, ...process.env }
  const isSparing = execArgv.length === 0 && 'MALLOC_ARENA_MAX' in process.env
  if (isSparing || process.platform === 'win32' || process.execve === undefined) return
  process.execve(
    process.execPath,
    [process.execPath, ...execArgv, ...process.execArgv, ...process.argv.slice(1)],
    env,
  )
}
