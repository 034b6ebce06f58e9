/**
 * What a validator says of outside input. `ignore`: not wrong as such (another branch, too late, own overload), so
 * the sender keeps his name. `reject`: no honest peer sends this.
 */
export type Validation<T = undefined> = { is: 'accept'; value: T } | Ignored | { is: 'reject'; code: string }

export interface Ignored {
  is: 'ignore'
  code: string
  /** R-MSG-2: ignored before any signature was verified, so anyone can make up any number of them. */
  isUnverified?: true
}

/** Accepts outside input. */
export const accept = <T>(value: T): Validation<T> => ({ is: 'accept', value })
/** Ignores outside input, for a reason that blames nobody. */
export const ignore = (code: string): Ignored => ({ is: 'ignore', code })
/** Ignores outside input whose signature was not looked at. */
export const ignoreUnverified = (code: string): Ignored => ({ is: 'ignore', code, isUnverified: true })
/** Rejects outside input: it breaks a rule. */
export const reject = (code: string): { is: 'reject'; code: string } => ({ is: 'reject', code })
