import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type Height, HeightNumber } from '../../../protocol/index.ts'
import type { Network } from '../../chain/profiles.ts'
import { messageOf, SecnodeError } from '../../errors.ts'
import type { NodeKeys } from '../../keys/node-key.ts'
import type { Config } from '../config.ts'
import { prepareAnnouncement, type UnsignedAnnouncement } from './announcing.ts'

/** Between the text and its signature lie a walk to the wallet and back: what was to be signed is kept in a file. */
const Draft = z.strictObject({
  format: z.literal('secnode announcement draft 1'),
  at: HeightNumber,
  unsignedMemo: z.string().max(512),
})

const draftFile = (folder: string): string => join(folder, 'announcement.json')
/** The text alone, without a line break at its end: what `signmessage` is given. */
export const textFile = (folder: string): string => join(folder, 'announcement.txt')

/** The last height of which a draft's announcement is good. */
export const lastHeightOf = (network: Network, { at }: Pick<UnsignedAnnouncement, 'at'>): Height =>
  at + network.profile.genesis.announceBlocks

/**
 * The draft in the folder if it still says what the configuration does and has time left at height `tip`, else a new
 * one, which takes its place. So whoever asks twice signs the same text. Errors: ANNOUNCE_FOLDER, those of
 * `prepareAnnouncement`.
 */
export const draftIn = async (
  folder: string,
  network: Network,
  config: Config,
  keys: NodeKeys,
  tip: Height,
): Promise<UnsignedAnnouncement> => {
  const kept = await readDraft(folder)
  // Half of the time is left for signing, sending and being mined.
  const mayBeKept =
    kept !== null && kept.at <= tip && 2 * (tip - kept.at) <= network.profile.genesis.announceBlocks
  if (mayBeKept) {
    const again = prepareAnnouncement(network, config, keys, kept.at)
    if (again.unsignedMemo === kept.unsignedMemo) return again
  }
  const announcement = prepareAnnouncement(network, config, keys, tip)
  const { at, unsignedMemo } = announcement
  const draft: z.input<typeof Draft> = { format: 'secnode announcement draft 1', at, unsignedMemo }
  try {
    await writeWhole(textFile(folder), announcement.text)
    await writeWhole(draftFile(folder), `${JSON.stringify(draft, null, 2)}\n`)
  } catch (error) {
    throw new SecnodeError('ANNOUNCE_FOLDER', `cannot write to ${folder}: ${messageOf(error)}`, {
      hint: 'The text to sign is kept beside the configuration: run this as a user who may write there.',
      cause: error,
    })
  }
  return announcement
}

/**
 * The draft that was signed. `tip` is null if the chain node cannot be asked. Errors: ANNOUNCE_NO_DRAFT,
 * ANNOUNCE_CHANGED (the configuration or the keys are others by now), ANNOUNCE_STALE (too old to be mined in time).
 */
export const keptDraft = async (
  folder: string,
  network: Network,
  config: Config,
  keys: NodeKeys,
  tip: Height | null,
): Promise<UnsignedAnnouncement> => {
  const kept = await readDraft(folder)
  const again = 'Run `secnode announce` without a signature to get the text, and sign that.'
  if (kept === null) {
    throw new SecnodeError('ANNOUNCE_NO_DRAFT', `there is no text to sign in ${folder}`, { hint: again })
  }
  const announcement = prepareAnnouncement(network, config, keys, kept.at)
  if (announcement.unsignedMemo !== kept.unsignedMemo) {
    throw new SecnodeError(
      'ANNOUNCE_CHANGED',
      'the configuration or the keys have changed since the text was made',
      { hint: again },
    )
  }
  const last = lastHeightOf(network, kept)
  // Sending and being mined take a while: a tenth of the time is kept for it.
  if (tip !== null && tip + network.profile.genesis.announceBlocks / 10 > last) {
    throw new SecnodeError(
      'ANNOUNCE_STALE',
      `the text is of block ${kept.at}; it must be mined by block ${last}, and the chain is at ${tip}`,
      { hint: again },
    )
  }
  return announcement
}

const readDraft = async (folder: string): Promise<z.infer<typeof Draft> | null> => {
  try {
    return Draft.parse(JSON.parse(await readFile(draftFile(folder), 'utf8')))
  } catch {
    // Missing or damaged: a new one is made, or asked for.
    return null
  }
}

const writeWhole = async (path: string, text: string): Promise<void> => {
  const fresh = `${path}.${process.pid}.new`
  await writeFile(fresh, text)
  await rename(fresh, path)
}
