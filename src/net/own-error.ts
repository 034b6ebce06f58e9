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

/** True if the code of a failed dial says nothing about the other side (R-FAULT-1). */
export const isOwnError = (code: string | undefined): boolean => code !== undefined && ownErrors.has(code)
