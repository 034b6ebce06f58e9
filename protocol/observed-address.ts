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
