import { isIP } from 'node:net'
import { createStream, peerIdOfKey, shuffledIndexes } from '../../protocol/index.ts'
import { recentAnnouncements } from '../chain/announcement-lookup.ts'
import { messageOf } from '../errors.ts'
import type { PeerAddress } from '../net/peer-address.ts'
import { chooseAddress } from '../net/resolve.ts'
import { requestDialBack } from '../node/dial-back.ts'
import { type OutsideSight, type SightRequest, sightOf } from '../node/doctor-answers.ts'
import type { Facts } from './facts.ts'

/** Announced nodes that are asked at once, and how many in all until one has dialled. */
const askedAtOnce = 3
const mostAsked = 9
/** Blocks that are read, from the tip down, to find announced nodes. */
const searchedBlocks = 1_000
const searchMs = 15_000

/** Somebody who may be asked: an announced node. */
interface Candidate {
  peerKey: Uint8Array
  host: string
  port: number
}

/**
 * Asks announced nodes to dial back while the doctor itself serves the ports: those that were named, and those that the
 * last blocks announce. Who has not followed the chain knows no others.
 */
export const sightsOfDoctor = async (facts: Facts, request: SightRequest): Promise<OutsideSight[]> => {
  const { options } = facts
  const { host, seat } = await facts.endpoints()
  if (host === null) throw new Error('the daemon serves the ports, so it asks')
  const question = { ...request, seat, stake: await facts.stake() }
  const { peerKey: own } = await facts.keys()
  const sights: OutsideSight[] = []
  const ask = async ({ peerKey, host: name, port }: Candidate): Promise<OutsideSight> => {
    try {
      const address = await addressOf(facts, name, port)
      if (typeof address === 'string') return { from: name, outcome: { is: 'not-dialled', why: address } }
      return sightOf(name, await requestDialBack(host, { peerKey, address }, question, options.signal))
    } catch (error) {
      options.signal.throwIfAborted()
      return { from: name, outcome: { is: 'not-dialled', why: messageOf(error) } }
    }
  }
  for await (const batch of batchesOf(candidates(facts))) {
    const others = batch.filter(({ peerKey }) => peerIdOfKey(peerKey) !== peerIdOfKey(own))
    sights.push(...(await Promise.all(others.map(ask))))
    if (sights.some(({ outcome }) => outcome.is === 'dialled') || sights.length >= mostAsked) break
  }
  return sights
}

/** Named ones first; those of the chain in no order of anybody's choice. */
async function* candidates(facts: Facts): AsyncGenerator<Candidate, void, undefined> {
  const { options } = facts
  yield* options.peers ?? []
  const { tip } = await facts.chain()
  const deadline = AbortSignal.any([options.signal, AbortSignal.timeout(searchMs)])
  const found: Candidate[] = []
  try {
    const search = { maxBlocks: searchedBlocks, signal: deadline }
    for await (const { peer, host, p2p } of recentAnnouncements(
      await facts.rpc(),
      await facts.network(),
      tip,
      search,
    )) {
      found.push({ peerKey: peer, host, port: p2p })
      if (found.length >= 4 * mostAsked) break
    }
  } catch (error) {
    options.signal.throwIfAborted()
    if (!deadline.aborted) throw error
  }
  const order = shuffledIndexes(createStream(options.world.randomBytes(32)), found.length)
  for (const index of order) yield found[index]!
}

async function* batchesOf(all: AsyncIterable<Candidate>): AsyncGenerator<Candidate[], void, undefined> {
  let batch: Candidate[] = []
  for await (const one of all) {
    batch.push(one)
    if (batch.length < askedAtOnce) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/**
 * Where to ask: of the family in which challengers will come to this node, since what is dialled back is the address
 * that the question comes from. Text if there is none.
 */
const addressOf = async (facts: Facts, name: string, port: number): Promise<PeerAddress | string> => {
  const { allowLoopback } = (await facts.network()).profile
  const own = await facts.addresses().catch(() => null)
  const wantsV6 =
    own !== null && chooseAddress([...own.ipv4, ...own.ipv6], allowLoopback)?.bytes.length === 16
  const literal = isIP(name)
  const { ipv4, ipv6 } =
    literal === 0
      ? await (
          await facts.resolver()
        )(name, { signal: facts.options.signal })
      : { ipv4: literal === 4 ? [name] : [], ipv6: literal === 6 ? [name] : [] }
  const address = chooseAddress(wantsV6 ? ipv6 : ipv4, allowLoopback)
  return address === null ? `has no ${wantsV6 ? 'IPv6' : 'IPv4'} address` : { ip: address.ip, port }
}
