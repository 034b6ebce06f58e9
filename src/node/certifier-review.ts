import type { CID } from 'multiformats/cid'
import {
  type CertifierEvent,
  compareContentsInSteps,
  listedAgain,
  type ProposedSet,
  type ReviewEffect,
  type ReviewEvent,
  type Seat,
} from '../../protocol/index.ts'
import { inSlices } from '../async/slices.ts'
import type { CertifierPeers } from './certifier-peers.ts'
import type { CertifierSteps, CertifierWork } from './certifier-work.ts'
import type { CheckpointData } from './checkpoint-data.ts'

/** Carries out what the review of a proposal asks for (R-CP-3). */
export const createReviewing =
  (
    data: Pick<CheckpointData, 'holding'>,
    peers: Pick<CertifierPeers, 'readPages' | 'askBits' | 'askLeaves' | 'fetchAttestations'>,
    { step, beside }: CertifierSteps,
  ) =>
  async (work: CertifierWork, checkpoint: CID, from: Seat, effect: ReviewEffect): Promise<void> => {
    const event = (reviewed: ReviewEvent): CertifierEvent => ({ is: 'review', checkpoint, event: reviewed })
    const name = checkpoint.toString()
    switch (effect.is) {
      case 'read-pages':
        return beside(
          work,
          'read pages',
          async (signal) => event(await peers.readPages(work.seats[from]!, effect.weeks, signal)),
          event({ is: 'pages-failed', code: 'page-missing' }),
        )
      case 'compare': {
        const holding = await data.holding(effect.epoch)
        const told = work.sets.get(name)
        const comparison = await inSlices(
          compareContentsInSteps(
            effect.isAgain ? listedAgain(holding) : holding,
            effect.equivocators,
            effect.contents,
            told?.epoch === effect.epoch ? told.set : null,
          ),
        )
        return step(work, event({ is: 'compared', epoch: effect.epoch, comparison }))
      }
      case 'ask':
        return beside(
          work,
          'ask for contents',
          async (signal) => {
            const { epoch } = effect
            const row = work.seats[from]!
            const set: ProposedSet =
              effect.for === 'bits'
                ? await peers.askBits(row, checkpoint, epoch, signal)
                : { is: 'leaves', rows: await peers.askLeaves(row, checkpoint, epoch, signal) }
            work.sets.set(name, { epoch, set })
            return event({ is: 'got', epoch })
          },
          event({ is: 'not-got', epoch: effect.epoch, code: 'set-missing' }),
        )
      case 'fetch':
        return beside(
          work,
          'fetch contents',
          async (signal) => {
            await peers.fetchAttestations(work.seats[from]!, effect.epoch, effect.seats, signal)
            return event({ is: 'got', epoch: effect.epoch })
          },
          event({ is: 'not-got', epoch: effect.epoch, code: 'attestations-missing' }),
        )
    }
  }
