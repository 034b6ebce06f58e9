import { SecnodeError, messageOf } from '../errors.ts'

export const storeClosed = (): SecnodeError =>
  new SecnodeError('STORE_CLOSED', 'the store is closed already', {
    hint: 'Something still works on the store while the program stops; this is a fault of Secnode.',
  })

/** LevelDB speaks in texts of the operating system: ENOSPC, EDQUOT and EFBIG all mean that no more can be written. */
const fullDisk = /no space left on device|disk quota exceeded|file too large/i
const noAccess = /permission denied|read-only file system|operation not permitted/i

/** A table shorter than its index says reads as EINVAL; CURRENT may name a file that is not there. */
const damagedFile = /\.(ldb|sst): invalid argument|(\.(ldb|sst)|MANIFEST-\d+): no such file/i

/** Level's errors as ours. The code is looked for along the whole chain of causes: level wraps what LevelDB said. */
export const translateLevelError = (error: unknown, directory: string): SecnodeError => {
  if (error instanceof SecnodeError) return error
  const chain = causesOf(error)
  const codes = chain.map((cause) => (cause as { code?: unknown }).code)
  const text = chain.map(messageOf).join(': ')
  const options = { cause: error }
  if (codes.includes('LEVEL_LOCKED')) {
    return new SecnodeError('STORE_LOCKED', `another process has the data directory ${directory} open`, {
      hint: 'A node must run once only: stop the other daemon, or give this one its own --dir.',
      ...options,
    })
  }
  if (fullDisk.test(text)) {
    return new SecnodeError('STORE_FULL', `no room left to write to ${directory}`, {
      hint: 'Free space on that disk and start again; what was written before is intact.',
      ...options,
    })
  }
  if (noAccess.test(text)) {
    return new SecnodeError('STORE_NO_ACCESS', `may not read or write ${directory}`, {
      hint: 'Check who owns the directory and its files, and whether the disk is mounted read-only.',
      ...options,
    })
  }
  if (codes.includes('LEVEL_CORRUPTION') || damagedFile.test(text))
    return storeDamaged(directory, text, error)
  if (codes.includes('LEVEL_ITERATOR_NOT_OPEN')) return storeClosed()
  if (codes.includes('LEVEL_DATABASE_NOT_OPEN') && chain.length === 1) return storeClosed()
  return new SecnodeError('STORE_FAILED', `the store in ${directory} failed: ${text}`, {
    hint: 'Check the disk; the store can be opened again once it works.',
    ...options,
  })
}

export const storeDamaged = (directory: string, what: string, cause?: unknown): SecnodeError =>
  new SecnodeError('STORE_DAMAGED', `the store in ${directory} is damaged: ${what}`, {
    hint: 'Move the directory away and start again: the chain is read anew, attestations come from the peers. Check the disk first.',
    ...(cause === undefined ? {} : { cause }),
  })

const causesOf = (error: unknown): unknown[] => {
  const chain: unknown[] = []
  for (let cause = error; cause !== undefined && cause !== null && chain.length < 8;) {
    chain.push(cause)
    cause = (cause as { cause?: unknown }).cause
  }
  return chain
}
