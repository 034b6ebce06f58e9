import { base64 } from '@scure/base'
import { bytesToHex, equalBytes } from './bytes.ts'
import { type BlsVerifier } from './bls.ts'
import type { Height, NetworkId } from './ids.ts'
import { messageDigest, recoverHash160 } from './message-signature.ts'
import type { ChainName, Genesis } from './params.ts'
import { keyOfPeerId } from './peer-id.ts'
import { stakeOfAddress } from './stake-address.ts'
import { accept, reject, type Validation } from './validation.ts'

/** A node as its owner announced it (R-REG-1). */
export interface Announcement {
  /** Ed25519 public key of the libp2p peer, 32 bytes. */
  peer: Uint8Array
  host: string
  /** TCP port of libp2p. */
  p2p: number
  /** TCP port of the TLS endpoint. */
  tls: number
  /** A recent height, greater than in the stake's last accepted announcement. */
  at: Height
  /** hash160 of the stake address. */
  stake: Uint8Array
  /** BLS12-381 voting key, 48 bytes. */
  bls: Uint8Array
  /** Proof of possession, 96 bytes. */
  pop: Uint8Array
  /** Recoverable signature, 65 bytes. */
  signature: Uint8Array
  /** Everything before ` sig=`: what was signed. */
  unsignedMemo: string
}

/** The first bytes of every announcement memo (R-REG-1). */
export const memoPrefix = 'secnode:1 '
export const maxMemoBytes = 512
const maxHostBytes = 71

/** What a memo is made of, before it is signed. `stake` is the address as the owner writes it. */
export interface AnnouncementFields {
  peer: string
  host: string
  p2p: number
  tls: number
  at: Height
  stake: string
  bls: Uint8Array
  pop: Uint8Array
}

/** The memo up to, not including, ` sig=`. */
export const formatUnsignedMemo = (fields: AnnouncementFields): string =>
  `${memoPrefix}peer=${fields.peer} host=${fields.host} p2p=${fields.p2p} tls=${fields.tls} at=${fields.at}` +
  ` stake=${fields.stake} bls=${base64.encode(fields.bls)} pop=${base64.encode(fields.pop)}`

/** R-REG-2: the text that the stake's wallet signs with `signmessage`. */
export const announcementMessage = (networkId: NetworkId, unsignedMemo: string): string =>
  `secnode announcement\n${networkId}\n${unsignedMemo}`

/** The whole memo; `signature` is the wallet's base64. */
export const formatMemo = (unsignedMemo: string, signature: string): string =>
  `${unsignedMemo} sig=${signature}`

/** R-REG-6: lower-case DNS name with a dot, last label starting with a letter, at most 71 bytes. */
export const isHost = (host: string): boolean =>
  host.length <= maxHostBytes &&
  /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(host)

const memoPattern =
  /^secnode:1 peer=([1-9A-HJ-NP-Za-km-z]{1,64}) host=([a-z0-9.-]{1,71}) p2p=([1-9][0-9]{0,4}) tls=([1-9][0-9]{0,4}) at=(0|[1-9][0-9]{0,9}) stake=([1-9A-HJ-NP-Za-km-z]{1,64}) bls=([A-Za-z0-9+/]{64}) pop=([A-Za-z0-9+/]{128}) sig=([A-Za-z0-9+/]{87}=)$/

const decodeBase64 = (text: string): Uint8Array | null => {
  try {
    const bytes = base64.decode(text)
    return base64.encode(bytes) === text ? bytes : null
  } catch {
    return null
  }
}

const announcementHeaders: ReadonlySet<number> = new Set([27, 28, 31, 32])

/** Whether a memo is meant as an announcement: anchors begin with the same word. */
export const isAnnouncementMemo = (memo: string): boolean => memo.startsWith(`${memoPrefix}peer=`)

/**
 * R-REG-1, R-REG-6: reads a memo. Checks its form and its peer key, neither the wallet's signature nor the proof.
 * Accepts it, or rejects it with a code.
 */
export const parseMemo = (chain: ChainName, memo: string): Validation<Announcement> => {
  if (memo.length > maxMemoBytes) return reject('memo-too-long')
  const match = memoPattern.exec(memo)
  if (match === null) return reject('memo-form')
  const [, peerText, host, p2pText, tlsText, atText, stakeText, blsText, popText, sigText] =
    match as unknown as [string, string, string, string, string, string, string, string, string, string]
  const p2p = Number(p2pText)
  const tls = Number(tlsText)
  const at = Number(atText)
  if (p2p > 65_535 || tls > 65_535) return reject('memo-port')
  if (at > 0xffff_ffff) return reject('memo-height')
  if (!isHost(host)) return reject('memo-host')
  const stake = stakeOfAddress(chain, stakeText)
  if (stake === null) return reject('memo-stake')
  const bls = decodeBase64(blsText)
  const pop = decodeBase64(popText)
  const signature = decodeBase64(sigText)
  if (bls === null || pop === null || signature === null) return reject('memo-base64')
  if (!announcementHeaders.has(signature[0]!)) return reject('memo-signature-header')
  const peer = keyOfPeerId(peerText)
  if (peer === null) return reject('memo-peer')
  const unsignedMemo = memo.slice(0, memo.length - ' sig='.length - sigText.length)
  return accept({ peer, host, p2p, tls, at, stake, bls, pop, signature, unsignedMemo })
}

/** R-REG-2: the wallet's signature by the stake address over the announcement. */
export const isSignedByStake = (networkId: NetworkId, announcement: Announcement): boolean => {
  const digest = messageDigest(announcementMessage(networkId, announcement.unsignedMemo))
  const signer = recoverHash160(announcement.signature, digest)
  return signer !== null && equalBytes(signer, announcement.stake)
}

/**
 * R-REG-2: everything about an announcement that needs no registry but the stake's last accepted `at` (null if none),
 * except the proof of possession, which a block's announcements are asked for together. `minedAt` is the height of its
 * block. The dear check comes last.
 */
export const checkUnprovedAnnouncement = (
  genesis: Genesis,
  networkId: NetworkId,
  announcement: Announcement,
  minedAt: Height,
  lastAt: Height | null,
): Validation => {
  if (announcement.at > minedAt) return reject('announcement-from-the-future')
  if (minedAt - announcement.at > genesis.announceBlocks) return reject('announcement-too-old')
  if (isReplayed(announcement, lastAt)) return reject('announcement-replayed')
  if (!isSignedByStake(networkId, announcement)) return reject('announcement-signature')
  return accept(undefined)
}

/** R-REG-2: `at` rises from one accepted announcement of a stake to the next. */
export const isReplayed = (announcement: Announcement, lastAt: Height | null): boolean =>
  lastAt !== null && announcement.at <= lastAt

/** The same with the proof of possession: for an announcement on its own. */
export const checkAnnouncement = (
  genesis: Genesis,
  networkId: NetworkId,
  announcement: Announcement,
  minedAt: Height,
  lastAt: Height | null,
  bls: BlsVerifier,
): Validation => {
  const checked = checkUnprovedAnnouncement(genesis, networkId, announcement, minedAt, lastAt)
  if (checked.is !== 'accept') return checked
  const [isProved] = bls.verifyPossessions(networkId, [announcement])
  return isProved === true ? accept(undefined) : reject('announcement-possession')
}

/** The key under which maps hold a stake. */
export const stakeKey = (stake: Uint8Array): string => bytesToHex(stake)
