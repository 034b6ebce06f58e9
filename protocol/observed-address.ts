/** Addresses in attestations are 4 bytes (IPv4) or 16 (IPv6 that maps no IPv4), as R-PROBE-2 makes them. */
export const isObservedAddress = (address: Uint8Array): boolean =>
  address.length === 4 || (address.length === 16 && !isMapped(address))

/** ::ffff:0:0/96 and the NAT64 prefix 64:ff9b::/96 stand for an IPv4 address, which is then the canonical form. */
const isMapped = (address: Uint8Array): boolean => {
  const isV4Mapped =
    address.subarray(0, 10).every((byte) => byte === 0) && address[10] === 0xff && address[11] === 0xff
  const isNat64 =
    address[0] === 0x00 &&
    address[1] === 0x64 &&
    address[2] === 0xff &&
    address[3] === 0x9b &&
    address.subarray(4, 12).every((byte) => byte === 0)
  return isV4Mapped || isNat64
}

/** An address of 4 or 16 bytes as text: dotted IPv4, or IPv6 as in RFC 5952. Null for any other length. */
export const addressText = (address: Uint8Array): string | null => {
  if (address.length === 4) return address.join('.')
  if (address.length !== 16) return null
  const groups = Array.from({ length: 8 }, (_, i) => (address[2 * i]! << 8) | address[2 * i + 1]!)
  const { start, length } = longestZeros(groups)
  const hex = (from: number, to?: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':')
  if (length < 2) return hex(0)
  // RFC 5952, 5: the forms that hold an IPv4 address end in it.
  const holdsIpv4 = start === 0 && (length === 6 || (length === 5 && groups[5] === 0xffff))
  return holdsIpv4
    ? `::${length === 5 ? 'ffff:' : ''}${address.subarray(12).join('.')}`
    : `${hex(0, start)}::${hex(start + length)}`
}

/** The first of the longest runs of zeros. */
const longestZeros = (groups: readonly number[]): { start: number; length: number } => {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [i, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0
    if (length > best.length) best = { start: i - length + 1, length }
  }
  return best
}
