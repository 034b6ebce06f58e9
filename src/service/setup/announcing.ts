import {
  addressOfStake,
  announcementMessage,
  equalBytes,
  formatMemo,
  formatUnsignedMemo,
  type Height,
  messageDigest,
  parseMemo,
  recoverHash160,
  stakeOfAddress,
} from '../../../protocol/index.ts'
import type { UriPayment } from '../../chain/payment-uri.ts'
import type { Network } from '../../chain/profiles.ts'
import { SecnodeError } from '../../errors.ts'
import { provePossession } from '../../keys/bls.ts'
import type { NodeKeys } from '../../keys/node-key.ts'
import { type Config, publicPortsOf } from '../config.ts'

/** An announcement that waits for the wallet's signature (R-REG-1, R-REG-2). */
export interface UnsignedAnnouncement {
  host: string
  /** The stake's address, in the chain's present spelling. */
  stake: string
  at: Height
  /** The memo up to, not including, ` sig=`. */
  unsignedMemo: string
  /** What the stake's wallet signs with `signmessage`: three lines, without a line break at the end. */
  text: string
}

/** What a configuration announces at height `at`. Errors: STAKE_ADDRESS (exit code 2). */
export const prepareAnnouncement = (
  network: Network,
  config: Pick<Config, 'host' | 'stake' | 'listen' | 'public'>,
  keys: NodeKeys,
  at: Height,
): UnsignedAnnouncement => {
  const stake = stakeOf(network, config.stake)
  const address = addressOfStake(network.profile.genesis.chain, stake)
  const unsignedMemo = formatUnsignedMemo({
    peer: keys.peerId,
    host: config.host,
    ...publicPortsOf(config),
    at,
    stake: address,
    bls: keys.blsPublicKey,
    pop: provePossession(network.networkId, keys.blsSecretKey, stake),
  })
  const text = announcementMessage(network.networkId, unsignedMemo)
  return { host: config.host, stake: address, at, unsignedMemo, text }
}

/** hash160 of a stake's address. Errors: STAKE_ADDRESS (exit code 2). */
export const stakeOf = (network: Network, address: string): Uint8Array => {
  const { chain } = network.profile.genesis
  const stake = stakeOfAddress(chain, address)
  if (stake !== null) return stake
  throw new SecnodeError('STAKE_ADDRESS', `${address} is no P2PKH address of ${chain}`, {
    exitCode: 2,
    hint: 'A stake is held by one key: an address that begins with t1, tm (Zcash), zn or zt (ZEN).',
  })
}

/**
 * The memo with the wallet's signature, which is checked as the chain's followers will (R-REG-2). Errors, all with exit
 * code 1 and the reason: ANNOUNCE_SIGNATURE_FORM (no signature at all), ANNOUNCE_SIGNATURE_TEXT (of the right key, over
 * another text), ANNOUNCE_SIGNATURE_KEY (of another key).
 */
export const signedMemo = (
  network: Network,
  announcement: UnsignedAnnouncement,
  signatureText: string,
): string => {
  const signature = signatureText.trim()
  const memo = formatMemo(announcement.unsignedMemo, signature)
  const parsed = parseMemo(network.profile.genesis.chain, memo)
  if (parsed.is !== 'accept') {
    throw new SecnodeError(
      'ANNOUNCE_SIGNATURE_FORM',
      `this is no signature of signmessage (${parsed.code})`,
      {
        hint: 'It is one word of 88 characters of base64, as the wallet prints it.',
      },
    )
  }
  const { signature: bytes, stake } = parsed.value
  const signerOf = (text: string): Uint8Array | null => recoverHash160(bytes, messageDigest(text))
  const isOfStake = (text: string): boolean => {
    const signer = signerOf(text)
    return signer !== null && equalBytes(signer, stake)
  }
  if (isOfStake(announcement.text)) return memo
  const mistake = mistakes.find(({ textOf }) => isOfStake(textOf(announcement)))
  if (mistake !== undefined) {
    throw new SecnodeError('ANNOUNCE_SIGNATURE_TEXT', `the right key signed, but ${mistake.what}`, {
      hint: 'Sign the text again, exactly as it stands: three lines, no line break at the end.',
    })
  }
  const signer = signerOf(announcement.text)
  const who = signer === null ? 'no key at all' : addressOfStake(network.profile.genesis.chain, signer)
  throw new SecnodeError(
    'ANNOUNCE_SIGNATURE_KEY',
    `the signature is not of ${announcement.stake}: over this text it is that of ${who}`,
    {
      hint:
        `Sign with ${announcement.stake}. If the wallet did, it signed another text than this one: ` +
        'an earlier one, perhaps, or one with other line breaks.',
    },
  )
}

/** What wallets and clipboards make of a text. */
const mistakes: readonly { what: string; textOf: (announcement: UnsignedAnnouncement) => string }[] = [
  { what: 'with a line break at the end', textOf: ({ text }) => `${text}\n` },
  { what: 'with a line break of Windows at the end', textOf: ({ text }) => `${text}\r\n` },
  { what: 'with line breaks of Windows', textOf: ({ text }) => text.replaceAll('\n', '\r\n') },
  { what: 'with spaces in the place of line breaks', textOf: ({ text }) => text.replaceAll('\n', ' ') },
  { what: 'without line breaks', textOf: ({ text }) => text.replaceAll('\n', '') },
  { what: 'with the two characters \\n for line breaks', textOf: ({ text }) => text.replaceAll('\n', '\\n') },
  { what: 'only the last line', textOf: ({ unsignedMemo }) => unsignedMemo },
  { what: 'with a space at the end', textOf: ({ text }) => `${text} ` },
]

/** Paid to the announcement address with the memo: any amount will do. */
const shieldedAmount = 10_000n

/** The two payments of the one transaction (R-REG-1): the stake to itself, and the memo to the network. */
export const announcementPayments = (
  network: Network,
  announcement: Pick<UnsignedAnnouncement, 'stake'>,
  memo: string,
): UriPayment[] => {
  const { announceAddress, minStake } = network.profile.genesis
  return [
    { address: announcement.stake, amount: minStake },
    { address: announceAddress, amount: shieldedAmount, memo },
  ]
}
