import { hash, hash160 } from '../../protocol/index.ts'
import { encodeAddress } from '../../src/chain/address.ts'
import { type SigningKey, signingKeyOf } from '../../src/chain/input-signatures.ts'
import {
  deriveOrchardKeys,
  encodeUnifiedAddress,
  encodeUnifiedViewingKey,
} from '../../src/chain/notes/index.ts'
import { type Network, networkOf, type Profile } from '../../src/chain/profiles.ts'
import { loadNetwork } from '../../src/service/load-network.ts'

/** The built-in profile as operators have it. */
export const regtest = async (): Promise<Network> => loadNetwork('zcash-regtest')

/** The same with changes to its genesis part or the rest. */
export const regtestWith = async (
  changes: Partial<Omit<Profile, 'genesis'>> & { genesis?: Partial<Profile['genesis']> },
): Promise<Network> => {
  const { profile } = await regtest()
  return networkOf({ ...profile, ...changes, genesis: { ...profile.genesis, ...changes.genesis } })
}

/** Announcements by Orchard's key: its notes travel in the Orchard pool, and in Ironwood from NU6.3 on. */
export const orchardRegtest = async (): Promise<Network> => {
  const keys = deriveOrchardKeys(hash('zebrad test', 'orchard'))
  return regtestWith({
    genesis: {
      announceAddress: encodeUnifiedAddress({ orchard: keys.defaultAddress }, 'regtest'),
      viewingKey: encodeUnifiedViewingKey({ orchard: keys }, 'regtest'),
    },
  })
}

/** A key whose address is known to nobody else. */
export const keyOf = (...label: (string | number)[]): SigningKey =>
  signingKeyOf(hash('zebrad test', ...label))

export const addressOf = ({ publicKey }: SigningKey): string =>
  encodeAddress('zcash-regtest', { kind: 'p2pkh', hash160: hash160(publicKey) })
