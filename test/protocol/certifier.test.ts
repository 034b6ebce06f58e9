import * as dagCbor from '@ipld/dag-cbor'
import * as fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { describe, expect, test } from 'vitest'
import {
  type Canonical,
  type Certificate,
  type CertifierState,
  certifiersOf,
  checkCertificate,
  type Checkpoint,
  cidOf,
  createProof,
  decodeCheckpoint,
  encodeCanonical,
  encodeCheckpoint,
  encodeProof,
  epochPhases,
  hasBit,
  isEnough,
  judgeCertificate,
  parseAnchor,
  type ProposalAnswer,
  type Seat,
  signersOf,
  startCertifier,
  voteMessage,
  type Week,
  weekAfter,
} from '../../protocol/index.ts'
import { aggregateVotes, signVote } from '../../src/keys/bls.ts'
import {
  betweenBounds,
  bls,
  type CertifierNetwork,
  type CertifierNode,
  createCertifierNetwork,
  freeze,
  inTime,
  isValid,
  theWeek,
  tooLate,
  weekEpochs,
} from './certifier-network.ts'
import { genesis, seedOf } from './fixture.ts'

/** The payload behind the first certificate, wherever it was built. */
const certifiedOf = (network: CertifierNetwork, index = 0) => {
  const name = network.published[index]!.checkpoint.toString()
  const offer = network.nodes.flatMap((node) => node.offers.get(name) ?? [])[0]!
  const decoded = decodeCheckpoint(offer.bytes)
  if (decoded.is === 'bad') throw new Error(decoded.code)
  const seatsOf = (epoch: number): Seat[] => offer.rowsByEpoch.get(epoch)!.map(({ seat }) => seat)
  return { offer, checkpoint: decoded.value, seatsOf }
}

const rankOf = (network: CertifierNetwork, view: number, position: number): CertifierNode =>
  network.nodeOf(network.certifiers(view)[position]!.seat)

/** Heights of a whole window, from its opening on. */
const runWindow = (network: CertifierNetwork, from = freeze, to = freeze + 40): void => {
  for (let height = from; height <= to && network.published.length === 0; height++) network.advance(height)
}

const epoch = weekEpochs[1]

describe('a week that everybody holds alike', () => {
  test('R-CP-3 one certifier proposes and the first round certifies', () => {
    const network = createCertifierNetwork(10)
    network.freeze()
    network.advance(freeze)
    expect(network.proposals).toEqual([`0:${network.certifiers(0)[0]!.seat}`])
    expect(network.published).toHaveLength(1)
    const certificate = network.published[0]!
    expect(isValid(network, certificate)).toBe(true)
    const { checkpoint } = certifiedOf(network)
    expect(checkpoint.weeks[0]!.epochs.map(({ count }) => count)).toEqual([10, 10, 10])
  })

  test('R-CP-5 the anchor is posted by position, two blocks apart, and nobody posts twice', () => {
    const network = createCertifierNetwork(7)
    network.freeze()
    for (let height = freeze; height < freeze + 6; height++) network.advance(height)
    const posted = network.certifiers(0).map(({ seat }) => network.nodeOf(seat).posted.length)
    expect(posted).toEqual([1, 1, 1, 0, 0, 0, 0])
    const memo = rankOf(network, 0, 2).posted[0]!
    expect(parseAnchor(memo)).toMatchObject({ is: 'accept', value: { view: 0 } })
  })

  test('R-CP-3 no view is open before block F is confirmed, and nobody certifies a week that is over', () => {
    const network = createCertifierNetwork(4)
    network.freeze()
    network.advance(freeze - 1)
    expect(network.proposals).toEqual([])
    for (const node of network.nodes) network.give(node, { is: 'over' })
    network.advance(freeze)
    expect(network.proposals).toEqual([])
  })

  test('R-CP-3 the next position proposes when the first is down', () => {
    const network = createCertifierNetwork(10)
    network.freeze()
    rankOf(network, 0, 0).isDown = true
    runWindow(network)
    expect(network.published).toHaveLength(1)
    expect(network.proposals).toEqual([`0:${rankOf(network, 0, 1).seat}`])
  })

  test('R-CP-4 with a third down nothing is certified, whatever the view', () => {
    const network = createCertifierNetwork(9)
    network.freeze()
    for (const node of network.nodes.slice(0, 3)) node.isDown = true
    runWindow(network)
    expect(isEnough(6, 9)).toBe(false)
    expect(network.published).toEqual([])
    // One comes back: seven of nine are enough.
    network.nodes[0]!.isDown = false
    network.restart(network.nodes[0]!)
    network.advance(freeze + 40)
    network.advance(freeze + 41)
    expect(network.published.length).toBeGreaterThan(0)
  })
})

describe('attestations that come late', () => {
  test('R-CP-3 released to half of the nodes just before the first bound: it is in', () => {
    const network = createCertifierNetwork(12)
    const late = network.nodes[5]!.seat
    for (const [i, node] of network.nodes.entries()) {
      const { mustHold } = epochPhases(genesis, 4, epoch)
      network.hold(node, network.attestation(epoch, late), i % 2 === 0 ? mustHold - 1 : mustHold)
    }
    network.freeze()
    runWindow(network)
    expect(network.published[0]!.view).toBe(0)
    expect(certifiedOf(network).seatsOf(epoch)).toContain(late)
  })

  test('R-CP-3 released to half of the nodes just before the second bound: it is out, in the same view', () => {
    const network = createCertifierNetwork(12)
    const late = network.nodes[5]!.seat
    for (const [i, node] of network.nodes.entries()) {
      const { closes } = epochPhases(genesis, 4, epoch)
      network.hold(node, network.attestation(epoch, late), i % 2 === 0 ? closes - 1 : closes)
    }
    network.freeze()
    runWindow(network)
    expect(network.published[0]!.view).toBe(0)
    expect(certifiedOf(network).seatsOf(epoch)).not.toContain(late)
  })

  test('R-CP-3 released after the second bound: nobody takes it, not even in one node that has it in time', () => {
    const network = createCertifierNetwork(12)
    const late = network.nodes[5]!.seat
    for (const node of network.nodes) network.hold(node, network.attestation(epoch, late), tooLate(epoch))
    network.hold(network.nodes[3]!, network.attestation(epoch, late), inTime(epoch))
    network.freeze()
    runWindow(network)
    expect(certifiedOf(network).seatsOf(epoch)).not.toContain(late)
    expect(network.published).toHaveLength(1)
  })

  test('R-CP-3 what a proposer lacks and others must see is fetched and proposed again', () => {
    const network = createCertifierNetwork(10)
    network.freeze()
    const first = rankOf(network, 0, 0)
    const lacking = network.nodes[7]!.seat
    first.held.get(epoch)!.delete(lacking)
    // It did not run through the epoch, so it may list what it fetches.
    first.ranThrough = false
    network.advance(freeze)
    expect(network.published).toHaveLength(1)
    expect(network.proposals).toHaveLength(2)
    expect(certifiedOf(network).seatsOf(epoch)).toContain(lacking)
  })

  test('R-CP-3 a newcomer who holds nothing fetches, verifies and votes', () => {
    const network = createCertifierNetwork(4)
    network.freeze()
    // Three of four are enough, so with one down the newcomer's vote is needed.
    const newcomer = rankOf(network, 0, 1)
    newcomer.ranThrough = false
    for (const rows of newcomer.held.values()) rows.clear()
    rankOf(network, 0, 2).isDown = true
    network.advance(freeze)
    expect(network.published).toHaveLength(1)
    expect(newcomer.held.get(epoch)!.size).toBe(4)
    expect(newcomer.recorded).toHaveLength(1)
  })
})

test('R-CP-3 whenever gossip takes less than the gap, the first view certifies what every voter must see', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          seat: fc.nat(8),
          epoch: fc.constantFrom(...weekEpochs),
          release: fc.integer({ min: -6, max: 24 }),
          delays: fc.array(fc.nat(6), { minLength: 9, maxLength: 9 }),
        }),
        { maxLength: 12 },
      ),
      (releases) => {
        const network = createCertifierNetwork(9)
        for (const { seat, epoch: e, release, delays } of releases) {
          const { mustHold } = epochPhases(genesis, 4, e)
          const attestation = network.attestation(e, network.nodes[seat]!.seat)
          for (const [i, node] of network.nodes.entries()) {
            network.hold(node, attestation, mustHold + release + delays[i]!)
          }
        }
        network.freeze()
        runWindow(network, freeze, freeze + 7)
        expect(network.published).toHaveLength(1)
        const [certificate] = network.published
        const { seatsOf } = certifiedOf(network)
        for (const [position, { seat }] of network.certifiers(0).entries()) {
          if (!hasBit(certificate!.signers, position)) continue
          for (const e of weekEpochs) {
            const { mustHold, closes } = epochPhases(genesis, 4, e)
            const listed = new Set(seatsOf(e))
            for (const row of network.nodeOf(seat).held.get(e)!.values()) {
              if (row.heldAt < mustHold) expect(listed.has(row.seat)).toBe(true)
              if (row.heldAt >= closes) expect(listed.has(row.seat)).toBe(false)
            }
          }
        }
      },
    ),
    { numRuns: 25 },
  )
})

describe('proposers who lie', () => {
  const prepared = (count: number) => {
    const network = createCertifierNetwork(count)
    network.freeze()
    return { network, liar: rankOf(network, 0, 0) }
  }

  test('R-CP-3 who omits an attestation gets no vote but a list of what is missing', () => {
    const { network, liar } = prepared(10)
    const victim = network.nodes.find((node) => node !== liar)!
    const offer = network.offer(liar, (e, rows) =>
      e === epoch ? rows.filter(({ seat }) => seat !== victim.seat) : rows,
    )
    liar.isDown = true
    network.advance(freeze)
    liar.isDown = false
    for (const node of network.nodes) {
      if (node === liar) continue
      const missing = network.attestation(epoch, victim.seat).cid.multihash.digest
      expect(answerOf(network, node, liar.seat, 0, offer.bytes)).toEqual([
        'wants',
        [[epoch, victim.seat, missing]],
        [],
        [],
      ])
      expect(node.recorded).toEqual([])
    }
    runWindow(network)
    expect(certifiedOf(network).seatsOf(epoch)).toContain(victim.seat)
  })

  test('R-CP-3 two payloads, each shown to half of the honest, spoil nothing: they may vote for a third', () => {
    const { network, liar } = prepared(9)
    const optional = network.nodes[4]!.seat
    for (const node of network.nodes) {
      network.hold(node, network.attestation(epoch, optional), betweenBounds(epoch))
    }
    const withIt = network.offer(liar, (_, rows) => rows)
    const without = network.offer(liar, (e, rows) =>
      rows.filter(({ seat }) => e !== epoch || seat !== optional),
    )
    liar.isDown = true
    network.advance(freeze)
    const others = network.nodes.filter((node) => node !== liar)
    for (const [i, node] of others.entries()) {
      const { bytes } = i % 2 === 0 ? withIt : without
      network.give(node, { is: 'proposed', from: liar.seat, view: 0, payload: bytes })
    }
    expect(others.every((node) => node.recorded.length === 1)).toBe(true)
    runWindow(network, freeze, freeze + 7)
    expect(network.published[0]!.view).toBe(0)
  })

  test('R-CP-4 two payloads of one view can both be certified; each certificate is valid by itself', () => {
    const { network, liar } = prepared(9)
    const optional = network.nodes[4]!.seat
    for (const node of network.nodes) {
      network.hold(node, network.attestation(epoch, optional), betweenBounds(epoch))
    }
    liar.isDown = true
    network.advance(freeze)
    const certificates = [true, false].map((isListed): Certificate => {
      const offer = network.offer(liar, (e, rows) =>
        rows.filter(({ seat }) => isListed || e !== epoch || seat !== optional),
      )
      const voters = network.nodes.filter((node) => node !== liar)
      const votes = voters.map((node) => answerOf(network, node, liar.seat, 0, offer.bytes)[1] as Uint8Array)
      const positions = voters.map(({ seat }) =>
        network.certifiers(0).findIndex((certifier) => certifier.seat === seat),
      )
      return {
        week: network.frame.week,
        view: 0,
        checkpoint: offer.cid,
        signers: signersOf(new Set(positions), 9),
        signature: aggregateVotes(votes)!,
      }
    })
    expect(certificates[0]!.checkpoint.equals(certificates[1]!.checkpoint)).toBe(false)
    expect(certificates.map((certificate) => isValid(network, certificate))).toEqual([true, true])
  })

  /** Another value of the same kind: a payload that is changed so is canonical all the same. */
  const other = (value: Canonical): Canonical => {
    if (value instanceof CID) return cidOf(seedOf('other'))
    if (typeof value === 'number') return value + 1
    if (value instanceof Uint8Array) return value.map((byte, i) => (i === 9 ? byte ^ 1 : byte))
    return value === theWeek ? weekAfter(theWeek) : '0'.repeat(32)
  }

  /** Every member of a payload, as the indexes that lead to it. */
  const placesIn = (value: Canonical, at: readonly number[] = []): number[][] =>
    Array.isArray(value) ? value.flatMap((one: Canonical, i) => placesIn(one, [...at, i])) : [[...at]]

  const changedAt = (value: Canonical, [i, ...rest]: readonly number[]): Canonical =>
    i === undefined
      ? other(value)
      : (value as Canonical[]).map((one, k) => (k === i ? changedAt(one, rest) : one))

  /** What answers a change of a member: all of them but roots are compared before anything is asked for. */
  const refusals: readonly (readonly [RegExp, string])[] = [
    [/^[01]$/, 'checkpoint-wrong-shape'],
    [/^2$/, 'checkpoint-network'],
    [/^3$/, 'checkpoint-week'],
    [/^4$/, 'checkpoint-freeze'],
    [/^5\.[012]$/, 'checkpoint-previous'],
    [/^6$/, 'checkpoint-registry'],
    [/^7\.[01]$/, 'checkpoint-list'],
    [/^8\.0\.0$/, 'checkpoint-weeks'],
    [/^8\.0\.1$/, 'checkpoint-params'],
    [/^8\.0\.2$/, 'checkpoint-income'],
    [/^8\.0\.3\.\d+\.[01]$/, 'checkpoint-epochs'],
    [/^8\.0\.3\.\d+\.[23]$/, 'checkpoint-snapshot'],
    [/^8\.0\.3\.\d+\.4$/, 'checkpoint-count'],
    // The contents are asked for, and nobody has any under that root.
    [/^8\.0\.3\.\d+\.5$/, 'set-missing'],
  ]

  test('R-CP-1 R-CP-3 no payload is voted for of which one member is another; a table of all of them', () => {
    const { network, liar } = prepared(4)
    const offer = network.offer(liar, (_, rows) => rows)
    const honest = dagCbor.decode<Canonical>(offer.bytes)
    liar.isDown = true
    network.advance(freeze)
    const voter = network.nodes.find((node) => node !== liar)!
    const met = new Set<RegExp>()
    for (const place of placesIn(honest)) {
      const name = place.join('.')
      const row = refusals.find(([pattern]) => pattern.test(name))
      expect(row, `member ${name} stands in the table`).toBeDefined()
      const [pattern, code] = row!
      met.add(pattern)
      const payload = encodeCanonical(changedAt(honest, place))
      expect([name, answerOf(network, voter, liar.seat, 0, payload)]).toEqual([name, ['refused', code]])
      expect(voter.recorded).toEqual([])
    }
    expect(met.size).toBe(refusals.length)
  })

  test('R-CP-1 other weeks, epochs or pages are refused', () => {
    const { network, liar } = prepared(4)
    const offer = network.offer(liar, (_, rows) => rows)
    const decoded = decodeCheckpoint(offer.bytes)
    if (decoded.is === 'bad') throw new Error(decoded.code)
    const honest = decoded.value
    const [week] = honest.weeks
    const page = cidOf(seedOf('page'))
    const withPages = (count: number): Checkpoint => ({
      ...honest,
      weeks: [{ ...week!, proofPages: Array.from({ length: count }, () => page) }],
    })
    const forged: [string, Checkpoint][] = [
      ['checkpoint-epochs', { ...honest, weeks: [{ ...week!, epochs: week!.epochs.slice(1) }] }],
      ['checkpoint-weeks', { ...honest, weeks: [week!, week!] }],
      // A page that nobody has; one page too many is no payload at all.
      ['page-missing', withPages(1)],
      ['checkpoint-wrong-shape', withPages(1_025)],
    ]
    liar.isDown = true
    network.advance(freeze)
    const voter = network.nodes.find((node) => node !== liar)!
    for (const [code, checkpoint] of forged) {
      expect(answerOf(network, voter, liar.seat, 0, encodeCheckpoint(checkpoint))).toEqual(['refused', code])
    }
  })
})

/** What a node answers a proposal at once. */
const answerOf = (
  network: CertifierNetwork,
  node: CertifierNode,
  from: Seat,
  view: number,
  payload: Uint8Array,
): ProposalAnswer => {
  let heard: ProposalAnswer | undefined
  network.onAnswer = (answer) => (heard ??= answer)
  network.give(node, { is: 'proposed', from, view, payload })
  network.onAnswer = null
  if (heard === undefined) throw new Error('no answer')
  return heard
}

test('R-CP-4 gossip accepts a certificate once, and ignores what may be right elsewhere', () => {
  const network = createCertifierNetwork(6)
  network.freeze()
  const behind = network.nodes[5]!.state
  network.advance(freeze)
  const [certificate] = network.published
  const fresh = startCertifier(behind.duty, freeze, [], [])
  const codeOf = (state: CertifierState, changes: Partial<Certificate> = {}): string => {
    const judged = judgeCertificate(state, { ...certificate!, ...changes }, bls)
    return judged.is === 'accept' ? 'accept' : `${judged.is} ${judged.code}`
  }
  expect(codeOf(fresh)).toBe('accept')
  expect(codeOf(behind)).toBe('ignore certificate-early')
  expect(codeOf(network.nodes[0]!.state)).toBe('ignore certificate-known')
  expect(codeOf(fresh, { view: 1 })).toBe('ignore certificate-early')
  expect(codeOf(fresh, { view: 6 })).toBe('reject certificate-no-such-view')
  expect(codeOf(fresh, { week: '2026-W48' as Week })).toBe('ignore certificate-of-another-week')
  expect(codeOf(fresh, { checkpoint: cidOf(new Uint8Array(1)) })).toBe('ignore certificate-signature')
  expect(codeOf(fresh, { signers: Uint8Array.of(0b0100_1111) })).toBe('ignore certificate-spare-bits')
})

test('R-NET-4 a voided checkpoint gets no vote, and no certificate of it is taken', () => {
  const network = createCertifierNetwork(6)
  network.freeze()
  const behind = network.nodes[5]!.state
  const offer = network.offer(network.nodes[0]!, (_, rows) => rows)
  const { week } = behind.duty.frame
  const voided = [{ week, checkpoint: cidOf(offer.bytes).toString() }]
  const voter = network.nodes[1]!
  voter.state = { ...voter.state, duty: { ...voter.state.duty, voided } }
  for (const node of network.nodes) node.isDown = node !== voter
  network.advance(freeze)
  expect(answerOf(network, voter, network.nodes[0]!.seat, 0, offer.bytes)).toEqual(['refused', 'voided'])
  expect(voter.recorded).toEqual([])

  const honest = createCertifierNetwork(6)
  honest.freeze()
  honest.advance(freeze)
  const [certificate] = honest.published
  const judgedWith = (row: (typeof voided)[0]) =>
    judgeCertificate(startCertifier({ ...behind.duty, voided: [row] }, freeze, [], []), certificate!, bls)
  const row = { week, checkpoint: certificate!.checkpoint.toString() }
  expect(judgedWith(row)).toEqual({ is: 'ignore', code: 'certificate-voided' })
  expect(judgedWith({ ...row, week: '2026-W48' as Week }).is).toBe('accept')
})

test('R-CP-4 no certificate that is valid on another branch of the chain is rejected on this one', () => {
  const network = createCertifierNetwork(9)
  network.freeze()
  const state = startCertifier(network.nodes[0]!.state.duty, freeze, [], [])
  const { frame, params } = state.duty
  const secretBySeat = new Map(network.nodes.map(({ seat, blsSecret }) => [seat, blsSecret]))
  const seniors = network.nodes.map(({ seat, bls: key }) => ({ seat, bls: key }))
  fc.assert(
    fc.property(
      fc.record({
        // Another block F, and with it other beacons; other seats may have been active up to it.
        branch: fc.nat(3),
        // Keys are few here, and branches may have more seniors: what counts is how many and in which order.
        seniors: fc.array(fc.nat(8), { minLength: 1, maxLength: 24 }),
        checkpoint: fc.nat(),
        extra: fc.nat(8),
      }),
      (drawn) => {
        const there = drawn.seniors.map((i) => seniors[i]!)
        const freezeHash = seedOf('block F of', drawn.branch)
        const certifiers = certifiersOf(there, seedOf('beacon', drawn.branch), 0, params.certifiers)
        const needed = Math.min(certifiers.length, Math.floor((2 * certifiers.length) / 3) + 1 + drawn.extra)
        const checkpoint = cidOf(seedOf('checkpoint', drawn.checkpoint))
        const vote = { week: frame.week, view: 0, checkpoint, freezeHash }
        const message = voteMessage(frame.networkId, vote)
        const votes = certifiers
          .slice(0, needed)
          .map(({ seat }) => signVote(secretBySeat.get(seat)!, message))
        const certificate: Certificate = {
          ...vote,
          signers: signersOf(new Set(votes.keys()), certifiers.length),
          signature: aggregateVotes(votes)!,
        }
        expect(checkCertificate(frame.networkId, certificate, certifiers, freezeHash, bls)).toMatchObject({
          is: 'accept',
        })
        expect(judgeCertificate(state, certificate, bls)).toMatchObject({ is: 'ignore' })
      },
    ),
    { numRuns: 60 },
  )
})

describe('equivocators', () => {
  test('R-ATT-3 a payload shown to half of the nodes only: the proof is listed, and no root has the seat', () => {
    const network = createCertifierNetwork(10)
    const seat = network.nodes[6]!.seat
    for (const [i, node] of network.nodes.entries()) {
      if (i % 2 === 1) network.hold(node, network.attestation(epoch, seat, 1), inTime(epoch))
    }
    network.freeze()
    runWindow(network)
    expect(network.published[0]!.view).toBe(0)
    const { checkpoint, seatsOf } = certifiedOf(network)
    expect(checkpoint.weeks[0]!.proofPages).toHaveLength(1)
    for (const e of weekEpochs) expect(seatsOf(e)).not.toContain(seat)
  })

  test('R-CP-3 who restarts within the window demands no other proofs than before', () => {
    for (const heldAt of [freeze - 1, freeze, freeze + 3]) {
      const network = createCertifierNetwork(4)
      const seat = network.nodes[2]!.seat
      const informed = network.nodes[0]!
      const [one, two] = [0, 1].map((variant) => network.attestation(epoch, seat, variant).signed)
      informed.proofs.set(seat, { epoch, bytes: encodeProof(createProof(one!, two!)), heldAt })
      network.freeze()
      const liar = network.nodes[1]!
      for (const node of network.nodes) node.isDown = node !== informed
      network.advance(freeze + 4)
      const offer = network.offer(liar, (_, rows) => rows)
      const before = answerOf(network, informed, liar.seat, 0, offer.bytes)[0]
      network.restart(informed)
      const after = answerOf(network, informed, liar.seat, 0, offer.bytes)[0]
      expect([before, after]).toEqual(heldAt < freeze ? ['wants', 'wants'] : ['vote', 'vote'])
    }
  })

  test('R-CP-3 a proof that one certifier held at the freeze must be listed', () => {
    const network = createCertifierNetwork(4)
    const seat = network.nodes[2]!.seat
    const informed = network.nodes[0]!
    const [one, two] = [0, 1].map((variant) => network.attestation(epoch, seat, variant).signed)
    informed.proofs.set(seat, { epoch, bytes: encodeProof(createProof(one!, two!)), heldAt: freeze - 1 })
    network.freeze()
    for (const node of network.nodes) if (node.seat === seat) node.isDown = true
    runWindow(network)
    expect(certifiedOf(network).checkpoint.weeks[0]!.proofPages).toHaveLength(1)
    expect(certifiedOf(network).seatsOf(weekEpochs[0])).not.toContain(seat)
  })
})

describe('certifiers who lie', () => {
  test('R-CP-3 fewer than a third who call everything late, or miss what nobody has, delay nothing', () => {
    for (const lie of ['late', 'missing'] as const) {
      const network = createCertifierNetwork(10)
      const all = network.nodes.flatMap(({ seat }) => weekEpochs.map((e): [number, number] => [e, seat]))
      for (const node of network.nodes.slice(0, 3)) {
        node.lie = () =>
          lie === 'late'
            ? ['wants', [], all, []]
            : ['wants', all.map(([e, seat]) => [e, seat, new Uint8Array(32)]), [], []]
      }
      network.freeze()
      runWindow(network)
      expect(network.published).toHaveLength(1)
      expect(certifiedOf(network).seatsOf(epoch)).toHaveLength(10)
    }
  })

  test('R-CP-3 a forged vote is no vote', () => {
    const network = createCertifierNetwork(4)
    for (const node of network.nodes.slice(0, 2)) node.lie = () => ['vote', new Uint8Array(96).fill(1)]
    network.freeze()
    runWindow(network)
    expect(network.published).toEqual([])
  })
})

describe('votes', () => {
  test('R-CP-3 the same vote is recorded once and repeated with the same bytes after a restart', () => {
    const network = createCertifierNetwork(9)
    for (const node of network.nodes.slice(0, 3)) node.isDown = true
    network.freeze()
    network.advance(freeze)
    const node = network.nodes.find(({ recorded }) => recorded.length > 0)!
    const [vote] = node.recorded
    expect(node.state.votes).toEqual([vote])
    network.restart(node)
    expect(node.state.votes).toEqual([vote])
    const offer = network.nodes.flatMap(({ offers }) => offers.get(vote!.checkpoint.toString()) ?? []).at(0)!
    const asker = network.nodeOf(network.certifiers(vote!.view).find(({ seat }) => seat !== node.seat)!.seat)
    const first = answerOf(network, node, asker.seat, vote!.view, offer.bytes)
    expect(first[0]).toBe('vote')
    expect(answerOf(network, node, asker.seat, vote!.view, offer.bytes)).toEqual(first)
    expect(node.state.votes).toEqual([vote])
  })

  test('R-CP-3 nothing is signed once a certificate is known', () => {
    const network = createCertifierNetwork(6)
    network.freeze()
    network.advance(freeze)
    const node = network.nodes[1]!
    const offer = network.offer(network.nodes[0]!, (_, rows) => rows.slice(1))
    const answer = answerOf(network, node, network.nodes[0]!.seat, 0, offer.bytes)
    expect(answer[0]).toBe('certified')
  })

  test('R-CP-4 a proposer who is told of a certificate stops, and knows it', () => {
    const network = createCertifierNetwork(6)
    network.freeze()
    const late = rankOf(network, 0, 1)
    late.isDown = true
    network.advance(freeze)
    expect(network.published).toHaveLength(1)
    late.isDown = false
    // It heard nothing of it, and proposes when its turn comes.
    network.give(late, { is: 'height', height: freeze + 1 })
    expect(late.state.certified?.certificate.checkpoint.equals(network.published[0]!.checkpoint)).toBe(true)
    expect(late.state.proposing).toBeNull()
  })

  test('R-CP-3 views that are not open, proposers who were not drawn and the seventeenth proposal are turned away', () => {
    const network = createCertifierNetwork(12, { certifiers: 8 })
    for (const node of network.nodes) node.isDown = true
    network.freeze()
    const waking = (node: CertifierNode): void => {
      node.isDown = false
      network.give(node, { is: 'height', height: freeze })
      node.isDown = true
    }
    waking(network.nodes[0]!)
    const drawn = network.certifiers(0).map(({ seat }) => network.nodeOf(seat))
    const outside = network.nodes.find((node) => !drawn.includes(node))!
    const [voter, proposer] = [drawn[7]!, drawn[6]!]
    waking(voter)
    voter.isDown = false
    const offerOf = (skip: number) =>
      network.offer(proposer, (e, rows) =>
        e === epoch ? rows.filter((_, i) => i !== skip % rows.length) : rows,
      ).bytes
    expect(answerOf(network, voter, proposer.seat, 1, offerOf(0))).toEqual(['later', 'view-not-open'])
    expect(answerOf(network, voter, outside.seat, 0, offerOf(0))).toEqual(['refused', 'proposer-not-drawn'])
    const codes = Array.from({ length: 17 }, (_, i) => {
      const bytes = network.offer(proposer, (e, rows) =>
        rows.filter((__, j) => j !== (e === epoch ? i % 12 : 12 - (i >> 3))),
      ).bytes
      return answerOf(network, voter, proposer.seat, 0, bytes)
    })
    expect(codes.slice(0, 16).every(([kind]) => kind === 'wants')).toBe(true)
    expect(codes[16]).toEqual(['refused', 'too-many-proposals'])
  })
})

test('R-ID-1 a proposal is named by its bytes alone', () => {
  const network = createCertifierNetwork(4)
  const offer = network.offer(network.nodes[0]!, (_, rows) => rows)
  expect(offer.cid.equals(cidOf(offer.bytes))).toBe(true)
})
