import type { ChainName } from '../../protocol/index.ts'
import type { ChainFamily } from './formats/types.ts'
import type { NoteNetwork } from './notes/network.ts'

/** What the code must know of a chain beyond the rules: from chainparams of zcashd, zebra and zend. */
export interface ChainFacts {
  family: ChainFamily
  /** For which network its keys and shielded addresses are written. */
  noteNetwork: NoteNetwork
  /** Hash of block 0 as people write it; a node with another one serves another chain. */
  genesisHash: string
  /** Seconds between blocks. */
  spacingSeconds: number
  rpcPort: number
  /** Of P2SH addresses, present spelling first. */
  p2shPrefixes: readonly (readonly [number, number])[]
}

export const chainFacts: Readonly<Record<ChainName, ChainFacts>> = {
  'zcash-main': {
    family: 'zcash',
    noteNetwork: 'main',
    genesisHash: '00040fe8ec8471911baa1db1266ea15dd06b4a8a5c453883c000b031973dce08',
    spacingSeconds: 75,
    rpcPort: 8_232,
    p2shPrefixes: [[0x1c, 0xbd]],
  },
  'zcash-test': {
    family: 'zcash',
    noteNetwork: 'test',
    genesisHash: '05a60a92d99d85997cce3b87616c089f6124d7342af37106edc76126334a2c38',
    spacingSeconds: 75,
    rpcPort: 18_232,
    p2shPrefixes: [[0x1c, 0xba]],
  },
  'zcash-regtest': {
    family: 'zcash',
    noteNetwork: 'regtest',
    genesisHash: '029f11d80ef9765602235e1bc9727e3eb6ba20839319f761fee920d63401e327',
    spacingSeconds: 75,
    rpcPort: 18_232,
    p2shPrefixes: [[0x1c, 0xba]],
  },
  'zen-main': {
    family: 'zen',
    noteNetwork: 'main',
    genesisHash: '0007104ccda289427919efc39dc9e4d499804b7bebc22df55f8b834301260602',
    spacingSeconds: 150,
    rpcPort: 8_231,
    p2shPrefixes: [
      [0x20, 0x96],
      [0x1c, 0xbd],
    ],
  },
  'zen-test': {
    family: 'zen',
    noteNetwork: 'test',
    genesisHash: '03e1c4bb705c871bf9bfda3e74b7f8f86bff267993c215a89d5795e3708e5e1f',
    spacingSeconds: 150,
    rpcPort: 18_231,
    p2shPrefixes: [
      [0x20, 0x92],
      [0x1c, 0xba],
    ],
  },
  'zen-regtest': {
    family: 'zen',
    noteNetwork: 'regtest',
    genesisHash: '0da5ee723b7923feb580518541c6f098206330dbc711a6678922c11f2ccf1abb',
    spacingSeconds: 150,
    rpcPort: 18_231,
    p2shPrefixes: [
      [0x20, 0x92],
      [0x1c, 0xba],
    ],
  },
}
