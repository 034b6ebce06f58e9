import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isSecnodeError, type SecnodeError } from '../../src/errors.ts'
import { loadConfig, parseConfig, publicPortsOf } from '../../src/service/config.ts'
import { newDirectory } from '../store/directories.ts'

const whole = {
  profile: 'profile: devnet',
  host: 'host: n0.devnet.test',
  stake: 'stake: tmStakeAddress',
  certificate: 'certificate: { cert: cert.pem, key: /etc/key.pem }',
  rpc: 'rpc: { url: "http://127.0.0.1:8232" }',
}

/** The whole configuration with some of its lines replaced, left out (null) or added. */
const textWith = (changes: Record<string, string | null>): string =>
  Object.values({ ...whole, ...changes })
    .filter((line) => line !== null)
    .join('\n')

const errorOf = (text: string): SecnodeError => {
  try {
    parseConfig(text, '/etc/secnode/secnode.yaml')
  } catch (error) {
    if (isSecnodeError(error, 'CONFIG_INVALID')) return error
    throw error
  }
  throw new Error('it was taken')
}

test('a short configuration is enough; paths are seen from its own folder', () => {
  expect(parseConfig(textWith({}), '/etc/secnode/secnode.yaml')).toMatchObject({
    profile: 'devnet',
    dir: '/etc/secnode/data',
    keys: '/etc/secnode/node.key',
    certificate: { cert: '/etc/secnode/cert.pem', key: '/etc/key.pem' },
    listen: { address: '0.0.0.0', p2p: 9_734, tls: 9_735 },
    log: 'info',
  })
  const own = textWith({
    profile: 'profile: networks/own.json',
    rpc: 'rpc: { url: "https://node:8232", cookie: .cookie }',
  })
  expect(parseConfig(own, '/etc/secnode/secnode.yaml')).toMatchObject({
    profile: '/etc/secnode/networks/own.json',
    rpc: { cookie: '/etc/secnode/.cookie' },
  })
})

test('what is announced are the ports listened on, unless `public` names others', () => {
  const portsWith = (fields: Record<string, string>) =>
    publicPortsOf(parseConfig(textWith(fields), '/etc/secnode/secnode.yaml'))
  expect(portsWith({ listen: 'listen: { p2p: 4001 }' })).toEqual({ p2p: 4_001, tls: 9_735 })
  expect(portsWith({ public: 'public: { p2p: 9033, tls: 9034 }' })).toEqual({ p2p: 9_033, tls: 9_034 })
})

test('alerts: what is left out has defaults, programs with a slash are files beside the configuration', () => {
  const lines =
    'alerts: { webhooks: [{ url: "https://chat.example.org/hook" }], commands: [[./page-me, -u], [logger]] }'
  expect(parseConfig(textWith({ alerts: lines }), '/etc/secnode/secnode.yaml').alerts).toEqual({
    from: 'warning',
    minIntervalSeconds: 3_600,
    timeoutSeconds: 10,
    webhooks: [{ url: 'https://chat.example.org/hook' }],
    commands: [['/etc/secnode/page-me', '-u'], ['logger']],
  })
})

describe('every mistake names the field, what is wrong with it and what to write', () => {
  const mistakes: [Record<string, string | null>, string, string, string][] = [
    [{ host: null }, 'host', 'is missing', 'host: node.example.org'],
    [{ host: 'host:' }, 'host', 'is empty', 'host: node.example.org'],
    [
      { alerts: 'alerts: { webhooks: [{ url: "http://chat.example.org/hook" }] }' },
      'alerts.webhooks.0.url',
      'must be an https address, or http to this machine',
      'webhooks: [{ url:',
    ],
    [{ alerts: 'alerts: { commands: [[]] }' }, 'alerts.commands.0', 'must name a program', 'commands: [['],
    [
      { alerts: 'alerts: { from: bad }' },
      'alerts.from',
      'must be one of info, warning, critical',
      'alerts: {',
    ],
    [
      { host: 'host: localhost' },
      'host',
      'must be a lower-case DNS name with a dot',
      'host: node.example.org',
    ],
    [{ host: 'host: N0.Example.org' }, 'host', 'must be a lower-case DNS name', 'host: node.example.org'],
    [{ host: 'host: 7' }, 'host', 'must be a DNS name', 'host: node.example.org'],
    [{ profile: null }, 'profile', 'is missing', 'profile: zcash-testnet'],
    [{ profile: 'profile: [a]' }, 'profile', 'must be the name of a profile', 'profile: zcash-testnet'],
    [{ stake: null }, 'stake', 'is missing', 'stake: tmYourStakeAddress'],
    [{ stake: 'stake: 7' }, 'stake', 'must be a transparent address', 'stake: tmYourStakeAddress'],
    [{ dir: 'dir: true' }, 'dir', 'must be the path of a directory', 'dir: /var/lib/secnode'],
    [{ keys: 'keys: ""' }, 'keys', 'is empty', 'keys: /etc/secnode/node.key'],
    [{ listen: 'listen: here' }, 'listen', 'must be a group of fields', 'listen: { address: 0.0.0.0'],
    [
      { listen: 'listen: { address: here }' },
      'listen.address',
      'must be an IPv4 or IPv6 address',
      'address: 0.0.0.0',
    ],
    [{ listen: 'listen: { p2p: 0 }' }, 'listen.p2p', 'must be a port from 1 to 65535', 'p2p: 9734'],
    [{ listen: 'listen: { tls: 65536 }' }, 'listen.tls', 'must be a port from 1 to 65535', 'tls: 9735'],
    [{ listen: 'listen: { p2p: "9734" }' }, 'listen.p2p', 'must be a port', 'p2p: 9734'],
    [{ listen: 'listen: { p2p: 5, tls: 5 }' }, 'listen.tls', 'must be another port than p2p', 'tls: 9735'],
    [{ listen: 'listen: { port: 5 }' }, 'listen', 'unknown field port', 'p2p: 9734'],
    [{ public: 'public: { p2p: 9033 }' }, 'public.tls', 'is missing', 'public: { p2p: 9033, tls: 9034 }'],
    [{ public: 'public: { p2p: 5, tls: 5 }' }, 'public.tls', 'must be another port than p2p', 'tls: 9034'],
    [{ public: 'public: { p2p: 0, tls: 5 }' }, 'public.p2p', 'must be a port from 1 to 65535', 'p2p: 9033'],
    [{ certificate: null }, 'certificate', 'is missing', 'cert: fullchain.pem, key: privkey.pem'],
    [{ certificate: 'certificate: { cert: a }' }, 'certificate.key', 'is missing', 'key: privkey.pem'],
    [{ rpc: null }, 'rpc', 'is missing', 'rpc: { url: "http://127.0.0.1:8232"'],
    [{ rpc: 'rpc: { url: 127.0.0.1 }' }, 'rpc.url', 'must be like http://127.0.0.1:8232', 'http://'],
    [{ rpc: 'rpc: { url: "ftp://127.0.0.1" }' }, 'rpc.url', 'must be like http://', 'http://'],
    [{ rpc: 'rpc: { url: "http://a", user: a }' }, 'rpc', 'user and password go together', 'rpc:'],
    [{ rpc: 'rpc: { url: "http://a", password: a }' }, 'rpc', 'user and password go together', 'rpc:'],
    [{ rpc: 'rpc: { url: "http://a", user: a, password: b, cookie: c }' }, 'rpc', 'not both', 'cookie:'],
    [
      { rpc: 'rpc: { url: "http://a", user: a, password: 7 }' },
      'rpc.password',
      'put it in quotes',
      'password: "secret"',
    ],
    [
      { hosts: 'hosts: { n1.devnet.test: here }' },
      'hosts.n1.devnet.test',
      'must be an IPv4 or IPv6 address',
      'hosts:',
    ],
    [{ anchor: 'anchor: tmWallet' }, 'anchor', 'must be a group of fields', 'anchor: { from:'],
    [
      { sync: 'syncSeconds: 0' },
      'syncSeconds',
      'must be a number of seconds from 0.1 to 3600',
      'syncSeconds: 30',
    ],
    [{ sync: 'syncSeconds: .nan' }, 'syncSeconds', 'must be a number of seconds', 'syncSeconds: 30'],
    [{ poll: 'pollSeconds: soon' }, 'pollSeconds', 'must be a number of seconds', 'pollSeconds: 5'],
    [{ log: 'log: loud' }, 'log', 'must be one of trace, debug, info', 'log: info'],
  ]
  test.each(mistakes)('%j', (changes, field, what, hint) => {
    const error = errorOf(textWith(changes))
    expect(error.message.startsWith(`/etc/secnode/secnode.yaml: ${field}: `)).toBe(true)
    expect(error.message).toContain(what)
    expect(error.hint).toContain(hint)
    expect(error.exitCode).toBe(2)
    expect(error.message).not.toContain('\n')
  })

  test.each([
    ['an unknown field', `${textWith({})}\nhots: a`, 'unknown field hots'],
    ['nothing', '', 'is empty'],
    ['a list', '- a\n- b', 'must be a group of fields'],
    ['a word', 'hello', 'must be a group of fields'],
  ])('%s: says which fields there are', (_name, text, what) => {
    const error = errorOf(text)
    expect(error.message).toContain(what)
    expect(error.hint).toContain('profile, dir, host, stake')
  })

  test.each([
    ['open brackets', 'listen: [1'],
    ['a field twice', `${textWith({})}\nhost: n1.devnet.test`],
    ['tabs for indentation', 'listen:\n\tp2p: 1'],
    [
      'a billion laughs',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]`,
    ],
    ['an alias of nothing', textWith({ log: 'log: *info' })],
    ['eleven aliases of little', `a: &a 1\nb: [${Array(11).fill('*a').join(', ')}]`],
    ['a field twice in a group', textWith({ listen: 'listen: { p2p: 1, tls: 2, p2p: 3 }' })],
    ['a list as a key', textWith({ extra: '[1, 2]: 3' })],
    ['groups as keys, deeply', `${'{'.repeat(400)}${'}'.repeat(400)}`],
    ['lists in lists', `${'['.repeat(20)}${']'.repeat(20)}`],
    ['more lists in lists than a stack has room for', `${'['.repeat(40_000)}${']'.repeat(40_000)}`],
    ['groups in groups without an end', '{'.repeat(90_000)],
    ['several documents', `${textWith({})}\n---\n${textWith({})}`],
  ])('%s: no YAML, and where', (_name, text) => {
    const error = errorOf(text)
    expect(error.message).toMatch(/is no YAML: .*(?: in line \d+|too deeply|alias.*)$/i)
    expect(error.exitCode).toBe(2)
    expect(error.hint).toBeDefined()
  })
})

test('the line of a fault is named, and what stands in it is not repeated', () => {
  const error = errorOf(textWith({ rpc: 'rpc: { url: "http://127.0.0.1:8232", password: "very secret }' }))
  expect(error.message).toMatch(/ in line \d+$/)
  expect(error.message).not.toContain('secret')
  expect(errorOf(`${textWith({})}\nlog: info\nlog: debug`).message).toMatch(
    /the key log a second time in line 7$/,
  )
})

test('a text is bounded wherever it comes from: backups hold configurations, too', () => {
  const keys = Array.from({ length: 12_000 }, (_, i) => `k${i}: 1`).join('\n')
  expect(errorOf(keys).message).toContain('is larger than a configuration can be')
  expect(errorOf(keys.slice(0, 90_000)).message).toContain('profile: is missing')
  const hosts = Array.from({ length: 2_000 }, (_, i) => `  n${i}.devnet.test: 127.0.${i >> 8}.${i & 255}`)
  const config = parseConfig(textWith({ hosts: `hosts:\n${hosts.join('\n')}` }), 'secnode.yaml')
  expect(Object.keys(config.hosts!)).toHaveLength(2_000)
})

test('a file that is not there, or is too large', async () => {
  const dir = newDirectory()
  await expect(loadConfig(join(dir, 'none.yaml'))).rejects.toMatchObject({
    code: 'CONFIG_MISSING',
    exitCode: 2,
    hint: 'Name the file with --config FILE.',
  })
  await writeFile(join(dir, 'large.yaml'), `# ${'x'.repeat(1_000_001)}\n`)
  await expect(loadConfig(join(dir, 'large.yaml'))).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    exitCode: 2,
  })
})
