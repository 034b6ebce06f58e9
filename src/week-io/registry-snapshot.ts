import type { CID } from 'multiformats/cid'
import {
  type CheckpointAnswer,
  type CheckpointRequest,
  cidOf,
  decodeCheckpoint,
  equalBytes,
  maxRegistryRows,
  type NetworkId,
  type RegistryRow,
  registryRootOf,
  registryRowOf,
  type Week,
} from '../../protocol/index.ts'
import { messageOf, SecnodeError } from '../errors.ts'
import { askCheckpoint } from '../week/asking.ts'
import type { Provider } from '../week/ports.ts'

/** The registry as it stood when a week froze. */
export interface RegistrySnapshot {
  week: Week
  /** All seats, in their order, retired ones as well. */
  rows: readonly RegistryRow[]
}

/** Far above the largest network there ever was: nobody makes us fetch without end. */
const maxSeats = 1_000_000

/**
 * The registry that a checkpoint commits to, from whoever has it: payload by its CID, seats by the registry root in it
 * (R-CP-1). So it is as good as the CID: take that from an anchor on the chain, or from somebody whom you trust. Errors:
 * REGISTRY_MISSING (exit code 3), which says what each provider did.
 */
export const fetchRegistry = async (
  networkId: NetworkId,
  checkpoint: CID,
  providers: AsyncIterable<Provider>,
  signal: AbortSignal,
): Promise<RegistrySnapshot> => {
  const troubles: string[] = []
  for await (const provider of providers) {
    try {
      return await fetchFrom(provider, networkId, checkpoint, signal)
    } catch (error) {
      signal.throwIfAborted()
      troubles.push(`${provider.name}: ${messageOf(error)}`)
    }
  }
  const what = troubles.length === 0 ? 'nobody could be asked' : troubles.slice(0, 4).join('; ')
  throw new SecnodeError('REGISTRY_MISSING', `no registry of checkpoint ${checkpoint.toString()}: ${what}`, {
    exitCode: 3,
    hint: 'Name other daemons, or a checkpoint of the last weeks; or follow the chain with --rpc.',
  })
}

const fetchFrom = async (
  provider: Provider,
  networkId: NetworkId,
  checkpoint: CID,
  signal: AbortSignal,
): Promise<RegistrySnapshot> => {
  const ask = async (request: CheckpointRequest): Promise<CheckpointAnswer> => {
    const answer = await askCheckpoint(provider, request, signal)
    if (answer.is === 'bad') throw new Error(`an answer is ${answer.code}`)
    return answer.value
  }
  const payload = await ask(['checkpoint', checkpoint])
  if (payload[0] !== 'checkpoint') throw new Error('it has no such checkpoint')
  if (!equalBytes(cidOf(payload[1]).bytes, checkpoint.bytes)) throw new Error('it gave another checkpoint')
  const decoded = decodeCheckpoint(payload[1])
  if (decoded.is === 'bad') throw new Error(`the checkpoint is ${decoded.code}`)
  if (decoded.value.networkId !== networkId) throw new Error('the checkpoint is of another network')
  const rows: RegistryRow[] = []
  for (let total = 1; rows.length < total;) {
    const answer = await ask(['registry', checkpoint, rows.length, maxRegistryRows])
    if (answer[0] !== 'registry') throw new Error('it does not have the registry of that week')
    const [, seats, some] = answer
    if (seats > maxSeats || (some.length === 0 && seats > rows.length))
      throw new Error('its registry has no end')
    total = seats
    rows.push(...some.map(registryRowOf))
  }
  if (!equalBytes(registryRootOf(rows), decoded.value.registryRoot)) {
    throw new Error('its registry is not the one that the checkpoint commits to')
  }
  return { week: decoded.value.week, rows }
}
