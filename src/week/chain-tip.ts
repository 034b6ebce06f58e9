import type { ChainTip, Genesis } from '../../protocol/index.ts'
import type { World } from '../world.ts'
import type { ChainView } from './chain-view.ts'

/** MTP(h) is the sixth of eleven times: about that of block h − 5. */
const medianLagBlocks = 5
/** Blocks over which the spacing is measured; devnets are faster than the chain that they are of. */
const measuredBlocks = 64

/**
 * The tip of the chain as its confirmed blocks tell of it: what is above them, and how old, follows from the spacing of the
 * last ones. Of a chain whose times are not those of this machine's clock, the age is unknown.
 */
export const createTipWatch = (
  view: Pick<ChainView, 'confirmedHeight' | 'medianTimeAt'>,
  { confirmations }: Pick<Genesis, 'confirmations'>,
  world: Pick<World, 'now'>,
): (() => ChainTip) => {
  let readHeight = -1
  let times: { height: number; last: number; spacingSeconds: number } | null = null

  const readTimes = async (height: number): Promise<void> => {
    const first = await view.medianTimeAt(height - measuredBlocks)
    const last = await view.medianTimeAt(height)
    if (first === undefined || last === undefined) return
    times = { height, last, spacingSeconds: Math.ceil((last - first) / measuredBlocks) }
  }

  return () => {
    const { confirmedHeight } = view
    if (readHeight !== confirmedHeight) {
      readHeight = confirmedHeight
      // The tip's age stays unknown when its times cannot be read.
      readTimes(confirmedHeight).catch(() => undefined)
    }
    const height = confirmedHeight + confirmations
    if (times?.height !== confirmedHeight) return { height, ageSeconds: null, spacingSeconds: 0 }
    const { last, spacingSeconds } = times
    const sinceMedian = Math.floor(world.now() / 1_000) - last
    const ageSeconds = sinceMedian - (medianLagBlocks + confirmations) * spacingSeconds
    return { height, ageSeconds: sinceMedian < 0 ? null : ageSeconds, spacingSeconds }
  }
}
