import type { Epoch, Height } from '../../protocol/index.ts'
import type { NodeContext } from './context.ts'

/** Since when the chain was followed at its tip, block by block (R-ATT-7, R-ATT-8). */
export interface Sight {
  /** A height at the tip; gives the first one since which none was missed. */
  keep(epoch: Epoch, height: Height): Promise<Height>
  lose(): void
}

export const createSight = ({ epochs, signing }: Pick<NodeContext, 'epochs' | 'signing'>): Sight => {
  let lastAtTip: Height = -1
  let watchedFrom: Height | null = null

  const lose = (): void => {
    watchedFrom = null
    signing.loseSight()
  }

  return {
    async keep(epoch, height) {
      const context = await epochs.get(epoch)
      // A chain that stood still and comes back at once may be that of a machine that was set back while it ran.
      if (context === undefined || height - lastAtTip > context.params.attestBlocks) lose()
      lastAtTip = height
      watchedFrom ??= height
      signing.regainSight(epoch)
      return watchedFrom
    },
    lose,
  }
}
