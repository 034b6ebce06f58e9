import { rm } from 'node:fs/promises'
import type { DigestedTally, Height } from '../../protocol/index.ts'
import type { AssembledNode } from '../service/assemble.ts'
import { openStore } from '../store/open.ts'
import { buildPayout } from '../payout/build.ts'
import { createOutbox } from '../payout/outbox.ts'
import { sendPayout } from '../payout/send.ts'
import { signPayout } from '../payout/sign.ts'
import { verifyPayout } from '../payout/verify.ts'
import type { PreparedDevnet, PreparedNode } from './prepare.ts'
import { treasuryKey } from './treasury-key.ts'

/** `exact` if every payee got what the tally says, and nobody else anything (R-PAY-4). */
export type PayoutOutcome = 'exact' | 'differs'

/** Pays the week as a coordinator does, and checks it on the chain as anybody can (R-PAY-1…4). */
export const payWeek = async (
  prepared: PreparedDevnet,
  tally: DigestedTally,
  profileName: string,
  dir: string,
  mineUntil: (height: Height) => Promise<void>,
  signal: AbortSignal,
): Promise<PayoutOutcome> => {
  const { network, chain, rpc } = prepared
  const { anchor } = tally.document
  if (anchor === null) return 'differs'
  const { payoutConfirmations } = network.profile.schedule.at(-1)!.params
  await mineUntil(anchor.height + payoutConfirmations)
  const node = { network, rpc, since: null, signal }
  const { file } = await buildPayout({ node, tally, redeemScript: null, coins: null, replaces: false })
  // Nobody scored, so nobody is owed anything, and nothing is on the thread.
  if (file === null) return 'exact'
  const signed = await signPayout({
    network,
    files: [file],
    tally,
    witness: { is: 'node', node },
    key: treasuryKey(profileName),
  })
  await using store = await openStore({ directory: dir, networkId: network.networkId })
  await sendPayout({ node, outbox: createOutbox(store, network.facts.family), file: signed })
  await mineUntil(chain.tip.height + 1)
  const { comparison } = await verifyPayout({ network, tally, node, txids: [], raw: [] })
  return comparison.isMatch ? 'exact' : 'differs'
}

/** Starts a node anew from an empty disk: true if chain and peers alone give it the same digest. */
export const rebuild = async (
  node: PreparedNode,
  tally: DigestedTally,
  restart: (node: PreparedNode) => Promise<AssembledNode>,
  stop: (node: PreparedNode) => Promise<void>,
  mineOne: () => Promise<void>,
  maxBlocks: number,
  signal: AbortSignal,
): Promise<boolean> => {
  const { week } = tally.document
  await stop(node)
  await rm(node.config.dir, { recursive: true, force: true })
  const { daemon, weeks } = await restart(node)
  for (let mined = 0; mined < maxBlocks && daemon.finality.anchored.get(week) === undefined; mined++) {
    await mineOne()
  }
  if (daemon.finality.anchored.get(week) === undefined) return false
  return (await weeks.tally(week, signal)).digest === tally.digest
}
