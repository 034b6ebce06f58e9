import {
  bytesToHex,
  createTallyOfJudged,
  type DigestedTally,
  type JudgedEpoch,
  type TallyInput,
  type Week,
} from '../../protocol/index.ts'
import { countedSetOf, incomeOf, tallyInputOf } from './counted-set.ts'
import { contextsOfWeek, type WeekSources } from './gather.ts'
import { createJudgedEpochs, type JudgedEpochs } from './judged-epochs.ts'

/** The weeks of one daemon or one store: everybody who asks about a week asks here, so that it is judged once. */
export interface Weeks extends WeekSources {
  judged: JudgedEpochs
  /**
   * The input of a week's tally as the sources stand, judged epoch by epoch: all attestations of a week of the largest
   * network are gigabytes. Of a week that is not over, what there is so far. Errors: those of `contextsOfWeek`,
   * `WeekSources.fixed` and `WeekFund`.
   */
  input(week: Week, signal: AbortSignal): Promise<TallyInput>
  /** The document of that tally. */
  tally(week: Week, signal: AbortSignal): Promise<DigestedTally>
  /** Changes whenever anything does that the tally of the week's epochs that are over follows from, but for its fund. */
  revisionOf(week: Week): Promise<string>
}

export const openWeeks = <T extends WeekSources>(sources: T): T & Weeks => {
  const judged = createJudgedEpochs(sources)
  const input = async (week: Week, signal: AbortSignal): Promise<TallyInput> => {
    const epochs = await contextsOfWeek(sources, week)
    const fixed = await sources.fixed(week, signal)
    const set = await countedSetOf(sources, epochs, fixed)
    const views: JudgedEpoch[] = []
    for (const context of epochs.contexts) {
      signal.throwIfAborted()
      views.push(await judged.read(context, fixed, signal))
    }
    return tallyInputOf(sources, set, await incomeOf(sources, epochs, signal), views)
  }
  const revisionOf = async (week: Week): Promise<string> => {
    const { epochs } = sources
    const fixed = sources.fixedAtHand(week)
    const range = await epochs.epochsOfWeek(week)
    if (fixed !== null && range?.isComplete === true) {
      return `${fixed.checkpoint.toString()} ${bytesToHex(fixed.anchor.hash)}`
    }
    const first = range?.first ?? 0
    const last = Math.min(range?.last ?? -1, (epochs.current() ?? 0) - 1)
    let change = 0
    for (let epoch = first; epoch <= last; epoch++) change = Math.max(change, sources.changeOf(epoch))
    // A reorganisation changes beacons; proofs void attestations.
    const beacon = last < first ? undefined : await epochs.beaconOf(last)
    const proofs = [...(await sources.equivocators(week)).keys()].join()
    return [
      sources.stateOf(week) ?? 'open',
      last,
      bytesToHex(beacon ?? new Uint8Array(0)),
      change,
      proofs,
    ].join(' ')
  }
  return {
    ...sources,
    judged,
    input,
    revisionOf,
    tally: async (week, signal) => createTallyOfJudged(await input(week, signal)),
  }
}
