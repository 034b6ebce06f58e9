import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { createWebServer, startWebServer } from '../../src/web/web-server.ts'
import { ask } from './ask.ts'
import type { PlayedPage } from './played-page.ts'

export const describeStart = (page: () => PlayedPage): void => {
  describe('where the page is served', () => {
    const nodeOf = () =>
      page()
        .devnet.running()
        .find(({ hostName }) => hostName === page().own.host)!
    const logged: { level: number; code?: string; hint?: string }[] = []
    const logger = pino({}, { write: (line: string) => void logged.push(JSON.parse(line) as never) })

    test('not at all if the configuration says so', async () => {
      expect(await startWebServer(nodeOf(), false, logger)).toBeNull()
      expect(logged).toEqual([])
    })

    test('a port that is taken costs the page, not the node, and the log says what to do', async () => {
      expect(await startWebServer(nodeOf(), page().own.config.web, logger)).toBeNull()
      expect(logged.at(-1)).toMatchObject({ code: 'WEB_CANNOT_LISTEN', level: 50 })
      expect(logged.at(-1)?.hint).toContain('web: { port }')
    })

    test('under names that the configuration adds, and no others', async () => {
      const config = { address: '127.61.5.1', port: 0, hosts: ['node.example.org', 'proxy.example.org:8443'] }
      const server = createWebServer(nodeOf(), config, logger)
      await server.start()
      try {
        const statusFor = async (host: string): Promise<number> =>
          (await ask(server.url(), '/weeks', { headers: { host } })).status
        const { host, port } = new URL(server.url())
        const allowed = [host, `localhost:${port}`, 'node.example.org', `node.example.org:${port}`]
        for (const name of [...allowed, 'proxy.example.org:8443'])
          expect(await statusFor(name), name).toBe(200)
        for (const name of [
          'node.example.org:1',
          'other.example.org',
          'proxy.example.org:8444',
          'localhost',
        ]) {
          expect(await statusFor(name), name).toBe(421)
        }
      } finally {
        await server.stop()
        await server.stop()
      }
      await expect(ask(server.url(), '/weeks')).rejects.toThrow('ECONNREFUSED')
    })
  })
}
