import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'

/** Errors of this machine and its own network, not of the other side: out of descriptors, no such family, no route. */
const ownErrors: ReadonlySet<string> = new Set([
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EINVAL',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'EPERM',
])

/** The same codes come of what a router on the way, or the other host itself, answers (ICMP, ICMPv6). */
const answeredErrors: ReadonlySet<string> = new Set(['EACCES', 'ENETUNREACH'])

/** True if the code of a failed dial to this address says nothing about the other side (R-FAULT-1). */
export const isOwnError = async (
  code: string | undefined,
  ip: string | undefined,
  hasWay: (ip: string) => Promise<boolean> = hasWayTo,
): Promise<boolean> => {
  if (code === undefined || !ownErrors.has(code)) return false
  return !answeredErrors.has(code) || ip === undefined || !(await hasWay(ip))
}

/** Whether this machine knows a way to an address. No packet leaves: a UDP socket only looks its route up. */
export const hasWayTo = (ip: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4')
    const finish = (hasWay: boolean): void => {
      socket.removeAllListeners().close()
      resolve(hasWay)
    }
    socket.once('error', () => finish(false))
    socket.once('connect', () => finish(true))
    socket.connect(9, ip)
  })
