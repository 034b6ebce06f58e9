import { equalBytes } from '../../../protocol/index.ts'
import type { RpcCallOptions, RpcClient } from '../../chain-node/rpc/client.ts'
import { isRpcError } from '../../chain-node/rpc/errors.ts'
import { getBlockHash, getRawBlock } from '../../chain-node/rpc/methods.ts'
import type { Check } from './check.ts'
import { callMs } from './facts.ts'
import { type Finding, finding } from './findings.ts'

/** Blocks come singly; two may be on their way. */
const mostHeadersAhead = 3
/** No block for so long, by chance, once in e^18 times at 150 seconds a block (docs/monitoring.md). */
const maxStillSeconds = 45 * 60

/** The chain node: answers, is of the right network, has every block, and is at the tip. */
export const chainCheck: Check = {
  name: 'chain',
  timeoutMs: 30_000,
  isInside: true,
  run: async (facts, signal) => {
    const rpc = await facts.rpc()
    const { info, tip, tipTime, isRealTime } = await facts.chain()
    const { genesisHash, facts: chain, profile } = await facts.network()
    const call = { signal, deadlineMs: callMs, attemptMs: callMs }
    const findings: Finding[] = []
    const first = genesisHash === null ? null : await getBlockHash(rpc, 0, call)
    const isOther = genesisHash !== null && (first === null || !equalBytes(first, genesisHash))
    // zebrad calls its regtest a test network (BIP 70 has no name for it); the hash of block 0 tells more.
    const names = chain.noteNetwork === 'regtest' ? ['regtest', 'test'] : [chain.noteNetwork]
    if (!names.includes(info.chain) || isOther) {
      const message = `the chain node is of another chain (${info.chain}) than profile ${profile.name}`
      // Nothing else that it says is about this network.
      return { findings: [finding('CHAIN_WRONG_NETWORK', message)], detail: '' }
    }
    const behind = (info.headers ?? tip) - tip
    const stillSeconds = Math.floor(facts.options.world.now() / 1_000) - tipTime
    if (behind > mostHeadersAhead) {
      findings.push(finding('CHAIN_BEHIND', `the chain node has ${tip} blocks and knows of ${behind} more`))
    } else if ((info.verificationprogress ?? 1) < 0.999) {
      const percent = Math.floor(100 * (info.verificationprogress ?? 1))
      findings.push(finding('CHAIN_BEHIND', `the chain node has verified ${percent} % of the chain`))
    } else if (isRealTime && stillSeconds > maxStillSeconds) {
      const minutes = Math.floor(stillSeconds / 60)
      findings.push(
        finding('CHAIN_BEHIND', `the last block of the chain node is ${minutes} minutes old`, {
          hint: 'Check the chain node: its peers, its log, its disk. If this clock is wrong, set it.',
        }),
      )
    }
    // Any block may be asked for (R-CHAL-2): an early one and one in the middle stand for all.
    for (const height of new Set([1, Math.ceil(tip / 2)])) {
      if (height > tip || findings.some(({ code }) => code === 'CHAIN_PRUNED')) continue
      if (info.pruned === true || !(await hasBlock(rpc, height, call))) {
        findings.push(finding('CHAIN_PRUNED', `the chain node does not have block ${height} any more`))
      }
    }
    return { findings, detail: `${info.chain}, block ${tip}` }
  },
}

/** A node without it says so in one way or another: null, or an error of its own. */
const hasBlock = async (rpc: RpcClient, height: number, call: RpcCallOptions): Promise<boolean> => {
  try {
    return (await getRawBlock(rpc, height, call)) !== null
  } catch (error) {
    if (isRpcError(error, 'RPC_REFUSED')) return false
    throw error
  }
}
