import type { World } from '../world.ts'

/**
 * The same world with a clock that runs `factor` times more slowly: every deadline, interval and pause lasts as much
 * longer, so that a machine that is too slow for many nodes does not make them late. The date stays what it is.
 */
export const slowedWorld = (world: World, factor: number): World => ({
  ...world,
  monotonicMs: () => world.monotonicMs() / factor,
  setTimer: (ms, callback) => world.setTimer(ms * factor, callback),
})
