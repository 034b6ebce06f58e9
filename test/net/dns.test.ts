import { afterAll, beforeAll, expect, test } from 'vitest'
import { createNameSurvey } from '../../src/net/name-servers.ts'
import { createDnsResolver, resolveObservedAddress } from '../../src/net/resolve.ts'
import { type NameServer, responseCode, startNameServer } from './name-server.ts'

let server: NameServer
/** A name server of the domain's own, on the same port of another address. */
let authority: NameServer
beforeAll(async () => {
  server = await startNameServer()
  authority = await startNameServer('127.0.0.2', server.port)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await authority[Symbol.asyncDispose]()
})

const { noError, serverFailure, refused } = responseCode
const resolver = (timeoutMs = 30_000) => createDnsResolver({ timeoutMs, servers: [server.address] })
const v6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x2a : i))

test('R-PROBE-2 DNS: IPv4 addresses if there are any, else IPv6', async () => {
  server.says('both.test', 'a', { code: noError, records: [Uint8Array.of(9, 9, 9, 9)] })
  server.says('both.test', 'aaaa', { code: noError, records: [v6] })
  server.says('six.test', 'a', { code: noError, records: [] })
  server.says('six.test', 'aaaa', { code: noError, records: [v6] })
  expect(await resolver()('both.test')).toEqual(['9.9.9.9'])
  expect(await resolver()('six.test')).toEqual(['2a01:203:405:607:809:a0b:c0d:e0f'])
})

test('R-PROBE-2 DNS: a name that does not exist, or has neither kind of address, has none', async () => {
  server.says('empty.test', 'a', { code: noError, records: [] })
  server.says('empty.test', 'aaaa', { code: noError, records: [] })
  expect(await resolver()('nowhere.test')).toEqual([])
  expect(await resolver()('empty.test')).toEqual([])
})

test('R-FAULT-1 DNS: without an answer about IPv4 nothing is known; about IPv6 it matters only without IPv4', async () => {
  server.says('broken.test', 'a', { code: serverFailure, records: [] })
  server.says('broken.test', 'aaaa', { code: noError, records: [v6] })
  server.says('half.test', 'a', { code: noError, records: [Uint8Array.of(9, 9, 9, 9)] })
  server.says('half.test', 'aaaa', { code: serverFailure, records: [] })
  server.says('four.test', 'a', { code: noError, records: [] })
  server.says('four.test', 'aaaa', { code: serverFailure, records: [] })
  await expect(resolver()('broken.test')).rejects.toMatchObject({ code: 'NET_RESOLVER' })
  expect(await resolver()('half.test')).toEqual(['9.9.9.9'])
  await expect(resolver()('four.test')).rejects.toMatchObject({ code: 'NET_RESOLVER' })
})

test('R-FAULT-1 DNS: a silent name server is a failure within the deadline, and an abort ends the wait', async () => {
  server.says('silent.test', 'a', 'silence')
  server.says('silent.test', 'aaaa', 'silence')
  expect(await resolveObservedAddress('silent.test', resolver(500), { allowLoopback: false })).toMatchObject({
    is: 'unable',
  })
  const controller = new AbortController()
  const resolving = createDnsResolver({ timeoutMs: 60_000, servers: [server.address] })('silent.test', {
    signal: controller.signal,
  })
  controller.abort()
  await expect(resolving).rejects.toMatchObject({ code: 'NET_RESOLVER' })
})

const options = { allowLoopback: false, signal: new AbortController().signal }
const survey = () => createNameSurvey({ timeoutMs: 500, servers: [server.address], port: server.port })
const says = (...records: (Uint8Array | string)[]) => ({ code: noError, records })
const four = (last: number): Uint8Array => Uint8Array.of(9, 9, 9, last)

/** The domain has one name server, `authority`, under a name that the machine's own knows. */
const delegate = (domain: string): void => {
  server.says(domain, 'ns', says(`ns.${domain}`))
  server.says(`ns.${domain}`, 'a', says(Uint8Array.of(127, 0, 0, 2)))
}

test('R-TALLY-2 DNS: where all say the same, in whatever order, there is one address', async () => {
  delegate('same.test')
  server.says('n.same.test', 'a', says(four(3), four(1), four(2)))
  let turn = 0
  authority.says('n.same.test', 'a', () => says(...[four(1), four(2), four(3)].slice(turn++ % 3), four(1)))
  expect(await survey()('n.same.test', options)).toEqual([
    { server: server.address, addresses: ['9.9.9.1'] },
    { server: authority.address, addresses: ['9.9.9.1'] },
  ])
})

test('R-TALLY-2 DNS: of more records than one answer holds the lowest changes from question to question', async () => {
  delegate('pool.test')
  // A resolver that remembers its answer shows nothing of it.
  server.says('n.pool.test', 'a', says(four(1), four(2)))
  let turn = 0
  const pool = Array.from({ length: 6 }, (_, i) => four(1 + i))
  authority.says('n.pool.test', 'a', () => {
    const from = 2 * (turn++ % 3)
    return says(...pool.slice(from, from + 2))
  })
  expect(await survey()('n.pool.test', options)).toEqual([
    { server: server.address, addresses: ['9.9.9.1'] },
    { server: authority.address, addresses: ['9.9.9.1', '9.9.9.3', '9.9.9.5'] },
  ])
})

test('R-TALLY-2 DNS: name servers that differ are told apart, one without the name too; what fails says nothing', async () => {
  delegate('torn.test')
  server.says('n.torn.test', 'a', says(four(7)))
  authority.says('n.torn.test', 'a', says(four(8)))
  expect(await survey()('n.torn.test', options)).toEqual([
    { server: server.address, addresses: ['9.9.9.7'] },
    { server: authority.address, addresses: ['9.9.9.8'] },
  ])
  delegate('gone.test')
  server.says('n.gone.test', 'a', says(four(7)))
  expect((await survey()('n.gone.test', options))[1]).toEqual({
    server: authority.address,
    addresses: ['no address'],
  })
  delegate('lame.test')
  server.says('n.lame.test', 'a', says(four(7)))
  authority.says('n.lame.test', 'a', { code: refused, records: [] })
  expect(await survey()('n.lame.test', options)).toEqual([{ server: server.address, addresses: ['9.9.9.7'] }])
  // Without an answer about the domain's own name servers, those of the machine are asked alone.
  server.says('n.alone.test', 'a', says(four(7)))
  server.says('alone.test', 'ns', { code: serverFailure, records: [] })
  expect(await survey()('n.alone.test', options)).toHaveLength(1)
})

test('R-TALLY-2 DNS: a name server that is silent is asked once for each family, and nothing goes on for its sake', async () => {
  let asked = 0
  const silent = () => {
    asked++
    return 'silence' as const
  }
  for (const zone of ['a.b.c.dead.test', 'b.c.dead.test', 'c.dead.test', 'dead.test'])
    server.says(zone, 'ns', silent)
  server.says('a.b.c.dead.test', 'a', silent)
  server.says('a.b.c.dead.test', 'aaaa', silent)
  expect(await survey()('a.b.c.dead.test', options)).toEqual([])
  // Two tries of each question: for name servers of the first zone, and for both families of the name.
  expect(asked).toBeLessThanOrEqual(6)
})

test('DNS: a survey ends with its signal', async () => {
  server.says('n.hush.test', 'a', 'silence')
  server.says('n.hush.test', 'aaaa', 'silence')
  server.says('n.hush.test', 'ns', 'silence')
  server.says('hush.test', 'ns', 'silence')
  const controller = new AbortController()
  const patient = createNameSurvey({ timeoutMs: 60_000, servers: [server.address], port: server.port })
  const asking = patient('n.hush.test', { allowLoopback: false, signal: controller.signal })
  controller.abort()
  await expect(asking).rejects.toThrow('aborted')
})
