import { LRUCache } from 'lru-cache'
import type { Logger } from 'pino'
import type { World } from '../world.ts'

/** Says in the debug log, every ten seconds while connections give way, which address group did so most often. */
export interface DisplacedLog {
  note(group: string): void
}

const everyMs = 10_000
/** None stands out of a flood from more groups than this. */
const maxGroups = 1_024

export const createDisplacedLog = (options: {
  /** Of the door. */
  name: string
  world: Pick<World, 'monotonicMs'>
  logger: Pick<Logger, 'debug'>
}): DisplacedLog => {
  const { name, world, logger } = options
  const countByGroup = new LRUCache<string, number>({ max: maxGroups })
  let displaced = 0
  let sinceMs = 0

  const tell = (): void => {
    const [most, ofIt] = [...countByGroup.entries()].reduce((one, other) => (other[1] > one[1] ? other : one))
    logger.debug({ door: name, displaced, mostDisplaced: most, ofIt }, 'connections gave way to others')
    countByGroup.clear()
    displaced = 0
  }

  return {
    note: (group) => {
      if (displaced === 0) sinceMs = world.monotonicMs()
      displaced++
      countByGroup.set(group, (countByGroup.get(group) ?? 0) + 1)
      if (world.monotonicMs() - sinceMs >= everyMs) tell()
    },
  }
}
