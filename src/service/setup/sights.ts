import { isIP } from 'node:net'
import { createStream, peerIdOfKey, shuffledIndexes } from '../../../protocol/index.ts'
import { recentAnnouncements } from '../../chain-node/announcement-lookup.ts'
import { messageOf } from '../../errors.ts'
import type { PeerAddress } from '../../net/peer-address.ts'
import { chooseAddress } from '../../net/resolve.ts'
import { requestDialBack } from '../../node/dial-back.ts'
import { type OutsideSight, type SightRequest, sightOf } from '../doctor-answers.ts'
import type { Facts } from './facts.ts'
import { createDeadline } from '../../async/deadline.ts'

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

/** Asks announced nodes to dial back while the doctor itself serves the ports. */
export const sightsOfDoctor = async (facts: Facts, request: SightRequest): Promise<OutsideSight[]> => {
  const { options } = facts
  const { host, seat } = await facts.endpoints()
  if (host === null) throw new Error('the daemon serves the ports, so it asks')
  const question = { ...request, seat, stake: await facts.stake() }
  const keys = await facts.keys()
  const asker = { host, keys, networkId: (await facts.network()).networkId, world: options.world }
  const sights: OutsideSight[] = []
  const ask = async ({ peerKey, host: name, port }: Candidate): Promise<OutsideSight> => {
    try {
      const address = await addressOf(facts, name, port)
      if (typeof address === 'string') return { from: name, outcome: { is: 'not-dialled', why: address } }
      return sightOf(name, await requestDialBack(asker, { peerKey, address }, question, options.signal))
    } catch (error) {
      options.signal.throwIfAborted()
      return { from: name, outcome: { is: 'not-dialled', why: messageOf(error) } }
    }
  }
  const asked = new Set([keys.peerId])
  for await (const group of candidateGroups(facts)) {
    const others = group.filter(({ peerKey }) => !asked.has(peerIdOfKey(peerKey)))
    for (let at = 0; at < others.length; at += askedAtOnce) {
      const batch = others.slice(at, at + askedAtOnce)
      for (const { peerKey } of batch) asked.add(peerIdOfKey(peerKey))
      sights.push(...(await Promise.all(batch.map(ask))))
      const isEnough = sights.some(({ outcome }) => outcome.is === 'dialled') || sights.length >= mostAsked
      if (isEnough) return sights
    }
  }
  return sights
}

/** Named ones first, then those that are known, then those that the last blocks announce; in no order of their choice. */
async function* candidateGroups(facts: Facts): AsyncGenerator<readonly Candidate[], void, undefined> {
  const { options } = facts
  yield options.peers ?? []
  yield drawn(facts, (await facts.knownSeats().catch(() => [])).map(candidateOf))
  const { tip } = await facts.chain()
  using deadline = createDeadline(options.world, searchMs, options.signal)
  const found: Candidate[] = []
  try {
    const search = { maxBlocks: searchedBlocks, signal: deadline.signal }
    for await (const one of recentAnnouncements(await facts.rpc(), await facts.network(), tip, search)) {
      found.push(candidateOf(one))
      if (found.length >= mostAsked) break
    }
  } catch (error) {
    options.signal.throwIfAborted()
    if (!deadline.hasPassed()) throw error
  }
  yield drawn(facts, found)
}

const candidateOf = ({ peer, host, p2p }: { peer: Uint8Array; host: string; p2p: number }): Candidate => ({
  peerKey: peer,
  host,
  port: p2p,
})

const drawn = (facts: Facts, all: readonly Candidate[]): Candidate[] => {
  const order = shuffledIndexes(createStream(facts.options.world.randomBytes(32)), all.length)
  return [...order.subarray(0, mostAsked)].map((index) => all[index]!)
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
