import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type CertifierState,
  type CheckpointAnswer,
  checkpointAnswerCodec,
  decodeCertificate,
  formatAnchor,
  protocols,
} from '../../protocol/index.ts'
import { certificateOf, createWeeks, registryOf, seniorCount, weeksAt } from '../fixtures/frozen-weeks.ts'
import { createTestChain } from '../fixtures/test-chain.ts'
import type { TestNetwork, TestNode } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'

/** The last epoch of the week that is frozen, and the seat that no certifier was drawn from. */
const last = 41
const victimIndex = seniorCount

let network: TestNetwork
beforeEach(async () => {
  network = await createWeeks(42, seniorCount + 1)
})
afterEach(() => network.stop())

/** A node whose chain has come to block F. It is not senior, so nobody proposes to it, and it proposes to nobody. */
const startFrozen = async (index: number, syncIntervalMs = 3_600_000): Promise<TestNode> => {
  const height = network.height(last + 2)
  const chain = createTestChain(network.blocks, height)
  chain.registry = registryOf(network)
  chain.weeks = await weeksAt(network, height)
  const node = await network.start(index, { chain, syncIntervalMs })
  await until(() => node.daemon.finality.certifier.state() !== null)
  return node
}

const stateOf = ({ daemon }: TestNode): CertifierState => daemon.finality.certifier.state()!
const memoOf = (certificate: Uint8Array): string => {
  const decoded = decodeCertificate(certificate)
  if (decoded.is === 'bad') throw new Error(decoded.code)
  return formatAnchor(decoded.value.certificate)
}
const ask = async (node: TestNode, index: number): Promise<void> =>
  node.daemon.finality.certifier.askCertificate(network.rows[index]!, AbortSignal.timeout(60_000))

/** A seat without a daemon that answers for certificates as the test wants it. It is there before those who ask it. */
const startAnswering = async (
  index: number,
  answerOf: () => CheckpointAnswer | Uint8Array,
): Promise<void> => {
  const peer = await network.startPeer({ index })
  const limits = {
    maxRequestBytes: 1_000,
    maxResponseBytes: 10_000,
    timeoutMs: 60_000,
    maxConcurrentPerPeer: 4,
    maxConcurrent: 8,
  }
  await peer.handle(protocols.checkpoint, limits, () => {
    const answer = answerOf()
    return Promise.resolve(answer instanceof Uint8Array ? answer : checkpointAnswerCodec.encode(answer))
  })
}

test('R-SYNC-2 a node that gossip never reached learns a certificate before its anchor', async () => {
  const holder = await startFrozen(0)
  const certificate = certificateOf(network, stateOf(holder), stateOf(holder).duty.frame.freezeHash, 1)
  const decoded = decodeCertificate(certificate)
  if (decoded.is === 'bad') throw new Error(decoded.code)
  // It lies in the store, as after a restart: no gossip brings it to anyone.
  await holder.daemon.checkpoints.putCertificate(network.networkId, decoded.value.certificate)
  const victim = await startFrozen(victimIndex, 100)
  expect(victim.daemon.finality.certifier.certified()).toBeNull()
  // The other seats are not there at all.
  await until(() => victim.daemon.finality.certifier.certified() !== null)
  expect(victim.daemon.finality.certifier.certified()?.memo).toBe(memoOf(certificate))
  expect(victim.daemon.finality.dueAnchor()?.memo).toBe(memoOf(certificate))
  // And it tells others now.
  expect(await victim.daemon.checkpoints.certificate(stateOf(victim).duty.frame.week)).toBeDefined()
})

test('R-SYNC-2 seats that hide the certificate, or make one up, end nothing: others are asked', async () => {
  const holder = await startFrozen(0)
  const { frame } = stateOf(holder).duty
  const certificate = certificateOf(network, stateOf(holder), frame.freezeHash, 1)
  const decoded = decodeCertificate(certificate)
  if (decoded.is === 'bad') throw new Error(decoded.code)
  await holder.daemon.checkpoints.putCertificate(network.networkId, decoded.value.certificate)
  const forged = certificate.map((byte, i) => (i === certificate.length - 1 ? byte ^ 1 : byte))
  await startAnswering(1, () => ['unknown'])
  await startAnswering(2, () => ['certificate', forged])
  await startAnswering(3, () => Uint8Array.of(0xff))
  const victim = await startFrozen(victimIndex)
  for (const index of [1, 2]) await ask(victim, index)
  await expect(ask(victim, 3)).rejects.toMatchObject({ code: 'CHECKPOINT_ANSWER' })
  expect(victim.daemon.finality.certifier.certified()).toBeNull()
  await ask(victim, 0)
  await until(() => victim.daemon.finality.certifier.certified() !== null)
  expect(victim.daemon.finality.certifier.certified()?.memo).toBe(memoOf(certificate))
})

test('R-SYNC-2 one of another branch costs the seat that gave it nothing', async () => {
  let elsewhere: Uint8Array = new Uint8Array()
  await startAnswering(1, () => ['certificate', elsewhere])
  const victim = await startFrozen(victimIndex)
  elsewhere = certificateOf(network, stateOf(victim), seedOf('another block F'), 1)
  await ask(victim, 1)
  expect(victim.daemon.finality.certifier.certified()).toBeNull()
  expect(await victim.penalties()).toBe(0)
})

test('R-SYNC-2 a node that knows a certificate, or has no week to certify, asks for none', async () => {
  let certificate: Uint8Array = new Uint8Array()
  await startAnswering(1, () => ['certificate', certificate])
  const victim = await startFrozen(victimIndex)
  certificate = certificateOf(network, stateOf(victim), stateOf(victim).duty.frame.freezeHash, 1)
  await ask(victim, 1)
  await until(() => victim.daemon.finality.certifier.certified() !== null)
  // Nobody is there to answer: to ask would fail.
  await expect(ask(victim, 2)).resolves.toBeUndefined()
  await expect(ask(await network.start(3), 2)).resolves.toBeUndefined()
})
