import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { createDoor, type DoorPlaces } from '../net/door.ts'
import type { NetMetrics } from '../net/counters.ts'
import type { World } from '../world.ts'

export interface SocketOptions {
  places?: DoorPlaces
  /** Whether a request is one of the operator's own session: its socket gives way last. */
  isOperator: (request: IncomingMessage) => boolean
  world: Pick<World, 'monotonicMs'>
  metrics: NetMetrics
  logger: Pick<Logger, 'debug'>
}

/** A browser has six sockets for a page and one for its stream of changes. All programs of this machine have one address. */
const defaultPlaces: DoorPlaces = { maxPlaces: 256, maxPerAddress: 256 }
const stages = ['silent', 'idle', 'asking', 'operator'] as const
/** A page may take a minute to be made, and a stream says something twice a minute. */
const idleMs = 90_000

/** Bounds the sockets of a server: a newcomer gets a place, and the least advanced of the most crowded address gives way. */
export const boundSockets = (server: Server, options: SocketOptions): void => {
  const stageBySocket = new Map<Socket, (typeof stages)[number]>()
  const door = createDoor<Socket>({
    ...options,
    name: 'page',
    places: options.places ?? defaultPlaces,
    stages,
    stageOf: (socket) => stages.indexOf(stageBySocket.get(socket) ?? 'silent'),
    close: (socket) => socket.destroy(),
  })

  const advance = (socket: Socket, stage: (typeof stages)[number]): void => {
    // Once the operator's, always so.
    if (stageBySocket.get(socket) !== 'operator') stageBySocket.set(socket, stage)
  }

  server.setTimeout(idleMs)
  server.on('connection', (socket) => {
    if (socket.remoteAddress === undefined || !door.admit(socket, socket.remoteAddress)) {
      socket.destroy()
      return
    }
    socket.once('close', () => {
      door.leave(socket)
      stageBySocket.delete(socket)
    })
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    advance(socket, options.isOperator(request) ? 'operator' : 'asking')
    response.once('close', () => {
      if (!socket.destroyed) advance(socket, 'idle')
    })
  })
}
