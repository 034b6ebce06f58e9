import { bytesToHex } from '../../../../protocol/index.ts'
import type { World } from '../../../world.ts'
import { NodeRpcError, rpcCode } from './errors.ts'
import { onNextTurn } from '../../../async/slices.ts'

export interface OperationJson {
  id: string
  status: 'queued' | 'executing' | 'success' | 'failed' | 'cancelled'
  /** Seconds since 1970. */
  creation_time: number
  result?: unknown
  error?: { code: number; message: string }
  execution_secs?: number
  method: string
  params: unknown
}

/** The wallet's asynchronous operations: started by one call, asked after by others. */
export interface Operations {
  /** The new operation's id; it runs once the present call is answered. */
  start(method: string, params: unknown, run: () => unknown): string
  /** Sorted by creation time; all, or those of the ids that are known. */
  list(ids: readonly string[] | null): OperationJson[]
  /** As `list`, finished ones only, which are forgotten then. */
  takeFinished(ids: readonly string[] | null): OperationJson[]
}

/** Finished operations that nobody asks after go when so many are kept. */
const maxKept = 10_000

export const createOperations = (world: Pick<World, 'now' | 'monotonicMs' | 'randomBytes'>): Operations => {
  const operations = new Map<string, OperationJson>()

  const select = (ids: readonly string[] | null): OperationJson[] =>
    ids === null
      ? [...operations.values()]
      : [...new Set(ids)].flatMap((id) => operations.get(id) ?? []).sort(byCreation)

  const execute = (operation: OperationJson, run: () => unknown): void => {
    operation.status = 'executing'
    const startedMs = world.monotonicMs()
    try {
      operation.result = run()
      operation.status = 'success'
      operation.execution_secs = (world.monotonicMs() - startedMs) / 1000
    } catch (error) {
      operation.status = 'failed'
      operation.error = {
        code: error instanceof NodeRpcError ? error.code : rpcCode.wallet,
        message: error instanceof Error ? error.message : String(error),
      }
    }
  }

  return {
    start: (method, params, run) => {
      const id = `opid-${uuid(world.randomBytes(16))}`
      const operation: OperationJson = {
        id,
        status: 'queued',
        creation_time: Math.floor(world.now() / 1000),
        method,
        params,
      }
      for (const [oldId, { status }] of operations) {
        if (operations.size < maxKept) break
        if (isFinished(status)) operations.delete(oldId)
      }
      operations.set(id, operation)
      onNextTurn(() => execute(operation, run))
      return id
    },
    list: (ids) => select(ids),
    takeFinished: (ids) => {
      const finished = select(ids).filter(({ status }) => isFinished(status))
      for (const { id } of finished) operations.delete(id)
      return finished
    },
  }
}

const isFinished = (status: OperationJson['status']): boolean =>
  status === 'success' || status === 'failed' || status === 'cancelled'

const byCreation = (a: OperationJson, b: OperationJson): number => a.creation_time - b.creation_time

/** Version 4, RFC 9562. */
const uuid = (random: Uint8Array): string => {
  const bytes = Uint8Array.from(random)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytesToHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
