import { createStream, hash, type RandomStream, startOfWeek, type Week } from '../../protocol/index.ts'
import { SecnodeError } from '../errors.ts'
import type { Profile } from '../chain/profiles.ts'

/** The misbehaviours that a devnet knows, with what each does. */
export const deviantKinds = {
  offline: 'announces and is never there',
  pruned: 'answers challenges without most of the chain',
  badcert: 'has a certificate that expired',
  othertls: 'lets somebody else end its TLS connections',
  sharedip: 'several stakes behind one address',
  liar: 'says of every node that it is unreachable',
  lazy: 'challenges nobody and attests that all is well',
  copycat: "copies others' verdicts and releases its attestation at the last counted moment",
  equivocator: 'signs two attestations of each epoch',
  squatter: "announces another node's host and peer id under its own stake",
  flaky: 'is down in every second epoch',
  late: 'announces itself and starts in the middle of the week',
  hog: 'holds connections, streams and sockets open at every node but its own kind, and asks nothing on them',
  'false-address': 'calls valid nodes valid, but under an address that is not theirs',
  dribbler:
    'attests so that it is too late for some or for all, and misses another such attestation in each proposal',
  twin: 'runs with the keys and the seat of an honest node, beside it, from another address',
} as const
export type DeviantKind = keyof typeof deviantKinds

/** One node of a devnet. */
export interface PlannedNode {
  /** `n0`, `n1` …; the host is `<name>.devnet.test`. */
  name: string
  kind: 'honest' | DeviantKind
  host: string
  /** Its own loopback address, but for those that share one. */
  ip: string
  /** Further loopback addresses that a hog connects from. */
  spareIps: readonly string[]
  /** Name of the honest node whose keys and seat a twin has. */
  twinOf: string | null
  p2p: number
  tls: number
  /** 32 bytes from which its keys follow. */
  secret: Uint8Array
}

export interface DevnetPlan {
  nodes: readonly PlannedNode[]
  /** Name and address that are kept for a node that somebody adds by hand. */
  guest: { host: string; ip: string }
  /** The week that the devnet plays. */
  week: Week
  /** Time of the genesis block and between blocks, in seconds of header time. */
  startTime: number
  spacingSeconds: number
  /** First and last epoch of the week; the one before has no snapshot. */
  firstEpoch: number
  lastEpoch: number
}

export interface DevnetOptions {
  nodes: number
  /** Epochs of the week, counted from the first with a snapshot. */
  epochs: number
  seed: number
  with: Partial<Record<DeviantKind, number>>
}

/** Snapshots 0 and 1 are empty (R-EPOCH-5). */
const firstSnapshotEpoch = 2
const secondsPerWeek = 604_800
/** A block's median time past is that of the fifth block before it, where times rise evenly (R-CHAIN-3). */
const medianLag = 5
/** A node's TLS endpoint takes few sockets from one address, so a hog comes from many. */
const hogIps = 24

/** Everything of a devnet that its options fix. Errors: DEVNET_WITH (exit code 2). */
export const planDevnet = (options: DevnetOptions, profile: Profile, week: Week): DevnetPlan => {
  const { genesis } = profile
  const { twin = 0 } = options.with
  if (twin >= options.nodes) {
    throw new SecnodeError('DEVNET_WITH', `twin=${twin} needs ${twin + 1} honest nodes`, {
      hint: 'The first honest node has no twin: write fewer twins, or more --nodes.',
      exitCode: 2,
    })
  }
  const seed = hash('devnet', options.seed)
  const stream = createStream(seed)
  const kinds: PlannedNode['kind'][] = Array.from({ length: options.nodes }, () => 'honest' as const)
  for (const kind of Object.keys(deviantKinds) as DeviantKind[]) {
    for (let i = 0; i < (options.with[kind] ?? 0); i++) kinds.push(kind)
  }
  const network = drawLoopbackNetwork(stream)
  let sharedIp: string | null = null
  let hogs = 0
  let twins = 0
  const nodes = kinds.map((kind, index): PlannedNode => {
    let ip = `127.${network}.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`
    if (kind === 'sharedip') ip = sharedIp ??= ip
    // From the last one on: the first has duties of its own in a devnet.
    const owner = kind === 'twin' ? options.nodes - ++twins : index
    // Ports differ as well, so that nodes behind one address do not collide.
    return {
      name: `n${index}`,
      kind,
      host: `n${owner}.devnet.test`,
      ip,
      spareIps: kind === 'hog' ? spareIpsOf(network, hogs++) : [],
      twinOf: kind === 'twin' ? `n${owner}` : null,
      p2p: 20_000 + index,
      tls: 30_000 + index,
      secret: hash('devnet node', seed, owner),
    }
  })

  // The week has exactly `epochs` epochs: an epoch lasts a week's part, rounded down to whole seconds a block, and the
  // first begins half an epoch after Monday, so that neither end is near an edge.
  const spacingSeconds = Math.floor(secondsPerWeek / (options.epochs * genesis.epochBlocks))
  const halfEpoch = Math.floor((spacingSeconds * genesis.epochBlocks) / 2)
  const firstHeight = genesis.activationHeight + firstSnapshotEpoch * genesis.epochBlocks
  return {
    nodes,
    // More nodes than fill the addresses below no devnet has.
    guest: { host: 'guest.devnet.test', ip: `127.${network}.250.1` },
    week,
    startTime: startOfWeek(week) + halfEpoch - (firstHeight - medianLag) * spacingSeconds,
    spacingSeconds,
    firstEpoch: firstSnapshotEpoch,
    lastEpoch: firstSnapshotEpoch + options.epochs - 1,
  }
}

/** Above the addresses of all nodes and below the guest's: each hog has a /24. */
const spareIpsOf = (network: number, hog: number): string[] =>
  Array.from({ length: hogIps }, (_, i) => `127.${network}.${100 + hog}.${1 + i}`)

/** Devnets of different seeds live side by side: each has its own 127.x. 127.0 is everybody's. */
const drawLoopbackNetwork = (stream: RandomStream): number => 1 + stream.below(254)

/** `offline=1,sharedip=2`. Errors: DEVNET_WITH (exit code 2). */
export const parseDeviants = (text: string): Partial<Record<DeviantKind, number>> => {
  const counts: Partial<Record<DeviantKind, number>> = {}
  for (const part of text.split(',')) {
    const [kind = '', number = ''] = part.split('=')
    if (!(kind in deviantKinds) || !/^[1-9][0-9]?$/.test(number)) {
      throw new SecnodeError('DEVNET_WITH', `--with has no "${part}"`, {
        hint: `Write kind=count with counts from 1 to 99; kinds are ${Object.keys(deviantKinds).join(', ')}.`,
        exitCode: 2,
      })
    }
    counts[kind as DeviantKind] = Number(number)
  }
  return counts
}
