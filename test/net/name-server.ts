import { createSocket } from 'node:dgram'

export const recordType = { a: 1, ns: 2, aaaa: 28 } as const
export const responseCode = { noError: 0, serverFailure: 2, noSuchName: 3, refused: 5 } as const

/** Addresses as bytes; names of name servers as text. */
export type Answer = { code: number; records: readonly (Uint8Array | string)[] } | 'silence'

export interface NameServer extends AsyncDisposable {
  /** With the port. */
  address: string
  port: number
  /** Says what is answered from now on; a function is asked each time. What nothing is said of does not exist. */
  says(name: string, type: keyof typeof recordType, answer: Answer | (() => Answer)): void
}

/** A name server on a loopback address: enough of RFC 1035 to answer one question. */
export const startNameServer = async (ip = '127.0.0.1', port = 0): Promise<NameServer> => {
  const answers = new Map<string, () => Answer>()
  const socket = createSocket('udp4')
  socket.on('message', (query, from) => {
    const reply = replyTo(query, answers)
    if (reply !== null) socket.send(reply, from.port, from.address)
  })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.bind(port, ip, resolve)
  })
  const bound = socket.address().port
  return {
    address: `${ip}:${bound}`,
    port: bound,
    says(name, type, answer) {
      answers.set(`${name} ${recordType[type]}`, typeof answer === 'function' ? answer : () => answer)
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  }
}

const replyTo = (query: Buffer, answers: ReadonlyMap<string, () => Answer>): Buffer | null => {
  const labels: string[] = []
  let at = 12
  while (query[at] !== 0) {
    labels.push(query.subarray(at + 1, at + 1 + query[at]!).toString())
    at += query[at]! + 1
  }
  const type = query.readUInt16BE(at + 1)
  const answer = answers.get(`${labels.join('.')} ${type}`)?.() ?? {
    code: responseCode.noSuchName,
    records: [],
  }
  if (answer === 'silence') return null
  const head = Buffer.alloc(12)
  head.writeUInt16BE(query.readUInt16BE(0), 0)
  head.writeUInt16BE(0x8180 | answer.code, 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(answer.records.length, 6)
  const records = answer.records.map((record) => {
    const data = typeof record === 'string' ? nameBytes(record) : record
    const front = Buffer.alloc(12)
    front.writeUInt16BE(0xc00c, 0)
    front.writeUInt16BE(type, 2)
    front.writeUInt16BE(1, 4)
    front.writeUInt32BE(60, 6)
    front.writeUInt16BE(data.length, 10)
    return Buffer.concat([front, data])
  })
  return Buffer.concat([head, query.subarray(12, at + 5), ...records])
}

const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)])),
    Buffer.of(0),
  ])
