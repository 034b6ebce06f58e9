import { describe, expect, test } from 'vitest'
import { maxLive } from '../../src/web/live.ts'
import { runInProcess } from '../cli/in-process.ts'
import { startFlood } from '../net/flood.ts'
import { until } from '../net/local-hosts.ts'
import { startAlertingPage } from './alerting-page.ts'
import { type Answer, ask, askRaw, openStream, type OpenStream } from './ask.ts'
import type { PlayedPage } from './played-page.ts'

/** What terminals obey, and what turns the direction of a text; a page has line breaks. */
const controls = /[\p{Cf}\p{Zl}\p{Zp}]|[^\P{Cc}\n]/u

export const describeHostile = (page: () => PlayedPage): void => {
  /** Each test asks from an address of its own: one's flood is not the other's limit. */
  const from = (index: number) => ({ localAddress: `127.61.1.${index}` })
  const isRefused = ({ status, headers }: Answer): boolean =>
    status >= 400 && status < 500 && headers['access-control-allow-origin'] === undefined

  describe('hostile requests', () => {
    test('a name that is not the server’s, as after DNS rebinding, is refused', async () => {
      const { host, port } = new URL(page().url)
      const names = [
        'evil.example',
        `evil.example:${port}`,
        `${host}.evil.example`,
        `127.0.0.1:${port}1`,
        `localhost.evil.example:${port}`,
        host.replace(`:${port}`, ''),
        `x@${host}`,
        `${host}:80`,
      ]
      for (const name of names) {
        for (const path of ['/', '/api/v1/status', '/live', '/metrics', '/assets/live.js']) {
          const answer = await ask(page().url, path, { headers: { host: name }, ...from(1) })
          expect([400, 421], `${name} ${path}`).toContain(answer.status)
        }
      }
      expect(
        (await ask(page().url, '/', { headers: { host: `LOCALHOST:${port}` }, ...from(1) })).status,
      ).toBe(200)
      expect(await askRaw(page().url, 'GET / HTTP/1.1\r\n\r\n')).toContain('400')
      const twice = `GET / HTTP/1.1\r\nHost: ${host}\r\nHost: evil.example\r\n\r\n`
      expect(await askRaw(page().url, twice)).toMatch(/ 4(00|21) /)
      expect(await askRaw(page().url, 'GET / HTTP/1.1\r\nHost: \r\n\r\n')).toMatch(/ 4[0-9][0-9] /)
      expect(await askRaw(page().url, 'GET / HTTP/1.0\r\n\r\n')).toMatch(/ 4[0-9][0-9] /)
      const absolute = `GET http://evil.example/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`
      expect(await askRaw(page().url, absolute)).toContain('400')
    })

    test('other sites may not ask; a person may follow a link to a page, and to nothing else', async () => {
      const { origin } = new URL(page().url)
      const link = {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-user': '?1',
      }
      const refused: [string, Record<string, string>][] = [
        ['/', { origin: 'https://evil.example' }],
        ['/', { origin: 'null' }],
        ['/api/v1/status', { origin: 'http://127.0.0.1:1' }],
        ['/live', { origin: 'https://evil.example' }],
        ['/', { 'sec-fetch-site': 'cross-site' }],
        ['/', { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' }],
        ['/', { ...link, 'sec-fetch-dest': 'iframe' }],
        ['/', { ...link, 'sec-fetch-user': '?0' }],
        ['/api/v1/status', link],
        ['/metrics', link],
        ['/live', link],
        ['/assets/style.css', link],
      ]
      for (const [path, headers] of refused) {
        const answer = await ask(page().url, path, { headers, ...from(2) })
        expect(answer.status, `${path} ${JSON.stringify(headers)}`).toBe(403)
        expect(isRefused(answer)).toBe(true)
      }
      for (const headers of [
        link,
        { 'sec-fetch-site': 'none' },
        { 'sec-fetch-site': 'same-origin', origin },
      ]) {
        expect((await ask(page().url, '/', { headers, ...from(2) })).status).toBe(200)
      }
    })

    test('it is only read: no other method, no body', async () => {
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
        for (const path of ['/', '/api/v1/nodes', '/live', '/nowhere']) {
          const answer = await ask(page().url, path, { method, ...from(3) })
          expect(answer.status, `${method} ${path}`).toBe(405)
          expect(answer.headers.allow).toBe('GET, HEAD')
          expect(isRefused(answer)).toBe(true)
        }
      }
      const withBody = { headers: { 'content-length': '5' }, body: 'hello', ...from(3) }
      expect((await ask(page().url, '/', withBody)).status).toBe(400)
      const chunked = { headers: { 'transfer-encoding': 'chunked' }, body: 'hello', ...from(3) }
      expect((await ask(page().url, '/', chunked)).status).toBe(400)
      const head = await ask(page().url, '/nodes', { method: 'HEAD', ...from(3) })
      expect({ status: head.status, body: head.body }).toEqual({ status: 200, body: '' })
      expect((await ask(page().url, '/live', { method: 'HEAD', ...from(3) })).status).toBe(405)
      expect(await askRaw(page().url, 'CONNECT evil.example:80 HTTP/1.1\r\nHost: evil.example\r\n\r\n')).toBe(
        '',
      )
    })

    test('the one thing that it does is done for its own pages alone, and not too often', async () => {
      await using alerting = await startAlertingPage(page(), '127.61.5.2')
      const { url, listener } = alerting
      const { origin, host } = new URL(url)
      const post = (headers: Record<string, string>, body?: string): Promise<Answer> =>
        ask(url, '/alerts/test', {
          method: 'POST',
          headers: { 'content-length': String(body?.length ?? 0), ...headers },
          ...(body === undefined ? {} : { body }),
          ...from(12),
        })
      const form = {
        'sec-fetch-mode': 'navigate',
        'sec-fetch-dest': 'document',
        'sec-fetch-user': '?1',
      }
      const refused: [number, Answer][] = [
        [403, await post({})],
        [403, await post({ origin: 'null', 'sec-fetch-site': 'same-origin', ...form })],
        [403, await post({ origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', ...form })],
        [403, await post({ 'sec-fetch-site': 'same-origin', ...form })],
        [403, await post({ origin, 'sec-fetch-site': 'cross-site' })],
        [403, await post({ origin, 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' })],
        [403, await post({ origin: `http://evil.example@${host}` })],
        [421, await post({ origin: 'http://evil.example', host: 'evil.example' })],
        [400, await post({ origin }, 'to=https://evil.example')],
        [405, await ask(url, '/alerts/test', from(12))],
        [405, await ask(url, '/alerts/test', { method: 'PUT', headers: { origin }, ...from(12) })],
        [405, await ask(url, '/alerts/test?to=1', { method: 'POST', headers: { origin }, ...from(12) })],
        [405, await ask(url, '/alerts/test/', { method: 'POST', headers: { origin }, ...from(12) })],
      ]
      for (const [i, [status, answer]] of refused.entries()) {
        expect(answer.status, `${i}: ${answer.body}`).toBe(status)
        expect(isRefused(answer)).toBe(true)
      }
      expect(listener.taken).toEqual([])

      // What asks while a test is under way gets what comes of the same one; a few in a row, and it is enough.
      listener.answer = 'hang'
      const answers = Array.from({ length: 20 }, () => post({ origin, 'sec-fetch-site': 'same-origin' }))
      await until(() => listener.refused.length > 0)
      expect((await Promise.race(answers)).status).toBe(429)
      expect(listener.refused).toHaveLength(1)
    })

    test('tricks with paths lead nowhere', async () => {
      const paths = [
        '//',
        '//evil.example/',
        '/../etc/passwd',
        '/assets/../../package.json',
        '/assets/..%2f..%2fpackage.json',
        '/assets/%2e%2e/%2e%2e/package.json',
        '/assets/.%2e/live.js',
        '/assets/live.js%00.css',
        '/assets/\\..\\live.js',
        '/assets/style.css/..',
        '/assets/',
        '/assets/constructor',
        '/assets/__proto__',
        '/nodes/__proto__',
        '/nodes/constructor',
        '/nodes/-1',
        '/nodes/0x1',
        '/nodes/1.5',
        '/nodes/١',
        '/nodes/1/epochs/../../2',
        '/nodes/%ff',
        '/nodes/%zz',
        '/nodes/1%0d%0aset-cookie:x=1',
        '/api/v1/../../nodes',
        '/api/v1//nodes',
        '/api/v1/nodes/',
        '/api/v1/nodes/1;x=1',
        '/.well-known/secnode',
        '/.git/config',
        '/control/status',
        '/tally/last',
        '/weeks/2026-W47%20',
        '/explorer/evidence/..',
        '/server-status',
      ]
      for (const path of paths) {
        const answer = await ask(page().url, encodeURI(path).replaceAll('%25', '%'), from(4))
        expect([400, 404], `${path}: ${answer.status}`).toContain(answer.status)
        expect(answer.headers['set-cookie']).toBeUndefined()
      }
    })

    test('what is too long is refused', async () => {
      const long = 'a'.repeat(5_000)
      expect((await ask(page().url, `/search?q=${long}`, from(5))).status).toBe(414)
      expect((await ask(page().url, `/${long}`, from(5))).status).toBe(414)
      expect((await ask(page().url, `/search?q=${'a'.repeat(500)}`, from(5))).status).toBe(400)
      expect(
        (await ask(page().url, '/', { headers: { cookie: 'a'.repeat(20_000) }, ...from(5) })).status,
      ).toBe(431)
      const many = Array.from({ length: 120 }, (_, i) => `p${i}=1`).join('&')
      expect((await ask(page().url, `/nodes?${many}`, from(5))).status).toBe(400)
    })

    test('markup in a query comes back as text', async () => {
      const text = '<script>alert(1)</script>"\'><img src=x onerror=alert(1)>'
      const { status, body, headers } = await ask(
        page().url,
        `/search?q=${encodeURIComponent(text)}`,
        from(6),
      )
      expect(status).toBe(200)
      expect(body).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
      expect(body).not.toContain('<img')
      expect(body.match(/<script/g)).toHaveLength(1)
      expect(headers['content-security-policy']).toContain("default-src 'none'")
      const filtered = await ask(page().url, `/nodes?host=${encodeURIComponent('"><b>')}`, from(6))
      expect(filtered.body).not.toContain('"><b>')
    })

    test('escapes of terminals and turns of direction in a query do not come back', async () => {
      const text = '\u001b[31mred\u009b0m \u202eeno\u2066 two\u0000\u2028'
      for (const path of ['/search?q=', '/nodes?host=', '/api/v1/search?q=']) {
        const { body } = await ask(page().url, `${path}${encodeURIComponent(text)}`, from(6))
        expect(body, path).not.toMatch(controls)
      }
      const name = await ask(page().url, `/api/v1/nodes?${encodeURIComponent(text)}=1`, from(6))
      expect(name.status).toBe(400)
      expect(name.body).not.toMatch(controls)
    })

    test('300 sockets that say nothing, more than there are places, keep no page away, and are ended', async () => {
      const { hostname, port } = new URL(page().url)
      const to = { ip: hostname, port: Number(port) }
      await using flood = startFlood({ to, from: ['127.61.4.1'], perAddress: 300, pauseMs: 1_000_000 })
      const displaced = async (): Promise<number> => {
        const { body } = await ask(page().url, '/metrics', from(11))
        return Number(/connections_displaced_total\{is="page silent"\} ([0-9]+)/.exec(body)?.[1] ?? 0)
      }
      await until(async () => (await displaced()) >= 44)
      expect((await ask(page().url, '/', from(11))).status).toBe(200)
      // The rest is ended by the deadline for headers.
      await until(() => flood.open() === 0)
    })

    test('the operator’s own session asks on, and has a stream, whatever other programs of the machine do', async () => {
      const { stdout, exitCode } = await runInProcess('page', '--dir', page().own.config.dir)
      expect(exitCode).toBe(0)
      const { origin, pathname, search } = new URL(stdout.trim())
      expect(origin).toBe(new URL(page().url).origin)
      const local = from(13)
      const statuses = new Set<number>()
      while (!statuses.has(429)) {
        const asked = Array.from({ length: 50 }, () => ask(page().url, '/assets/icon.svg', local))
        for (const { status } of await Promise.all(asked)) statuses.add(status)
      }
      const streams: OpenStream[] = []
      while (streams.at(-1)?.status !== 429) {
        streams.push(await openStream(page().url, '/live', `127.61.6.${1 + (streams.length % 20)}`))
      }
      const entered = await ask(page().url, `${pathname}${search}`, local)
      expect(entered).toMatchObject({ status: 303, headers: { location: '/' } })
      const [cookie = ''] = entered.headers['set-cookie'] ?? []
      expect(cookie).toMatch(/^secnode-[0-9]+=[0-9a-f]{64}; Path=\/; HttpOnly; SameSite=Strict$/)
      const headers = { cookie: cookie.split(';', 1)[0]! }
      expect((await ask(page().url, '/', { ...local, headers })).status).toBe(200)
      const own = await openStream(page().url, '/live', local.localAddress, headers)
      expect(own.status).toBe(200)
      for (const stream of [...streams, own]) stream.close()
      const wrong = await ask(page().url, `/session?key=${'0'.repeat(64)}`, from(14))
      expect(wrong.status).toBe(403)
      expect(wrong.headers['set-cookie']).toBeUndefined()
    })

    test('whoever asks too often is told when to ask again', async () => {
      const asked: Answer[] = []
      // A busy machine may need some seconds for more than the limit lets through.
      for (let i = 0; i < 100 && asked.every(({ status }) => status !== 429); i++) {
        const answers = Array.from({ length: 50 }, () => ask(page().url, '/assets/icon.svg', from(7)))
        asked.push(...(await Promise.all(answers)))
      }
      const statuses = new Set(asked.map(({ status }) => status))
      expect(statuses).toEqual(new Set([200, 429]))
      const refused = asked.find(({ status }) => status === 429)!
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
      expect(JSON.parse(refused.body)).toMatchObject({ error: { code: 'RATE_LIMITED' } })
      // Somebody else is not made to wait.
      expect((await ask(page().url, '/', from(8))).status).toBe(200)
    })

    test('thousands of streams: some are served, the others get 429, and when they are gone there is room', async () => {
      const open: OpenStream[] = []
      const refused = new Set<number>()
      for (let round = 0; round < 40; round++) {
        const streams = await Promise.all(
          Array.from({ length: 50 }, (_, i) =>
            openStream(page().url, '/live', `127.61.2.${1 + (round % 10) * 20 + (i % 20)}`),
          ),
        )
        for (const stream of streams) {
          if (stream.status === 200) open.push(stream)
          else {
            refused.add(stream.status)
            stream.close()
          }
        }
      }
      expect(refused).toEqual(new Set([429]))
      expect(open.length).toBeGreaterThan(0)
      expect(open.length).toBeLessThanOrEqual(maxLive)
      await until(() => open.every((stream) => stream.received().includes('event: state')))
      for (const stream of open) stream.close()
      const live = async (): Promise<number> => {
        const { body } = await ask(page().url, '/api/v1/server', from(9))
        return (JSON.parse(body) as { liveConnections: number }).liveConnections
      }
      await expect.poll(live, { timeout: 90_000 }).toBe(0)
      const again = await openStream(page().url, '/live', '127.61.2.250')
      expect(again.status).toBe(200)
      expect(again.headers['content-security-policy']).toContain("default-src 'none'")
      again.close()
    })

    test('a page is in no frame, tells nobody where one was, and runs no script but its own', async () => {
      for (const path of ['/', '/api/v1/status', '/nowhere', '/assets/style.css']) {
        const { headers } = await ask(page().url, path, { headers: { accept: 'text/html' }, ...from(10) })
        expect(headers, path).toMatchObject({
          'x-content-type-options': 'nosniff',
          'x-frame-options': 'DENY',
          'referrer-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
          'cross-origin-opener-policy': 'same-origin',
        })
        const policy = headers['content-security-policy']
        expect(policy).toContain("default-src 'none'")
        expect(policy).toContain("frame-ancestors 'none'")
        expect(policy).not.toContain('unsafe')
        expect(headers['access-control-allow-origin']).toBeUndefined()
        expect(headers['set-cookie']).toBeUndefined()
      }
    })
  })
}
