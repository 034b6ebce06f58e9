import { base64 } from '@scure/base'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import {
  bytesToHex,
  canonicalJson,
  type CanonicalJson,
  type Checkpoint,
  cidOf,
  createProof,
  decodeAttestation,
  encodeAttestation,
  encodeCheckpoint,
  encodeProof,
  epochRoot,
  paramsHash,
  paramsOfWeek,
  signPayload,
  Verdict,
  snapshotRootOf,
} from '../../../protocol/index.ts'
import { createAttestationStore } from '../../../src/store/attestations.ts'
import type { Store } from '../../../src/store/store.ts'
import { answerVerify } from '../../../src/week/explain/explain-answers.ts'
import { type CaseFile, readCase } from '../../../src/week/explain/case-file.ts'
import { recomputeFrom } from '../../../src/week-io/explain-sources.ts'
import type { ExplainSources } from '../../../src/week/explain/sources.ts'
import { verifierOfStore } from '../../../src/week-io/case-verifier.ts'
import type { CaseLine, VerifiedCase, VerifierFacts } from '../../../src/week/explain/verified-case.ts'
import { openStoredWeeks } from '../../../src/week-io/stored-week.ts'
import { createEd25519Verifier } from '../../../src/keys/ed25519.ts'
import { keysOfSeat, playSmallWeek, type SmallWeek, storeOf } from '../../fixtures/small-week.ts'
import { playTroubledWeek, troubled } from '../../fixtures/troubled-week.ts'
import { caseOf, never, sourcesOf } from './sources.ts'

/** A case file as it is written. */
type CaseJson = z.input<typeof CaseFile>
type Json = { [key: string]: Json } | Json[] | string | number | null

const ed25519 = createEd25519Verifier({ maxKeys: 100 })
const remembered = new Map<string, boolean>()
/** Remembers what it has verified: here the same signatures come a thousand times. */
const verify: VerifierFacts['verify'] = (key, message, signature) => {
  const name = [key, message, signature].map((bytes) => bytesToHex(bytes)).join()
  const isRight = remembered.get(name) ?? ed25519.verify(key, message, signature)
  remembered.set(name, isRight)
  return isRight
}

/** A verifier with a chain, and with what its store holds. */
const factsOf = async (small: SmallWeek, store: Store | null): Promise<VerifierFacts> => {
  const recompute = recomputeFrom(small.network, small.view, never)
  if (store === null) {
    return {
      network: small.network,
      epochs: small.epochs,
      verify,
      recompute,
      held: () => Promise.resolve({ rows: [], isFixed: false }),
    }
  }
  const weeks = await openStoredWeeks(small.network, store)
  return { ...verifierOfStore(small.network, store, weeks, null, never), verify, recompute }
}

const formOf = (json: Json): string => `${canonicalJson(json as CanonicalJson)}\n`

/** The lines that do not hold, as `epoch subject: detail`. */
const troublesOf = ({ lines }: VerifiedCase, is: CaseLine['is'] = 'fails'): string[] =>
  lines
    .filter((line) => line.is === is)
    .map(({ epoch, subject, detail }) => `${epoch === null ? '' : `${epoch} `}${subject}: ${detail}`)

/** Larger than a neighbourhood: of 14 seats at most 6 attest to what seat 5 got. */
let sparse: SmallWeek
let text: string
let chainOnly: VerifierFacts
let withStore: VerifierFacts
const noAnchor = 'week: that all that counts is shown: no anchor that fixes 2026-W47 is at hand'
beforeAll(async () => {
  sparse = await playSmallWeek({
    nodes: 14,
    epochs: 5,
    params: { committee: 3 },
    isSilent: (epoch, seat) => epoch === 4 && seat === 9,
    wordOf: ({ epoch, challenger, target }) =>
      epoch === 3 && target === 5 && challenger % 2 === 0
        ? { is: 'seen', verdict: Verdict.timeout, seen: 'no answer' }
        : undefined,
  })
  const store = await storeOf(sparse)
  text = (await caseOf(await sourcesOf(sparse, store), { seat: { is: 'seat', seat: 5 } })).text
  chainOnly = await factsOf(sparse, null)
  withStore = await factsOf(sparse, store)
})

const verifyJson = async (
  change: (json: CaseJson) => void,
  facts = withStore,
  of = text,
): Promise<VerifiedCase> => {
  const json = JSON.parse(of) as CaseJson
  change(json)
  return await answerVerify(facts, formOf(json as Json), never)
}

describe('a case file', () => {
  test('R-CASE-1 holds only what its seat’s outcome depends on, and is written canonically', () => {
    const json = JSON.parse(text) as Json
    expect(formOf(json)).toBe(text)
    const file = json as CaseJson
    expect(file.epochs.map(({ outcome }) => outcome)).toEqual(['credited', 'invalid: timeout', 'credited'])
    for (const epoch of file.epochs) {
      expect(epoch.challengers).toHaveLength(3)
      expect(epoch.targets).toHaveLength(3)
      // That no other seat has its address takes the attestations of all.
      expect(epoch.attestations.length).toBe(epoch.outcome !== 'credited' ? 6 : epoch.epoch === 4 ? 13 : 14)
      expect(epoch.absences).toEqual([])
    }
  })

  test('R-CASE-3 follows from what is shown, against a chain alone that has no anchor: beacons, snapshot, committees, signatures, CIDs, receipts, digests', async () => {
    const verified = await answerVerify(chainOnly, text, never)
    expect(troublesOf(verified)).toEqual([])
    expect(troublesOf(verified, 'missing')).toEqual([])
    expect(troublesOf(verified, 'assumed')).toEqual([noAnchor])
    expect(verified.result).toBe('follows')
    const subjects = new Set(verified.lines.filter(({ is }) => is === 'holds').map(({ subject }) => subject))
    for (const subject of [
      'network',
      'genesis',
      'params',
      'week',
      'beacon',
      'snapshot',
      'rows',
      'challengers',
    ]) {
      expect(subjects).toContain(subject)
    }
    const ofSeats = verified.lines.filter(
      ({ subject, detail }) => subject.startsWith('seat ') && /says valid/.test(detail),
    )
    expect(ofSeats.length).toBeGreaterThan(0)
    for (const { detail } of ofSeats)
      expect(detail).toMatch(/evidence: .*receipts: .*digest: recomputed, equal/)
    expect(troublesOf(verified, 'unchecked')).toEqual(['3 attested: that 14 seats attested; 6 are shown'])
  })

  test('follows against a store with the same attestations, whose own outcome is the same', async () => {
    const verified = await answerVerify(withStore, text, never)
    expect(verified.result).toBe('follows')
    expect(
      verified.lines.filter(({ detail }) => /this store's 1[34] attestations give/.test(detail)),
    ).toHaveLength(3)
  })

  test('every leaf that is changed makes something fail or go missing, by name', async () => {
    const json = JSON.parse(text) as { epochs: Json[] }
    // One epoch is enough to change them all; the other two are the same in kind.
    json.epochs = json.epochs.slice(1, 2)
    const base = formOf(json as Json)
    expect((await answerVerify(withStore, base, never)).result).toBe('follows')
    const undetected: string[] = []
    let changed = 0
    for (const path of leavesOf(json as Json)) {
      const copy = JSON.parse(base) as Json
      change(copy, path)
      const verified = await answerVerify(withStore, formOf(copy), never)
      changed++
      const named = [...troublesOf(verified), ...troublesOf(verified, 'missing')]
      if (named.length === 0) undetected.push(path.join('.'))
    }
    expect(changed).toBeGreaterThan(90)
    expect(undetected).toEqual([])
  })

  test.each<[string, (json: CaseJson) => void, RegExp]>([
    ['format', (json) => (json.format = 'secnode-case-2' as never), /^form: format/],
    ['an unknown member', (json) => Object.assign(json.epochs[0]!, { more: 1 }), /^form: epochs\.0: .*more/],
    ['network', (json) => (json.network = 'ab'.repeat(16)), /^network: is abab/],
    ['genesis', (json) => (json.genesis.minStake = '1'), /^genesis: gives another network id/],
    ['params', (json) => (json.params.samples = 5), /^params: are not those of the profile/],
    ['week', (json) => (json.week = '2026-W46'), /^2 week: the epoch belongs to 2026-W47/],
    ['seat', (json) => (json.seat = 6), /^2 challengers: are not those/],
    ['a seat of nobody', (json) => (json.seat = 60), /^2 seat: seat 60 is not in the snapshot/],
    ['beacon', (json) => (json.epochs[0]!.beacon = '00'.repeat(32)), /^2 beacon: is not that of the chain/],
    ['seats', (json) => (json.epochs[0]!.seats = 15), /^2 snapshot: has 14 seats, not 15/],
    ['outcome', (json) => (json.epochs[0]!.outcome = 'undecided'), /^2 outcome: "credited" follows/],
    [
      'a host',
      (json) => (json.epochs[0]!.rows[0]!.host = 'x.example.org'),
      /^2 rows: the snapshot has others for seat/,
    ],
    ['a row left out', (json) => json.epochs[0]!.rows.splice(0, 1), /^2 rows: none is shown of seat/],
    ['challengers', (json) => json.epochs[0]!.challengers.reverse(), /^2 challengers: are not those/],
    ['targets', (json) => json.epochs[0]!.targets.pop(), /^2 targets: are not those/],
    ['too many attested', (json) => (json.epochs[0]!.attested = 15), /^2 attested: 15 attested/],
    ['too few attested', (json) => (json.epochs[0]!.attested = 1), /^2 attested: 1 attested/],
    ['order of epochs', (json) => json.epochs.reverse(), /^3 epochs: are not in rising order/],
    [
      'a second attestation of a seat',
      (json) => json.epochs[0]!.attestations.push(json.epochs[0]!.attestations[0]!),
      /^2 attestation \d+: there is one of seat \d+ already/,
    ],
    [
      'an attestation of another epoch',
      (json) => (json.epochs[0]!.attestations[0] = json.epochs[1]!.attestations[0]!),
      /^2 attestation 1: attestation-of-another-epoch/,
    ],
    [
      'a signature of another',
      (json) => (json.epochs[0]!.attestations[0]!.signature = json.epochs[0]!.attestations[1]!.signature),
      /^2 attestation 1: attestation-signature/,
    ],
    ['a proof', (json) => json.proofs.push('gAAA'), /^proof 1: /],
    [
      'audited for nothing',
      (json) => (json.epochs[0]!.audited = json.epochs[0]!.attestations[0]!),
      /^2 audit: no challenger/,
    ],
    ['a checkpoint', (json) => (json.checkpoint = 'gAAA'), /^checkpoint: cannot be read/],
    [
      'a path without a checkpoint',
      (json) => (json.epochs[0]!.attestations[0]!.inclusion = { index: 0, path: [] }),
      /^2 seat \d+: its path to the checkpoint: there is none/,
    ],
    [
      'attestations out of order',
      (json) => json.epochs[0]!.attestations.reverse(),
      /^2 attestations: are not in rising order of seat/,
    ],
    [
      'rows out of order',
      (json) => json.epochs[0]!.rows.reverse(),
      /^2 rows: are not in rising order of seat/,
    ],
  ])('R-CASE-2 forged: %s', async (_, forge, expected) => {
    const verified = await verifyJson(forge)
    expect(verified.result).toBe('fails')
    expect(troublesOf(verified)).toContainEqual(expect.stringMatching(expected))
  })

  test('evidence that is another’s fails, and evidence that is left out is missing', async () => {
    const witnessed = (json: CaseJson): number[] =>
      json.epochs[0]!.attestations.flatMap((one, i) => (one.evidence === null ? [] : [i]))
    const swapped = await verifyJson((json) => {
      const [a, b] = witnessed(json)
      json.epochs[0]!.attestations[a!]!.evidence = json.epochs[0]!.attestations[b!]!.evidence
    })
    expect(troublesOf(swapped)).toContainEqual(
      expect.stringMatching(/^2 seat \d+: .*evidence: evidence-other-block/),
    )
    const without = await verifyJson((json) => {
      json.epochs[0]!.attestations[witnessed(json)[0]!]!.evidence = null
    })
    expect(without.result).toBe('incomplete')
    expect(troublesOf(without, 'missing')).toEqual([
      expect.stringMatching(/^2 seat \d+: .*evidence: not in the file/),
    ])
  })

  test('an attestation that is left out is found by a store that holds it; a chain alone cannot say', async () => {
    const forge = (json: CaseJson): void => {
      const epoch = json.epochs[0]!
      const challenger = epoch.challengers[0]
      const seats = epoch.attestations.map((one) => seatOfPayload(one.payload))
      epoch.attestations.splice(seats.indexOf(challenger!), 1)
    }
    const verified = await verifyJson(forge)
    expect(troublesOf(verified)).toEqual([
      expect.stringMatching(/^2 seat \d+: is silent, says the file, but this store holds its attestation/),
    ])
    const unknown = await verifyJson(forge, chainOnly)
    expect(unknown.result).toBe('follows')
    expect(troublesOf(unknown, 'unchecked')).toContainEqual(
      expect.stringMatching(/^2 seat \d+: is silent, says the file/),
    )
  })

  test('a seat that told the file otherwise than the store signed two', async () => {
    const { context, attestation } = sparse.playedBy(2, 0)
    const other = { ...attestation, previous: cidOf(Uint8Array.of(0xf6)) }
    const payload = encodeAttestation(other)
    const signed = signPayload('att', other.networkId, payload, keysOfSeat(0).sign)
    const store = await storeOf(sparse)
    const held = { seat: 0, cid: cidOf(payload), signed, heldAt: 0 }
    await createAttestationStore(store).put(2, context.beacon, [held])
    const sources = await sourcesOf(sparse, await storeOf(sparse))
    const ofZero = await caseOf(sources, { seat: { is: 'seat', seat: 0 }, epochs: 2 })
    const verified = await answerVerify(await factsOf(sparse, store), ofZero.text, never)
    expect(troublesOf(verified)).toContainEqual(
      '2 seat 0: this store holds another attestation of it: it signed two',
    )
  })

  test('an epoch that the chain data does not reach is missing, not wrong', async () => {
    const verified = await verifyJson((json) => (json.epochs[2]!.epoch = 4_000_000_000))
    expect(verified.result).toBe('incomplete')
    expect(troublesOf(verified, 'missing')).toEqual([
      '4000000000 chain: has not come to this epoch in the data at hand',
    ])
    const facts = { ...chainOnly, recompute: () => Promise.reject(new Error('the node is gone')) }
    expect((await answerVerify(facts, text, never)).result).toBe('incomplete')
  })

  test('a text that was changed anywhere never holds, and nothing is thrown', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(text.length - 1),
        fc.nat(8),
        fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom('"', '}', ']', ',', '0', 'null')),
        async (at, removed, inserted) => {
          const changed = text.slice(0, at) + inserted + text.slice(at + removed)
          // How many attested in all is the one thing that a file of one seat cannot show.
          const shown = (of: string): string => of.replaceAll(/"attested":\d+/g, '')
          fc.pre(shown(changed) !== shown(text))
          expect((await answerVerify(chainOnly, changed, never)).result).not.toBe('holds')
        },
      ),
      { numRuns: 60 },
    )
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(readCase(json).is).toBe('bad')
      }),
    )
  })

  test('R-CASE-1 what is no case file fails by its form', async () => {
    const cases = {
      'no JSON': '{',
      'a number': '4\n',
      empty: '',
      'white space': ` ${text}`,
      'members in another order': `${JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(text) as object).reverse()))}\n`,
      // The last letter of 64 bytes has four bits that say nothing.
      'base64 with spare bits': text.replace(
        /("signature":"[^"]{85})([AQgw])==/,
        (_, head: string, letter: string) => `${head}${String.fromCharCode(letter.charCodeAt(0) + 1)}==`,
      ),
      'a proof of too many bytes': formOf({
        ...(JSON.parse(text) as object),
        proofs: ['A'.repeat(4_000)],
      } as never),
    }
    for (const [name, bad] of Object.entries(cases)) {
      const { result, lines } = await answerVerify(withStore, bad, never)
      const [line] = lines
      expect({ name, result, count: lines.length, subject: line?.subject }).toEqual({
        name,
        result: 'fails',
        count: 1,
        subject: 'form',
      })
    }
  })
})

describe('what a true file shows of a bad week', () => {
  let small: SmallWeek
  let troubledText: string
  let facts: VerifierFacts
  beforeAll(async () => {
    small = await playTroubledWeek()
    const store = await storeOf(small)
    troubledText = (await caseOf(await sourcesOf(small, store), { seat: { is: 'seat', seat: troubled } }))
      .text
    facts = await factsOf(small, store)
  })

  test('R-CHAL-5 R-EVID-2 the liar, the one who did not compute and the maker of receipts are found, and nobody else', async () => {
    const verified = await answerVerify(facts, troubledText, never)
    expect(troublesOf(verified).sort(compareText)).toEqual([
      '10 audit: what seats 0, 2, 3 and 4 audited: evidence-receipt',
      '4 seat 3: says wrong digest; digest: called wrong, but the receipt has the right digest',
      expect.stringMatching(/^4 seat 5: says valid; digest: called valid, but the right digest is/),
      '8 seat 1: attested itself; receipts: no receipt that its target signed for seats 0, 2, 3, 4 and 5 (of 5 due)',
    ])
    expect(verified.lines.filter(({ subject, is }) => subject === 'outcome' && is === 'holds')).toHaveLength(
      18,
    )
  })

  test('without a chain node no digest is judged', async () => {
    const verified = await answerVerify({ ...facts, recompute: null }, troubledText, never)
    expect(troublesOf(verified).map((line) => line.split(' ')[0])).toEqual(['8', '10'])
  })

  test('R-EVID-2 an audit without the audited attestation is missing; with another’s it fails', async () => {
    const without = await verifyJson((json) => (json.epochs[8]!.audited = null), facts, troubledText)
    expect(troublesOf(without, 'missing')).toEqual([
      '10 audit: the attestation of epoch 8 that seats 0, 2, 3 and 4 audited',
    ])
    const others = await verifyJson(
      (json) => {
        const epoch8 = json.epochs[6]!
        const zero = epoch8.attestations.find((one) => seatOfPayload(one.payload) === 0)
        json.epochs[8]!.audited = { ...zero!, evidence: null, inclusion: null }
      },
      facts,
      troubledText,
    )
    expect(troublesOf(others)).toContainEqual('10 audit: is of seat 0')
  })

  test('a whole small network is counted exactly', async () => {
    const verified = await verifyJson((json) => (json.epochs[0]!.attested = 5), facts, troubledText)
    expect(troublesOf(verified)).toContainEqual('2 attested: 5 attested, says the file; it can be 6 to 6')
  })
})

describe('addresses and equivocation', () => {
  test('R-TALLY-3 that an address is shared is shown with the attestations about the seat that keeps it', async () => {
    const small = await playSmallWeek({
      nodes: 14,
      epochs: 3,
      params: { committee: 3 },
      addressOf: ({ target }) => Uint8Array.of(127, 77, 0, target === 13 ? 3 : target + 1),
    })
    const sources = await sourcesOf(small, await storeOf(small))
    const { text: shared, file } = await caseOf(sources, { seat: { is: 'seat', seat: 13 } })
    expect(file.epochs[0]!.outcome).toBe('invalid: address shared')
    const verified = await answerVerify(await factsOf(small, null), shared, never)
    expect(verified.result).toBe('follows')
    const forged = await verifyJson(
      (json) => (json.epochs[0]!.outcome = 'credited'),
      await factsOf(small, null),
      shared,
    )
    expect(troublesOf(forged)).toEqual([
      '2 outcome: "invalid: address shared" follows from what is shown, not "credited"',
    ])
  })

  test('R-ATT-3 the file proves who signed twice; a proof that is wrong proves nothing', async () => {
    const small = await playSmallWeek({ nodes: 6, epochs: 4, equivocators: new Map([[2, 3]]) })
    const sources = await sourcesOf(small, await storeOf(small))
    const { text: proved, file } = await caseOf(sources, { seat: { is: 'seat', seat: 0 } })
    expect(file.proofs).toHaveLength(1)
    const facts = await factsOf(small, null)
    const verified = await answerVerify(facts, proved, never)
    expect(verified.result).toBe('follows')
    expect(verified.lines).toContainEqual({
      is: 'holds',
      epoch: null,
      subject: 'proof 1',
      detail: 'seat 2 signed two attestations of epoch 3',
    })
    expect(
      verified.lines.filter(({ detail }) => detail === 'signed two attestations: neither counts'),
    ).toHaveLength(2)
    const twice = await verifyJson((json) => json.proofs.push(json.proofs[0]!), facts, proved)
    expect(troublesOf(twice)).toEqual(['proof 2: there is one of seat 2 already'])
    const broken = await verifyJson(
      (json) => {
        const bytes = base64.decode(json.proofs[0]!)
        bytes[bytes.length - 1]! ^= 1
        json.proofs[0] = base64.encode(bytes)
      },
      facts,
      proved,
    )
    expect(troublesOf(broken)).toContainEqual('proof 1: equivocation-signature')
  })
})

describe('R-CP-7 inclusion', () => {
  const checkpointOf = (small: SmallWeek): Checkpoint => ({
    networkId: small.network.networkId,
    week: small.week,
    freezeHash: new Uint8Array(32),
    previous: null,
    registryRoot: new Uint8Array(32),
    handsOn: { count: 0, root: new Uint8Array(32) },
    weeks: [
      {
        week: small.week,
        paramsHash: paramsHash(paramsOfWeek(small.network.profile.schedule, small.week)),
        income: 0n,
        epochs: [2, 3, 4].map((epoch) => {
          const rows = small.played
            .filter(({ attestation }) => attestation.epoch === epoch)
            .map(({ held }) => held)
          const { context } = small.played.find(({ attestation }) => attestation.epoch === epoch)!
          return {
            epoch,
            beacon: context.beacon,
            seats: context.snapshot.length,
            snapshotRoot: snapshotRootOf(context.snapshot),
            count: rows.length,
            root: epochRoot(rows),
          }
        }),
        proofPages: [],
      },
    ],
  })

  /** A store in which everything that stands is what the checkpoint fixed. */
  const anchoredSources = async (payload: Uint8Array, small = sparse): Promise<ExplainSources> => {
    const sources = await sourcesOf(small, await storeOf(small))
    return {
      ...sources,
      fixed: () =>
        Promise.resolve({
          checkpoint: cidOf(payload),
          anchor: { height: 40, hash: new Uint8Array(32) },
          equivocators: new Set(),
          standing: (context) => sources.standing(context),
        }),
      checkpointPayload: (cid) => Promise.resolve(cid.equals(cidOf(payload)) ? payload : undefined),
    }
  }

  const exported = async (small = sparse, seat = 5): Promise<{ included: string; payload: Uint8Array }> => {
    const payload = encodeCheckpoint(checkpointOf(small))
    const sources = await anchoredSources(payload, small)
    return { included: (await caseOf(sources, { seat: { is: 'seat', seat } })).text, payload }
  }

  /** Of a verifier with nothing but a chain that has the anchor. */
  const anchoredFacts = async (small: SmallWeek, payload: Uint8Array): Promise<VerifierFacts> => ({
    ...(await factsOf(small, null)),
    anchorOf: () => Promise.resolve(cidOf(payload)),
  })

  const outcomesOf = (json: Json): Map<number, string> =>
    new Map((json as unknown as CaseJson).epochs.map(({ epoch, outcome }) => [epoch, outcome]))

  /** What the file is said to be once its claims are what follows from the rest of it, as a forger would write them. */
  const verifyAdapted = async (
    facts: VerifierFacts,
    json: Json,
  ): Promise<{ verified: VerifiedCase; outcomes: Map<number, string> }> => {
    for (let pass = 0; ; pass++) {
      const verified = await answerVerify(facts, formOf(json), never)
      const epochs = new Map(
        ((json as unknown as Partial<CaseJson>).epochs ?? []).map((epoch) => [epoch.epoch, epoch]),
      )
      let isAdapted = false
      for (const { is, epoch, subject, detail } of verified.lines) {
        const claimed = epochs.get(epoch ?? -1)
        if (is !== 'fails' || claimed === undefined) continue
        const follows = subject === 'outcome' ? /^"([^"]+)" follows/.exec(detail) : null
        const attested = subject === 'attested' ? /(?:shows|to) (\d+)$/.exec(detail) : null
        if (follows !== null) claimed.outcome = follows[1]!
        if (attested !== null) claimed.attested = Number(attested[1])
        isAdapted ||= follows !== null || attested !== null
      }
      if (!isAdapted || pass === 4) return { verified, outcomes: outcomesOf(json) }
    }
  }

  test('every attestation of the file stands under the anchored root', async () => {
    const { included, payload } = await exported()
    const facts = { ...chainOnly, anchorOf: () => Promise.resolve(cidOf(payload)) }
    const verified = await answerVerify(facts, included, never)
    expect(verified.result).toBe('holds')
    expect(verified.lines).toContainEqual({
      is: 'holds',
      epoch: null,
      subject: 'checkpoint',
      detail: `${cidOf(payload).toString()} is anchored`,
    })
    for (const subject of ['inclusion', 'outcome']) {
      expect(verified.lines.filter((line) => line.subject === subject && line.is === 'holds')).toHaveLength(3)
    }
    // Seat 9 is silent in epoch 4.
    expect(verified.lines).toContainEqual({
      is: 'holds',
      epoch: 4,
      subject: 'absences',
      detail: "1 seats are absent under the checkpoint's root",
    })
    expect(verified.lines.some(({ subject, is }) => subject === 'inclusion' && is === 'unchecked')).toBe(
      false,
    )
  })

  test('another checkpoint, no anchor, a wrong path and a larger count fail', async () => {
    const { included, payload } = await exported()
    const anchored = (cid: ReturnType<typeof cidOf> | null): VerifierFacts => ({
      ...chainOnly,
      anchorOf: () => Promise.resolve(cid),
    })
    const other = cidOf(Uint8Array.of(0xf6))
    expect(troublesOf(await answerVerify(anchored(other), included, never))).toEqual([
      `checkpoint: is not the anchored one, ${other.toString()}`,
    ])
    expect(troublesOf(await answerVerify(anchored(null), included, never))).toEqual([
      'checkpoint: no anchor of 2026-W47 is in the chain',
    ])
    const facts = anchored(cidOf(payload))
    const moved = await verifyJson(
      (json) => json.epochs[0]!.attestations[0]!.inclusion!.index++,
      facts,
      included,
    )
    expect(troublesOf(moved)).toEqual([
      expect.stringMatching(/^2 seat \d+: its path to the checkpoint: inclusion-path$/),
    ])
    const bent = await verifyJson(
      (json) => (json.epochs[0]!.attestations[0]!.inclusion!.path[0] = '11'.repeat(32)),
      facts,
      included,
    )
    expect(troublesOf(bent)).toEqual([expect.stringMatching(/inclusion-path$/)])
    const more = await verifyJson((json) => (json.epochs[2]!.attested = 14), facts, included)
    expect(troublesOf(more)).toEqual([
      '4 attested: the checkpoint lists 13 attestations, not 14',
      '4 attested: 14, says the file, and shows 13',
    ])
    const without = await verifyJson(
      (json) => (json.epochs[0]!.attestations[0]!.inclusion = null),
      facts,
      included,
    )
    expect(troublesOf(without)).toEqual([
      expect.stringMatching(/^2 seat \d+: no path shows that its attestation counts$/),
    ])
  })

  test('R-CASE-2 of a file without the checkpoint of an anchored week that is missing', async () => {
    const facts = { ...chainOnly, anchorOf: () => Promise.resolve(cidOf(Uint8Array.of(0xf6))) }
    const verified = await answerVerify(facts, text, never)
    expect(verified.result).toBe('incomplete')
    expect(troublesOf(verified, 'missing')).toContainEqual(
      expect.stringMatching(/^checkpoint: bafy\w+, which fixes the week$/),
    )
  })

  const troubledWeeks: [string, () => Promise<[SmallWeek, number]>][] = [
    ['challengers that disagree, a silent seat', () => Promise.resolve([sparse, 5])],
    [
      'an address that is shared',
      async () => [
        await playSmallWeek({
          nodes: 14,
          epochs: 5,
          params: { committee: 3 },
          isSilent: (epoch, seat) => (epoch === 3 && seat === 13) || (epoch === 4 && seat % 5 === 1),
          addressOf: ({ target }) => Uint8Array.of(127, 77, 0, target === 13 ? 3 : target + 1),
        }),
        13,
      ],
    ],
    [
      'fewer than half attest',
      async () => [
        await playSmallWeek({
          nodes: 14,
          epochs: 5,
          params: { committee: 3 },
          isSilent: (epoch, seat) => epoch === 3 && seat % 2 === 0,
        }),
        4,
      ],
    ],
  ]

  test.each(troubledWeeks)(
    'R-CASE-2 whatever is left out of a true file of an anchored week, it holds only with the same outcomes: %s',
    async (_, play) => {
      const [small, seat] = await play()
      const { included, payload } = await exported(small, seat)
      // Digests decide nothing here, and take the most time.
      const facts = { ...(await anchoredFacts(small, payload)), recompute: null }
      const truth = outcomesOf(JSON.parse(included) as Json)
      let tried = 0
      for (const at of [0, 1, 2]) {
        const whole = JSON.parse(included) as CaseJson
        const one = formOf({ ...whole, epochs: whole.epochs.slice(at, at + 1) } as unknown as Json)
        expect((await answerVerify(facts, one, never)).result).toBe('holds')
        for (const path of membersOf(JSON.parse(one) as Json)) {
          const json = JSON.parse(one) as Json
          remove(json, path)
          const { verified, outcomes } = await verifyAdapted(facts, json)
          tried++
          if (verified.result !== 'holds') continue
          for (const [epoch, outcome] of outcomes) expect([path, outcome]).toEqual([path, truth.get(epoch)])
        }
      }
      expect(tried).toBeGreaterThan(300)
    },
    120_000,
  )

  test('R-CASE-2 nor whatever is left out together', async () => {
    const { included, payload } = await exported()
    const facts = await anchoredFacts(sparse, payload)
    const truth = outcomesOf(JSON.parse(included) as Json)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 60, maxLength: 60 }), fc.nat(255), async (bytes, limit) => {
        const json = JSON.parse(included) as CaseJson
        let at = 0
        const isKept = (): boolean => bytes[at++ % bytes.length]! >= limit
        for (const epoch of json.epochs) {
          epoch.attestations = epoch.attestations.filter(isKept)
          epoch.absences = epoch.absences.filter(isKept)
          const named = new Set([
            json.seat,
            ...epoch.challengers,
            ...epoch.targets,
            ...epoch.attestations.map((one) => seatOfPayload(one.payload)),
          ])
          epoch.rows = epoch.rows.filter((row) => named.has(row.seat))
        }
        const { verified, outcomes } = await verifyAdapted(facts, json as unknown as Json)
        expect(verified.result).not.toBe('fails')
        if (verified.result === 'holds') expect(outcomes).toEqual(truth)
      }),
      { numRuns: 60 },
    )
  }, 120_000)

  test('R-CASE-2 challengers that are left out, and the seat itself, are missed', async () => {
    const { included, payload } = await exported()
    const facts = await anchoredFacts(sparse, payload)
    const without = async (isLeftOut: (seat: number, epoch: CaseJson['epochs'][number]) => boolean) => {
      const json = JSON.parse(included) as CaseJson
      for (const epoch of json.epochs) {
        epoch.attestations = epoch.attestations.filter((one) => !isLeftOut(seatOfPayload(one.payload), epoch))
      }
      return await verifyAdapted(facts, json as unknown as Json)
    }
    const silenced = await without((seat, { challengers }) => challengers.includes(seat))
    expect([...silenced.outcomes.values()]).toEqual(Array(3).fill('undecided'))
    expect(silenced.verified.result).toBe('incomplete')
    expect(troublesOf(silenced.verified, 'missing')).toContainEqual(
      expect.stringMatching(/^2 seat \d+: is silent, says the file, and does not prove it$/),
    )
    const unattested = await without((seat) => seat === 5)
    expect(unattested.outcomes.get(2)).toBe('valid: not attested')
    expect(unattested.verified.result).toBe('incomplete')
  })

  test('R-CASE-2 what challengers signed after the week was anchored does not count', async () => {
    const accuse = await playSmallWeek({
      nodes: 14,
      epochs: 5,
      params: { committee: 3 },
      wordOf: ({ target }) =>
        target === 5 ? { is: 'seen', verdict: Verdict.timeout, seen: 'no answer' } : undefined,
    })
    const { text: late } = await caseOf(await sourcesOf(accuse, await storeOf(accuse)), {
      seat: { is: 'seat', seat: 5 },
    })
    // The same chain; but what was anchored are the attestations of a week without the accusation.
    const honest = await playSmallWeek({ nodes: 14, epochs: 5, params: { committee: 3 } })
    const fixed = checkpointOf(honest)
    const payload = encodeCheckpoint(fixed)
    const facts = await anchoredFacts(accuse, payload)
    expect((await answerVerify(facts, late, never)).result).toBe('incomplete')
    const withCheckpoint = await verifyJson((json) => (json.checkpoint = base64.encode(payload)), facts, late)
    expect(withCheckpoint.result).toBe('fails')
    expect(troublesOf(withCheckpoint)).toContainEqual(
      expect.stringMatching(/^2 seat \d+: no path shows that its attestation counts$/),
    )
  })

  test('R-CASE-2 a proof of equivocation takes nothing from what stands under an anchored root', async () => {
    const { included, payload } = await exported()
    const facts = await anchoredFacts(sparse, payload)
    const [challenger] = (JSON.parse(included) as CaseJson).epochs[0]!.challengers as [number]
    const { held, attestation } = sparse.playedBy(2, challenger)
    const other = encodeAttestation({ ...attestation, previous: cidOf(Uint8Array.of(0xf6)) })
    const signed = signPayload('att', attestation.networkId, other, keysOfSeat(challenger).sign)
    const proof = base64.encode(encodeProof(createProof(held.signed, signed)))
    const proved = await verifyJson((json) => json.proofs.push(proof), facts, included)
    expect(proved.result).toBe('holds')
    const json = JSON.parse(included) as CaseJson
    json.proofs.push(proof)
    for (const epoch of json.epochs) {
      epoch.attestations = epoch.attestations.filter((one) => seatOfPayload(one.payload) !== challenger)
    }
    expect((await verifyAdapted(facts, json as unknown as Json)).verified.result).not.toBe('holds')
  })

  test('R-CP-7 absences that are none fail, by name', async () => {
    const { included, payload } = await exported()
    const facts = await anchoredFacts(sparse, payload)
    const absences = (json: CaseJson) => json.epochs[2]!.absences
    expect(absences(JSON.parse(included) as CaseJson)).toMatchObject([{ seat: 9 }])
    const cases: [(json: CaseJson) => void, RegExp][] = [
      [(json) => absences(json).push(absences(json)[0]!), /absences: are not in rising order/],
      [(json) => (absences(json)[0]!.seat = 8), /seat 8: attested, and is said to be absent/],
      [(json) => (absences(json)[0]!.seat = 60), /seat 60: is absent, and not in the snapshot/],
      [(json) => (absences(json)[0]!.before = null), /seat 9: that it is absent .*: absence-gap/],
      [(json) => (absences(json)[0]!.after = null), /seat 9: that it is absent .*: absence-gap/],
      [(json) => absences(json)[0]!.after!.index++, /inclusion-path/],
      [
        (json) => (absences(json)[0]!.before = absences(json)[0]!.after),
        /seat 9: that it is absent .*: absence-side/,
      ],
      [(json) => (json.checkpoint = null), /seat 9: is said to be absent under no checkpoint/],
    ]
    for (const [forge, expected] of cases) {
      expect(troublesOf(await verifyJson(forge, facts, included))).toContainEqual(
        expect.stringMatching(expected),
      )
    }
  })

  test('what is not in the anchored set does not count, and what is cannot be left out', async () => {
    const { included, payload } = await exported()
    const fixedTo = (rows: (seat: number) => boolean): VerifierFacts => ({
      ...chainOnly,
      anchorOf: () => Promise.resolve(cidOf(payload)),
      held: async (context) => ({
        rows: (await withStore.held(context)).rows.filter(({ seat }) => rows(seat)),
        isFixed: true,
      }),
    })
    expect(
      (
        await answerVerify(
          fixedTo(() => true),
          included,
          never,
        )
      ).result,
    ).toBe('holds')
    const [first] = (JSON.parse(included) as CaseJson).epochs[0]!.challengers
    const narrower = await answerVerify(
      fixedTo((seat) => seat !== first),
      included,
      never,
    )
    expect(troublesOf(narrower)).toContainEqual(
      `2 seat ${first!}: its attestation is not in the anchored set, so it does not count`,
    )
    const silenced = await verifyJson(
      (json) => {
        const epoch = json.epochs[0]!
        epoch.attestations = epoch.attestations.filter(({ payload: one }) => seatOfPayload(one) !== first)
      },
      fixedTo((seat) => seat !== first),
      included,
    )
    expect(silenced.lines).toContainEqual({
      is: 'holds',
      epoch: 2,
      subject: `seat ${first!}`,
      detail: 'is silent: nothing of it is in the anchored set',
    })
  })

  test('a store that holds another set than the anchored one shows no paths', async () => {
    const checkpoint = checkpointOf(sparse)
    const payload = encodeCheckpoint({
      ...checkpoint,
      weeks: checkpoint.weeks.map((one) => ({
        ...one,
        epochs: one.epochs.map((epoch) => ({ ...epoch, count: epoch.count - 1 })),
      })),
    })
    const sources = await anchoredSources(payload)
    const { file } = await caseOf(sources, { seat: { is: 'seat', seat: 5 } })
    expect(
      file.epochs.flatMap(({ attestations }) => attestations).every(({ inclusion }) => inclusion === null),
    ).toBe(true)
  })
})

const seatOfPayload = (payload: string): number => decodeAttestation(base64.decode(payload))!.seat

const compareText = (a: string, b: string): number => (a < b ? -1 : 1)

type Path = (string | number)[]

const leavesOf = (json: Json, path: Path = []): Path[] => {
  if (json === null || typeof json !== 'object') return [path]
  return Object.entries(json).flatMap(([key, value]) =>
    leavesOf(value, [...path, Array.isArray(json) ? Number(key) : key]),
  )
}

/** Paths of everything that can be left out: members of objects, elements of lists; of a text or number nothing. */
const membersOf = (json: Json, path: Path = []): Path[] => {
  if (json === null || typeof json !== 'object') return []
  return Object.entries(json).flatMap(([key, value]) => {
    const at = [...path, Array.isArray(json) ? Number(key) : key]
    // Of the hashes of a path one is as good as the other.
    return key === 'path' ? [at, [...at, 0]] : [at, ...membersOf(value, at)]
  })
}

/** Takes an element out of its list, a list's elements all; anything else becomes null. */
const remove = (json: Json, path: Path): void => {
  const parent = path
    .slice(0, -1)
    .reduce<Json>((at, key) => (at as Record<string, Json>)[key]!, json) as Record<string, Json>
  const key = path.at(-1)!
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else parent[key] = Array.isArray(parent[key]) ? [] : null
}

/** Another value of the same kind. */
const change = (json: Json, path: Path): void => {
  const parent = path
    .slice(0, -1)
    .reduce<Json>((at, key) => (at as Record<string, Json>)[key]!, json) as Record<string, Json>
  const key = path.at(-1)!
  const value = parent[key]!
  if (typeof value === 'number') parent[key] = value + 1
  else if (value === null) parent[key] = key === 'inclusion' ? { index: 0, path: [] } : otherNull(key)
  else parent[key] = otherText(value as string)
}

const otherNull = (key: string | number): Json =>
  key === 'audited' ? { payload: 'AA==', signature: 'AA==', evidence: null, inclusion: null } : 'gAAA'

/** The first letter or digit that may be another, is. */
const otherText = (value: string): string => {
  const at = Math.floor(value.length / 2)
  const letter = value[at]!
  const other = /[0-8]/.test(letter) ? String(Number(letter) + 1) : letter === 'a' ? 'b' : 'a'
  return value.slice(0, at) + other + value.slice(at + 1)
}
