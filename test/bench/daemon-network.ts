import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import {
  addressOfStake,
  type Attestation,
  beaconOf,
  bytesToHex,
  certifiersOf,
  challengeAnswerCodec,
  challengeRequestCodec,
  cidOf,
  createCommittees,
  encodeAttestation,
  encodeReceipt,
  encodeSigned,
  type Epoch,
  epochRoot,
  epochStart,
  evidenceAnswerCodec,
  hash,
  type Height,
  outpointKey,
  peerIdOfKey,
  protocols,
  type Seat,
  type Sign,
  type Signed,
  signPayload,
  type SnapshotRow,
  startOfWeek,
  syncAnswerCodec,
  syncRequestCodec,
  topicsOf,
  Verdict,
  type Week,
  decodeQuestion,
  instanceBytes,
  newestRuleset,
} from '../../protocol/index.ts'
import { type Network, networkOf, Profile } from '../../src/chain/profiles.ts'
import { loadNetwork } from '../../src/service/load-network.ts'
import { createDevnetCa } from '../../src/devnet/certificates.ts'
import { createEmbeddedChain, type EmbeddedChain } from '../../src/devnet/chain/chain.ts'
import { createRpcMethods } from '../../src/devnet/chain/rpc/methods.ts'
import { createRpcServer, type RpcServer } from '../../src/devnet/chain/rpc-server.ts'
import { blsPublicKeyOf, blsSecretKeyOf } from '../../src/keys/bls.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { createNodeKeyFile, type NodeKeys, loadNodeKeyFile } from '../../src/keys/node-key.ts'
import { createTlsEndpoint, type TlsEndpoint } from '../../src/net/tls-endpoint.ts'
import type { Config } from '../../src/service/config.ts'
import { makeDirectory, profileJson } from '../../src/service/data-dir.ts'
import { digestOf } from '../../src/week/digests.ts'
import { putHeader } from '../../src/store/chain-index.ts'
import { openStore } from '../../src/store/open.ts'
import {
  encodeIdentity,
  encodeSeat,
  identityKey,
  putOutput,
  seatKey,
} from '../../src/store/registry-encoding.ts'
import { put, type StoreOperation } from '../../src/store/store.ts'
import { realWorld } from '../../src/world.ts'
import { pollSeconds } from './daemon-poll.ts'
import { type LocalHost, silent, startHost } from '../net/local-hosts.ts'

/**
 * Everything around one daemon of a large network: the chain node with blocks of 75 s, a data directory whose registry
 * has all seats, what the other seats attest, and the other seats themselves, started when somebody looks one up.
 */
export interface BenchNetwork {
  network: Network
  chain: EmbeddedChain
  config: Config
  ownSeat: Seat
  /** First and last epoch of the week that is played. */
  week: { name: Week; first: Epoch; last: Epoch }
  rows: readonly SnapshotRow[]
  height(epoch: Epoch, offset?: number): Height
  /** Mines up to this *confirmed* height. */
  confirm(height: Height): void
  /** Makes block F of the week one whose beacon draws the daemon among the certifiers of view 0 (R-CP-2). */
  mineFreeze(): number
  /** Signs what all other seats attest of an epoch whose first block is mined. */
  attest(epoch: Epoch): Promise<AttestedEpoch>
  /** The address of a host, whose seat answers from now on. */
  answerFor(host: string): Promise<readonly string[]>
  /** Stand-ins that are up and connected with the daemon's gossip. */
  neighbours(): LocalHost[]
  neighbourRows(): SnapshotRow[]
  close(): Promise<void>
}

export interface AttestedEpoch {
  epoch: Epoch
  beacon: Uint8Array
  /** Messages as they travel, of every seat but the daemon's. */
  messages: Uint8Array[]
  signedBySeat: (Signed | undefined)[]
  root: Uint8Array
}

const ports = { p2p: 21_734, tls: 21_735 }
const ownAddress = '127.99.0.1'
const maxStandIns = 48
const epochBlocks = 192
const confirmations = 10
const week = '2026-W47' as Week
const secondsPerWeek = 604_800
const firstEpoch = 2
const folder = new URL('../../bench-data/', import.meta.url)

const hostOf = (seat: Seat): string => `n${seat}.bench.test`
const addressOf = (seat: Seat): string => `127.${100 + (seat >> 16)}.${(seat >> 8) & 255}.${seat & 255}`

/** Of every seat its voting key, 48 bytes: made once and kept, since 40,000 of them take a while. */
const votingKeys = async (seats: number): Promise<Uint8Array> => {
  const file = new URL(`daemon-${seats}.bls`, folder)
  if (existsSync(file)) return new Uint8Array(await readFile(file))
  const keys = new Uint8Array(48 * seats)
  for (let seat = 0; seat < seats; seat++) {
    keys.set(blsPublicKeyOf(blsSecretKeyOf(hash('bench voting key', seat))), 48 * seat)
  }
  await mkdir(folder, { recursive: true })
  const fresh = new URL(`daemon-${seats}.bls.new`, folder)
  await writeFile(fresh, keys)
  await rename(fresh, file)
  return keys
}

export const createBenchNetwork = async (
  options: { seats: number; epochs: number },
  dir: string,
): Promise<BenchNetwork> => {
  const world = realWorld()
  const { seats, epochs } = options
  const ownSeat: Seat = Math.floor(seats / 3)
  const ca = await createDevnetCa(world.now())
  const base = (await loadNetwork('devnet')).profile
  const profile = Profile.parse({
    ...base,
    name: 'bench',
    genesis: { ...base.genesis, epochBlocks, confirmations, minSeniors: 16 },
    schedule: [{ from: '2026-W01', params: { fund: { kind: 'fixed', amount: 100_000_000_000n } } }],
    roots: [ca.caPem],
  })
  const network = networkOf(profile)
  const { networkId } = network
  const { genesis } = profile
  const params = profile.schedule[0]!.params
  const height = (epoch: Epoch, offset = 0): Height => epochStart(genesis, epoch) + offset

  const spacingSeconds = Math.floor(secondsPerWeek / (epochs * epochBlocks))
  const halfEpoch = Math.floor((spacingSeconds * epochBlocks) / 2)
  const chain = createEmbeddedChain({
    family: 'zcash',
    network: network.facts.noteNetwork,
    startTime: startOfWeek(week) + halfEpoch - (height(firstEpoch) - 5) * spacingSeconds,
    spacingSeconds,
    coinbaseMaturity: 2,
    walletSeed: hash('bench wallet'),
    world,
  })
  chain.mine(genesis.activationHeight)

  const keyFile = join(dir, 'node.key')
  const own: NodeKeys = await createNodeKeyFile(keyFile, (length) => world.randomBytes(length)).catch(() =>
    loadNodeKeyFile(keyFile),
  )
  const bls = await votingKeys(seats)
  const signers: { publicKey: Uint8Array; sign: Sign }[] = []
  for (let seat = 0; seat < seats; seat++) signers.push(ed25519FromSeed(hash('bench peer', seat)))
  const rows: SnapshotRow[] = signers.map(({ publicKey }, seat) => ({
    seat,
    stake: hash('bench stake', seat).slice(0, 20),
    peer: seat === ownSeat ? own.peerKey : publicKey,
    host: hostOf(seat),
    ...ports,
    bls: seat === ownSeat ? own.blsPublicKey : bls.slice(48 * seat, 48 * seat + 48),
    announced: { height: genesis.activationHeight - 1, index: seat },
  }))
  await writeProfileFile(dir, network)
  await fillStore(join(dir, 'data'), network, chain, rows)

  const server: RpcServer = createRpcServer({
    methods: createRpcMethods(chain),
    dialect: 'zebrad',
    auth: { kind: 'none' },
    world,
  })
  await server.start()
  const { certPem, keyPem } = await ca.issue({ host: hostOf(ownSeat) })
  await writeFile(join(dir, 'cert.pem'), certPem)
  await writeFile(join(dir, 'key.pem'), keyPem, { mode: 0o600 })
  const config: Config = {
    profile: join(dir, 'profile.json'),
    dir: join(dir, 'data'),
    host: hostOf(ownSeat),
    stake: addressOfStake(genesis.chain, rows[ownSeat]!.stake),
    listen: { address: ownAddress, ...ports },
    certificate: { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem') },
    keys: keyFile,
    rpc: { url: server.url },
    alerts: {
      from: 'warning',
      minIntervalSeconds: 3_600,
      timeoutSeconds: 10,
      webhooks: [],
      commands: [['true']],
    },
    syncSeconds: 30,
    spreadSeconds: 300,
    pollSeconds,
    web: { address: ownAddress, port: ports.tls + 1, hosts: [] },
    log: 'warn',
  }

  const beaconAt = (epoch: Epoch): Uint8Array =>
    beaconOf(networkId, epoch, chain.tree.at(height(epoch))!.hash)
  const attested = new Map<Epoch, AttestedEpoch>()
  let previous: (Attestation['previous'] | undefined)[] = []

  const attest = async (epoch: Epoch): Promise<AttestedEpoch> => {
    const known = attested.get(epoch)
    if (known !== undefined) return known
    const beacon = beaconAt(epoch)
    const { k } = createCommittees(beacon, seats, params.committee)
    const messages: Uint8Array[] = []
    const signedBySeat: (Signed | undefined)[] = []
    const leaves = []
    const cids: Attestation['previous'][] = []
    for (const { seat, stake } of rows) {
      if (seat === ownSeat) continue
      // The stand-ins live in this process too, and must answer.
      if (seat % 100 === 0) await nextTurn()
      const attestation: Attestation = {
        networkId,
        epoch,
        beacon,
        seat,
        stake,
        previous: previous[seat] ?? null,
        // One in twenty is down.
        verdicts: Uint8Array.from({ length: k }, (_, i) =>
          (seat + i) % 20 === 0 ? Verdict.unreachable : Verdict.valid,
        ),
        addresses: Array.from({ length: k }, (_, i) => i)
          .filter((i) => (seat + i) % 20 !== 0)
          .map((i) => Uint8Array.of(127, seat & 127, i, epoch & 255)),
        evidence: cidOf(hash('bench evidence', epoch, seat)),
      }
      const signed = signPayload('att', networkId, encodeAttestation(attestation), signers[seat]!.sign)
      const cid = cidOf(signed.payload)
      cids[seat] = cid
      leaves.push({ seat, cid })
      signedBySeat[seat] = signed
      messages.push(encodeSigned(signed))
    }
    previous = cids
    const made = { epoch, beacon, messages, signedBySeat, root: epochRoot(leaves) }
    attested.set(epoch, made)
    // What sync may ask for: the last ones.
    for (const old of attested.keys()) if (old < epoch - 3) attested.delete(old)
    return made
  }

  const standIns = new Map<Seat, Promise<StandIn>>()
  const chainView = {
    transactionCountAt: (at: Height) => Promise.resolve(chain.tree.at(at)?.txids.length),
    readTransaction: (at: Height, index: number) =>
      Promise.resolve(chain.tree.parse(chain.tree.at(at)!).transactions[index]!.bytes),
  }

  const startStandIn = async (seat: Seat): Promise<StandIn> => {
    const row = rows[seat]!
    const { sign } = signers[seat]!
    const secret = hash('bench peer', seat)
    const host = await startHost(addressOf(seat), {
      networkId,
      topics: Object.values(topicsOf(networkId)),
      keys: {
        peerKey: row.peer,
        peerId: peerIdOfKey(row.peer),
        sign,
        seed: secret,
        blsPublicKey: row.bls,
        blsSecretKey: hash('unused'),
      },
      listen: { address: addressOf(seat), port: ports.p2p },
      limits: { maxNewPerSecondPerAddress: 500, maxStrangersPerAddress: 500, maxPendingPerAddress: 500 },
    })
    host.setRegistered(new Set([bytesToHex(own.peerKey)]))
    for (const topic of Object.values(topicsOf(networkId))) {
      host.subscribe(topic.name, () => ({ is: 'accept', value: undefined }))
    }
    const limits = { timeoutMs: 15_000, maxConcurrentPerPeer: 8, maxConcurrent: 64 }
    await host.handle(
      protocols.challenge,
      {
        ...limits,
        maxRequestBytes: challengeRequestCodec.maxBytes,
        maxResponseBytes: challengeAnswerCodec.maxBytes,
        onBusy: challengeAnswerCodec.encode(['later', 'busy']),
      },
      async (bytes, { signal }) => {
        const request = challengeRequestCodec.decode(bytes)
        if (request.is === 'bad') return challengeAnswerCodec.encode(['refused', request.code])
        const { epoch, beacon, challengerSeat, nonce } = decodeQuestion(request.value[1])!
        const terms = {
          networkId,
          epoch,
          beacon,
          targetSeat: seat,
          targetStake: row.stake,
          challengerSeat,
          nonce,
        }
        const digest = await digestOf(genesis, terms, params.samples, chainView, signal)
        const receipt = signPayload('receipt', networkId, encodeReceipt({ ...terms, digest }), sign)
        return challengeAnswerCodec.encode(['receipt', receipt.payload, receipt.signature])
      },
    )
    await host.handle(
      protocols.evidence,
      {
        ...limits,
        maxRequestBytes: 64,
        maxResponseBytes: evidenceAnswerCodec.maxBytes,
        onBusy: evidenceAnswerCodec.encode(['refused', 'busy']),
      },
      () => Promise.resolve(evidenceAnswerCodec.encode(['unknown'])),
    )
    await host.handle(
      protocols.sync,
      {
        ...limits,
        maxRequestBytes: syncRequestCodec.maxBytes,
        maxResponseBytes: syncAnswerCodec.maxBytes,
        onBusy: syncAnswerCodec.encode(['refused', 'busy']),
      },
      (bytes) => {
        const request = syncRequestCodec.decode(bytes)
        return Promise.resolve(
          syncAnswerCodec.encode(
            request.is === 'bad' ? ['refused', request.code] : answerSync(request.value),
          ),
        )
      },
    )
    const certDir = await mkdtemp(join(dir, 'cert-'))
    const issued = await ca.issue({ host: row.host })
    await writeFile(join(certDir, 'cert.pem'), issued.certPem)
    await writeFile(join(certDir, 'key.pem'), issued.keyPem)
    const endpoint = createTlsEndpoint({
      host: row.host,
      networkId,
      address: addressOf(seat),
      port: ports.tls,
      certFile: join(certDir, 'cert.pem'),
      keyFile: join(certDir, 'key.pem'),
      identity: () => ({
        peer: peerIdOfKey(row.peer),
        seat,
        stake: bytesToHex(row.stake),
        version: 'bench',
        instance: hash('bench instance', seat).slice(0, instanceBytes),
        ruleset: newestRuleset,
        signs: true,
      }),
      sign,
      logger: silent,
      world,
    })
    await endpoint.start()
    return { seat, host, endpoint, startedMs: world.monotonicMs() }
  }

  /** What a seat says that holds what all other seats attested, and nothing of the daemon's. */
  const answerSync = (request: Parameters<typeof syncRequestCodec.encode>[0]) => {
    switch (request[0]) {
      case 'roots':
        return [
          'roots',
          [...attested.values()]
            .filter(({ epoch }) => epoch >= request[1] && epoch < request[1] + request[2])
            .sort((a, b) => a.epoch - b.epoch)
            .map(({ epoch, beacon, messages, root }) => [epoch, beacon, messages.length, root]),
        ] as Parameters<typeof syncAnswerCodec.encode>[0]
      case 'held': {
        const bits = new Uint8Array(Math.ceil(seats / 8))
        for (let i = 0; i < seats; i++) if (i !== ownSeat) bits[i >> 3]! |= 1 << (i & 7)
        return ['held', bits] as Parameters<typeof syncAnswerCodec.encode>[0]
      }
      case 'fetch': {
        const found = attested.get(request[1])
        const signed = request[3].flatMap((seat) => found?.signedBySeat[seat] ?? [])
        return ['attestations', signed.map(({ payload, signature }) => [payload, signature])] as Parameters<
          typeof syncAnswerCodec.encode
        >[0]
      }
      case 'of-seat':
        return ['attestations', []] as Parameters<typeof syncAnswerCodec.encode>[0]
      case 'proofs':
        return ['proofs', []] as Parameters<typeof syncAnswerCodec.encode>[0]
    }
  }

  const running = new Map<Seat, StandIn>()
  const stopStandIn = async ({ seat, host, endpoint }: StandIn): Promise<void> => {
    running.delete(seat)
    standIns.delete(seat)
    await endpoint.stop()
    await host.stop()
  }

  return {
    network,
    chain,
    config,
    ownSeat,
    week: { name: week, first: firstEpoch, last: firstEpoch + epochs - 1 },
    rows,
    height,
    confirm(confirmed) {
      const missing = confirmed + confirmations - chain.tip.height
      if (missing > 0) chain.mine(missing)
    },
    mineFreeze() {
      const freezeEpoch = firstEpoch + epochs + 1
      const freeze = height(freezeEpoch)
      if (chain.tip.height < freeze - 1) chain.mine(freeze - 1 - chain.tip.height)
      const seniors = rows.map(({ seat, bls: key }) => ({ seat, bls: key }))
      for (let tries = 1; ; tries++) {
        const [block] = chain.mine(1)
        const beacon = beaconOf(networkId, freezeEpoch, block!.hash)
        if (certifiersOf(seniors, beacon, 0, params.certifiers).some(({ seat }) => seat === ownSeat))
          return tries
        chain.invalidate(block!.hash)
      }
    },
    attest,
    async answerFor(host) {
      const seat = Number(/^n(\d+)\./.exec(host)?.[1] ?? -1)
      if (rows[seat] === undefined) return []
      if (seat === ownSeat) return [ownAddress]
      let starting = standIns.get(seat)
      if (starting === undefined) {
        starting = startStandIn(seat)
        standIns.set(seat, starting)
        const one = await starting
        running.set(seat, one)
        const idle = [...running.values()].filter(
          ({ host: up, startedMs }) => startedMs < world.monotonicMs() - 30_000 && up.peers().length === 0,
        )
        for (const old of idle.slice(0, Math.max(0, running.size - maxStandIns))) await stopStandIn(old)
      }
      await starting
      return [addressOf(seat)]
    },
    neighbours: () =>
      [...running.values()]
        .map(({ host }) => host)
        .filter((host) => host.gossipPeers(topicsOf(networkId).attestations.name) > 0),
    neighbourRows: () =>
      [...running.values()].filter(({ host }) => host.peers().length > 0).map(({ seat }) => rows[seat]!),
    async close() {
      await Promise.all(Array.from(running.values(), stopStandIn))
      await server.stop()
    },
  }
}

interface StandIn {
  seat: Seat
  host: LocalHost
  endpoint: TlsEndpoint
  startedMs: number
}

const writeProfileFile = async (dir: string, network: Network): Promise<void> => {
  await writeFile(join(dir, 'profile.json'), profileJson(network.profile))
}

/**
 * The rows that following the chain up to the block before the activation would leave, and besides all seats as though
 * they had announced themselves there: 40,000 announcements with shielded memos would take an hour to make and to judge.
 */
const fillStore = async (
  dataDir: string,
  network: Network,
  chain: EmbeddedChain,
  rows: readonly SnapshotRow[],
): Promise<void> => {
  const { genesis } = network.profile
  await rm(dataDir, { recursive: true, force: true })
  await makeDirectory(dataDir)
  await using store = await openStore({ directory: dataDir, networkId: network.networkId })
  const since = genesis.activationHeight - 1
  const headers: StoreOperation[] = []
  for (let at = 0; at <= since; at++) {
    const entry = chain.tree.at(at)!
    headers.push(
      putHeader({
        height: at,
        hash: entry.hash,
        time: entry.header.time,
        medianTimePast: chain.tree.medianTime(entry),
        transactionCount: entry.txids.length,
      }),
    )
  }
  for (let from = 0; from < rows.length; from += 1_000) {
    const operations = rows.slice(from, from + 1_000).flatMap((row) => {
      const { seat } = row
      const outpoint = outpointKey(hash('bench stake output', seat), 0)
      return [
        put(seatKey(seat), encodeSeat(0, since, genesis.minStake)),
        put(identityKey(seat, 0), encodeIdentity({ ...row, at: 1, blsSince: since })),
        ...putOutput({ outpoint, seat, value: genesis.minStake }),
      ]
    })
    await store.batch(operations)
  }
  await store.batch(headers, { sync: true })
}
