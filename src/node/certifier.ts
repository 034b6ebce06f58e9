import type { CID } from 'multiformats/cid'
import {
  beaconOf,
  bytesToHex,
  type CertifierDuty,
  type CertifierEffect,
  type CertifierEvent,
  type CertifierState,
  type ChainWeeks,
  cidOf,
  compareContentsInSteps,
  decodeCertificate,
  type Epoch,
  equalBytes,
  type Height,
  type HeldProof,
  ignoreUnverified,
  judgeCertificate,
  listedAgain,
  paramsHash,
  paramsOfWeek,
  type ProposalAnswer,
  proposalAnswerCodec,
  proposalRequestCodec,
  type ProposedSet,
  type ProposingEffect,
  protocols,
  reject,
  type ReviewEffect,
  type ReviewEvent,
  type Seat,
  type SeatRecord,
  startCertifier,
  stepCertifier,
  topicsOf,
  type Validation,
  type Wants,
  type Week,
  type WeekRecord,
  weeksListedBy,
} from '../../protocol/index.ts'
import { messageOf } from '../errors.ts'
import { aggregateVotes, type Bls, signVote } from '../keys/bls.ts'
import { createAllowance } from '../async/allowance.ts'
import { createDeadline } from '../async/deadline.ts'
import { createLimit } from '../async/limit.ts'
import { createSequence, type Sequence } from '../async/serial.ts'
import { inSlices } from '../async/slices.ts'
import type { CheckpointStore } from '../store/checkpoints.ts'
import { type FramedWeekOfChain, type FrameParts, frameOfWeek } from '../week/anchored-frame.ts'
import { askSeat, type SeatAddress } from './ask-seat.ts'
import { createCertifierPeers } from './certifier-peers.ts'
import type { CheckpointData } from './checkpoint-data.ts'
import type { Collector } from './collector.ts'
import type { NodeContext } from './context.ts'
import { certifierDuty } from './duties.ts'
import type { Tasks } from './tasks.ts'

/** Drives the certifier's step function for the week that can be certified now (R-CP-2…5). */
export interface CertifierRole {
  /** Handlers and gossip. */
  start(): Promise<void>
  onHeight(): Promise<void>
  stop(): Promise<void>
  /** R-SYNC-2: asks a seat for the certificate of the week in work, unless it is known. Errors: those of `Host.request`. */
  askCertificate(row: SeatAddress, signal: AbortSignal): Promise<void>
  /** A certificate of the week in work, whether anchored or not. */
  certified(): { week: Week; memo: string } | null
  state(): CertifierState | null
}

export interface CertifierParts {
  collector: Collector
  data: CheckpointData
  checkpoints: CheckpointStore
  tasks: Tasks
  bls: Bls
  weeks(): ChainWeeks
  /** All seats as they stood after block b(epoch). */
  seatsAfter(epoch: Epoch): Promise<readonly SeatRecord[] | undefined>
  incomeOf: FrameParts['incomeOf']
  /** From `turn` on this node posts the anchor if it can; null for nodes that were not drawn. */
  onAnchorDue(memo: string, turn: Height | null): void
  postAnchor(memo: string, signal: AbortSignal): Promise<void>
}

interface Work {
  week: Week
  freezeHash: Uint8Array
  state: CertifierState
  /** As they stood after block F, at the index of their number. */
  seats: readonly SeatRecord[]
  /**
   * The set that a proposer told of for the epoch under comparison, by checkpoint. At 40,000 seats it is 320 kB, and no
   * review needs those of all epochs at once.
   */
  sets: Map<string, { epoch: Epoch; set: ProposedSet }>
  /** Who waits for an answer to his proposal, by `<seat>:<view>:<checkpoint>`. */
  waiting: Map<string, ((answer: ProposalAnswer) => void)[]>
  abort: AbortController
  steps: Sequence
}

/**
 * Certificates that one sender may have checked. Each costs a pairing, and one that does not hold is nobody's fault; but an
 * honest node passes on one of a week on each branch that it follows, and its own.
 */
const certificateAllowance = { burst: 16, everyMs: 60_000, maxNames: 4_096 }
/** Certifiers that are asked at once for what they miss in a proposal, and for how long each. */
const maxGathering = 16
const gatherTimeoutMs = 30_000
/** A certifier examines a whole week: fetching included, this is how long a proposer waits for it. */
const proposalTimeoutMs = 60_000

/** Of all proposals that are being read: twenty whole ones of 40,000 seats, which at a rate of 1 MB/s are read in 32 s. */
const maxProposalBytes = 32 * 2 ** 20

export const createCertifierRole = (node: NodeContext, parts: CertifierParts): CertifierRole => {
  const { collector, data, checkpoints, tasks, bls } = parts
  const peers = createCertifierPeers(node, collector, checkpoints)
  const certificateChecks = createAllowance(certificateAllowance, node.world)
  const gathering = createLimit({ maxRunning: maxGathering, maxWaiting: Infinity })
  let work: Work | null = null
  let isBeginning = false
  const stopping = new AbortController()
  let lastMemo: { week: Week; memo: string } | null = null
  const stepping = new Set<Promise<void>>()

  /** The frozen week without an anchor, if it can be certified. */
  const dueWeek = (): WeekRecord | null => {
    const record = parts.weeks().records.findLast(({ freeze }) => freeze !== null && freeze.hash !== null)
    if (record === undefined || record.anchor !== null || record.isPending || record.list === null) {
      return null
    }
    // R-NET-3: not by rules that are not known, of this week or of one that it lists again.
    const isUnknown = ({ week }: WeekRecord): boolean => node.epochs.unknownRulesetOf(week) !== null
    if (weeksListedBy(parts.weeks(), record.week).some(isUnknown)) return null
    return node.signing.maySign(record.freeze!.height) ? record : null
  }

  const frameParts: FrameParts = {
    genesis: node.genesis,
    networkId: node.networkId,
    schedule: node.schedule,
    epochs: node.epochs,
    weeks: () => parts.weeks(),
    seatsAfter: (epoch) => parts.seatsAfter(epoch),
    snapshotSummaryOf: (epoch) => node.chain.snapshotSummaryOf(epoch),
    incomeOf: parts.incomeOf,
  }

  /** Null if this node cannot tell yet what the chain says; the next block is another try. */
  const frameOfDue = async (week: Week): Promise<FramedWeekOfChain | null> => {
    try {
      return (await frameOfWeek(frameParts, week, stopping.signal)) ?? null
    } catch (error) {
      if (!stopping.signal.aborted) {
        node.logger.warn({ week, reason: messageOf(error) }, 'a frozen week cannot be certified here yet')
      }
      return null
    }
  }

  const begin = async (record: WeekRecord): Promise<Work | null> => {
    const ownSeat = node.ownSeat()
    const framed = ownSeat === undefined ? null : await frameOfDue(record.week)
    if (ownSeat === undefined || framed === null) return null
    const { frame, seats } = framed
    // The week is certified by the daemon whose key the registry has after block F: one of two with one voting key (R-CP-3).
    if (!equalBytes(seats[ownSeat]?.peer ?? new Uint8Array(), node.keys.peerKey)) return null
    const params = paramsOfWeek(node.schedule, record.week)
    const duty: CertifierDuty = {
      seat: ownSeat,
      frame,
      freeze: record.freeze!.height,
      seniors: record.list!.seniors,
      beacon: beaconOf(node.networkId, record.last! + 2, record.freeze!.hash!),
      params,
      voided: node.voided,
    }
    const proofs: HeldProof[] = []
    for (const { week } of frame.weeks) {
      for (const [seat, { epoch, heldAt }] of await collector.equivocators(week)) {
        proofs.push({ week, seat, epoch, heldAt })
      }
    }
    const votes = await checkpoints.votes(record.week)
    node.logger.info(
      { week: record.week, seniors: duty.seniors.length, params: bytesToHex(paramsHash(params)).slice(0, 8) },
      'a week is frozen and can be certified',
    )
    return {
      week: record.week,
      freezeHash: record.freeze!.hash!,
      state: startCertifier(duty, record.freeze!.height - 1, votes, proofs),
      seats,
      sets: new Map(),
      waiting: new Map(),
      abort: new AbortController(),
      steps: createSequence(),
    }
  }

  const step = (current: Work, event: CertifierEvent): void => {
    const done = current.steps
      .run(async () => {
        if (current !== work) return
        const stepped = stepCertifier(current.state, event, bls)
        current.state = stepped.state
        if (event.is === 'review') forgetSet(current, event.checkpoint)
        for (const effect of stepped.effects) await carryOut(current, effect)
      })
      .catch((error: unknown) => {
        if (!current.abort.signal.aborted) {
          node.logger.error({ err: error, week: current.week }, 'certifying a week failed')
        }
      })
      .finally(() => stepping.delete(done))
    stepping.add(done)
  }

  const forgetSet = (current: Work, checkpoint: CID): void => {
    const name = checkpoint.toString()
    if (!current.state.reviews.has(name)) current.sets.delete(name)
  }

  /** Work that waits on others goes beside the steps, and tells the outcome as an event. */
  const beside = (
    current: Work,
    name: string,
    run: (signal: AbortSignal) => Promise<CertifierEvent>,
    failed: CertifierEvent,
  ): void => {
    const isTaken = tasks.run(name, async (signal) => {
      const either = AbortSignal.any([signal, current.abort.signal])
      let event: CertifierEvent
      try {
        event = await run(either)
      } catch (error) {
        if (either.aborted) return
        node.logger.debug({ week: current.week, reason: messageOf(error) }, `${name} failed`)
        event = failed
      }
      step(current, event)
    })
    if (!isTaken) step(current, failed)
  }

  const carryOut = async (current: Work, effect: CertifierEffect): Promise<void> => {
    switch (effect.is) {
      case 'answer':
        return tell(current, effect.to, effect.view, effect.checkpoint, effect.answer)
      case 'vote': {
        if (!node.signing.isOn()) return
        const { view, checkpoint } = effect
        // R-CP-2: votes are checked with the key in the list, which an announcement since may have replaced.
        if (!isListedKey(current)) {
          return tell(current, effect.to, view, checkpoint, ['refused', 'voting-key-replaced'])
        }
        // On disk before it is signed, so that a restart votes for nothing else by accident (R-CP-3).
        await checkpoints.recordVote(current.week, { view, checkpoint })
        const signature = signVote(node.keys.blsSecretKey, effect.message)
        node.metrics.certifierVotes.inc()
        return tell(current, effect.to, view, checkpoint, ['vote', signature])
      }
      case 'review':
        return review(current, effect.checkpoint, effect.from, effect.effect)
      case 'propose':
        return propose(current, effect.effect)
      case 'aggregate': {
        const { view, checkpoint } = effect
        const signature = aggregateVotes(effect.signatures)
        if (signature !== null) step(current, { is: 'aggregated', view, checkpoint, signature })
        return
      }
      case 'publish': {
        await node.host.publish(topicsOf(node.networkId).certificates.name, effect.certificate)
        return await keepCertificate(effect.certificate)
      }
      case 'anchor-due':
        lastMemo = { week: current.week, memo: effect.memo }
        return parts.onAnchorDue(effect.memo, effect.turn)
      case 'post-anchor':
        tasks.run('post anchor', (signal) => parts.postAnchor(effect.memo, signal))
    }
  }

  const isListedKey = ({ state: { duty } }: Work): boolean => {
    const listed = duty.seniors.find(({ seat }) => seat === duty.seat)
    return listed !== undefined && equalBytes(listed.bls, node.keys.blsPublicKey)
  }

  const keepCertificate = async (bytes: Uint8Array): Promise<void> => {
    const decoded = decodeCertificate(bytes)
    if (decoded.is === 'ok') await checkpoints.putCertificate(node.networkId, decoded.value.certificate)
  }

  const waitingKey = (seat: Seat, view: number, checkpoint: CID): string =>
    `${seat}:${view}:${checkpoint.toString()}`

  /** The own answer is an event, those of others end the streams that wait for them. */
  const tell = (current: Work, to: Seat, view: number, checkpoint: CID, answer: ProposalAnswer): void => {
    const { seat } = current.state.duty
    if (to === seat) {
      step(current, { is: 'answered', from: seat, view, checkpoint, answer })
      return
    }
    const key = waitingKey(to, view, checkpoint)
    for (const resolve of current.waiting.get(key) ?? []) resolve(answer)
    current.waiting.delete(key)
  }

  const propose = async (current: Work, effect: ProposingEffect): Promise<void> => {
    switch (effect.is) {
      case 'build': {
        const built = await data.build(current.state.duty.frame, effect)
        step(current, { is: 'built', ...built })
        return
      }
      case 'propose': {
        node.logger.info(
          { week: current.week, view: effect.view, checkpoint: effect.cid.toString(), to: effect.to.length },
          'proposing a checkpoint',
        )
        const request = proposalRequestCodec.encode([
          'propose',
          effect.view,
          current.state.duty.seat,
          effect.bytes,
        ])
        for (const to of effect.to) {
          const answered = (answer: ProposalAnswer | null): CertifierEvent => ({
            is: 'answered',
            from: to,
            view: effect.view,
            checkpoint: effect.cid,
            answer,
          })
          beside(
            current,
            'propose',
            async (signal) => {
              const bytes = await askSeat(node, current.seats[to]!, protocols.propose, request, {
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
        return
      }
      case 'gather':
        beside(
          current,
          'gather',
          async (signal) => {
            const held = await heldOf(effect.wants)
            const lacked = effect.wants
              .flatMap(({ wants }) => wants.missing)
              .filter(({ epoch, seat }) => held.get(epoch)?.has(seat) !== true)
            await Promise.all(
              effect.wants.map(({ from, wants }) => {
                // Under another digest it is wanted, too: two payloads of a seat make a proof.
                const missing = wants.missing.filter(({ epoch, seat, digest }) => {
                  const known = held.get(epoch)?.get(seat)
                  return known === undefined || !equalBytes(known.multihash.digest, digest)
                })
                return gathering.run(() => gather(current, from, { ...wants, missing }, signal), signal)
              }),
            )
            return { is: 'gathered', lacked }
          },
          { is: 'gathered', lacked: [] },
        )
    }
  }

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
  const gather = async (current: Work, from: Seat, wants: Wants, signal: AbortSignal): Promise<void> => {
    const { frame } = current.state.duty
    const listed = new Set(frame.weeks.flatMap(({ epochs }) => epochs.map(({ epoch }) => epoch)))
    const row = current.seats[from]!
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
      node.logger.debug({ week: current.week, from, reason: messageOf(error) }, 'gathering failed')
    }
  }

  const review = async (current: Work, checkpoint: CID, from: Seat, effect: ReviewEffect): Promise<void> => {
    const event = (reviewed: ReviewEvent): CertifierEvent => ({ is: 'review', checkpoint, event: reviewed })
    const name = checkpoint.toString()
    switch (effect.is) {
      case 'read-pages':
        return beside(
          current,
          'read pages',
          async (signal) => event(await peers.readPages(current.seats[from]!, effect.weeks, signal)),
          event({ is: 'pages-failed', code: 'page-missing' }),
        )
      case 'compare': {
        const holding = await data.holding(effect.epoch)
        const told = current.sets.get(name)
        const comparison = await inSlices(
          compareContentsInSteps(
            effect.isAgain ? listedAgain(holding) : holding,
            effect.equivocators,
            effect.contents,
            told?.epoch === effect.epoch ? told.set : null,
          ),
        )
        return step(current, event({ is: 'compared', epoch: effect.epoch, comparison }))
      }
      case 'ask':
        return beside(
          current,
          'ask for contents',
          async (signal) => {
            const { epoch } = effect
            const row = current.seats[from]!
            const set: ProposedSet =
              effect.for === 'bits'
                ? await peers.askBits(row, checkpoint, epoch, signal)
                : { is: 'leaves', rows: await peers.askLeaves(row, checkpoint, epoch, signal) }
            current.sets.set(name, { epoch, set })
            return event({ is: 'got', epoch })
          },
          event({ is: 'not-got', epoch: effect.epoch, code: 'set-missing' }),
        )
      case 'fetch':
        return beside(
          current,
          'fetch contents',
          async (signal) => {
            await peers.fetchAttestations(current.seats[from]!, effect.epoch, effect.seats, signal)
            return event({ is: 'got', epoch: effect.epoch })
          },
          event({ is: 'not-got', epoch: effect.epoch, code: 'attestations-missing' }),
        )
    }
  }

  /** A proposal from another certifier: the stream waits until this one has examined it. */
  const onProposal = async (
    bytes: Uint8Array,
    peerKey: Uint8Array,
    signal: AbortSignal,
  ): Promise<ProposalAnswer> => {
    const request = proposalRequestCodec.decode(bytes)
    if (request.is === 'bad') {
      node.metrics.messages.inc({ kind: 'proposal', outcome: 'reject', code: request.code })
      node.host.penalise(peerKey, 'malformed-exchange')
      return ['refused', request.code]
    }
    const current = work
    if (current === null) return ['later', 'not-frozen']
    const [, view, from, payload] = request.value
    // Several seats may have announced one peer id (R-REG-4), so the key alone does not tell who proposes.
    const registered = current.seats[from]?.peer
    if (registered === undefined || !equalBytes(registered, peerKey)) return ['refused', 'proposer-key']
    const { promise, resolve } = Promise.withResolvers<ProposalAnswer>()
    const key = waitingKey(from, view, cidOf(payload))
    current.waiting.set(key, [...(current.waiting.get(key) ?? []), resolve])
    signal.addEventListener('abort', () => resolve(['later', 'busy']), { once: true })
    step(current, { is: 'proposed', from, view, payload })
    return node.conduct.answerProposal(from, await promise)
  }

  /** From gossip, which somebody passed on, or as the answer to a question. */
  const takeCertificate = async (bytes: Uint8Array, passedOnBy: Uint8Array | null): Promise<Validation> => {
    const decoded = decodeCertificate(bytes)
    if (decoded.is === 'bad' || decoded.value.networkId !== node.networkId) {
      return { is: 'reject', code: 'certificate-form' }
    }
    if (work === null || decoded.value.certificate.week !== work.week) {
      return ignoreUnverified('certificate-not-awaited')
    }
    if (passedOnBy !== null && work.state.certified === null) {
      if (!certificateChecks.take(bytesToHex(passedOnBy))) return reject('certificate-flood')
    }
    const judged = judgeCertificate(work.state, decoded.value.certificate, bls)
    if (judged.is !== 'accept') return judged
    step(work, { is: 'certificate', certificate: decoded.value.certificate })
    await keepCertificate(bytes)
    return { is: 'accept', value: undefined }
  }

  const end = (): void => {
    work?.abort.abort(new Error('the week is over'))
    for (const waiting of work?.waiting.values() ?? [])
      for (const resolve of waiting) resolve(['later', 'over'])
    work = null
  }

  const onHeight = async (): Promise<void> => {
    const record = dueWeek()
    if (record === null) {
      end()
      return
    }
    const isSame =
      work !== null && work.week === record.week && equalBytes(work.freezeHash, record.freeze!.hash!)
    if (!isSame && !isBeginning) {
      end()
      isBeginning = true
      try {
        work = await begin(record)
        const known = await checkpoints.certificate(record.week)
        if (work !== null && known !== undefined) step(work, { is: 'certificate', certificate: known })
      } finally {
        isBeginning = false
      }
    }
    if (work !== null) step(work, { is: 'height', height: node.chain.confirmedHeight })
  }

  return {
    async start() {
      collector.onProof((proof) => {
        if (work !== null) step(work, { is: 'proof', proof })
      })
      await data.serve(certifierDuty(() => work, { is: 'none' }))
      await node.host.handle(
        protocols.propose,
        {
          maxRequestBytes: proposalRequestCodec.maxBytes,
          maxResponseBytes: proposalAnswerCodec.maxBytes,
          timeoutMs: proposalTimeoutMs,
          maxConcurrentPerPeer: 2,
          // For seats that ask before this node has the frozen week: it cannot tell yet whether they are drawn.
          maxConcurrent: 4,
          dutyOf: certifierDuty(() => work, { is: 'no-business' }),
          isForSeats: true,
          maxReadingBytes: maxProposalBytes,
          onBusy: proposalAnswerCodec.encode(['later', 'busy']),
        },
        async (bytes, { peerKey, signal }) =>
          proposalAnswerCodec.encode(await onProposal(bytes, peerKey, signal)),
      )
      const { name } = topicsOf(node.networkId).certificates
      node.host.subscribe(name, (bytes, from) => takeCertificate(bytes, from))
    },
    onHeight,
    async askCertificate(row, signal) {
      if (work === null || work.state.certified !== null) return
      const bytes = await peers.askCertificate(row, work.week, signal)
      const taken = bytes === null ? null : await takeCertificate(bytes, null)
      if (taken?.is !== 'reject') return
      node.metrics.messages.inc({ kind: 'certificate', outcome: 'reject', code: taken.code })
      node.host.penalise(row.peer, 'false-data')
    },
    async stop() {
      stopping.abort(new Error('stopping'))
      end()
      await Promise.all(stepping)
    },
    certified: () => lastMemo,
    state: () => work?.state ?? null,
  }
}
