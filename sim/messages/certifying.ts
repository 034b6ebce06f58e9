import {
  bitfieldOf,
  type CertifierDuty,
  type CertifierEffect,
  type CertifierEvent,
  type CertifierState,
  certifiersOf,
  chooseContents,
  chooseListing,
  listedAgain,
  type ChosenContents,
  cidOf,
  compareContents,
  type Comparison,
  decodeCertificate,
  encodeCheckpoint,
  type Epoch,
  fillFrame,
  type HeldRow,
  type Height,
  type ProposalAnswer,
  proposalAnswerCodec,
  type ProposedSet,
  type ProposingEffect,
  type ReviewEffect,
  rowKey,
  type Seat,
  type Senior,
  spokenOf,
  type Stance,
  stancesOf,
  startCertifier,
  stepCertifier,
  viewOpening,
  wantsAnswer,
} from '../../protocol/index.ts'
import type { SimulatedRules } from '../rules.ts'
import type { ChainClock } from './chain-clock.ts'
import type { EventQueue } from './events.ts'
import type { Holdings, KeyedHolding } from './holdings.ts'
import { kinds } from './kinds.ts'
import type { Network } from './network.ts'
import { aggregateStandIns, blsStandIn, voteStandIn } from './stand-ins.ts'

/** The id of a payload (R-ID-1). */
type CID = HeldRow['cid']

/** What the certifiers of one week do, as messages: the protocol's step functions for every one of them. */
export interface Certifying {
  /** The chain has this week frozen and without an anchor. */
  begin(duty: Omit<CertifierDuty, 'seat'>): void
  /** A new block at the tip: views open, certifiers hear of it one after the other. */
  onBlock(confirmed: Height, tip: Height): void
  /** The week is fixed, or its window is over. */
  end(): void
  /** A certificate has come to a node in gossip. */
  hear(node: number, certificate: Uint8Array): void
  handle(kind: number, node: number, a: number, b: number): void
  /** The attestations behind a checkpoint that somebody proposed. */
  contentsOf(checkpoint: CID): ReadonlyMap<Epoch, readonly HeldRow[]> | undefined
  counts: CertifyingCounts
}

/** Over all weeks. */
export interface CertifyingCounts {
  /** Payloads built, those of all proposers and after mending. */
  payloads: number
  /** Answers to proposals. */
  votes: number
  wants: number
  later: number
  refused: number
  certified: number
  silent: number
  /** Seconds from the opening of a view (at the tip) to its certificate. */
  seconds: number[]
}

export interface CertifyingOptions {
  rules: SimulatedRules
  isUp: Uint8Array
  clock: ChainClock
  holdings: Holdings
  nodeOfSeat: (seat: Seat) => number
  /** Whether this seat's node certifies: it is staked still, and does not stall. */
  takesPart: (seat: Seat) => boolean
  /** Whether this seat misses one of its own attestations in each proposal, whatever it holds. */
  dribbles: (seat: Seat) => boolean
  /** Whether a proposal finds a place at this node; if not, it is told "busy". */
  canBeAsked: (node: number) => boolean
  ranThrough: (node: number, epoch: Epoch) => boolean
  seatsOf: (epoch: Epoch) => readonly Seat[]
  /** Takes in what was asked of another certifier. */
  take: (node: number, epoch: Epoch, seats: readonly Seat[]) => void
  publish: (node: number, certificate: Uint8Array) => void
  /** Hands a memo to the miners. */
  post: (memo: string) => void
  onView: (view: number, seniors: readonly Senior[], certifiers: readonly Senior[]) => void
}

interface Certifier {
  seat: Seat
  node: number
  bls: Uint8Array
  state: CertifierState
  /** Sets that proposers told of, by `<checkpoint>:<epoch>`. */
  sets: Map<string, ProposedSet>
  events: CertifierEvent[]
  isStepping: boolean
  /** Answers so far that missed an own attestation. */
  dribbles: number
}

interface Offer {
  rows: ReadonlyMap<Epoch, readonly HeldRow[]>
}

/** As the daemon waits for others (src/node). */
const proposalMicros = 60e6
const dataMicros = 20e6
const frameBytes = 128
const leafBytes = 40
const attestationBytes = 400

export const createCertifying = (
  queue: EventQueue,
  network: Network,
  options: CertifyingOptions,
): Certifying => {
  const { rules, isUp, clock, holdings, nodeOfSeat, takesPart } = options
  const { genesis, params } = rules
  const counts: CertifyingCounts = {
    payloads: 0,
    votes: 0,
    wants: 0,
    later: 0,
    refused: 0,
    certified: 0,
    silent: 0,
    seconds: [],
  }
  let duty: Omit<CertifierDuty, 'seat'> | null = null
  let isPublished = false
  let views: (readonly Senior[])[] = []
  let certifiers = new Map<Seat, Certifier>()
  /** By text of the CID. */
  const offers = new Map<string, Offer>()
  const actions = new Map<number, () => void>()
  let named = 0

  // The same holding against the same proposal comes to the same: the protocol's functions are asked once for each.
  let chosen = new Map<string, ChosenContents>()
  let compared = new Map<string, Comparison>()
  const noSeats: ReadonlySet<Seat> = new Set()

  /** Runs where the message comes in, if it does and the node is up then. */
  const post = (from: number, to: number, bytes: number, action: () => void): void => {
    const id = named++
    if (network.send(from, to, bytes, kinds.certifier, 0, id)) actions.set(id, action)
  }
  const after = (micros: number, node: number, action: () => void): void => {
    const id = named++
    actions.set(id, action)
    queue.schedule(queue.now() + micros, kinds.certifierSilence, node, 0, id)
  }
  /** A question and its answer; `onSilence` if none comes in time. */
  const ask = (
    from: Certifier,
    to: Certifier,
    bytes: number,
    answer: () => { bytes: number; onAnswer: () => void },
    onSilence: () => void,
  ): void => {
    const work = duty
    let isOver = false
    post(from.node, to.node, bytes + frameBytes, () => {
      const said = answer()
      post(to.node, from.node, said.bytes + frameBytes, () => {
        if (isOver || duty !== work) return
        isOver = true
        said.onAnswer()
      })
    })
    after(dataMicros, from.node, () => {
      if (isOver || duty !== work) return
      isOver = true
      onSilence()
    })
  }

  const take = (certifier: Certifier, event: CertifierEvent): void => {
    certifier.events.push(event)
    if (certifier.isStepping) return
    certifier.isStepping = true
    for (let next = certifier.events.shift(); next !== undefined; next = certifier.events.shift()) {
      const step = stepCertifier(certifier.state, next, blsStandIn)
      certifier.state = step.state
      for (const effect of step.effects) carryOut(certifier, effect)
    }
    certifier.isStepping = false
  }

  const carryOut = (certifier: Certifier, effect: CertifierEffect): void => {
    switch (effect.is) {
      case 'answer':
        return answer(certifier, effect.to, effect.view, effect.checkpoint, effect.answer)
      case 'vote': {
        const signature = voteStandIn(certifier.bls, effect.message)
        return answer(certifier, effect.to, effect.view, effect.checkpoint, ['vote', signature])
      }
      case 'review':
        return review(certifier, effect.checkpoint, certifiers.get(effect.from)!, effect.effect)
      case 'propose':
        return propose(certifier, effect)
      case 'aggregate': {
        const { view, checkpoint } = effect
        return take(certifier, {
          is: 'aggregated',
          view,
          checkpoint,
          signature: aggregateStandIns(effect.signatures),
        })
      }
      case 'publish':
        if (!isPublished) {
          const decoded = decodeCertificate(effect.certificate)
          if (decoded.is === 'bad') throw new Error(decoded.code)
          const opening = viewOpening(genesis, params, duty!.freeze, decoded.value.certificate.view)
          counts.seconds.push((queue.now() - clock.minedAt(opening)) / 1e6)
          isPublished = true
        }
        return options.publish(certifier.node, effect.certificate)
      case 'anchor-due':
        return
      case 'post-anchor':
        options.post(effect.memo)
    }
  }

  /** Proposals whose answer is awaited, by `<proposer>:<asked>:<view>:<checkpoint>`. */
  const awaited = new Set<string>()

  const answer = (
    certifier: Certifier,
    to: Seat,
    view: number,
    checkpoint: CID,
    text: ProposalAnswer,
  ): void => {
    const event: CertifierEvent = { is: 'answered', from: certifier.seat, view, checkpoint, answer: text }
    if (to === certifier.seat) {
      take(certifier, event)
      return
    }
    const said = options.dribbles(certifier.seat) ? dribbled(certifier, text) : text
    const key = `${to}:${certifier.seat}:${view}:${checkpoint.toString()}`
    const proposer = certifiers.get(to)!
    post(certifier.node, proposer.node, proposalAnswerCodec.encode(said).length + frameBytes, () => {
      if (!awaited.delete(key)) return
      if (said[0] === 'vote') counts.votes++
      else counts[said[0]]++
      take(proposer, { ...event, answer: said })
    })
  }

  const dribbled = (certifier: Certifier, text: ProposalAnswer): ProposalAnswer => {
    if (text[0] !== 'vote' && text[0] !== 'wants') return text
    const { seat } = certifier
    const own = duty!.frame.weeks
      .flatMap(({ epochs }) => epochs)
      .flatMap(({ epoch }) => {
        const row = holdingOf(certifier, epoch).holding.rows.find((held) => held.seat === seat)
        return row === undefined ? [] : [{ epoch, seat, digest: row.cid.multihash.digest }]
      })
    const next = own[certifier.dribbles++ % own.length]
    return next === undefined ? text : wantsAnswer({ missing: [next], late: [], proofs: [] })
  }

  const propose = (certifier: Certifier, { effect }: Extract<CertifierEffect, { is: 'propose' }>): void => {
    switch (effect.is) {
      case 'build':
        return build(certifier, effect)
      case 'propose': {
        const { view, cid: checkpoint, bytes } = effect
        for (const seat of effect.to) {
          const other = certifiers.get(seat)!
          const key = `${certifier.seat}:${seat}:${view}:${checkpoint.toString()}`
          awaited.add(key)
          post(certifier.node, other.node, bytes.length + frameBytes, () => {
            if (!options.canBeAsked(other.node))
              return answer(other, certifier.seat, view, checkpoint, ['later', 'busy'])
            if (takesPart(seat)) take(other, { is: 'proposed', from: certifier.seat, view, payload: bytes })
          })
          after(proposalMicros, certifier.node, () => {
            if (!awaited.delete(key)) return
            counts.silent++
            take(certifier, { is: 'answered', from: seat, view, checkpoint, answer: null })
          })
        }
        return
      }
      case 'gather': {
        const wanted = effect.wants.filter(({ wants }) => wants.missing.length > 0)
        let left = wanted.length
        const lacked = wanted
          .flatMap(({ wants }) => wants.missing)
          .filter(({ epoch, seat }) => !isHeld(certifier, epoch, seat))
        const done = (): void => {
          left--
          if (left <= 0) take(certifier, { is: 'gathered', lacked })
        }
        if (left === 0) return done()
        for (const { from, wants } of wanted) {
          const byEpoch = Map.groupBy(wants.missing, ({ epoch }) => epoch)
          const bytes = wants.missing.length * attestationBytes
          const onAnswer = (): void => {
            for (const [epoch, rows] of byEpoch) {
              options.take(
                certifier.node,
                epoch,
                rows.map(({ seat }) => seat),
              )
            }
            done()
          }
          ask(certifier, certifiers.get(from)!, leafBytes, () => ({ bytes, onAnswer }), done)
        }
      }
    }
  }

  const holdingOf = (certifier: Certifier, epoch: Epoch): KeyedHolding =>
    holdings.holding(certifier.node, epoch, options.ranThrough(certifier.node, epoch))

  const isHeld = (certifier: Certifier, epoch: Epoch, seat: Seat): boolean =>
    holdingOf(certifier, epoch).holding.rows.some((row) => row.seat === seat)

  const build = (
    certifier: Certifier,
    { known, certifiers: count, isLast }: Extract<ProposingEffect, { is: 'build' }>,
  ): void => {
    counts.payloads++
    const epochs = duty!.frame.weeks.flatMap(({ week, epochs: listed }) =>
      listed.map(({ epoch }) => {
        const { key, holding } = holdingOf(certifier, epoch)
        return { epoch, key, holding: week === duty!.frame.week ? holding : listedAgain(holding) }
      }),
    )
    const spoken = spokenOf(known)
    const stances = new Map<Epoch, Map<Seat, Stance>>()
    for (const { epoch, holding } of epochs) {
      const seats = spoken.get(epoch)
      if (seats !== undefined) stances.set(epoch, stancesOf(holding, seats))
    }
    const holdingOfRow = (epoch: Epoch, seat: Seat): Stance | null => stances.get(epoch)?.get(seat) ?? null
    const listing = chooseListing(known, count, isLast, holdingOfRow)
    let agrees = true
    const contents = new Map<Epoch, ChosenContents>()
    for (const { epoch, key, holding } of epochs) {
      const name = `${epoch}:${key}`
      let found = spoken.has(epoch) ? undefined : chosen.get(name)
      if (found === undefined) {
        found = chooseContents(holding, noSeats, (seat) => listing.get(rowKey(epoch, seat)))
        if (!spoken.has(epoch)) chosen.set(name, found)
      }
      agrees &&= found.isOwn
      contents.set(epoch, found)
    }
    const payload = encodeCheckpoint(
      fillFrame(
        duty!.frame,
        (epoch) => contents.get(epoch)!,
        () => [],
      ),
    )
    const cid = cidOf(payload)
    offers.set(cid.toString(), { rows: new Map([...contents].map(([epoch, { rows }]) => [epoch, rows])) })
    take(certifier, { is: 'built', cid, payload, agrees, listing })
  }

  const review = (certifier: Certifier, checkpoint: CID, from: Certifier, effect: ReviewEffect): void => {
    const name = checkpoint.toString()
    const { rows } = offers.get(name)!
    const tell = (event: Extract<CertifierEvent, { is: 'review' }>['event']): void =>
      take(certifier, { is: 'review', checkpoint, event })
    switch (effect.is) {
      case 'read-pages':
        // Nobody equivocates in this engine, so no proposal lists a page.
        return tell({ is: 'pages-failed', code: 'page-missing' })
      case 'compare': {
        const { epoch, equivocators, contents } = effect
        const { key, holding } = holdingOf(certifier, epoch)
        const set = certifier.sets.get(`${name}:${epoch}`) ?? null
        const memo = `${epoch}:${key}:${name}:${set?.is ?? ''}`
        let comparison = compared.get(memo)
        if (comparison === undefined)
          compared.set(
            memo,
            (comparison = compareContents(
              effect.isAgain ? listedAgain(holding) : holding,
              equivocators,
              contents,
              set,
            )),
          )
        return tell({ is: 'compared', epoch, comparison })
      }
      case 'ask': {
        const { epoch } = effect
        const seats = options.seatsOf(epoch)
        const listed = rows.get(epoch)!
        const onAnswer = (): void => {
          const isListed = new Set(listed.map(({ seat }) => seat))
          const set: ProposedSet =
            effect.for === 'bits'
              ? { is: 'bits', seats, bits: bitfieldOf(seats.length, (index) => isListed.has(seats[index]!)) }
              : { is: 'leaves', rows: listed }
          certifier.sets.set(`${name}:${epoch}`, set)
          tell({ is: 'got', epoch })
        }
        const bytes = effect.for === 'bits' ? seats.length / 8 : listed.length * leafBytes
        const onSilence = (): void => tell({ is: 'not-got', epoch, code: 'set-missing' })
        return ask(certifier, from, leafBytes, () => ({ bytes, onAnswer }), onSilence)
      }
      case 'fetch': {
        const { epoch, seats } = effect
        const onAnswer = (): void => {
          options.take(certifier.node, epoch, seats)
          tell({ is: 'got', epoch })
        }
        const onSilence = (): void => tell({ is: 'not-got', epoch, code: 'attestations-missing' })
        const bytes = seats.length * attestationBytes
        return ask(certifier, from, 4 * seats.length, () => ({ bytes, onAnswer }), onSilence)
      }
    }
  }

  const end = (): void => {
    duty = null
    views = []
    certifiers = new Map()
    chosen = new Map()
    compared = new Map()
    awaited.clear()
    actions.clear()
  }

  return {
    counts,
    begin: (next) => {
      end()
      offers.clear()
      duty = next
      isPublished = false
    },
    onBlock: (confirmed, tip) => {
      if (duty === null) return
      const open = Math.floor((confirmed - duty.freeze) / params.viewBlocks)
      const last = Math.min(open, Math.floor(params.anchorBlocks / params.viewBlocks))
      for (let view = views.length; view <= last; view++) {
        const drawn = certifiersOf(duty.seniors, duty.beacon, view, params.certifiers)
        views.push(drawn)
        options.onView(view, duty.seniors, drawn)
        for (const { seat, bls } of drawn) {
          if (certifiers.has(seat)) continue
          certifiers.set(seat, {
            seat,
            node: nodeOfSeat(seat),
            bls,
            state: startCertifier({ ...duty, seat }, duty.freeze - 1, [], []),
            sets: new Map(),
            events: [],
            isStepping: false,
            dribbles: 0,
          })
        }
      }
      for (const { node, seat } of certifiers.values()) {
        queue.schedule(Math.max(queue.now(), clock.heardAt(node, tip)), kinds.certifierDue, node, seat, 0)
      }
    },
    end,
    hear: (node, certificate) => {
      const decoded = decodeCertificate(certificate)
      if (decoded.is === 'bad' || decoded.value.certificate.week !== duty?.frame.week) return
      for (const certifier of certifiers.values()) {
        if (certifier.node === node && takesPart(certifier.seat))
          take(certifier, { is: 'certificate', certificate: decoded.value.certificate })
      }
    },
    handle: (kind, node, a, b) => {
      if (kind === kinds.certifierDue) {
        const certifier = certifiers.get(a)
        if (certifier === undefined || isUp[node] === 0 || !takesPart(a)) return
        take(certifier, { is: 'height', height: clock.confirmedBy(node, queue.now()) })
        return
      }
      const action = actions.get(b)
      actions.delete(b)
      if (isUp[node] === 1) action?.()
    },
    contentsOf: (checkpoint) => offers.get(checkpoint.toString())?.rows,
  }
}
