import { RPC } from '@libp2p/gossipsub/message'
import { lpStream } from '@libp2p/utils'
import { cidOf, encodeAttestation, encodeSigned, topicsOf, type Epoch } from '../../../protocol/index.ts'
import { seedOf } from '../../protocol/fixture.ts'
import type { Attack, Battlefield } from '../attack.ts'
import { pause, repeat } from '../pace.ts'

const gossipProtocol = '/meshsub/1.2.0'

/** Strangers that speak gossip without a router; each joins anew when it was cut off. */
const rpcsOf =
  (
    strangers: number,
    next: (field: Battlefield, number: number) => Partial<RPC>,
    what: string,
    each: number,
  ) =>
  async (field: Battlefield): Promise<void> => {
    await Promise.all(
      Array.from({ length: strangers }, async (_, i) => {
        const peer = await field.stranger(i)
        await peer.node.handle(gossipProtocol, (stream) =>
          stream.addEventListener('message', () => undefined),
        )
        let number = 0
        await repeat(field.signal, async () => {
          const connection = await peer.connect(field.victim.p2p)
          const stream = await connection.newStream(gossipProtocol)
          const packets = lpStream(stream)
          while (stream.status === 'open' && !field.signal.aborted) {
            const rpc = RPC.encode({
              subscriptions: [],
              messages: [],
              ...next(field, strangers * number++ + i),
            })
            await packets.write(rpc, { signal: field.signal })
            field.sent(what, each)
            await pause(field.signal, 1)
          }
          throw new Error('cut off')
        })
      }),
    )
  }

/** Well-formed, of a seat that exists, of an epoch that is far off; nothing but its signature could tell that it is made up. */
const madeUp = ({ network }: Battlefield, number: number): Uint8Array => {
  const row = network.rows[number % network.rows.length]!
  const payload = encodeAttestation({
    networkId: network.networkId,
    epoch: 50 as Epoch,
    beacon: seedOf('far off'),
    seat: row.seat,
    stake: row.stake,
    previous: null,
    verdicts: new Uint8Array(11).fill(3),
    addresses: [],
    evidence: cidOf(seedOf('made up', number)),
  })
  return encodeSigned({ payload, signature: new Uint8Array(64) })
}

const perPacket = 100

export const gossipAttacks: Attack[] = [
  {
    name: 'gossip-far-off',
    what: '4 strangers send distinct unsigned attestations of an epoch that is not open, 100 in each packet',
    finding: 'N6',
    run: rpcsOf(
      4,
      (field, number) => ({
        messages: Array.from({ length: perPacket }, (_, i) => ({
          topic: topicsOf(field.network.networkId).attestations.name,
          data: madeUp(field, perPacket * number + i),
        })),
      }),
      'attestations',
      perPacket,
    ),
  },
  {
    name: 'gossip-control',
    what: '3 strangers announce, ask for, graft and prune without end, with back-offs of centuries',
    finding: 'N16, N18',
    run: rpcsOf(
      3,
      (field, number) => {
        const topicID = topicsOf(field.network.networkId).attestations.name
        const messageIDs = Array.from({ length: 64 }, (_, i) => seedOf('id', number, i))
        return {
          control: {
            ihave: [{ topicID, messageIDs }],
            iwant: [{ messageIDs }],
            graft: [{ topicID }],
            prune: [{ topicID, peers: [], backoff: 2 ** 32 }],
            idontwant: [{ messageIDs }],
          },
        }
      },
      'packets',
      1,
    ),
  },
]
