import { type FlatPrefixes, ipv4Prefixes } from './flat-epoch.ts'

/**
 * Addresses of both families as numbers for `FlatEpoch`: equal where R-TALLY-3 takes two for one, the same IPv4 address
 * or IPv6 /64. An IPv4 address is its own number. But those of 0.0.0.0/8, which no host has, are numbered together with
 * those of IPv6 in the order in which they come.
 */
export interface AddressNumbers {
  /** Of 4 or 16 bytes. */
  numberOf: (address: Uint8Array) => number
  /** The first address that was given this number. */
  addressOf: (number: number) => Uint8Array
  /** For `judgeFlatEpoch`. */
  prefixes: FlatPrefixes
}

/** Below this a number is an index of the table: room for more addresses than an epoch of a million seats names. */
const firstOwn = 2 ** 24

export const createAddressNumbers = (): AddressNumbers => {
  const addresses: Uint8Array[] = []
  const numberByHost = new Map<string, number>()
  /** /48 of each address in the table, numbered; −1 for IPv4. */
  const prefixes48: number[] = []
  const numberBy48 = new Map<string, number>()

  const enter = (address: Uint8Array): number => {
    const host = nameOf(address, address.length === 4 ? 4 : 8)
    const known = numberByHost.get(host)
    if (known !== undefined) return known
    const number = addresses.push(address.slice()) - 1
    numberByHost.set(host, number)
    if (address.length === 4) prefixes48.push(-1)
    else {
      const name = nameOf(address, 6)
      const prefix = numberBy48.get(name) ?? numberBy48.size
      numberBy48.set(name, prefix)
      prefixes48.push(prefix)
    }
    return number
  }

  const ofIpv4 =
    (prefixOf: (address: number) => number) =>
    (number: number): number => {
      const entered = addresses[number]
      if (entered === undefined) return prefixOf(number)
      return entered.length === 4 ? prefixOf(ipv4Number(entered)) : -1
    }

  return {
    numberOf(address) {
      const number = address.length === 4 ? ipv4Number(address) : 0
      return number >= firstOwn ? number : enter(address)
    },
    addressOf: (number) =>
      addresses[number] ?? Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number),
    prefixes: [...ipv4Prefixes.map(ofIpv4), (number) => prefixes48[number] ?? -1],
  }
}

/** One character a byte. */
const nameOf = (address: Uint8Array, length: number): string =>
  String.fromCharCode(...address.subarray(0, length))

const ipv4Number = (address: Uint8Array): number =>
  ((address[0]! << 24) | (address[1]! << 16) | (address[2]! << 8) | address[3]!) >>> 0
