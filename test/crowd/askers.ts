import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { lpStream } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { puzzleAnswerCodec } from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../../src/errors.ts'
import type { RequestTarget } from '../../src/net/links.ts'
import { multiaddrOf } from '../../src/net/peer-address.ts'
import { startHost } from '../net/local-hosts.ts'
import { protocolOf } from '../net/raw-peer.ts'
import { addressOf, type CreateMember, dialInTurn, ownAddressOf, pause } from './task.ts'

/** Asks and asks again, never does any work for it, and comes back when it is thrown out. */
export const createAsker: CreateMember = async (task, index, count, stopping) => {
  const node: Libp2p = await createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    transports: [tcp({ dialOpts: { localAddress: addressOf(task, index) } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
  })
  const connect = (): Promise<Connection> =>
    node.dial(multiaddrOf(task.target), { signal: AbortSignal.any([stopping, AbortSignal.timeout(5_000)]) })
  const ask = async (connection: Connection): Promise<string> => {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(10_000)])
    const stream = await connection.newStream(protocolOf(task.protocolName), { signal })
    const messages = lpStream(stream)
    await messages.write(Buffer.from(task.request, 'hex'), { signal })
    const answer = (await messages.read({ signal })).subarray()
    await stream.close({ signal })
    const puzzle = puzzleAnswerCodec.decode(Uint8Array.from(answer))
    return puzzle.is === 'ok' ? `puzzle ${puzzle.value[3]}` : 'answered'
  }
  return {
    async run() {
      let connection: Connection | null = null
      while (!stopping.aborted) {
        try {
          if (connection?.status !== 'open') connection = await dialInTurn(connect)
          count(await ask(connection))
        } catch (error) {
          if (!stopping.aborted) count(`failed ${error instanceof Error ? error.name : ''}`)
          connection?.abort(new Error('again'))
          connection = null
        }
        await pause(stopping)
      }
    },
  }
}

/** As the tools of this repository ask: what is asked for is done. Whoever was not let in tries again. */
export const createPayingAsker: CreateMember = async (task, index, count) => {
  const host = await startHost(ownAddressOf(task, index))
  const { peerKey, ip, port } = task.target
  const target: RequestTarget = { peerKey: Buffer.from(peerKey, 'hex'), address: { ip, port } }
  const asked = { timeoutMs: 15_000, maxResponseBytes: 100_000 }
  return {
    async run() {
      for (let answered = 0, tries = 0; answered < task.requests && tries < 40; tries++) {
        try {
          await host.request(target, task.protocolName, Buffer.from(task.request, 'hex'), asked)
          answered++
          count('answered')
        } catch (error) {
          count(error instanceof SecnodeError ? error.code : messageOf(error))
        }
      }
      if ((host.counts.get('puzzles solved') ?? 0) > 0) count('worked')
    },
  }
}
