import { bytesToHex, equalBytes, type Height } from '../../../protocol/index.ts'
import { lastSpending } from '../../chain-node/announcement-lookup.ts'
import { isRpcError } from '../../chain-node/rpc/errors.ts'
import { getAddressUtxos, validateAddress, zGetOperationStatus } from '../../chain-node/rpc/methods.ts'
import { createAnchorWallet } from '../../node/anchor-wallet.ts'
import { publicPortsOf } from '../config.ts'
import { standbyKeyFile } from '../../node/standby-key.ts'
import { loadNodeKeyFile, type NodeKeys } from '../../keys/node-key.ts'
import { stakeOf } from './announcing.ts'
import type { Check } from './check.ts'
import { type Announced, callMs, type Facts } from './facts.ts'
import { type Finding, finding } from './findings.ts'

/** The announcement is on the chain and says what the configuration does (R-REG-1 … R-REG-4). */
export const announcementCheck: Check = {
  name: 'announcement',
  timeoutMs: 60_000,
  isInside: true,
  run: async (facts) => {
    const announced = await facts.announced()
    const { stake } = await facts.config()
    if (announced.is === 'found') return await foundAnnouncement(facts, announced)
    if (announced.is === 'unknown') {
      return { findings: [finding('ANNOUNCEMENT_NOT_CHECKED', announced.why)], detail: '' }
    }
    if (announced.is === 'refused') {
      const isSmall = announced.code === 'stake-too-small'
      const code = isSmall ? 'STAKE_TOO_SMALL' : 'ANNOUNCEMENT_REFUSED'
      const { minStake } = (await facts.network()).profile.genesis
      const why = isSmall ? `no output of at least ${minStake} base units pays the stake` : announced.code
      return {
        findings: [finding(code, `transaction ${announced.txid} announces nothing: ${why}`)],
        detail: '',
      }
    }
    if (facts.options.isBeforeAnnouncement === true) return { findings: [], detail: 'not announced yet' }
    return { findings: [finding('ANNOUNCEMENT_MISSING', `${stake} was not announced`)], detail: '' }
  },
}

const foundAnnouncement = async (facts: Facts, announced: Extract<Announced, { is: 'found' }>) => {
  const config = await facts.config()
  const { host } = config
  const { p2p, tls } = publicPortsOf(config)
  const { isStandby = false } = facts.options
  const keys = (isStandby ? await successorOf(facts, announced.peer) : null) ?? (await facts.keys())
  const { tip } = await facts.chain()
  const { confirmations, epochBlocks } = (await facts.network()).profile.genesis
  const findings: Finding[] = []
  const differ = (what: string, theirs: string | number, own: string | number): string[] =>
    theirs === own ? [] : [`${what} (announced ${theirs}, here ${own})`]
  // What a standby finds announced, name and ports, may be that of the machine that it stands by for.
  const identity = [
    ...(isStandby ? [] : differ('host', announced.host, host)),
    ...differ('peer', announced.peer, keys.peerId),
    ...differ('voting key', announced.bls.slice(0, 16), bytesToHex(keys.blsPublicKey).slice(0, 16)),
  ]
  const ports = isStandby ? [] : [...differ('p2p', announced.p2p, p2p), ...differ('tls', announced.tls, tls)]
  if (identity.length > 0) {
    findings.push(
      finding('ANNOUNCEMENT_DIFFERS', `announced is another ${[...identity, ...ports].join(', ')}`),
    )
  } else if (ports.length > 0) {
    findings.push(
      finding('ANNOUNCEMENT_DIFFERS', `announced is another port: ${ports.join(', ')}`, {
        severity: 'warning',
        hint: 'Where a container or a router maps the announced ports to those listened on, name them as `public`; else announce again with secnode announce.',
      }),
    )
  }
  const { height } = announced
  if (height !== null && height > tip - confirmations) {
    const missing = height + confirmations - tip
    findings.push(
      finding('ANNOUNCEMENT_PENDING', `block ${height} with the announcement needs ${missing} more blocks`, {
        hint: `The seat is challenged from the third epoch after that on: within ${3 * epochBlocks} blocks (R-EPOCH-5).`,
      }),
    )
  }
  return { findings, detail: `announced as ${announced.host}` }
}

/** The standby's own keys, if these are announced: it is about to take the seat over by the chain (R-ATT-8). */
const successorOf = async (facts: Facts, announced: string): Promise<NodeKeys | null> => {
  const keys = await loadNodeKeyFile(standbyKeyFile((await facts.config()).dir)).catch(() => null)
  return keys?.peerId === announced ? keys : null
}

/** The stake is there, whole and unspent since the announcement (R-REG-5). */
export const stakeCheck: Check = {
  name: 'stake',
  timeoutMs: 60_000,
  isInside: true,
  run: async (facts, signal) => {
    const announced = await facts.announced()
    const network = await facts.network()
    const { minStake, chain, activationHeight } = network.profile.genesis
    const { stake: address } = await facts.config()
    const rpc = await facts.rpc()
    const { tip } = await facts.chain()
    const call = { signal, deadlineMs: callMs, attemptMs: callMs }
    const findings: Finding[] = []
    if (!network.profile.allowLoopback && (await isOwnKey(facts, address, signal))) {
      findings.push(finding('STAKE_KEY_ON_NODE', `the wallet of the chain node has the key of ${address}`))
    }
    // The announcement's own transaction brings the stake: before it nothing need be there.
    if (announced.is !== 'found') return { findings, detail: `${address}: not announced` }
    const since: Height = announced.height ?? activationHeight
    let balance: bigint
    try {
      const outputs = await getAddressUtxos(rpc, [address], call)
      balance = outputs
        .filter(({ height }) => height >= since)
        .reduce((sum, { satoshis }) => sum + satoshis, 0n)
    } catch (error) {
      if (!isRpcError(error, 'RPC_METHOD_UNKNOWN') && !isRpcError(error, 'RPC_REFUSED')) throw error
      if (announced.standing === null) throw error
      balance = announced.standing.balance
    }
    const isRetired = announced.standing?.isActive === false
    if (balance >= minStake && !isRetired)
      return { findings, detail: `${coinsOf(balance)} coins at ${address}` }
    const spending = await lastSpending(
      rpc,
      network,
      await facts.stake(),
      activationHeight,
      tip,
      signal,
    ).catch(() => null)
    const what = `${coinsOf(balance)} of ${coinsOf(minStake)} coins are unspent at ${address}`
    const by = spending === null ? '' : `; transaction ${spending.txid} spent from it`
    const code = spending?.isShielding === true ? 'STAKE_SHIELDED' : 'STAKE_SPENT'
    const retired =
      balance >= minStake ? 'the stake is back, but was spent in between: the seat is retired' : what
    findings.push(finding(code, `${retired}${by} (${chain})`))
    return { findings, detail: '' }
  },
}

/** Only nodes with a wallet can say; the others have no key. */
const isOwnKey = async (facts: Facts, address: string, signal: AbortSignal): Promise<boolean> => {
  const { ismine } = await validateAddress(await facts.rpc(), address, { signal, deadlineMs: callMs })
  return ismine === true
}

/** The small wallet that pays for anchors, if there is one: bond and fee. */
export const hotWalletCheck: Check = {
  name: 'hot wallet',
  timeoutMs: 30_000,
  isInside: true,
  run: async (facts, signal) => {
    const { anchor } = await facts.config()
    if (anchor === undefined)
      return { findings: [], detail: 'none: anchors are posted by hand, or by others' }
    const network = await facts.network()
    const rpc = await facts.rpc()
    await facts.chain()
    if (equalBytes(stakeOf(network, anchor.from), await facts.stake())) {
      return { findings: [finding('HOT_WALLET_IS_STAKE', `anchor.from is the stake itself`)], detail: '' }
    }
    const call = { signal, deadlineMs: callMs, attemptMs: callMs }
    try {
      await zGetOperationStatus(rpc, undefined, call)
    } catch (error) {
      if (!isRpcError(error, 'RPC_METHOD_UNKNOWN')) throw error
      const message = 'the chain node has no wallet that could pay for an anchor'
      return { findings: [finding('HOT_WALLET_NO_WALLET', message)], detail: '' }
    }
    const { ismine } = await validateAddress(rpc, anchor.from, call)
    if (ismine === false) {
      const message = `the wallet of the chain node does not have the key of ${anchor.from}`
      return { findings: [finding('HOT_WALLET_FOREIGN', message)], detail: '' }
    }
    const { anchorBond } = network.profile.schedule.at(-1)!.params
    const wallet = createAnchorWallet(network, rpc, anchor.from, anchorBond, facts.options.world)
    const balance = await wallet.balance(signal)
    const detail = `${coinsOf(balance)} coins at ${anchor.from}, an anchor takes ${coinsOf(wallet.needed)}`
    return { findings: balance < wallet.needed ? [finding('HOT_WALLET_EMPTY', detail)] : [], detail }
  },
}

const coinsOf = (amount: bigint): string => {
  const fraction = (amount % 100_000_000n).toString().padStart(8, '0').replace(/0+$/, '')
  return `${amount / 100_000_000n}${fraction === '' ? '' : `.${fraction}`}`
}
