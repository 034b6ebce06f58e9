import { createSocket, type Socket } from 'node:dgram'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDnsResolver, resolveObservedAddress } from '../../src/net/resolve.ts'

/** A name server of three rules: enough of RFC 1035 to answer one question. */
type Answer = { code: number; addresses: Uint8Array[] } | 'silence'
const answersByQuestion = new Map<string, Answer>()
let socket: Socket
let server: string

const typeA = 1
const typeAaaa = 28
const noError = 0
const serverFailure = 2
const noSuchName = 3

const answer = (query: Buffer): Buffer | null => {
  const labels: string[] = []
  let at = 12
  while (query[at] !== 0) {
    labels.push(query.subarray(at + 1, at + 1 + query[at]!).toString())
    at += query[at]! + 1
  }
  const type = query.readUInt16BE(at + 1)
  const found = answersByQuestion.get(`${labels.join('.')} ${type}`) ?? { code: noSuchName, addresses: [] }
  if (found === 'silence') return null
  const head = Buffer.alloc(12)
  head.writeUInt16BE(query.readUInt16BE(0), 0)
  head.writeUInt16BE(0x8180 | found.code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(found.addresses.length, 6)
  const records = found.addresses.map((address) => {
    const record = Buffer.alloc(12)
    record.writeUInt16BE(0xc00c, 0)
    record.writeUInt16BE(type, 2)
    record.writeUInt16BE(1, 4)
    record.writeUInt32BE(60, 6)
    record.writeUInt16BE(address.length, 10)
    return Buffer.concat([record, address])
  })
  return Buffer.concat([head, query.subarray(12, at + 5), ...records])
}

beforeAll(async () => {
  socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const reply = answer(query)
    if (reply !== null) socket.send(reply, from.port, from.address)
  })
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve))
  server = `127.0.0.1:${socket.address().port}`
})
afterAll(() => socket.close())

const resolver = (timeoutMs = 30_000) => createDnsResolver({ timeoutMs, servers: [server] })
const v6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0x2a : i))

test('R-PROBE-2 DNS: IPv4 addresses if there are any, else IPv6', async () => {
  answersByQuestion.set(`both.test ${typeA}`, { code: noError, addresses: [Uint8Array.of(9, 9, 9, 9)] })
  answersByQuestion.set(`both.test ${typeAaaa}`, { code: noError, addresses: [v6] })
  answersByQuestion.set(`six.test ${typeA}`, { code: noError, addresses: [] })
  answersByQuestion.set(`six.test ${typeAaaa}`, { code: noError, addresses: [v6] })
  expect(await resolver()('both.test')).toEqual(['9.9.9.9'])
  expect(await resolver()('six.test')).toEqual(['2a01:203:405:607:809:a0b:c0d:e0f'])
})

test('R-PROBE-2 DNS: a name that does not exist, or has neither kind of address, has none', async () => {
  answersByQuestion.set(`empty.test ${typeA}`, { code: noError, addresses: [] })
  answersByQuestion.set(`empty.test ${typeAaaa}`, { code: noError, addresses: [] })
  expect(await resolver()('nowhere.test')).toEqual([])
  expect(await resolver()('empty.test')).toEqual([])
})

test('R-FAULT-1 DNS: without an answer about IPv4 nothing is known; about IPv6 it matters only without IPv4', async () => {
  answersByQuestion.set(`broken.test ${typeA}`, { code: serverFailure, addresses: [] })
  answersByQuestion.set(`broken.test ${typeAaaa}`, { code: noError, addresses: [v6] })
  answersByQuestion.set(`half.test ${typeA}`, { code: noError, addresses: [Uint8Array.of(9, 9, 9, 9)] })
  answersByQuestion.set(`half.test ${typeAaaa}`, { code: serverFailure, addresses: [] })
  answersByQuestion.set(`four.test ${typeA}`, { code: noError, addresses: [] })
  answersByQuestion.set(`four.test ${typeAaaa}`, { code: serverFailure, addresses: [] })
  await expect(resolver()('broken.test')).rejects.toMatchObject({ code: 'NET_RESOLVER' })
  expect(await resolver()('half.test')).toEqual(['9.9.9.9'])
  await expect(resolver()('four.test')).rejects.toMatchObject({ code: 'NET_RESOLVER' })
})

test('R-FAULT-1 DNS: a silent name server is a failure within the deadline, and an abort ends the wait', async () => {
  answersByQuestion.set(`silent.test ${typeA}`, 'silence')
  answersByQuestion.set(`silent.test ${typeAaaa}`, 'silence')
  expect(await resolveObservedAddress('silent.test', resolver(500), { allowLoopback: false })).toMatchObject({
    is: 'unable',
  })
  const controller = new AbortController()
  const resolving = createDnsResolver({ timeoutMs: 60_000, servers: [server] })('silent.test', {
    signal: controller.signal,
  })
  controller.abort()
  await expect(resolving).rejects.toMatchObject({ code: 'NET_RESOLVER' })
})
