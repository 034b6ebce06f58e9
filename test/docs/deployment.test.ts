import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/service/config.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (name: string): string => readFileSync(join(root, 'docs/deployment', name), 'utf8')
const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: { secnode: string } }

const scratch = mkdtempSync(join(tmpdir(), 'secnode-deployment-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the systemd unit', () => {
  const settings = read('secnode.service')
    .split('\n')
    .filter((line) => /^[A-Z]\w+=/.test(line))

  test('starts the program of the package, reloads it and does not restart it for a mistake in the configuration', () => {
    expect(settings).toContain(
      `ExecStart=/usr/bin/node ${bin.secnode} start --config /etc/secnode/secnode.yaml`,
    )
    expect(settings).toContain('ExecReload=/bin/kill -HUP $MAINPID')
    expect(settings).toContain('RestartPreventExitStatus=2')
    expect(settings).toContain('SuccessExitStatus=130')
  })

  test.each([
    'User=secnode',
    'NoNewPrivileges=true',
    'CapabilityBoundingSet=',
    'ProtectSystem=strict',
    'ProtectHome=true',
    'PrivateTmp=true',
    'PrivateDevices=true',
    'RestrictSUIDSGID=true',
    'SystemCallFilter=@system-service',
    'UMask=0077',
  ])('is hardened: %s', (setting) => expect(settings).toContain(setting))
})

test('the container file copies what there is, runs the program of the package, and opens the default ports', () => {
  const lines = read('Containerfile').split('\n')
  const sources = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(' ').slice(1, -1))
  expect(sources.length).toBeGreaterThan(5)
  for (const source of sources) expect(existsSync(join(root, source)), source).toBe(true)
  expect(lines.find((line) => line.startsWith('ENTRYPOINT'))).toContain(`/opt/secnode/${bin.secnode}`)
  const { listen } = parseConfig(
    'profile: devnet\nhost: n.example.org\nstake: t\ncertificate: { cert: c, key: k }\nrpc: { url: "http://127.0.0.1:1" }',
    'secnode.yaml',
  )
  expect(lines).toContain(`EXPOSE ${listen.p2p} ${listen.tls}`)
})

describe('the certbot hook', () => {
  /** Runs it with commands that write down how they were called, in the place of those that need to be root. */
  const run = (domains: string): string[] => {
    const commands = join(scratch, 'bin')
    const log = join(scratch, 'calls')
    mkdirSync(commands, { recursive: true })
    writeFileSync(log, '')
    for (const name of ['install', 'mv', 'systemctl']) {
      writeFileSync(join(commands, name), `#!/bin/sh\necho "${name} $*" >> ${log}\n`)
      chmodSync(join(commands, name), 0o755)
    }
    execFileSync('/bin/sh', [join(root, 'docs/deployment/certbot-hook.sh')], {
      env: {
        PATH: `${commands}:/usr/bin:/bin`,
        RENEWED_DOMAINS: domains,
        RENEWED_LINEAGE: '/etc/letsencrypt/live/x',
      },
    })
    return readFileSync(log, 'utf8').split('\n').filter(Boolean)
  }

  test('leaves other certificates alone', () => {
    expect(run('www.example.org mail.example.org')).toEqual([])
  })

  test('puts key and certificate in place, each whole, and reloads', () => {
    const calls = run('www.example.org node.example.org')
    expect(calls.filter((call) => call.startsWith('mv'))).toEqual([
      'mv /etc/secnode/tls/privkey.pem.new /etc/secnode/tls/privkey.pem',
      'mv /etc/secnode/tls/fullchain.pem.new /etc/secnode/tls/fullchain.pem',
    ])
    expect(calls.at(-1)).toBe('systemctl try-reload-or-restart secnode.service')
  })
})
