import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const secnode = (...args: string[]) =>
  spawnSync(process.execPath, [fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url)), ...args], {
    encoding: 'utf8',
    timeout: 120_000,
  })

describe('secnode sim', () => {
  test('hands its words over to the simulator, and gives back what it prints and its exit code', () => {
    const math = secnode('sim', 'math', '--nodes', '1000', '--share', '0.2', '--json')
    expect(math.status).toBe(0)
    expect(JSON.parse(math.stdout)).toMatchObject({ attackers: 200 })
    const bad = secnode('sim', 'math', '--nodes', '10', '--share', '0.2')
    expect(bad.status).toBe(2)
    expect(bad.stderr).toContain('write --committee at most 9')
  })
})
