import { link, mkdir, open, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/**
 * Writes a file that nobody else may read, and that appears whole and on disk, or not at all. It never overwrites:
 * false if there is one already. `unique` tells apart those who write the same file at the same time.
 */
export const createPrivateFile = async (path: string, text: string, unique: string): Promise<boolean> => {
  const folder = dirname(path)
  const unfinished = join(folder, `.${basename(path)}-${unique}`)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  try {
    const file = await open(unfinished, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // Unlike a rename, a link fails where there is a file already.
    const isNew = await link(unfinished, path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
        return false
      },
    )
    if (isNew) await syncFolder(folder)
    return isNew
  } finally {
    await rm(unfinished, { force: true })
  }
}

const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
