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
import { startHost } from './local-hosts.ts'
import { protocolOf } from './raw-peer.ts'

/**
 * A process full of strangers, so that what they do costs the node under test no more than it costs a node on another
 * machine. It is told by its parent whom to ask, does it, and says what became of it.
 */
export interface CrowdTask {
  is: 'flood' | 'pay'
  target: { peerKey: string; ip: string; port: number }
  protocolName: string
  request: string
  /** How many strangers. */
  count: number
  /** `127.142.<block>.<n>`, four strangers to each. */
  block: number
  /** Of each who pays. */
  requests: number
}

export type CrowdMessage =
  | { is: 'ready' }
  /** `answered`, `puzzle <code>`, or what went wrong, and how often; `worked`: how many solved a puzzle. */
  | { is: 'done'; outcomes: Record<string, number> }

type Outcome = (what: string) => void

const strangersPerAddress = 4
const addressOf = ({ block }: CrowdTask, index: number): string =>
  `127.142.${block}.${1 + Math.floor(index / strangersPerAddress)}`

/** A machine that is too busy to answer within half a second harms nobody: so few handshakes at a time. */
const maxDials = 16
let dials = 0
const inTurn: (() => void)[] = []
const dial = async (node: Libp2p, { target }: CrowdTask, stopping: AbortSignal): Promise<Connection> => {
  if (dials >= maxDials) await new Promise<void>((resolve) => inTurn.push(resolve))
  dials++
  try {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(5_000)])
    return await node.dial(multiaddrOf(target), { signal })
  } finally {
    dials--
    inTurn.shift()?.()
  }
}

/** Between one question and the next, and before it connects again. */
const pauseMs = 300
const pause = (stopping: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, pauseMs)
    stopping.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })

interface Member {
  run(): Promise<void>
}

/** Asks and asks again, never does any work for it, and comes back when it is thrown out. */
const createFlooder = async (
  task: CrowdTask,
  index: number,
  stopping: AbortSignal,
  count: Outcome,
): Promise<Member> => {
  const node: Libp2p = await createLibp2p({
    privateKey: await generateKeyPair('Ed25519'),
    transports: [tcp({ dialOpts: { localAddress: addressOf(task, index) } as object })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    connectionGater: { denyDialMultiaddr: () => false },
  })
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
          if (connection?.status !== 'open') connection = await dial(node, task, stopping)
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
const createPayer = async (task: CrowdTask, index: number, count: Outcome): Promise<Member> => {
  const host = await startHost(`127.142.${task.block}.${1 + index}`)
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

const send = (message: CrowdMessage): void => void process.send!(message)

const stopping = new AbortController()
const outcomes: Record<string, number> = {}
const count: Outcome = (what) => void (outcomes[what] = (outcomes[what] ?? 0) + 1)
let members: Promise<Member[]> | null = null

process.on('message', (message: CrowdTask | 'go' | 'stop') => {
  if (message === 'stop') stopping.abort()
  else if (message === 'go') {
    void members!
      .then((all) => Promise.all(all.map((member) => member.run())))
      .then(() => {
        send({ is: 'done', outcomes })
        process.exit(0)
      })
  } else {
    members = Promise.all(
      Array.from({ length: message.count }, (_, index) =>
        message.is === 'flood'
          ? createFlooder(message, index, stopping.signal, count)
          : createPayer(message, index, count),
      ),
    )
    void members.then(() => send({ is: 'ready' }))
  }
})
process.on('disconnect', () => process.exit(1))
