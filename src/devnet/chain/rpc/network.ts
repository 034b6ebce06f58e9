import { coinsJson } from './amount-json.ts'
import { difficulty } from './block-json.ts'
import type { NodeContext } from './context.ts'
import type { RpcMethods } from './dispatch.ts'

/**
 * What the node says of itself. Version and user agent are its own, in the form of the family: `/zen:…/` is how
 * clients know a zend.
 */
const zend = { version: 2_001_850, subversion: '/zen:2.0.18/', protocolversion: 170_002 } as const
const zebrad = { version: 7_000_000, subversion: '/Zebra:7.0.0/', protocolversion: 170_190 } as const

/** minRelayTxFee: 100 base units per 1,000 bytes. */
const relayFee = coinsJson(100n)

export const networkMethods = ({ chain, dialect }: NodeContext): RpcMethods => ({
  getnetworkinfo: {
    usage: 'getnetworkinfo',
    minParams: 0,
    maxParams: 0,
    run: () => ({
      ...(dialect === 'zend' ? zend : zebrad),
      localservices: '0000000000000001',
      timeoffset: 0,
      connections: 0,
      ...(dialect === 'zend' ? { tls_cert_verified: false } : {}),
      networks: ['ipv4', 'ipv6', 'onion'].map((name) => ({
        name,
        limited: false,
        reachable: name !== 'onion',
        proxy: '',
        proxy_randomize_credentials: false,
      })),
      relayfee: relayFee,
      localaddresses: [],
      warnings: '',
    }),
  },
  getinfo: {
    usage: 'getinfo',
    minParams: 0,
    maxParams: 0,
    run: () =>
      dialect === 'zend'
        ? {
            version: zend.version,
            protocolversion: zend.protocolversion,
            walletversion: 60_000,
            balance: coinsJson(chain.wallet.coins().reduce((sum, { value }) => sum + value, 0n)),
            blocks: chain.tip.height,
            timeoffset: 0,
            connections: 0,
            proxy: '',
            difficulty,
            testnet: chain.parameters.network === 'test',
            keypoololdest: chain.parameters.startTime,
            keypoolsize: 0,
            paytxfee: coinsJson(0n),
            relayfee: relayFee,
            errors: '',
          }
        : {
            version: zebrad.version,
            build: 'v7.0.0',
            subversion: zebrad.subversion,
            protocolversion: zebrad.protocolversion,
            blocks: chain.tip.height,
            connections: 0,
            difficulty,
            testnet: chain.parameters.network !== 'main',
            paytxfee: coinsJson(0n),
            relayfee: relayFee,
            errors: 'no errors',
            errorstimestamp: 0,
          },
  },
  getpeerinfo: { usage: 'getpeerinfo', minParams: 0, maxParams: 0, run: () => [] },
  ...(dialect === 'zend'
    ? { getconnectioncount: { usage: 'getconnectioncount', minParams: 0, maxParams: 0, run: () => 0 } }
    : {}),
})
