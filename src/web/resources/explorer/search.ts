import { CID } from 'multiformats/cid'
import {
  equalBytes,
  isWeek,
  keyOfPeerId,
  type SeatRecord,
  stakeOfAddress,
} from '../../../../protocol/index.ts'
import type { Found } from './schemas.ts'
import type { ViewParts } from '../../view/parts.ts'

/** As many as people read. */
const maxFound = 50

/** A seat, a host or part of it, a stake's address, a peer id, a week, an epoch, a block's height, a CID of evidence. */
export const searchFor = async (parts: ViewParts, text: string): Promise<Found[]> => {
  const query = text.trim()
  if (query === '') return []
  const { seats } = await parts.register.read()
  const node = (seat: SeatRecord): Found => ({
    kind: 'node',
    title: `seat ${seat.seat}: ${seat.host}`,
    path: `/nodes/${seat.seat}`,
  })
  const stake = stakeOfAddress(parts.node.network.profile.genesis.chain, query)
  if (stake !== null) return seats.filter((seat) => equalBytes(seat.stake, stake)).map(node)
  const peer = keyOfPeerId(query)
  if (peer !== null)
    return seats
      .filter((seat) => equalBytes(seat.peer, peer))
      .slice(0, maxFound)
      .map(node)
  if (isWeek(query)) {
    const isKnown = parts.node.follower.weeks().records.some(({ week }) => week === query)
    return isKnown ? [{ kind: 'week', title: `week ${query}`, path: `/weeks/${query}` }] : []
  }
  if (/^[0-9]{1,10}$/.test(query)) return numberFor(parts, Number(query), seats, node)
  if (/^b[a-z2-7]{58}$/.test(query)) return await evidenceFor(parts, query)
  const part = query.toLowerCase()
  const found: Found[] = []
  for (const seat of seats) {
    if (seat.host.includes(part)) found.push(node(seat))
    if (found.length === maxFound) break
  }
  return found
}

const numberFor = (
  { node }: ViewParts,
  number: number,
  seats: readonly SeatRecord[],
  nodeOf: (seat: SeatRecord) => Found,
): Found[] => {
  const found: Found[] = []
  if (seats[number] !== undefined) found.push(nodeOf(seats[number]))
  const current = node.daemon.epochs.current()
  if (current !== null && number < current) {
    found.push({
      kind: 'epoch',
      title: `epoch ${number}`,
      path: `/explorer/attestations?epoch=${number}`,
    })
  }
  if (number <= node.follower.confirmedHeight) {
    found.push({ kind: 'block', title: `block ${number}`, path: `/explorer/blocks/${number}` })
  }
  return found
}

const evidenceFor = async ({ node }: ViewParts, text: string): Promise<Found[]> => {
  let cid: CID
  try {
    cid = CID.parse(text)
  } catch {
    return []
  }
  const block = await node.daemon.node.evidence.get(cid)
  return block === undefined
    ? []
    : [{ kind: 'evidence', title: 'a block of evidence', path: `/explorer/evidence/${text}` }]
}
