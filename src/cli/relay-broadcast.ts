import { resolve } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { CID } from 'multiformats/cid'
import pino from 'pino'
import { z } from 'zod'
import { defaultHops, maxHops, PayloadCid, reversedHex, type Seat } from '../../protocol/index.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import { getTransactionPlace } from '../chain-node/rpc/methods.ts'
import { SecnodeError } from '../errors.ts'
import { type NamedPeer, parseNamedPeer } from '../net/named-peer.ts'
import { createPuzzleSolver } from '../net/puzzle-solver.ts'
import { startRelayClient } from '../net/relay-client.ts'
import { createDnsResolver, resolveObservedAddress, type ResolveHost } from '../net/resolve.ts'
import { networkOfDirectory } from '../service/data-dir.ts'
import { lastClosedEpochs, relaySeatsOf } from '../node/relay-seats.ts'
import { maxYamlCharacters, readYaml } from '../service/yaml.ts'
import { type BroadcastOutcome, type BroadcastProgress, broadcastThroughRelay } from '../relay/broadcast.ts'
import { txidOf } from '../relay/exit.ts'
import { type RelaySeat, RelaySeatsAnswer, relaySeats, seatOfRow } from '../relay/seats.ts'
import { fetchLastEpochs } from '../week-io/last-epochs.ts'
import { openNamedPeers } from '../week-io/named-peers.ts'
import { fetchRegistry } from '../week-io/registry-snapshot.ts'
import { realWorld } from '../world.ts'
import { withCacheOption, withFollowedWeeks } from './followed-weeks.ts'
import { readHexInput } from './hex-input.ts'
import { type CliIo, printJson } from './io.ts'
import { openRpcClient, type RpcOptions, withOptionalRpc } from './rpc-options.ts'
import { askRunning } from './running-daemon.ts'
import { readTextInput } from './text-input.ts'
import { sayToll, type TollOptions, withTollOption } from './tolls.ts'
import { pause } from '../async/deadline.ts'

interface BroadcastFlags extends Partial<RpcOptions>, TollOptions {
  hops: number
  path?: Seat[]
  dir?: string
  profile?: string
  cache?: string
  registry?: NamedPeer[]
  checkpoint?: CID
  hosts?: string
  wait?: number | true
  json?: true
}

const dnsTimeoutMs = 5_000
const defaultWaitSeconds = 120
const pollMs = 1_000
/** No transaction is shorter, and no file has such a name. */
const hexPattern = /^(?:[0-9a-f]{2}){60,}$/i

const hopCount = (text: string): number => {
  const hops = Number(text)
  if (!/^[0-9]+$/.test(text) || hops < 1 || hops > maxHops) {
    throw new InvalidArgumentError(`It must be a number from 1 to ${maxHops}.`)
  }
  return hops
}

const seatPath = (text: string): Seat[] => {
  const seats = text.split(',').map(Number)
  if (!/^[0-9]{1,9}(,[0-9]{1,9})*$/.test(text) || seats.length > maxHops) {
    throw new InvalidArgumentError(`It must be 1 to ${maxHops} numbers of seats, like 12,3,40.`)
  }
  return seats
}

const seconds = (text: string): number => {
  if (!/^[0-9]{1,5}$/.test(text)) throw new InvalidArgumentError('It must be a number of seconds.')
  return Number(text)
}

const namedPeers = (text: string, before: readonly NamedPeer[] | undefined): NamedPeer[] => {
  const peer = parseNamedPeer(text)
  if (peer === null) throw new InvalidArgumentError('It must be like node.example.org:9734/<peer id>.')
  return [...(before ?? []), peer].slice(-64)
}

const checkpointCid = (text: string): CID => {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch {
    throw new InvalidArgumentError('It must be the CID in an anchor, like bafyrei….')
  }
  if (!PayloadCid.safeParse(cid).success) throw new InvalidArgumentError('It is no CID of a checkpoint.')
  return cid
}

/** `secnode relay broadcast`: sends a transaction so that no single node sees both who sends it and what it is. */
export const relayBroadcastCommand = (io: CliIo): Command => {
  const command = new Command('broadcast')
    .description('send a signed transaction through a circuit of nodes')
    .argument(
      '<file or hex>',
      'a file with the hex of a transaction, the hex itself, or - for standard input',
    )
    .option('--hops <n>', `nodes on the way, 1 to ${maxHops}`, hopCount, defaultHops)
    .addOption(
      new Option('--path <seats>', 'exactly these seats, in this order, instead of a draw')
        .argParser(seatPath)
        .conflicts('hops'),
    )
    .option('--dir <dir>', 'data directory of a daemon that runs: its registry is used')
    .option('--profile <name or file>', 'without --dir: the network that you trust')
    .option('--registry <address...>', 'with --profile: daemons that are asked for the registry', namedPeers)
    .option('--checkpoint <cid>', 'with --registry: the checkpoint that it must be under', checkpointCid)
    .option('--hosts <file>', "devnets only: names that no DNS knows, in a daemon's configuration")
    .option('--wait [seconds]', 'until the chain node of --rpc has it in its memory pool', seconds)
    .option('--json', 'print a JSON object')
  withTollOption(command, 'the first node of a circuit')
  return withCacheOption(
    withOptionalRpc(command, 'from which the registry is read, and that --wait asks; let it be your own'),
  )
    .addHelpText(
      'after',
      `
The nodes are drawn from those that are staked now, by the registry of a daemon (--dir), of the chain (--rpc, followed
into a cache), or of other daemons, as the checkpoint of an anchored week fixes it (--registry and --checkpoint; take the
checkpoint from the anchor on the chain, or from somebody whom you trust). No node sees both your address and the
transaction; the first and the last together do. What each sees: docs/relay.md.

A second or two, as a rule. A chain node may take a minute to refuse a transaction that spends a coin which it does not
find. When nodes on the way fail, others are drawn, four times at the most.

Examples:
  $ secnode relay broadcast signed.hex --dir data
  $ secnode relay broadcast signed.hex --profile zcash-testnet --rpc http://127.0.0.1:18232 --wait
  $ secnode relay broadcast signed.hex --profile zcash-testnet --registry node.example.org:9734/12D3KooW… \\
      --checkpoint bafyrei…

Exit code 0: a node took it; 1: its node refused it, or no circuit worked; 2: usage; 3: the registry is missing.
`,
    )
    .action(async (input: string, flags: BroadcastFlags) => await broadcast(io, input, flags))
}

const broadcast = async (io: CliIo, input: string, flags: BroadcastFlags): Promise<void> => {
  checkFlags(flags)
  const world = realWorld()
  const transaction = hexPattern.test(input)
    ? new Uint8Array(Buffer.from(input, 'hex'))
    : await readHexInput(input, io.signal)
  const network =
    flags.dir === undefined ? await loadNetwork(flags.profile!) : await networkOfDirectory(resolve(flags.dir))
  const txid = txidOf(network.facts.family, transaction)
  const resolveHost = await resolverOf(io, flags, network)
  const { seats, ownSeat } = await readSeats(io, flags, network, resolveHost)
  await using client = await startRelayClient({
    networkId: network.networkId,
    allowLoopback: network.profile.allowLoopback,
    world,
  })
  const outcome = await broadcastThroughRelay({
    client,
    networkId: network.networkId,
    transaction,
    txid,
    seats,
    ownSeat,
    hops: flags.hops,
    ...(flags.path === undefined ? {} : { path: flags.path }),
    prefixBits: network.profile.relayPrefixBits,
    async addressOf({ host }, signal) {
      const { allowLoopback } = network.profile
      const found = await resolveObservedAddress(host, resolveHost, { allowLoopback, signal })
      return found.is === 'ok' ? found.address.bytes : null
    },
    solver: createPuzzleSolver({ world, maxEffort: flags.maxEffort, onLong: sayToll(io) }),
    world,
    signal: io.signal,
    onProgress: (progress) => io.stderr(`${lineOf(progress)}\n`),
  })
  const isSeen =
    flags.wait === undefined || outcome.refusal !== null ? null : await waitForPool(io, flags, txid)
  print(io, flags, outcome, txid, isSeen)
}

const usage = (message: string): SecnodeError =>
  new SecnodeError('USAGE', message, {
    exitCode: 2,
    hint: 'Name a daemon with --dir; or a network with --profile, and --rpc or --registry and --checkpoint.',
  })

const checkFlags = ({ dir, profile, rpc, registry, checkpoint, wait }: BroadcastFlags): void => {
  if ((dir === undefined) === (profile === undefined)) throw usage('the registry needs --dir or --profile')
  if (profile !== undefined && rpc === undefined && registry === undefined) {
    throw usage('--profile needs --rpc or --registry')
  }
  if (dir !== undefined && registry !== undefined) throw usage('--registry does not go with --dir')
  if ((registry === undefined) !== (checkpoint === undefined)) {
    throw usage('--registry and --checkpoint go together')
  }
  if (wait !== undefined && rpc === undefined) throw usage('--wait needs --rpc')
}

const readSeats = async (
  io: CliIo,
  flags: BroadcastFlags,
  network: Network,
  resolveHost: ResolveHost,
): Promise<{ seats: readonly RelaySeat[]; ownSeat: Seat | null }> => {
  const { dir, registry, checkpoint } = flags
  if (dir !== undefined) {
    const answer = await askRunning(resolve(dir), '/relay/seats', RelaySeatsAnswer, io.signal)
    return { seats: answer.seats.map(seatOfRow), ownSeat: answer.ownSeat }
  }
  if (registry !== undefined) {
    await using peers = await openNamedPeers({
      network,
      peers: registry,
      logger: pino({ level: 'silent' }),
      world: realWorld(),
      onTrouble: (peer, reason) => io.stderr(`${peer} could not be asked: ${reason}\n`),
    })
    const drawn = peers.draw(checkpoint!, io.signal)
    const { week, rows } = await fetchRegistry(network.networkId, checkpoint!, drawn, io.signal)
    io.stderr(`the registry is that of week ${week}: ${rows.length} seats\n`)
    const active = rows.filter(({ activeSince }) => activeSince !== null)
    return { seats: relaySeats(active, []), ownSeat: null }
  }
  const followed = { ...flags, profile: flags.profile!, rpc: flags.rpc! }
  return await withFollowedWeeks(io, followed, async (weeks) => {
    await fetchLastEpochs({
      network,
      weeks,
      contexts: await lastClosedEpochs(weeks),
      resolveHost,
      world: realWorld(),
      signal: io.signal,
      onTrouble: (host, reason) => io.stderr(`${host} could not be asked who is valid: ${reason}\n`),
    })
    return { seats: await relaySeatsOf(weeks, io.signal), ownSeat: null }
  })
}

const HostsFile = z.looseObject({ hosts: z.record(z.string(), z.string()) })

const resolverOf = async (io: CliIo, { hosts }: BroadcastFlags, network: Network): Promise<ResolveHost> => {
  if (hosts === undefined) return createDnsResolver({ timeoutMs: dnsTimeoutMs })
  if (!network.profile.allowLoopback)
    throw usage(`--hosts: network ${network.name} resolves names by DNS only`)
  const text = await readTextInput(hosts, { maxCharacters: maxYamlCharacters, signal: io.signal })
  const parsed = HostsFile.safeParse(readYaml(text, hosts).value)
  if (!parsed.success) throw usage(`--hosts: ${hosts} has no table \`hosts\` of names and addresses`)
  const table = parsed.data.hosts
  return (name) => Promise.resolve(table[name] === undefined ? [] : [table[name]])
}

const lineOf = (progress: BroadcastProgress): string => {
  switch (progress.is) {
    case 'building':
      return `circuit ${progress.circuit}: through seats ${progress.path.map(({ seat }) => seat).join(', ')}`
    case 'reached': {
      const { seat, host, roundTripMs } = progress.hop
      return `  hop ${progress.index + 1}: seat ${seat} (${host}), ${Math.round(roundTripMs)} ms`
    }
    case 'waiting':
      return `  waiting for seat ${progress.exit.seat} (${progress.exit.host}): its node takes a minute to refuse what spends a coin that it does not find`
    case 'failed':
      return `circuit ${progress.circuit} failed: ${progress.reason}`
  }
}

/** Whether the node has it in time. */
const waitForPool = async (io: CliIo, flags: BroadcastFlags, txid: Uint8Array): Promise<boolean> => {
  const world = realWorld()
  const waitSeconds = typeof flags.wait === 'number' ? flags.wait : defaultWaitSeconds
  const endMs = world.monotonicMs() + waitSeconds * 1_000
  await using rpc = openRpcClient({ ...flags, rpc: flags.rpc! }, world)
  for (;;) {
    if ((await getTransactionPlace(rpc, txid, { signal: io.signal })) !== null) return true
    if (world.monotonicMs() >= endMs) return false
    await pause(world, pollMs, io.signal)
  }
}

const print = (
  io: CliIo,
  { json, rpc }: BroadcastFlags,
  { refusal, hops, circuits }: BroadcastOutcome,
  txid: Uint8Array,
  isSeen: boolean | null,
): void => {
  const id = reversedHex(txid)
  if (json === true) {
    const rows = hops.map(({ seat, host, roundTripMs }) => ({
      seat,
      host,
      roundTripMs: Math.round(roundTripMs),
    }))
    printJson(io, { txid: id, refusal, circuits, hops: rows, isInMemoryPool: isSeen })
  } else if (refusal === null) {
    io.stdout(`sent ${id}\n`)
    if (isSeen === true) io.stdout(`the memory pool of ${rpc} has it\n`)
  } else {
    const exit = hops.at(-1)!
    io.stdout(`refused ${id}: ${refusal.words} (${refusal.code})\n`)
    io.stderr(`  So says the node of seat ${exit.seat}. Run it again to ask another one.\n`)
  }
  if (isSeen === false) io.stderr(`  It is not in the memory pool of ${rpc} yet. Sending it again is safe.\n`)
  io.setExitCode(refusal === null && isSeen !== false ? 0 : 1)
}
