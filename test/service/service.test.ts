import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type PreparedDevnet, prepareDevnet } from '../../src/devnet/prepare.ts'
import type { Config } from '../../src/service/config.ts'
import { controlSocketOf } from '../../src/service/control-socket.ts'
import { createReloads, runService } from '../../src/service/service.ts'
import { openDoors } from '../../src/web/doors.ts'
import { realWorld } from '../../src/world.ts'
import { until } from '../net/local-hosts.ts'

let dir: string
let devnet: PreparedDevnet

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'secnode-service-'))
  devnet = await prepareDevnet(
    { nodes: 3, epochs: 3, seed: 81, with: {}, profile: 'devnet' },
    join(dir, 'net'),
    realWorld(),
  )
})
afterAll(async () => {
  await devnet.close()
  rmSync(dir, { recursive: true, force: true })
})

interface LogLine {
  level: number
  msg: string
  reason?: string
  code?: string
}

let running: { abort: AbortController; done: Promise<void> } | null = null
afterEach(async () => {
  running?.abort.abort()
  await running?.done
  running = null
})

let files = 0
const serve = async (index = 0) => {
  const configFile = join(dir, `config-${files++}.yaml`)
  const config: Config = { ...devnet.nodes[index]!.config, dir: join(dir, `data-${files}`) }
  const write = (changes: object): void => writeFileSync(configFile, stringify({ ...config, ...changes }))
  write({})
  const lines: LogLine[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line) as LogLine) })
  const reloads = createReloads()
  const abort = new AbortController()
  const done = runService({
    configFile,
    logger,
    world: realWorld(),
    signal: abort.signal,
    reloads,
    openDoors,
  })
  running = { abort, done }
  const said = (msg: string): LogLine[] => lines.filter((line) => line.msg === msg)
  await Promise.race([done, until(() => said('the node runs').length === 1)])
  return { config, configFile, write, logger, lines, said, reload: () => reloads.request(), abort, done }
}

const isOpen = async (address: string, port: number): Promise<boolean> =>
  await new Promise((resolve) => {
    const socket = createConnection({ host: address, port })
    socket.once('connect', () => (socket.destroy(), resolve(true)))
    socket.once('error', () => resolve(false))
  })

const servedSerial = async ({ config }: { config: Config }): Promise<string> =>
  await new Promise((resolve, reject) => {
    const { address, tls } = config.listen
    // Which one is served is asked here, not whether it is right: one of the two is another node's.
    const socket = connect({
      host: address,
      port: tls,
      servername: config.host,
      rejectUnauthorized: false,
    })
    socket.once('secureConnect', () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })

const refused = 'new configuration refused, the old one stays in use'

describe('reading the configuration again', () => {
  test('a log level holds at once; the node is not restarted', async () => {
    const service = await serve()
    service.write({ log: 'warn' })
    service.reload()
    await until(() => service.logger.level === 'warn')
    expect(service.said('the node runs')).toHaveLength(1)
    expect(await isOpen(service.config.listen.address, service.config.listen.p2p)).toBe(true)
  })

  test('a renewed certificate is served at once', async () => {
    const [old, renewed] = [devnet.nodes[0]!.config.certificate, devnet.nodes[1]!.config.certificate]
    const certificate = { cert: join(dir, 'live.pem'), key: join(dir, 'live.key') }
    const take = ({ cert, key }: typeof old): void => {
      copyFileSync(cert, certificate.cert)
      copyFileSync(key, certificate.key)
    }
    take(renewed)
    const service = await serve()
    service.write({ certificate })
    service.reload()
    await until(() => service.said('the node runs').length === 2)
    const before = await servedSerial(service)
    take(old)
    service.reload()
    await until(() => service.said('certificate reloaded').length === 1)
    expect(await servedSerial(service)).not.toBe(before)
    expect(service.said('the node runs')).toHaveLength(2)
  })

  test('another port: the node starts again on it', async () => {
    const service = await serve()
    const { listen } = service.config
    service.write({ listen: { ...listen, p2p: listen.p2p + 100 } })
    service.reload()
    await until(() => service.said('the node runs').length === 2)
    expect(await isOpen(listen.address, listen.p2p)).toBe(false)
    expect(await isOpen(listen.address, listen.p2p + 100)).toBe(true)
  })

  test('a configuration that is wrong is refused: nothing stops', async () => {
    const service = await serve()
    writeFileSync(service.configFile, 'host: [')
    service.reload()
    await until(() => service.said(refused).length === 1)
    service.write({ pollSeconds: 'often' })
    service.reload()
    await until(() => service.said(refused).length === 2)
    expect(service.said(refused)[1]).toMatchObject({ code: 'CONFIG_INVALID' })
    expect(service.said('the node runs')).toHaveLength(1)
    expect(await isOpen(service.config.listen.address, service.config.listen.p2p)).toBe(true)
  })

  test('a configuration with which the node does not start is refused: the old node comes back', async () => {
    const service = await serve()
    service.write({ certificate: { cert: join(dir, 'nowhere.pem'), key: join(dir, 'nowhere.key') } })
    service.reload()
    await until(() => service.said('the node runs').length === 2)
    expect(service.said(refused)[0]).toMatchObject({ code: 'TLS_BAD_CERTIFICATE' })
    expect(await isOpen(service.config.listen.address, service.config.listen.tls)).toBe(true)
    expect(existsSync(controlSocketOf(service.config.dir))).toBe(true)
  })

  test('requests that come together are one; one that comes while the node stops harms nobody', async () => {
    const service = await serve()
    for (let i = 0; i < 20; i++) service.reload()
    await until(() => service.said('configuration read again').length >= 1)
    service.reload()
    service.abort.abort()
    service.reload()
    await service.done
    expect(service.said('configuration read again').length).toBeLessThanOrEqual(3)
    expect(existsSync(controlSocketOf(service.config.dir))).toBe(false)
    expect(await isOpen(service.config.listen.address, service.config.listen.p2p)).toBe(false)
  })
})

test('a stop while it starts leaves nothing behind', async () => {
  const abort = new AbortController()
  const service = await serve()
  service.abort.abort()
  await service.done
  service.write({ log: 'silent' })
  const again = runService({
    configFile: service.configFile,
    logger: pino({ level: 'silent' }),
    world: realWorld(),
    signal: abort.signal,
    reloads: createReloads(),
    openDoors,
  })
  abort.abort()
  await again
  expect(await isOpen(service.config.listen.address, service.config.listen.p2p)).toBe(false)
})
