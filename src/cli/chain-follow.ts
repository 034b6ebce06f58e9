import { Command, InvalidArgumentError } from 'commander'
import { addressOfStake, epochOfHeight, epochStart, type RegistryChange } from '../../protocol/index.ts'
import { latestBirthday } from '../chain-node/follower/chain-state.ts'
import type { ChainEvent, FollowedBlock } from '../chain-node/follower/events.ts'
import { type Follower, openFollower } from '../chain-node/follower/follower.ts'
import type { FollowerStatus } from '../chain-node/follower/status.ts'
import type { Network } from '../chain/profiles.ts'
import { loadNetwork } from '../service/load-network.ts'
import { hashText } from '../chain-node/rpc/values.ts'
import { aborted, eitherOf } from '../async/abort.ts'
import { isSecnodeError, SecnodeError } from '../errors.ts'
import { createBls } from '../keys/bls.ts'
import { createMemoryStore } from '../store/memory-store.ts'
import { openStore } from '../store/open.ts'
import { realWorld, type World } from '../world.ts'
import { type CliIo, printJson } from './io.ts'
import { openRpcClient, type RpcOptions, withRpcOptions } from './rpc-options.ts'

interface FollowOptions extends RpcOptions {
  profile: string
  from?: number
  to?: number
  dir?: string
  json?: boolean
}

/** `secnode chain follow`: what the follower of a daemon sees, block by block. */
export const chainFollowCommand = (io: CliIo): Command =>
  withRpcOptions(new Command('follow'))
    .description('follow a chain node: announcements, seats, epochs and reorganisations')
    .requiredOption('--profile <name or file>', 'the network: a built-in profile or a JSON file')
    .option('--from <height>', 'first block to read (default: ten blocks before the activation)', parseHeight)
    .option('--to <height>', 'stop after this block is confirmed (default: go on for ever)', parseHeight)
    .option('--dir <directory>', 'keep what was read there, and go on from it (default: in memory)')
    .option('--json', 'print a JSON object for each event')
    .addHelpText(
      'after',
      `
Blocks are read raw and checked: hash, link to the one before, merkle root. Only blocks with the confirmations that
the network asks for are read. The events go to standard output, progress and trouble with the node to standard error.

Example:
  $ secnode chain follow --rpc http://127.0.0.1:18232 --rpc-cookie ~/.zcash/testnet3/.cookie \\
      --profile zcash-testnet --to 4200100
  4200017 announced seat 0 n1.example.org for tmQ… (transaction 3)
  4200017 active seat 0
  4200100 end: 1 seat, 1 active`,
    )
    .action(async (options: FollowOptions) => follow(io, options))

const follow = async (io: CliIo, options: FollowOptions): Promise<void> => {
  const world = realWorld()
  const network = await loadNetwork(options.profile)
  const { genesis } = network.profile
  const birthday = options.from ?? latestBirthday(genesis)
  if (options.to !== undefined && options.to < birthday) {
    throw new SecnodeError('USAGE', `--to lies before block ${birthday}, where following begins`, {
      exitCode: 2,
    })
  }
  await using store =
    options.dir === undefined
      ? createMemoryStore()
      : await openStore({ directory: options.dir, networkId: network.networkId })
  await using rpc = openRpcClient(options, world)
  const follower = await openFollower({
    network,
    rpc,
    store,
    bls: createBls(),
    world,
    birthday,
  })
  const events = follower.events()
  const ended = new AbortController()
  try {
    if (options.to === undefined || follower.confirmedHeight < options.to) {
      follower.start()
      const signal = eitherOf(io.signal, ended.signal)
      await Promise.race([
        printEvents(io, options, network, follower, events).finally(() => ended.abort()),
        watchStatus(io, follower, world, signal),
        aborted(signal),
      ])
    }
    if (!io.signal.aborted && options.to !== undefined) await printEnd(io, options, follower, options.to)
  } finally {
    await follower.stop()
  }
}

const printEvents = async (
  io: CliIo,
  options: FollowOptions,
  network: Network,
  follower: Follower,
  events: AsyncIterable<ChainEvent>,
): Promise<void> => {
  /** Height of the highest block taken back in the reorganisation under way. */
  let takenBackFrom: number | null = null
  for await (const event of events) {
    const { block } = event
    if (event.kind === 'disconnected') {
      takenBackFrom ??= block.height
      continue
    }
    if (takenBackFrom !== null) {
      const line = `reorganisation: blocks ${block.height} to ${takenBackFrom} are replaced`
      print(io, options, block.height, line, {
        event: 'reorganisation',
        from: block.height,
        to: takenBackFrom,
      })
      takenBackFrom = null
    }
    printBlock(io, options, network, event.block)
    await printEpoch(io, options, network, follower, block.height)
    if (block.height === options.to) return
  }
  // The follower ended by itself.
  await follower.ended
}

const print = (io: CliIo, options: FollowOptions, height: number, line: string, json: object): void => {
  if (options.json === true) printJson(io, { height, ...json })
  else io.stdout(`${height} ${line}\n`)
}

const printBlock = (io: CliIo, options: FollowOptions, network: Network, block: FollowedBlock): void => {
  if (block.change === null) return
  const { chain } = network.profile.genesis
  for (const { index, code } of block.change.refused) {
    const line = `refused an announcement: ${code} (transaction ${index})`
    print(io, options, block.height, line, { event: 'refused', transaction: index, code })
  }
  for (const { before, after } of block.change.seats) {
    const { seat, host, p2p, tls, announced } = after
    const stake = addressOfStake(chain, after.stake)
    if (announced.height === block.height) {
      const word = before === null ? 'announced' : 'announced again'
      const line = `${word} seat ${seat} ${host} for ${stake} (transaction ${announced.index})`
      const isNew = before === null
      const json = { event: 'announced', seat, isNew, stake, host, p2p, tls, transaction: announced.index }
      print(io, options, block.height, line, json)
    }
    const activity = activityOf(before?.activeSince ?? null, after.activeSince)
    if (activity !== null) {
      print(io, options, block.height, `${activity} seat ${seat}`, { event: activity, seat, stake })
    }
  }
}

type ActiveSince = RegistryChange['seats'][number]['after']['activeSince']

const activityOf = (before: ActiveSince, after: ActiveSince): 'active' | 'retired' | null => {
  if (before === null) return after === null ? null : 'active'
  return after === null ? 'retired' : null
}

const printEpoch = async (
  io: CliIo,
  options: FollowOptions,
  network: Network,
  follower: Follower,
  height: number,
): Promise<void> => {
  const { genesis } = network.profile
  const epoch = epochOfHeight(genesis, height)
  if (epoch === null || height !== epochStart(genesis, epoch)) return
  const snapshot = await follower.snapshotOf(epoch)
  // A reorganisation may have taken it back meanwhile: then its event is on the way.
  if (snapshot === undefined) return
  const seats = snapshot.length
  print(io, options, height, `epoch ${epoch} begins with ${countText(seats)}`, {
    event: 'epoch',
    epoch,
    seats,
  })
}

const printEnd = async (
  io: CliIo,
  options: FollowOptions,
  follower: Follower,
  height: number,
): Promise<void> => {
  const seats = (await follower.seatsAfter(height)) ?? []
  const active = seats.filter(({ activeSince }) => activeSince !== null).length
  const hash = await follower.hashAt(height)
  print(io, options, height, `end: ${countText(seats.length)}, ${active} active`, {
    event: 'end',
    hash: hash === undefined ? null : hashText(hash),
    seats: seats.length,
    active,
  })
}

/** Lines no closer than this, so that a log stays readable; a terminal has one line that changes. */
const progressMs = { terminal: 200, log: 10_000 }

/** Progress and trouble on standard error. Throws what will not pass by waiting; ends only with the signal. */
const watchStatus = async (
  io: CliIo,
  follower: Follower,
  world: World,
  signal: AbortSignal,
): Promise<void> => {
  let last: FollowerStatus = follower.status
  let lastText = ''
  let lastMs = -Infinity
  while (!signal.aborted) {
    try {
      last = await follower.statusWhen((status) => status !== last, signal)
    } catch (error) {
      if (signal.aborted) return
      throw error
    }
    if (last.is === 'failed') throw last.error
    if ((last.is === 'node-lies' || last.is === 'node-unreachable') && isLasting(last.error)) throw last.error
    const text = textOf(last)
    const nowMs = world.monotonicMs()
    const isProgress = last.is === 'catching-up'
    const isTooSoon = isProgress && nowMs - lastMs < (io.isTerminal ? progressMs.terminal : progressMs.log)
    if (text === '' || text === lastText || isTooSoon) continue
    lastText = text
    lastMs = nowMs
    io.stderr(
      io.isTerminal && isProgress ? `\r\u001b[K${text}` : `${io.isTerminal ? '\r\u001b[K' : ''}${text}\n`,
    )
  }
}

const lastingCodes = [
  'RPC_AUTH',
  'RPC_METHOD_UNKNOWN',
  'RPC_WRONG_SHAPE',
  'RPC_BAD_ANSWER',
  'CHAIN_OTHER_CHAIN',
]
const isLasting = (error: unknown): boolean => lastingCodes.some((code) => isSecnodeError(error, code))

const textOf = (status: FollowerStatus): string => {
  switch (status.is) {
    case 'idle':
    case 'failed':
      return ''
    case 'catching-up': {
      const { height, target, blocksPerSecond, secondsLeft } = status
      const left = secondsLeft === null ? '' : `, ${durationText(secondsLeft)} left`
      return `block ${height} of ${target}, ${blocksPerSecond.toFixed(blocksPerSecond < 10 ? 1 : 0)} a second${left}`
    }
    case 'following':
      return `followed to block ${status.height}; the tip is ${status.tip}`
    case 'node-behind':
      return `the node is at block ${status.tip} only, waiting until it is past ${status.height}`
    case 'node-unreachable':
    case 'node-lies':
      return `${status.error.message} [${status.error.code}]; trying again`
  }
}

const countText = (seats: number): string => `${seats} ${seats === 1 ? 'seat' : 'seats'}`

const durationText = (seconds: number): string => {
  if (seconds < 90) return `${Math.ceil(seconds)} s`
  if (seconds < 5_400) return `${Math.ceil(seconds / 60)} min`
  return `${(seconds / 3_600).toFixed(1)} h`
}

const parseHeight = (text: string): number => {
  const height = Number(text)
  if (!/^[0-9]{1,10}$/.test(text) || height > 0xffff_ffff) throw new InvalidArgumentError('it is no height.')
  return height
}
