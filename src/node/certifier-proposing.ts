import type { CID } from 'multiformats/cid'
import {
  type CertifierEvent,
  type Epoch,
  equalBytes,
  type ProposalAnswer,
  proposalAnswerCodec,
  proposalRequestCodec,
  type ProposingEffect,
  protocols,
  type Seat,
  type Wants,
} from '../../protocol/index.ts'
import { createDeadline } from '../async/deadline.ts'
import { createLimit } from '../async/limit.ts'
import { messageOf } from '../errors.ts'
import { askSeat } from './ask-seat.ts'
import type { CertifierPeers } from './certifier-peers.ts'
import type { CertifierSteps, CertifierWork } from './certifier-work.ts'
import type { CheckpointData } from './checkpoint-data.ts'
import type { NodeContext } from './context.ts'

/** Certifiers that are asked at once for what they miss in a proposal, and for how long each. */
const maxGathering = 16
const gatherTimeoutMs = 30_000
/** A certifier examines a whole week: fetching included, this is how long a proposer waits for it. */
export const proposalTimeoutMs = 60_000

/** Carries out what a proposer's steps ask for (R-CP-3). */
export const createProposing = (
  node: NodeContext,
  data: Pick<CheckpointData, 'build' | 'holding'>,
  peers: Pick<CertifierPeers, 'fetchAttestations' | 'fetchProofs'>,
  { step, beside }: CertifierSteps,
): ((work: CertifierWork, effect: ProposingEffect) => Promise<void>) => {
  const gather = createGathering(node, data, peers)

  const ask = (work: CertifierWork, effect: Extract<ProposingEffect, { is: 'propose' }>): void => {
    node.logger.info(
      { week: work.week, view: effect.view, checkpoint: effect.cid.toString(), to: effect.to.length },
      'proposing a checkpoint',
    )
    const { seat } = work.state.duty
    const request = proposalRequestCodec.encode(['propose', effect.view, seat, effect.bytes])
    for (const to of effect.to) {
      const answered = (answer: ProposalAnswer | null): CertifierEvent => ({
        is: 'answered',
        from: to,
        view: effect.view,
        checkpoint: effect.cid,
        answer,
      })
      beside(
        work,
        'propose',
        async (signal) => {
          const bytes = await askSeat(node, work.seats[to]!, protocols.propose, request, {
            timeoutMs: proposalTimeoutMs,
            maxResponseBytes: proposalAnswerCodec.maxBytes,
            signal,
          })
          const answer = proposalAnswerCodec.decode(bytes)
          return answered(answer.is === 'ok' ? answer.value : null)
        },
        answered(null),
      )
    }
  }

  return async (work, effect) => {
    switch (effect.is) {
      case 'build': {
        const built = await data.build(work.state.duty.frame, effect)
        return step(work, { is: 'built', ...built })
      }
      case 'propose':
        return ask(work, effect)
      case 'gather': {
        const run = (signal: AbortSignal) => gather(work, effect.wants, signal)
        return beside(work, 'gather', run, { is: 'gathered', lacked: [] })
      }
    }
  }
}

/** Fetches what certifiers say is missing in a proposal. */
const createGathering = (
  node: NodeContext,
  data: Pick<CheckpointData, 'holding'>,
  peers: Pick<CertifierPeers, 'fetchAttestations' | 'fetchProofs'>,
) => {
  const limit = createLimit({ maxRunning: maxGathering, maxWaiting: Infinity })

  /** What is held in the epochs of the attestations that others say are missing. */
  const heldOf = async (
    wanted: readonly { wants: Wants }[],
  ): Promise<ReadonlyMap<Epoch, ReadonlyMap<Seat, CID>>> => {
    const held = new Map<Epoch, ReadonlyMap<Seat, CID>>()
    const missing = wanted.flatMap(({ wants }) => wants.missing)
    for (const [epoch, rows] of Map.groupBy(missing, (row) => row.epoch)) {
      const seats = new Set(rows.map(({ seat }) => seat))
      const known = (await data.holding(epoch)).rows.filter(({ seat }) => seats.has(seat))
      held.set(epoch, new Map(known.map(({ seat, cid }) => [seat, cid])))
    }
    return held
  }

  /**
   * Fetches what one certifier says that it holds, of epochs that the checkpoint lists. A certifier that does not give it
   * is asked for no more, and keeps nobody else's from being fetched.
   */
  const gather = async (
    work: CertifierWork,
    from: Seat,
    wants: Wants,
    signal: AbortSignal,
  ): Promise<void> => {
    const { frame } = work.state.duty
    const listed = new Set(frame.weeks.flatMap(({ epochs }) => epochs.map(({ epoch }) => epoch)))
    const row = work.seats[from]!
    using deadline = createDeadline(node.world, gatherTimeoutMs, signal)
    try {
      for (const [epoch, rows] of Map.groupBy(wants.missing, (one) => one.epoch)) {
        const seats = rows.map(({ seat }) => seat)
        if (listed.has(epoch)) await peers.fetchAttestations(row, epoch, seats, deadline.signal)
      }
      for (const epoch of new Set(wants.proofs.map((one) => one.epoch))) {
        if (listed.has(epoch)) await peers.fetchProofs(row, epoch, deadline.signal)
      }
    } catch (error) {
      signal.throwIfAborted()
      node.logger.debug({ week: work.week, from, reason: messageOf(error) }, 'gathering failed')
    }
  }

  return async (
    work: CertifierWork,
    wanted: Extract<ProposingEffect, { is: 'gather' }>['wants'],
    signal: AbortSignal,
  ): Promise<CertifierEvent> => {
    const held = await heldOf(wanted)
    const lacked = wanted
      .flatMap(({ wants }) => wants.missing)
      .filter(({ epoch, seat }) => held.get(epoch)?.has(seat) !== true)
    await Promise.all(
      wanted.map(({ from, wants }) => {
        // Under another digest it is wanted, too: two payloads of a seat make a proof.
        const missing = wants.missing.filter(({ epoch, seat, digest }) => {
          const known = held.get(epoch)?.get(seat)
          return known === undefined || !equalBytes(known.multihash.digest, digest)
        })
        return limit.run(() => gather(work, from, { ...wants, missing }, signal), signal)
      }),
    )
    return { is: 'gathered', lacked }
  }
}
