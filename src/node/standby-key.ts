import { join } from 'node:path'
import { bytesToHex, equalBytes } from '../../protocol/index.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { createNodeKeyFile, loadNodeKeyFile, type NodeKeys } from '../keys/node-key.ts'
import type { World } from '../world.ts'

export const standbyKeyFile = (dir: string): string => join(dir, 'standby.key')

/**
 * A standby's own identity, made once and kept in its data directory, with the voting key of the seat that it stands by for:
 * announced, it keeps the seat and its seniority (R-ATT-8). Errors: STANDBY_KEYS, and those of key files.
 */
export const standbyKeysOf = async (
  dir: string,
  seatKeys: NodeKeys,
  world: Pick<World, 'randomBytes'>,
): Promise<NodeKeys> => {
  const path = standbyKeyFile(dir)
  try {
    return await createNodeKeyFile(path, (length) => world.randomBytes(length), seatKeys)
  } catch (error) {
    if (!isSecnodeError(error, 'KEY_FILE_EXISTS')) throw error
  }
  const keys = await loadNodeKeyFile(path)
  if (equalBytes(keys.peerKey, seatKeys.peerKey)) {
    throw new SecnodeError('STANDBY_KEYS', `${path} has become the key of the seat: this is no standby`, {
      exitCode: 2,
      hint: 'Start without --standby; or, if another machine has the seat, move that file away: a new one is made.',
    })
  }
  if (!equalBytes(keys.blsPublicKey, seatKeys.blsPublicKey)) {
    const theirs = bytesToHex(keys.blsPublicKey).slice(0, 16)
    throw new SecnodeError('STANDBY_KEYS', `${path} has the voting key ${theirs}…, not that of \`keys\``, {
      exitCode: 2,
      hint: 'If it is not announced, move it away: a new one is made. Else let `keys` name it, and start without --standby.',
    })
  }
  return keys
}
