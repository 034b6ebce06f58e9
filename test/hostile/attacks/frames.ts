import type { MessageStream } from '@libp2p/interface'
import { cidOf } from '../../../protocol/index.ts'
import { dhtProtocolOf } from '../../../src/net/guards/stream-rules.ts'
import {
  data,
  dialFrames,
  endless,
  frame,
  ping,
  provision,
  rst,
  syn,
  update,
} from '../../net/hostile-peer.ts'
import { seedOf } from '../../protocol/fixture.ts'
import type { Attack, Battlefield } from '../attack.ts'
import { pause, repeat } from '../pace.ts'

/** Sends what `next` makes for as long as the other side takes it, no more than the sockets do. */
const pour = async (
  field: Battlefield,
  connection: MessageStream,
  next: (number: number) => Uint8Array,
  what: string,
): Promise<void> => {
  for (let number = 0; connection.status === 'open' && !field.signal.aborted; number++) {
    const isFull = !connection.send(next(number))
    field.sent(what)
    if (isFull || number % 64 === 63) await pause(field.signal, 1)
    while (connection.writableNeedsDrain && connection.status === 'open' && !field.signal.aborted)
      await pause(field.signal, 5)
  }
}

/** Strangers with a muxer of their own making; each connects anew when it was cut off. */
const framesOf =
  (strangers: number, next: (number: number) => Uint8Array, what: string): Attack['run'] =>
  async (field) => {
    await Promise.all(
      Array.from({ length: strangers }, (_, i) =>
        repeat(field.signal, async () => {
          const { raw, frames } = await dialFrames(field.victim.p2p, field.address(i))
          field.sent('connections')
          field.signal.addEventListener('abort', () => raw.abort(new Error('over')), { once: true })
          await pour(field, frames, next, what)
          throw new Error('cut off')
        }),
      ),
    )
  }

const megabyte = new Uint8Array(65_000)
const twoFrames = (number: number): Uint8Array =>
  Buffer.concat([frame(update, syn, 2 * number + 1), frame(update, rst, 2 * number + 1)])

export const frameAttacks: Attack[] = [
  {
    name: 'endless-stream-length',
    what: '2 strangers open streams and negotiate with ff ff ff …',
    finding: 'N1',
    run: framesOf(
      2,
      (number) =>
        number % 16 === 0
          ? Buffer.concat([
              frame(update, syn, 2 * number + 1),
              frame(data, 0, 2 * number + 1, endless(4_096)),
            ])
          : frame(data, 0, 2 * (number - (number % 16)) + 1, endless(4_096)),
      'frames',
    ),
  },
  {
    name: 'giant-frames',
    what: '2 strangers announce frames of 4 GB and send without end',
    finding: 'N4',
    run: framesOf(
      2,
      (number) => (number === 0 ? frame(data, 0, 1, 0xffff_ffff) : megabyte),
      'pieces of 65 kB',
    ),
  },
  {
    name: 'reset-storm',
    what: '4 strangers open and reset streams as fast as they can',
    finding: 'N8',
    run: framesOf(4, twoFrames, 'streams'),
  },
  {
    name: 'ping-storm',
    what: '4 strangers send pings as fast as they can',
    finding: 'N8',
    run: framesOf(4, (number) => frame(ping, syn, 0, number % 1_000_000), 'pings'),
  },
  {
    name: 'dht-addresses',
    what: '2 strangers say that they provide something at 150,000 addresses, 1.5 MB each time',
    finding: 'N5',
    run: async (field) => {
      await Promise.all(
        [0, 1].map(async (number) => {
          const peer = await field.stranger(number)
          const message = provision(cidOf(seedOf('content')), peer.peerKey, '127.9.9.9', 60_000)
          await repeat(field.signal, async () => {
            const connection = await peer.connect(field.victim.p2p)
            const stream = await connection.newStream(dhtProtocolOf(field.network.networkId))
            stream.send(message)
            field.sent('messages')
            await stream.close({ signal: AbortSignal.any([field.signal, AbortSignal.timeout(10_000)]) })
          })
        }),
      )
    },
  },
]
