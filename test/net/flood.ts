import { connect, createServer, Socket, type AddressInfo } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { pause } from '../../src/async/deadline.ts'
import { realWorld } from '../../src/world.ts'

export interface FloodOptions {
  to: { ip: string; port: number }
  /** Addresses to come from. */
  from: readonly string[]
  /** Connections that each of them keeps open. */
  perAddress: number
  /** Sent at once on each. */
  bytes?: Uint8Array
  /** Between the end of a connection and the next in its place. */
  pauseMs?: number
}

export interface Flood extends AsyncDisposable {
  /** So far. */
  opened(): number
  /** Now. */
  open(): number
}

/** Connections that send what they are told, and nothing after it; one that is ended is opened again. */
export const startFlood = ({ to, from, perAddress, bytes, pauseMs = 20 }: FloodOptions): Flood => {
  const world = realWorld()
  const stopping = new AbortController()
  const sockets = new Set<Socket>()
  let opened = 0
  const keepOpen = async (localAddress: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      const socket = connect({ host: to.ip, port: to.port, localAddress })
      const closed = Promise.withResolvers<void>()
      opened++
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      socket.on('close', () => closed.resolve())
      if (bytes !== undefined) socket.write(bytes)
      await closed.promise
      sockets.delete(socket)
      await pause(world, pauseMs, stopping.signal).catch(() => undefined)
    }
  }
  const all = Promise.all(
    from.flatMap((address) => Array.from({ length: perAddress }, () => keepOpen(address))),
  )
  return {
    opened: () => opened,
    open: () => sockets.size,
    [Symbol.asyncDispose]: async () => {
      stopping.abort()
      for (const socket of sockets) socket.destroy()
      await all
    },
  }
}

/** What a client sends first: recorded from a real one. */
export const clientHello = async (servername: string): Promise<Uint8Array> => {
  const first = Promise.withResolvers<Uint8Array>()
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (bytes) => first.resolve(bytes))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  const client = connectTls({ host: '127.0.0.1', port, servername, minVersion: 'TLSv1.3' })
  client.on('error', () => undefined)
  const bytes = await first.promise
  client.destroy()
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
  })
  return bytes
}

export interface SlowLine extends AsyncDisposable {
  port: number
}

/**
 * A forwarder that holds every byte for so long, in each direction, as a long line does. There the other end accepts a
 * connection after SYN, SYN-ACK and ACK, and what the client says first comes along with the last.
 */
export const startSlowLine = async (options: {
  listen: string
  to: { ip: string; port: number }
  /** The other end sees connections from there. */
  from: string
  delayMs: number
}): Promise<SlowLine> => {
  const { listen, to, from, delayMs } = options
  const world = realWorld()
  const ends = new Set<Socket>()
  const keep = (end: Socket): void => {
    end.on('error', () => undefined)
    end.once('close', () => ends.delete(end))
    ends.add(end)
  }
  const later = (times: number, action: () => void): void => void world.setTimer(times * delayMs, action)
  const carry = (source: Socket, sink: Socket): void => {
    source.on('data', (bytes) => later(1, () => sink.writable && sink.write(bytes)))
    source.on('close', () => later(1, () => sink.destroy()))
  }
  const server = createServer({ pauseOnConnect: true }, (near) => {
    const far = new Socket()
    keep(near)
    keep(far)
    later(2, () => {
      later(1, () => far.connect({ host: to.ip, port: to.port, localAddress: from }))
      carry(near, far)
      carry(far, near)
      near.resume()
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, listen, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const end of ends) end.destroy()
      }),
  }
}

/** `127.first.0.1`, `127.first.1.1`, … : each in a network of its own. */
export const scattered = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `127.${first + Math.floor(i / 256)}.${i % 256}.1`)

/** `127.first.0.1`, `127.first.0.2`, … : all in one network. */
export const neighbours = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `127.${first}.0.${i + 1}`)
