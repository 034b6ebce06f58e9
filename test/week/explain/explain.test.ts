import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { addressOfStake, tallyWeek } from '../../../protocol/index.ts'
import { SecnodeError } from '../../../src/errors.ts'
import type { Explanation } from '../../../src/week/explain/explain.ts'
import { openStoredWeeks } from '../../../src/week-io/stored-week.ts'
import { playSmallWeek, type SmallWeek, storeOf } from '../../fixtures/small-week.ts'
import { playTroubledWeek, troubled } from '../../fixtures/troubled-week.ts'
import { explanationOf, never, sourcesOf } from './sources.ts'

let small: SmallWeek
let explanation: Explanation
beforeAll(async () => {
  small = await playTroubledWeek()
  explanation = await explanationOf(await sourcesOf(small, await storeOf(small, { own: troubled })), {})
})

const detailOf = (epoch: number, of = explanation) => of.details.find((detail) => detail.epoch === epoch)!
const challengerOf = (epoch: number, seat: number, of = explanation) =>
  detailOf(epoch, of).challengers.find((challenger) => challenger.seat === seat)!
const checkOf = (epoch: number, seat: number, about: string, of = explanation) =>
  challengerOf(epoch, seat, of).checks.find((check) => check.about === about)

describe('the outcomes of a week', () => {
  test('R-TALLY-4 each epoch says why it was credited or not', () => {
    expect(explanation.outcomes.map(({ outcome }) => outcome)).toEqual([
      null,
      null,
      'credited',
      'invalid: unreachable',
      'invalid: wrong digest',
      'valid: not attested',
      'valid: abstained',
      'valid: disagrees',
      'credited',
      'undecided',
      'invalid: evidence invalid',
    ])
    expect(explanation.details.map(({ why }) => why)).toEqual([
      '5 of 5 challengers say valid, and its own verdicts agree with the majority',
      '3 of 5 challengers say invalid, most often unreachable',
      '4 of 5 challengers say invalid, most often wrong digest',
      '5 of 5 challengers say valid, but no attestation of its own counts',
      '5 of 5 challengers say valid, but it abstained itself on 5 of its 5 targets',
      expect.stringMatching(
        /^5 of 5 challengers say valid, but fewer than half of its own verdicts agree with what was decided: it says otherwise about seats (\d, ){3}\d and \d$/,
      ),
      '5 of 5 challengers say valid, and its own verdicts agree with the majority',
      '2 of 5 challengers say valid, 2 invalid, 1 abstain, 0 are silent: neither word has more than half',
      '4 of 5 challengers say invalid, most often evidence invalid',
    ])
    expect(explanation.outcomes.every(({ isOpen }) => !isOpen)).toBe(true)
    expect(explanation.outcomes[9]!.said).toEqual({ valid: 2, unreachable: 2, abstain: 1 })
  })

  test('R-TALLY-6 the cost is what the seat earns in the same week without its troubles', async () => {
    const flawless = await playSmallWeek({ nodes: 6, epochs: 11 })
    const weeks = await openStoredWeeks(flawless.network, await storeOf(flawless))
    const tally = tallyWeek(await weeks.input(flawless.week, never))
    const amount = tally.seats.find(({ row }) => row.seat === troubled)!.amount
    const { cost } = explanation
    expect(cost.epochs).toEqual([3, 4, 5, 6, 7, 9, 10])
    expect(cost.amountIfCredited).toBe(amount.toString())
    expect(BigInt(cost.lost!)).toBe(amount - BigInt(cost.amount!))
    expect(cost.how).toMatch(/R-TALLY-5.*R-TALLY-6/)
    // 2 of 9 is less than half of the others' availability (R-TALLY-5).
    expect(cost.amount).toBe('0')
  })

  test('epochs are chosen: all, one, or those without a credit', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }))
    const epochsOf = async (epochs: 'all' | 'failed' | number) =>
      (await explanationOf(sources, { epochs })).details.map(({ epoch }) => epoch)
    expect(await epochsOf('failed')).toEqual([3, 4, 5, 6, 7, 9, 10])
    expect(await epochsOf(8)).toEqual([8])
    await expect(epochsOf(1)).rejects.toMatchObject({ code: 'EXPLAIN_EPOCH', exitCode: 2 })
    await expect(epochsOf(99)).rejects.toMatchObject({ code: 'EXPLAIN_EPOCH', exitCode: 2 })
  })

  test('of a week that runs, the last epochs are open and cost nothing', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }))
    const running = await explanationOf(sources, { week: 'current' })
    expect(running.week).toBe('2026-W48')
    expect(running.state).toBe('open')
    const open = running.outcomes.filter(({ isOpen }) => isOpen).map(({ epoch }) => epoch)
    expect(open.length).toBeGreaterThan(0)
    expect(running.cost.epochs.some((epoch) => open.includes(epoch))).toBe(false)
    expect(running.outcomes.at(-1)).toMatchObject({ outcome: 'undecided', isOpen: true })
  })

  test('a fund that is not known yet keeps nothing else back', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }))
    const fund = {
      ...sources.fund,
      ofWeek: () => Promise.reject(new SecnodeError('FUND_OPEN', 'blocks are to come', { exitCode: 3 })),
    }
    const without = await explanationOf({ ...sources, fund }, {})
    expect(without.cost).toEqual({
      epochs: explanation.cost.epochs,
      amount: null,
      amountIfCredited: null,
      lost: null,
      how: 'the fund is not known: blocks are to come',
    })
    expect(without.details).toEqual(explanation.details)
  })
})

describe('what challengers said', () => {
  test('R-COM-1 all assigned challengers are there, with host, word and signed attestation', () => {
    const { challengers } = detailOf(3)
    expect(challengers.map(({ seat }) => seat).sort((a, b) => a - b)).toEqual([0, 2, 3, 4, 5])
    const shown = challengerOf(3, 2)
    const { held } = small.playedBy(3, 2)
    expect(shown).toMatchObject({ host: 'n2-0.devnet.test', said: 'unreachable', saw: 'connection refused' })
    expect(shown.attestation).toEqual({
      cid: held.cid.toString(),
      payload: Buffer.from(held.signed.payload).toString('base64'),
      signature: Buffer.from(held.signed.signature).toString('base64'),
    })
    expect(Buffer.from(shown.evidence!.block!, 'base64')).toEqual(Buffer.from(small.playedBy(3, 2).block))
    expect(shown.checks.map(({ about, is }) => `${about} ${is}`)).toEqual([
      'signature holds',
      'evidence holds',
      'receipts holds',
    ])
  })

  test('R-CHAL-5 a digest that was rightly called wrong is recomputed, and one that was wrongly', () => {
    expect(checkOf(4, 0, 'digest')).toMatchObject({
      is: 'holds',
      detail: expect.stringMatching(/^recomputed: the right one is [0-9a-f]{16}…$/),
    })
    expect(checkOf(4, 3, 'digest')).toEqual({
      about: 'digest',
      is: 'fails',
      detail: 'called wrong, but the receipt has the right digest',
    })
    expect(checkOf(4, 5, 'digest')).toMatchObject({
      is: 'fails',
      detail: expect.stringMatching(/^called valid, but/),
    })
    expect(checkOf(3, 4, 'digest')).toMatchObject({ is: 'holds', detail: 'recomputed, equal' })
  })

  test('R-EVID-1 a bad answer is shown in words with its hash, and cannot steer a terminal', () => {
    const shown = challengerOf(4, 4)
    expect(shown.said).toBe('tls unbound')
    const { answerHash } = shown
    expect(answerHash).toBe(createHash('sha256').update('<html>\u001B[2Jhello</html>').digest('hex'))
    expect(shown.saw).toContain(`SHA-256 ${answerHash!.slice(0, 16)}…`)
    expect(shown.saw).not.toMatch(/[^ -~…]/)
    expect(shown.checks).toContainEqual({
      about: 'answer',
      is: 'holds',
      detail: 'the bad answer is shown whole',
    })
    expect(challengerOf(4, 0).saw).toMatch(/^receipt with digest [0-9a-f]{16}…; SHA-256 [0-9a-f]{16}…$/)
    expect(challengerOf(3, 4).answerHash).toBeNull()
  })

  test('without a chain node digests are not recomputed, and nothing fails for it', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }), { recompute: null })
    const without = await explanationOf(sources, { epochs: 4 })
    expect(checkOf(4, 3, 'digest', without)).toMatchObject({ is: 'unchecked' })
  })

  test('a chain that cannot be read is no judgement', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }), {
      recompute: () => Promise.reject(new Error('the node is gone')),
    })
    expect(checkOf(4, 3, 'digest', await explanationOf(sources, { epochs: 4 }))).toEqual({
      about: 'digest',
      is: 'missing',
      detail: 'from the chain: the node is gone',
    })
  })

  test('R-CHAL-1 the own store knows to whom it gave receipts; of others it says nothing', async () => {
    expect(challengerOf(3, 2).gaveReceipt).toBe(true)
    const other = await explanationOf(await sourcesOf(small, await storeOf(small, { own: 0 })), {
      seat: { is: 'seat', seat: troubled },
      epochs: 3,
    })
    expect(challengerOf(3, 2, other).gaveReceipt).toBeNull()
  })

  test('R-SIG-2 a signature that does not verify is named', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: troubled }))
    const forged = await explanationOf(
      {
        ...sources,
        async *standing(context) {
          for await (const held of sources.standing(context)) {
            yield held.seat === 2
              ? { ...held, signed: { ...held.signed, signature: held.signed.signature.with(40, 1) } }
              : held
          }
        },
      },
      { epochs: 3 },
    )
    expect(challengerOf(3, 2, forged)).toMatchObject({
      checks: [{ about: 'signature', is: 'fails', detail: 'attestation-signature' }],
      saw: null,
      evidence: null,
    })
  })

  test('R-EVID-1 a block that is another one, or of another attestation, is named', async () => {
    const blockOf = (epoch: number, seat: number) => small.playedBy(epoch, seat).block
    const store = await storeOf(small, { own: troubled })
    const swapped = async (block: Uint8Array) =>
      await explanationOf(
        await sourcesOf(small, store, {
          evidence: { find: () => Promise.resolve({ is: 'found', block, from: 'network' }) },
        }),
        { epochs: 3 },
      )
    const other = await swapped(blockOf(3, 4))
    expect(challengerOf(3, 2, other)).toMatchObject({
      saw: null,
      checks: [
        { about: 'signature', is: 'holds' },
        { about: 'evidence', is: 'fails', detail: 'evidence-other-block' },
      ],
    })
    expect(challengerOf(3, 4, other).checks[1]).toMatchObject({ is: 'holds' })
  })

  test('R-EVID-2 receipts that their targets never signed are named by their seats', async () => {
    const other = await explanationOf(await sourcesOf(small, await storeOf(small)), {
      seat: { is: 'seat', seat: 0 },
      epochs: 8,
    })
    expect(checkOf(8, troubled, 'receipts', other)).toEqual({
      about: 'receipts',
      is: 'fails',
      detail: 'no receipt that its target signed for seats 0, 2, 3, 4 and 5 (of 5 due)',
    })
  })
})

describe('what the seat did itself', () => {
  test('R-TALLY-4 it did not attest, or abstained, or disagreed: with whom', () => {
    expect(detailOf(5).duty).toMatchObject({ attestation: null, evidence: null, verdicts: [], judged: 0 })
    const { duty: abstaining } = detailOf(6)
    expect(abstaining.abstentions).toBe(5)
    expect(
      abstaining.verdicts.every(({ said, saw }) => said === 'abstain' && saw === 'own chain: behind'),
    ).toBe(true)
    const { duty: alone } = detailOf(7)
    expect([alone.agreeing, alone.judged]).toEqual([0, 5])
    expect(alone.verdicts.map(({ seat }) => seat).sort((a, b) => a - b)).toEqual([0, 2, 3, 4, 5])
    expect(alone.verdicts.every(({ said, decided }) => said === 'unreachable' && decided === 'valid')).toBe(
      true,
    )
    expect(detailOf(2).duty).toMatchObject({ agreeing: 5, judged: 5, abstentions: 0, audit: null })
  })

  test('R-EVID-2 evidence invalid: the audit is done again and says what is wrong', () => {
    expect(detailOf(10).duty.audit).toEqual({
      epoch: 8,
      check: { about: 'audit', is: 'fails', detail: 'evidence-receipt' },
    })
  })

  test('R-EVID-2 an audit whose block is not to be had says so', async () => {
    const sources = await sourcesOf(small, await storeOf(small))
    const withheld = await explanationOf(
      {
        ...sources,
        evidence: {
          find: (attestation, ...rest) =>
            attestation.epoch === 8
              ? Promise.resolve({ is: 'missing', why: 'it refuses: busy' })
              : sources.evidence.find(attestation, ...rest),
        },
      },
      { seat: { is: 'seat', seat: troubled }, epochs: 10 },
    )
    expect(detailOf(10, withheld).duty.audit!.check).toEqual({
      about: 'audit',
      is: 'missing',
      detail: 'its evidence is not to be had: it refuses: busy',
    })
  })
})

describe('a seat is named', () => {
  test('by number, host, stake address, or as the own one', async () => {
    const sources = await sourcesOf(small, await storeOf(small, { own: 4 }))
    const row = (await small.epochs.get(2))!.rowOf(4)!
    const address = addressOfStake(small.network.profile.genesis.chain, row.stake)
    for (const seat of [
      { is: 'seat', seat: 4 },
      { is: 'host', host: row.host },
      { is: 'stake', address },
      { is: 'own' },
    ] as const) {
      expect(await explanationOf(sources, { seat, epochs: 2 })).toMatchObject({ seat: 4, stake: address })
    }
  })

  test('nobody of that name, no address, and a store that is nobody’s are refused with what to do', async () => {
    const sources = await sourcesOf(small, await storeOf(small))
    for (const seat of [
      { is: 'seat', seat: 77 },
      { is: 'host', host: 'nobody.devnet.test' },
      { is: 'stake', address: 'tmNobody' },
      { is: 'own' },
    ] as const) {
      await expect(explanationOf(sources, { seat })).rejects.toMatchObject({
        code: 'EXPLAIN_SEAT',
        exitCode: 2,
      })
    }
    await expect(explanationOf(sources, { week: '2025-W01' })).rejects.toMatchObject({ exitCode: 3 })
    await expect(explanationOf(sources, { week: 'never' })).rejects.toMatchObject({ exitCode: 2 })
  })

  test('a host that stands for several seats is not guessed at', async () => {
    const sources = await sourcesOf(small, await storeOf(small))
    const { epochs } = sources
    const twins: typeof epochs = {
      ...epochs,
      get: async (epoch) => {
        const context = await epochs.get(epoch)
        return (
          context && {
            ...context,
            snapshot: context.snapshot.map((row) => ({ ...row, host: 'same.devnet.test' })),
          }
        )
      },
    }
    await expect(
      explanationOf({ ...sources, epochs: twins }, { seat: { is: 'host', host: 'same.devnet.test' } }),
    ).rejects.toMatchObject({ code: 'EXPLAIN_SEAT', message: expect.stringContaining('0, 1, 2, 3, 4, 5') })
  })
})

describe('addresses and equivocation', () => {
  test('R-TALLY-3 a shared address names the other seat, and differing ones are listed', async () => {
    const addressed = await playSmallWeek({
      nodes: 5,
      epochs: 4,
      addressOf: ({ epoch, challenger, target }) => {
        if (epoch === 2 && target === 3) return Uint8Array.of(127, 77, 0, 2)
        if (epoch === 3 && target === 3) return Uint8Array.of(127, 77, 1, challenger)
        return Uint8Array.of(127, 77, 0, target + 1)
      },
    })
    const sources = await sourcesOf(addressed, await storeOf(addressed))
    const shared = await explanationOf(sources, { seat: { is: 'seat', seat: 3 } })
    expect(detailOf(2, shared)).toMatchObject({
      outcome: 'invalid: address shared',
      why: 'valid, but seen at 127.77.0.2 like seat 1: one seat per address, the one that most challengers name',
    })
    expect(detailOf(3, shared).outcome).toBe('undecided: no address')
    expect(detailOf(3, shared).why).toMatch(
      /^4 of 4 challengers say valid, but no address is named by more than half: (127\.77\.1\.\d ×1(, )?){4}$/,
    )
  })

  test('R-TALLY-2 who names other addresses than most disagrees: the duty says which, and which most name', async () => {
    const lied = await playSmallWeek({
      nodes: 5,
      epochs: 4,
      addressOf: ({ epoch, challenger, target }) =>
        epoch === 3 && challenger === 3
          ? Uint8Array.of(127, 99, 0, 9)
          : Uint8Array.of(127, 77, 0, target + 1),
    })
    const own = await explanationOf(await sourcesOf(lied, await storeOf(lied)), {
      seat: { is: 'seat', seat: 3 },
    })
    const { outcome, why, duty } = detailOf(3, own)
    expect(outcome).toBe('valid: disagrees')
    expect(why).toMatch(/agree with what was decided: it says otherwise about seats 0, 1, 2 and 4$/)
    expect([duty.agreeing, duty.judged]).toEqual([0, 4])
    for (const { seat, said, at, decided, decidedAt, agrees } of duty.verdicts) {
      expect({ said, at, decided, decidedAt, agrees }).toEqual({
        said: 'valid',
        at: '127.99.0.9',
        decided: 'valid',
        decidedAt: `127.77.0.${seat + 1}`,
        agrees: false,
      })
    }
    expect(detailOf(2, own).duty).toMatchObject({ agreeing: 4, judged: 4 })
  })

  test('R-ATT-3 who signed twice is struck all week, and scores nothing', async () => {
    const twice = await playSmallWeek({ nodes: 6, epochs: 4, equivocators: new Map([[2, 3]]) })
    const sources = await sourcesOf(twice, await storeOf(twice))
    const other = await explanationOf(sources, { seat: { is: 'seat', seat: 0 } })
    expect(challengerOf(2, 2, other)).toMatchObject({ said: 'struck', attestation: null, checks: [] })
    const own = await explanationOf(sources, { seat: { is: 'seat', seat: 2 } })
    expect(own).toMatchObject({ equivocator: true, score: 0 })
    expect(own.details.map(({ outcome }) => outcome)).toEqual(['valid: not attested', 'valid: not attested'])
    expect(own.cost.amount).toBe('0')
    expect(BigInt(own.cost.amountIfCredited!)).toBeGreaterThan(0n)
  })
})
