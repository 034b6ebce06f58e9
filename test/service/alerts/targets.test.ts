import { createHmac } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Alert, alertOf, testFinding } from '../../../src/service/alerts/alert.ts'
import { createAlertCommand } from '../../../src/service/alerts/command.ts'
import { createWebhook, isWebhookUrl } from '../../../src/service/alerts/webhook.ts'
import { realWorld } from '../../../src/world.ts'
import { until } from '../../net/local-hosts.ts'
import { type Listener, startListener } from './listener.ts'

const world = realWorld()
const never = new AbortController().signal

const alert: Alert = alertOf(
  'firing',
  {
    ...testFinding,
    severity: 'critical',
    title: 'closed; rm -rf "$HOME" `id`',
    evidence: [
      {
        is: 'view',
        seat: 3,
        host: 'n3.example.org',
        port: 'p2p',
        verdict: 2,
        word: 'unreachable',
        saw: 'refused',
      },
    ],
  },
  {
    id: '00'.repeat(16),
    nowMs: 0,
    sinceMs: 0,
    node: { network: 'ab'.repeat(16), host: 'n1.example.org', seat: 1, peer: '12D3KooW' },
  },
)

let dir: string
let listener: Listener

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'secnode-alerts-'))
  listener = await startListener()
})
afterAll(async () => {
  await listener.close()
  await rm(dir, { recursive: true, force: true })
})

describe('an alert as text', () => {
  test('says who, what, who saw it, and what to do, in what chats show', () => {
    expect(alert.text.split('\n')).toEqual([
      `ALERT critical n1.example.org (seat 1): ${alert.title}`,
      testFinding.detail,
      '- seat 3 n3.example.org dials p2p: unreachable: refused',
      testFinding.remedy,
    ])
    expect(alert.content).toBe(alert.text)
    const long = alertOf(
      'firing',
      { ...testFinding, detail: 'x'.repeat(9_000) },
      { id: '', nowMs: 0, sinceMs: 0, node: alert.node },
    )
    expect(long.content.length).toBeLessThanOrEqual(2_000)
  })
})

describe('a webhook', () => {
  test('POSTs the JSON, signed with the shared secret', async () => {
    listener.answer = 204
    const secret = 'between us'
    await createWebhook({ url: listener.url, secret, timeoutMs: 60_000, world }).deliver(alert, never)
    const { alert: got, body, headers } = listener.taken.at(-1)!
    expect(got).toEqual(alert)
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'secnode-alert-id': alert.id,
      'secnode-signature': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    })
  })

  test('follows no redirect', async () => {
    const before = listener.taken.length
    listener.answer = (response) => response.writeHead(307, { location: listener.url }).end()
    const hook = createWebhook({ url: listener.url, timeoutMs: 60_000, world })
    await expect(hook.deliver(alert, never)).rejects.toThrow(/307, a redirect/)
    expect(listener.taken.length).toBe(before)
  })

  test('one that hangs, before its answer or inside, holds nothing up', async () => {
    const hook = createWebhook({ url: listener.url, timeoutMs: 150, world })
    listener.answer = 'hang'
    await expect(hook.deliver(alert, never)).rejects.toMatchObject({
      code: 'WEBHOOK_FAILED',
      message: expect.stringMatching(/no answer within 0.15 seconds/) as string,
    })
    // An answer without end: its head says all that there is to know.
    listener.answer = (response) => void response.writeHead(200).write('x'.repeat(10_000))
    await createWebhook({ url: listener.url, timeoutMs: 60_000, world }).deliver(alert, never)
  })

  test('one that refuses, and one that is not there, say so', async () => {
    listener.answer = 500
    await expect(
      createWebhook({ url: listener.url, timeoutMs: 60_000, world }).deliver(alert, never),
    ).rejects.toMatchObject({
      code: 'WEBHOOK_REFUSED',
      message: 'it answers 500',
    })
    const gone = createWebhook({ url: 'http://127.0.0.1:9/hook', timeoutMs: 60_000, world })
    await expect(gone.deliver(alert, never)).rejects.toMatchObject({ code: 'WEBHOOK_FAILED' })
  })

  test('goes over https, or stays on the machine', () => {
    for (const url of [
      'https://hooks.example.org/T0/B0',
      'http://127.0.0.1:8080/x',
      'http://localhost/',
      'http://[::1]:1/',
    ])
      expect(isWebhookUrl(url), url).toBe(true)
    for (const url of [
      'http://hooks.example.org/',
      'http://127.0.0.1.example.org/',
      'http://192.168.1.2/',
      'ftp://127.0.0.1/',
      'https://user:password@hooks.example.org/',
      'file:///etc/passwd',
      'hooks.example.org',
      '',
    ])
      expect(isWebhookUrl(url), url).toBe(false)
  })
})

describe('a command', () => {
  const command = (code: string, timeoutMs = 60_000, ...args: string[]) =>
    createAlertCommand({ argv: [process.execPath, '-e', code, ...args], timeoutMs, world })

  test('gets the JSON on stdin, its arguments as they are, and no secret of the daemon', async () => {
    const out = join(dir, 'seen.json')
    process.env['SECNODE_TEST_SECRET'] = 'nobody gets this'
    const code = `
      const text = require('node:fs').readFileSync(0, 'utf8')
      const [file, odd] = process.argv.slice(-2)
      require('node:fs').writeFileSync(file, JSON.stringify({ alert: JSON.parse(text), odd, env: process.env }))`
    await command(code, 60_000, out, '$(id); "`').deliver(alert, never)
    const seen = JSON.parse(await readFile(out, 'utf8')) as {
      alert: Alert
      odd: string
      env: NodeJS.ProcessEnv
    }
    expect(seen.alert).toEqual(alert)
    expect(seen.odd).toBe('$(id); "`')
    expect(seen.env).toMatchObject({
      SECNODE_ALERT_IS: 'firing',
      SECNODE_ALERT_CODE: 'test',
      SECNODE_ALERT_SEVERITY: 'critical',
      SECNODE_ALERT_HOST: 'n1.example.org',
      SECNODE_ALERT_TITLE: alert.title,
      SECNODE_ALERT_TEXT: alert.text,
    })
    expect(seen.env['SECNODE_TEST_SECRET']).toBeUndefined()
  })

  test('may ignore its stdin', async () => {
    await expect(command('process.exit(0)').deliver(alert, never)).resolves.toBeUndefined()
  })

  test('one that hangs is killed when its time is over', async () => {
    await expect(command('setInterval(() => {}, 1000)', 300).deliver(alert, never)).rejects.toMatchObject({
      code: 'COMMAND_KILLED',
      message: expect.stringContaining('it had 0.3 seconds') as string,
    })
  })

  test('one that is killed takes along all that it started', async () => {
    const file = join(dir, 'grandchild')
    await writeFile(file, '')
    // A grandchild that holds stderr open and would live on.
    const code = `
      const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
      require('node:fs').writeFileSync(process.argv.at(-1), String(child.pid))
      process.on('SIGTERM', () => {})
      setInterval(() => {}, 1000)`
    const stopping = new AbortController()
    const delivered = command(code, 600_000, file).deliver(alert, stopping.signal)
    const outcome = delivered.catch((error: unknown) => error)
    await until(async () => (await readFile(file, 'utf8')) !== '')
    stopping.abort()
    expect(await outcome).toMatchObject({ code: 'COMMAND_KILLED' })
    const pid = Number(await readFile(file, 'utf8'))
    expect(pid).toBeGreaterThan(0)
    await until(() => !isRunning(pid))
  })

  test('one that fails says why; one that is not there as well', async () => {
    await expect(
      command(`console.error('no such pager'); process.exit(3)`).deliver(alert, never),
    ).rejects.toMatchObject({
      code: 'COMMAND_FAILED',
      message: expect.stringMatching(/exit code 3: no such pager$/) as string,
    })
    const gone = createAlertCommand({ argv: [join(dir, 'nothing-here')], timeoutMs: 60_000, world })
    await expect(gone.deliver(alert, never)).rejects.toMatchObject({ code: 'COMMAND_FAILED' })
  })
})

/** Killed and waiting for its parent is not running. */
const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !existsSync('/proc/self/stat') || !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}
