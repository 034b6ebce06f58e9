import {
  announcementMessage,
  formatMemo,
  formatUnsignedMemo,
  hash,
  type Height,
  peerIdOfKey,
  stakeOfAddress,
} from '../../protocol/index.ts'
import { blsPublicKey, nobleProvePossession } from '../../protocol/bls.ts'
import type { SigningKey } from '../../src/chain/input-signatures.ts'
import { signMessage } from '../../src/chain/message.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { addressOf, keyOf } from './networks.ts'

export interface Announcement {
  /** Of the stake. */
  address: string
  memo: string
}

/** What a node announces of itself. */
export interface AnnouncedNode {
  stakeKey: SigningKey
  peerId: string
  host: string
  p2p: number
  tls: number
  blsSecret: Uint8Array
}

/** R-REG-1, R-REG-2: a valid announcement as of `at`. */
export const announcementBy = ({ networkId }: Network, node: AnnouncedNode, at: Height): Announcement => {
  const { stakeKey, peerId, host, p2p, tls, blsSecret } = node
  const address = addressOf(stakeKey)
  const unsigned = formatUnsignedMemo({
    peer: peerId,
    host,
    p2p,
    tls,
    at,
    stake: address,
    bls: blsPublicKey(blsSecret),
    pop: nobleProvePossession(networkId, blsSecret, stakeOfAddress('zcash-regtest', address)!),
  })
  const signature = signMessage(stakeKey.secretKey, announcementMessage(networkId, unsigned), true)
  return { address, memo: formatMemo(unsigned, signature) }
}

/** The same by a node that is nowhere, with a stake of its own. */
export const announcementOf = (network: Network, number: number, at: Height): Announcement => {
  const blsSecret = hash('zebrad test', 'bls', number)
  blsSecret[0]! &= 0x3f
  const node = {
    stakeKey: keyOf('stake', number),
    peerId: peerIdOfKey(ed25519FromSeed(hash('zebrad test', 'peer', number)).publicKey),
    host: `n${number}.devnet.test`,
    p2p: 9_000,
    tls: 9_001,
    blsSecret,
  }
  return announcementBy(network, node, at)
}
