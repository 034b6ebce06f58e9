import { puzzleAnswerCodec } from '../../protocol/index.ts'
import { messageOf } from '../../src/errors.ts'
import { createPuzzleSolver } from '../../src/net/puzzle-solver.ts'
import { type RelayClient, startRelayClient } from '../../src/net/relay-client.ts'
import { buildCircuit } from '../../src/relay/circuit.ts'
import { realWorld } from '../../src/world.ts'
import { networkId } from '../net/local-hosts.ts'
import { addressOf, type CreateMember, type CrowdTask, dialInTurn, pause } from './task.ts'

const world = realWorld()

const startClient = (localAddress: string): Promise<RelayClient> =>
  startRelayClient({ networkId, allowLoopback: true, localAddress, world })

const targetOf = ({ target: { peerKey, ip, port } }: CrowdTask) => ({
  peerKey: Buffer.from(peerKey, 'hex'),
  address: { ip, port },
})

/** Wants a circuit, never does any work for it, and keeps what it gets for as long as it may. */
export const createIdler: CreateMember = async (task, index, count, stopping) => {
  const client = await startClient(addressOf(task, index))
  const hold = async (): Promise<string> => {
    const options = { dialTimeoutMs: 5_000, timeoutMs: 5_000, payment: new Uint8Array(), signal: stopping }
    const link = await dialInTurn(() => client.openRelayLink(targetOf(task), options))
    const end = (): void => link.end('done')
    stopping.addEventListener('abort', end, { once: true })
    const session = link.session(targetOf(task).peerKey, stopping).then(
      () => count('held'),
      () => undefined,
    )
    const { code, toll } = await link.ended
    await session
    stopping.removeEventListener('abort', end)
    const puzzle = toll === null ? null : puzzleAnswerCodec.decode(toll)
    return puzzle?.is === 'ok' ? `puzzle ${puzzle.value[3]}` : `ended ${code}`
  }
  return {
    async run() {
      while (!stopping.aborted) {
        try {
          count(await hold())
        } catch (error) {
          if (!stopping.aborted) count(`failed ${messageOf(error).slice(0, 40)}`)
        }
        await pause(stopping)
      }
    },
  }
}

/** As `secnode relay broadcast` does it; who was not let in tries again. */
export const createSender: CreateMember = async (task, index, count, stopping) => {
  const client = await startClient(addressOf(task, index))
  let solved = 0
  const solver = createPuzzleSolver({ world, maxEffort: 2 ** 24 })
  const path = task.path.map(({ seat, peerKey }) => ({
    seat,
    peer: Buffer.from(peerKey, 'hex'),
    host: `n${seat}`,
  }))
  const sendOne = async (): Promise<string> => {
    const circuit = await buildCircuit({
      host: client,
      networkId,
      path,
      firstAddress: targetOf(task).address,
      solver: {
        solve: async (...args) => {
          solved++
          return await solver.solve(...args)
        },
      },
      world,
      signal: stopping,
    })
    const [answer] = await circuit.broadcast(Buffer.from(task.request, 'hex'), stopping)
    return answer === 'sent' ? 'answered' : answer
  }
  return {
    async run() {
      for (let answered = 0, tries = 0; answered < task.requests && tries < 40; tries++) {
        try {
          const outcome = await sendOne()
          if (outcome === 'answered') answered++
          count(outcome)
        } catch (error) {
          count(`failed ${messageOf(error).slice(0, 60)}`)
        }
      }
      if (solved > 0) count('worked')
    },
  }
}
