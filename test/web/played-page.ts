import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type PlayedDevnet, playDevnet } from '../../src/devnet/network.ts'
import type { PreparedNode } from '../../src/devnet/prepare.ts'
import { realWorld } from '../../src/world.ts'

/** A devnet that played its week to the payout, and the page of one of its honest nodes. */
export interface PlayedPage {
  devnet: PlayedDevnet
  /** The node whose page it is. */
  own: PreparedNode
  ownSeat: number
  /** `http://127.x.y.z:port`. */
  url: string
  /** The seat of the node that is never there. */
  failing: number
  /** The seat of the node that was begun anew from an empty disk at the end: its evidence is lost. */
  rebuilt: number
  /** An epoch in which the own node was credited and the other one found unreachable. */
  epoch: number
  /** What must stand in no answer. */
  secrets: readonly string[]
  stop(): Promise<void>
}

export const playPage = async (): Promise<PlayedPage> => {
  const dir = await mkdtemp(join(tmpdir(), 'secnode-page-'))
  const devnet = await playDevnet({
    // Four challengers besides the one that begins anew: three of five decide.
    nodes: 5,
    epochs: 3,
    seed: 61,
    with: { offline: 1 },
    profile: 'devnet',
    dir,
    blockMs: 50,
    world: realWorld(),
    signal: AbortSignal.timeout(900_000),
    onProgress: () => undefined,
  })
  const { nodes } = devnet.prepared
  const seatOf = ({ address }: PreparedNode): number =>
    devnet.document.seats.find(({ stake }) => stake === address)!.seat
  const own = nodes[1]!
  const failing = seatOf(nodes.find(({ kind }) => kind === 'offline')!)
  const { seats, epochs } = devnet.document
  const outcomesOf = (wanted: number) => seats.find(({ seat }) => seat === wanted)!.outcomes
  const index = epochs.findIndex(
    (_, i) => outcomesOf(seatOf(own))[i] === 'credited' && outcomesOf(failing)[i] === 'invalid: unreachable',
  )
  const keys = JSON.parse(await readFile(own.config.keys, 'utf8')) as { seed: string; blsSecret: string }
  const secretKeys = [keys.seed, keys.blsSecret].map((hex) => Buffer.from(hex, 'hex'))
  return {
    devnet,
    own,
    ownSeat: seatOf(own),
    url: devnet.control.pageOf(own)!,
    rebuilt: seatOf(nodes[0]!),
    failing,
    epoch: epochs[index]!.epoch,
    secrets: [
      own.config.rpc.password!,
      ...secretKeys.flatMap((key) => [key.toString('hex'), key.toString('base64').slice(0, 40)]),
    ],
    async stop() {
      await devnet.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
