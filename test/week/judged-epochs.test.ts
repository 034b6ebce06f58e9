import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HeldAttestation } from '../../protocol/index.ts'
import type { EpochContext } from '../../src/week/epoch-book.ts'
import type { FixedWeek, WeekSources } from '../../src/week/gather.ts'
import { addressAt, outcomeAt, wordsAbout } from '../../src/week/judged-epoch.ts'
import { createJudgedEpochs, type JudgedEpochs } from '../../src/week/judged-epochs.ts'
import {
  attest,
  attestOtherwise,
  createTestNetwork,
  type TestNetwork,
  type TestNode,
} from '../fixtures/test-network.ts'
import { seedOf } from '../protocol/fixture.ts'

const { signal } = new AbortController()
const epoch = 2

describe('judged epochs are kept while what they follow from is the same', () => {
  let network: TestNetwork
  let node: TestNode
  let judged: JudgedEpochs
  let fixed: FixedWeek | null
  /** How often all attestations of an epoch were read. */
  let readings: number

  beforeEach(async () => {
    network = await createTestNetwork({ nodes: 5, params: { committee: 3 }, epochsPerWeek: 3 })
    node = await network.start(0, { stake: seedOf('nobody').slice(0, 20) })
    const { daemon, chain } = node
    fixed = null
    readings = 0
    const sources: Partial<WeekSources> = {
      epochs: daemon.epochs,
      confirmedHeight: () => chain.view.confirmedHeight,
      standing(context) {
        readings++
        return daemon.collector.standing(context)
      },
      equivocators: (week) => daemon.collector.equivocators(week),
      changeOf: (of) => daemon.collector.changeOf(of),
      fixedAtHand: () => fixed,
    }
    judged = createJudgedEpochs(sources as WeekSources)
  })
  afterEach(() => network.stop())

  const take = async (...indexes: number[]): Promise<void> => {
    const context = await node.context(epoch)
    for (const i of indexes) await node.daemon.collector.take(attest(network, context, i).bytes, 'sync')
  }
  const close = (): Promise<void> => node.chain.advance(network.height(epoch + 2))
  const attestedNow = async (): Promise<number | undefined> => (await judged.get(epoch, signal))?.attested

  test('a closed epoch is judged once, by however many it is asked for at a time', async () => {
    await take(0, 1, 2)
    await close()
    const views = await Promise.all([1, 2, 3].map(() => judged.get(epoch, signal)))
    expect(new Set(views).size).toBe(1)
    expect(views[0]).toMatchObject({ attested: 3, isFixed: false, isOpen: false })
    expect([readings, judged.revision()]).toEqual([1, 1])
  })

  test('one more attestation, or R-ATT-3 a proof, and it is judged anew', async () => {
    await take(0, 1, 2)
    await close()
    expect(await attestedNow()).toBe(3)
    await take(3)
    expect(await attestedNow()).toBe(4)
    const context = await node.context(epoch)
    await node.daemon.collector.take(attestOtherwise(network, context, 3).bytes, 'sync')
    expect(await attestedNow()).toBe(3)
    expect(judged.revision()).toBe(3)
  })

  test('an open epoch is at most one block behind; a document has it as it stands', async () => {
    await take(0)
    expect(await attestedNow()).toBe(1)
    await take(1)
    expect(await attestedNow()).toBe(1)
    const context = await node.context(epoch)
    expect((await judged.read(context, null, signal)).attested).toBe(2)
    await node.chain.advance(node.chain.view.confirmedHeight + 1)
    expect(await attestedNow()).toBe(2)
  })

  test('what is read for a document comes from the cache if it is the same, and evicts nothing', async () => {
    await take(0, 1)
    await close()
    const context = await node.context(epoch)
    const read = await judged.read(context, null, signal)
    expect(judged.revision()).toBe(0)
    const kept = await judged.get(epoch, signal)
    expect(kept).not.toBe(read)
    expect(await judged.read(context, null, signal)).toBe(kept)
    expect(readings).toBe(2)
  })

  test('R-CP-5 the anchored set takes the place of what was held, and then nothing changes it', async () => {
    await take(0, 1, 2)
    await close()
    expect(await attestedNow()).toBe(3)
    const { attestation, payload, signature } = attest(network, await node.context(epoch), 4)
    const held = {
      seat: attestation.seat,
      cid: attestation.evidence,
      signed: { payload, signature },
      heldAt: 1,
    }
    fixed = {
      checkpoint: attestation.evidence,
      anchor: { height: 500, hash: seedOf('block') },
      equivocators: new Set(),
      async *standing(): AsyncIterable<HeldAttestation> {
        yield held
      },
    }
    const view = await judged.get(epoch, signal)
    expect(view).toMatchObject({ attested: 1, isFixed: true })
    await take(3)
    expect(await judged.get(epoch, signal)).toBe(view)
  })

  test('R-CHAIN-2 a reorganisation that takes the beacon takes the judgement, at the same height too', async () => {
    await take(0, 1)
    const before = await judged.get(epoch, signal)
    const { confirmedHeight } = node.chain.view
    await node.chain.reorganise(network.height(epoch) - 1, confirmedHeight)
    const after = await judged.get(epoch, signal)
    expect(after!.beacon).not.toEqual(before!.beacon)
    expect([before!.attested, after!.attested]).toEqual([2, 0])
  })

  test('who is told of a seat: its outcome, its words challenger by challenger, and where it was seen', async () => {
    await take(0, 1, 2, 3, 4)
    await close()
    const context: EpochContext = await node.context(epoch)
    const view = (await judged.get(epoch, signal))!
    for (const [index, { seat }] of context.snapshot.entries()) {
      const words = wordsAbout(view, index)
      expect(words).toHaveLength(3)
      expect(words.map(({ at }) => context.snapshot[at]!.seat)).toEqual(
        words.map(({ challenger }) => challenger),
      )
      expect(words.every(({ verdict, challenger }) => verdict === 0 && challenger !== seat)).toBe(true)
      expect(outcomeAt(view, index)).toMatch(/^(credited|valid|undecided|invalid)/)
      expect(addressAt(view, index)).not.toBeNull()
    }
  })

  test('an epoch that has not begun is not known, and a broken wait judges nothing', async () => {
    expect(await judged.get(99, signal)).toBeUndefined()
    await expect(judged.get(epoch, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    expect([readings, judged.revision()]).toEqual([0, 0])
  })
})
