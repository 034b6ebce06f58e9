import { readFile } from 'node:fs/promises'
import { base64 } from '@scure/base'
import { CID } from 'multiformats/cid'
import type { CheckpointFrame, Params, Snapshot } from 'secnode/protocol'
import type { WeekFacts } from 'secnode/week'

interface Written extends Omit<WeekFacts, 'snapshotOf' | 'paramsOf'> {
  frame: CheckpointFrame
  snapshot: Snapshot
  params: Params
}

/** What a chain said of a week, from the file that the test has written: your program asks its own chain. */
export const factsOfWeek = async (week: string): Promise<WeekFacts> => {
  const { snapshot, params, ...facts } = JSON.parse(
    await readFile(`${week}.json`, 'utf8'),
    (_, value: Record<string, unknown> | null) => {
      if (typeof value?.['bytes'] === 'string') return base64.decode(value['bytes'])
      if (typeof value?.['integer'] === 'string') return BigInt(value['integer'])
      return typeof value?.['/'] === 'string' ? CID.parse(value['/']) : value
    },
  ) as Written
  return { ...facts, snapshotOf: () => Promise.resolve(snapshot), paramsOf: () => params }
}
