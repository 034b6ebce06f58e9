import { open } from 'node:fs/promises'
import { z } from 'zod'
import {
  bytesToHex,
  hexToBytes,
  isAcceptablePublicKey,
  peerIdOfKey,
  type Sign,
} from '../../protocol/index.ts'
import { SecnodeError, messageOf } from '../errors.ts'
import { blsPublicKeyOf, blsSecretKeyOf } from './bls.ts'
import { ed25519FromSeed } from './ed25519.ts'
import { createPrivateFile } from './private-file.ts'

/** What a node signs with. Neither key can spend anything: the stake stays in a wallet elsewhere. */
export interface NodeKeys {
  /** Ed25519, 32 bytes: the identity of the node on the network. */
  peerKey: Uint8Array
  /** The same as a libp2p peer id, base58btc. */
  peerId: string
  sign: Sign
  /** Secret seed of the Ed25519 key, 32 bytes. */
  seed: Uint8Array
  /** 48 bytes, the voting key. */
  blsPublicKey: Uint8Array
  /** 32 bytes. */
  blsSecretKey: Uint8Array
}

export const createNodeKeys = (randomBytes: (length: number) => Uint8Array): NodeKeys =>
  nodeKeysOf(randomBytes(32), blsSecretKeyOf(randomBytes(32)))

/** An identity of its own with a voting key that there is already: it keeps a seat senior (R-CP-2). */
const withVotingKey = (
  randomBytes: (length: number) => Uint8Array,
  { blsSecretKey }: Pick<NodeKeys, 'blsSecretKey'>,
): NodeKeys => nodeKeysOf(randomBytes(32), blsSecretKey)

/**
 * Writes new keys, or a new identity with a given voting key, into a file that nobody else may read, and that appears whole
 * or not at all. Errors: KEY_FILE_EXISTS (it never overwrites), KEY_FILE_UNWRITABLE.
 */
export const createNodeKeyFile = async (
  path: string,
  randomBytes: (length: number) => Uint8Array,
  votingKey: Pick<NodeKeys, 'blsSecretKey'> | null = null,
): Promise<NodeKeys> => {
  const keys = votingKey === null ? createNodeKeys(randomBytes) : withVotingKey(randomBytes, votingKey)
  const text = `${JSON.stringify(
    {
      format: fileFormat,
      peer: keys.peerId,
      seed: bytesToHex(keys.seed),
      bls: bytesToHex(keys.blsPublicKey),
      blsSecret: bytesToHex(keys.blsSecretKey),
    },
    null,
    2,
  )}\n`
  let isNew: boolean
  try {
    isNew = await createPrivateFile(path, text, bytesToHex(randomBytes(8)))
  } catch (error) {
    throw unwritable(path, error)
  }
  if (!isNew) {
    throw new SecnodeError('KEY_FILE_EXISTS', `${path} exists already`, {
      hint: 'Keys are never overwritten. If the node shall get new ones, move the file away first, and announce again.',
    })
  }
  return keys
}

/** Errors: KEY_FILE_MISSING, KEY_FILE_UNREADABLE, KEY_FILE_EXPOSED (others may read it), KEY_FILE_DAMAGED. */
export const loadNodeKeyFile = async (path: string): Promise<NodeKeys> => {
  let text: string
  let mode: number
  try {
    const file = await open(path, 'r')
    try {
      const stats = await file.stat()
      mode = stats.mode
      if (stats.size > maxFileBytes) throw damaged(path, 'it is too long')
      text = await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof SecnodeError) throw error
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new SecnodeError('KEY_FILE_MISSING', `there is no key file ${path}`, {
        hint: 'Make one with `secnode init`, or put back a copy with `secnode restore`.',
        cause: error,
      })
    }
    throw new SecnodeError('KEY_FILE_UNREADABLE', `cannot read ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  if ((mode & 0o077) !== 0 && process.platform !== 'win32') {
    throw new SecnodeError('KEY_FILE_EXPOSED', `others may read ${path}`, {
      hint: `Run: chmod 600 ${path}   If somebody else may have read it, make new keys and announce again.`,
    })
  }
  return parseNodeKeys(text, path)
}

/** The keys of a key file's text, which messages name `path`. Errors: KEY_FILE_DAMAGED. */
export const parseNodeKeys = (text: string, path: string): NodeKeys => {
  if (text.length > maxFileBytes) throw damaged(path, 'it is too long')
  let content: KeyFile
  try {
    content = KeyFile.parse(JSON.parse(text))
  } catch (error) {
    throw damaged(path, 'it is not of the right shape', error)
  }
  let keys: NodeKeys
  try {
    keys = nodeKeysOf(hexToBytes(content.seed), hexToBytes(content.blsSecret))
  } catch (error) {
    throw damaged(path, 'it holds no keys', error)
  }
  // The public halves stand in the file as check sums of the secret ones.
  if (keys.peerId !== content.peer || bytesToHex(keys.blsPublicKey) !== content.bls) {
    throw damaged(path, 'its secret keys do not belong to its public ones')
  }
  return keys
}

const nodeKeysOf = (seed: Uint8Array, blsSecretKey: Uint8Array): NodeKeys => {
  const { publicKey, sign } = ed25519FromSeed(seed)
  // Every honestly derived key is; R-REG-6 would refuse any other.
  if (!isAcceptablePublicKey(publicKey)) throw new Error('the seed gives no acceptable key')
  return {
    peerKey: publicKey,
    peerId: peerIdOfKey(publicKey),
    sign,
    seed,
    blsPublicKey: blsPublicKeyOf(blsSecretKey),
    blsSecretKey,
  }
}

const fileFormat = 'secnode node keys 1'
const maxFileBytes = 4_096

const hexOf = (length: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * length}}$`))

const KeyFile = z.strictObject({
  format: z.literal(fileFormat),
  peer: z.string(),
  seed: hexOf(32),
  bls: hexOf(48),
  blsSecret: hexOf(32),
})
type KeyFile = z.infer<typeof KeyFile>

const damaged = (path: string, why: string, cause?: unknown): SecnodeError =>
  new SecnodeError('KEY_FILE_DAMAGED', `${path} is damaged: ${why}`, {
    hint: 'Put back a copy of it. Without one, move it away, make new keys and announce again.',
    cause,
  })

const unwritable = (path: string, error: unknown): SecnodeError =>
  new SecnodeError('KEY_FILE_UNWRITABLE', `cannot write ${path}: ${messageOf(error)}`, {
    hint: 'Check that the folder exists, that this user may write to it, and that the disk is not full.',
    cause: error,
  })
