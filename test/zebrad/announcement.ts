import {
  announcementMessage,
  blsPublicKey,
  formatMemo,
  formatUnsignedMemo,
  hash,
  type Height,
  peerIdOfKey,
  provePossession,
  stakeOfAddress,
} from '../../protocol/index.ts'
import { signMessage } from '../../src/chain/message.ts'
import type { Network } from '../../src/chain/profiles.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { addressOf, keyOf } from './networks.ts'

export interface Announcement {
  /** Of the stake. */
  address: string
  memo: string
}

/** R-REG-1, R-REG-2: a valid announcement by a stake of its own, as of `at`. */
export const announcementOf = ({ networkId }: Network, number: number, at: Height): Announcement => {
  const stakeKey = keyOf('stake', number)
  const address = addressOf(stakeKey)
  const blsSecret = hash('zebrad test', 'bls', number)
  blsSecret[0]! &= 0x3f
  const unsigned = formatUnsignedMemo({
    peer: peerIdOfKey(ed25519FromSeed(hash('zebrad test', 'peer', number)).publicKey),
    host: `n${number}.devnet.test`,
    p2p: 9_000,
    tls: 9_001,
    at,
    stake: address,
    bls: blsPublicKey(blsSecret),
    pop: provePossession(blsSecret, stakeOfAddress('zcash-regtest', address)!),
  })
  const signature = signMessage(stakeKey.secretKey, announcementMessage(networkId, unsigned), true)
  return { address, memo: formatMemo(unsigned, signature) }
}
