import type { World } from '../../world.ts'
import type { RpcClient } from '../../chain-node/rpc/client.ts'
import type { Network } from '../../chain/profiles.ts'
import { stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { z } from 'zod'
import {
  bytesToHex,
  type Height,
  instanceBytes,
  peerIdOfKey,
  type SeatRecord,
} from '../../../protocol/index.ts'
import { type FoundAnnouncement, findAnnouncement } from '../../chain-node/announcement-lookup.ts'
import type { SeatStanding } from '../../chain-node/follower/chain-state.ts'
import { openFollower } from '../../chain-node/follower/follower.ts'
import { loadNetwork } from '../load-network.ts'
import { isRpcError } from '../../chain-node/rpc/errors.ts'
import { getBlockchainInfo, getBlockHash, getBlockHeader } from '../../chain-node/rpc/methods.ts'
import { isSecnodeError, messageOf, SecnodeError } from '../../errors.ts'
import { createBls } from '../../keys/bls.ts'
import { loadNodeKeyFile } from '../../keys/node-key.ts'
import { createEd25519Verifier } from '../../keys/ed25519.ts'
import { createProbeRoots } from '../../net/certificate-chain.ts'
import { createNameSurvey, type SurveyName } from '../../net/name-servers.ts'
import { createFamilyResolver, type HostAddresses, type ResolveFamilies } from '../../net/resolve.ts'
import { createSelfLook, type SelfLook } from '../../net/self-look.ts'
import { readCertificatePair } from '../../net/tls-endpoint.ts'
import { createRpc } from '../assemble.ts'
import { type Config, loadConfig, publicPortsOf } from '../config.ts'
import { DaemonStanding, OutsideSight } from '../doctor-answers.ts'
import { openStore } from '../../store/open.ts'
import { stakeOf } from './announcing.ts'
import { isWildcard, openEndpoints } from './endpoints.ts'
import { sightsOfDoctor } from './sights.ts'
import { type Announced, callMs, type ChainFacts, type DoctorOptions, type Facts } from './facts.ts'

const dnsTimeoutMs = 5_000

// long: a list of facts, each found once from the ones before it
export const createFacts = (options: DoctorOptions): Facts => {
  const { world, signal } = options
  const owners = new WeakMap<object, string>()
  const closing: (() => Promise<void>)[] = []

  /** Found out once, by the check of this name. */
  const fact = <T>(owner: string, find: () => Promise<T>): (() => Promise<T>) => {
    let found: Promise<T> | null = null
    return () =>
      (found ??= find().catch((error: unknown) => {
        if (typeof error === 'object' && error !== null && !owners.has(error)) owners.set(error, owner)
        throw error
      }))
  }

  const config = fact('config', async () => await loadConfig(options.configFile))
  const network = fact('config', async () => await loadNetwork((await config()).profile))
  const stake = fact('config', async () => stakeOf(await network(), (await config()).stake))
  const keys = fact('keys', async () => await loadNodeKeyFile((await config()).keys))
  const certificate = fact('certificate', async () => {
    const { cert, key } = (await config()).certificate
    return await readCertificatePair({ certFile: cert, keyFile: key })
  })
  const resolver = fact('names', async () => resolverOf(options, await config()))
  const survey = fact('config', async () => surveyOf(options, await config()))
  const addresses = fact(
    'names',
    async () => await addressesOf((await config()).host, await resolver(), signal),
  )
  const daemon = fact('endpoint', async (): Promise<DaemonStanding | null> => {
    const { dir } = await config()
    try {
      return await options.askDaemon(dir, '/standing', DaemonStanding, signal)
    } catch (error) {
      if (isSecnodeError(error, 'CONTROL_UNREACHABLE')) return null
      throw error
    }
  })

  const rpc = fact('chain', async () => {
    const client = createRpc(await config(), world)
    closing.push(() => client.close())
    return client
  })

  const chain = fact('chain', async () => await chainFactsOf(await rpc(), await network(), signal))

  const announced = fact('announcement', async (): Promise<Announced> => {
    const running = await daemon()
    const known = running === null ? await stored() : standingOfDaemon(running)
    // Of what the registry says, it must be sure: blocks that came since may have changed it.
    const { tip } = await chain()
    const confirmed = tip - (await network()).profile.genesis.confirmations
    if (known !== null && known.height >= confirmed - 1) return known.announced
    try {
      return announcedOf(
        await findAnnouncement(await rpc(), await network(), await stake(), tip, createBls(), signal),
      )
    } catch (error) {
      if (!isRpcError(error, 'RPC_METHOD_UNKNOWN') && !isRpcError(error, 'RPC_REFUSED')) throw error
      const why = 'the chain node has no address index'
      return known === null || known.announced.is !== 'found' ? { is: 'unknown', why } : known.announced
    }
  })

  /** What was followed up to the last run. Null if there is no store, or if it cannot be read now. */
  const stored = fact('announcement', async (): Promise<Followed | null> => {
    const { dir } = await config()
    const isThere = await stat(join(dir, 'store')).then(
      () => true,
      () => false,
    )
    if (!isThere) return null
    try {
      return await readFollowed(dir, await network(), await rpc(), await stake(), world)
    } catch (error) {
      options.logger.debug({ err: error }, 'the store could not be read')
      return null
    }
  })

  const knownSeats = async (): Promise<readonly SeatRecord[]> =>
    (await daemon()) === null ? ((await stored())?.seats ?? []) : []

  const instance = world.randomBytes(instanceBytes)
  const selfLook = fact('keys', async () =>
    selfLookOf(await network(), await config(), (await keys()).peerKey, instance, world),
  )

  const endpoints = fact('endpoint', async () => {
    const opened = await openEndpoints({
      config: await config(),
      network: await network(),
      keys: await keys(),
      stake: await stake(),
      // Its own check says what is wrong with it.
      certificate: await certificate(),
      daemon: await daemon(),
      instance,
      logger: options.logger,
      world,
    })
    closing.push(() => opened.close())
    return opened
  })

  const sights = fact('outside', async (): Promise<readonly OutsideSight[]> => {
    const { host, dir } = await config()
    const found = await announced().catch(() => null)
    // Challengers come to what was announced; before that it is what will be.
    const { p2p, tls } = found?.is === 'found' ? found : publicPortsOf(await config())
    if ((await daemon()) === null) return await sightsOfDoctor(facts, { host, p2p, tls })
    const body = JSON.stringify({ host, p2p, tls })
    return await options.askDaemon(dir, '/dial-back', z.array(OutsideSight), signal, body)
  })

  const facts: Facts = {
    options,
    config,
    network,
    stake,
    keys,
    certificate,
    resolver,
    addresses,
    survey,
    daemon,
    rpc,
    chain,
    announced,
    selfLook,
    endpoints,
    knownSeats,
    sights,
    ownerOf: (error) => (typeof error === 'object' && error !== null ? owners.get(error) : undefined),
    close: async () => {
      for (const close of closing.reverse()) await close()
    },
  }
  return facts
}

const addressesOf = async (
  host: string,
  resolve: ResolveFamilies,
  signal: AbortSignal,
): Promise<HostAddresses> => {
  try {
    return await resolve(host, { signal })
  } catch (error) {
    throw new SecnodeError('DNS_UNABLE', `${host} cannot be looked up: ${messageOf(error)}`, {
      hint: 'Check the name servers of this machine (/etc/resolv.conf), and those of the domain.',
      cause: error,
    })
  }
}

const chainFactsOf = async (
  rpc: RpcClient,
  { facts, genesisHash }: Network,
  signal: AbortSignal,
): Promise<ChainFacts> => {
  // One that is not there now is told, not waited for.
  const info = await getBlockchainInfo(rpc, { signal, deadlineMs: 1_000, attemptMs: callMs })
  const call = { signal, deadlineMs: callMs, attemptMs: callMs }
  const hash = await getBlockHash(rpc, info.blocks, call)
  const header = hash === null ? null : await getBlockHeader(rpc, hash, call)
  return {
    info,
    tip: info.blocks,
    tipTime: header?.time ?? 0,
    isRealTime: header !== null && genesisHash !== null && facts.noteNetwork !== 'regtest',
  }
}

const selfLookOf = (
  { profile, networkId }: Network,
  { listen: { address } }: Config,
  peerKey: Uint8Array,
  instance: Uint8Array,
  world: World,
): SelfLook =>
  createSelfLook({
    peerKey,
    instance,
    networkId,
    roots: createProbeRoots(profile.roots),
    verify: createEd25519Verifier({ maxKeys: 1 }).verify,
    localAddress: isWildcard(address) || !profile.allowLoopback ? undefined : address,
    world,
  })

/** What a store says of the chain up to `height`. */
interface Followed {
  height: Height
  announced: Announced
  seats: readonly SeatRecord[]
}

const readFollowed = async (
  dir: string,
  network: Network,
  rpc: RpcClient,
  stake: Uint8Array,
  world: World,
): Promise<Followed> => {
  await using store = await openStore({ directory: dir, networkId: network.networkId })
  const follower = await openFollower({ network, rpc, store, bls: createBls(), world })
  const height = follower.confirmedHeight
  const seats = ((await follower.seatsAfter(height)) ?? []).filter(({ activeSince }) => activeSince !== null)
  const found = follower.standingOf(stake)
  await follower.stop()
  return { height, seats, announced: found === undefined ? { is: 'none' } : announcedInRegistry(found) }
}

const announcedInRegistry = ({ record, balance }: SeatStanding): Announced => ({
  is: 'found',
  peer: peerIdOfKey(record.peer),
  host: record.host,
  p2p: record.p2p,
  tls: record.tls,
  bls: bytesToHex(record.bls),
  height: record.announced.height,
  standing: { isActive: record.activeSince !== null, balance },
})

const standingOfDaemon = ({
  height,
  announced,
}: DaemonStanding): { height: Height; announced: Announced } => ({
  height,
  announced:
    announced === null
      ? { is: 'none' }
      : {
          is: 'found',
          peer: announced.peer,
          host: announced.host,
          p2p: announced.p2p,
          tls: announced.tls,
          bls: announced.bls,
          height: null,
          standing: { isActive: announced.isActive, balance: BigInt(announced.balance) },
        },
})

const announcedOf = (found: FoundAnnouncement): Announced => {
  if (found.is !== 'found') return found
  const { peer, host, p2p, tls, bls } = found.announcement
  return {
    is: 'found',
    peer: peerIdOfKey(peer),
    host,
    p2p,
    tls,
    bls: bytesToHex(bls),
    height: found.height,
    standing: null,
  }
}

const surveyOf = (options: DoctorOptions, { hosts }: Config): SurveyName | null => {
  if (options.surveyName !== undefined) return options.surveyName
  const isDns = hosts === undefined && options.resolveFamilies === undefined
  return isDns ? createNameSurvey({ timeoutMs: dnsTimeoutMs }) : null
}

/** Names of the `hosts` table first, as the daemon does; a devnet's own names are not asked of anybody's DNS. */
const resolverOf = (options: DoctorOptions, { hosts }: Config): ResolveFamilies => {
  if (options.resolveFamilies !== undefined) return options.resolveFamilies
  if (hosts === undefined) return createFamilyResolver({ timeoutMs: dnsTimeoutMs })
  return (host) => {
    const ip = hosts[host]
    const isV6 = ip !== undefined && isIP(ip) === 6
    return Promise.resolve({ ipv4: ip === undefined || isV6 ? [] : [ip], ipv6: isV6 ? [ip] : [] })
  }
}
