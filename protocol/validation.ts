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

export const accept = <T>(value: T): Validation<T> => ({ is: 'accept', value })
export const ignore = (code: string): Ignored => ({ is: 'ignore', code })
export const ignoreUnverified = (code: string): Ignored => ({ is: 'ignore', code, isUnverified: true })
export const reject = (code: string): { is: 'reject'; code: string } => ({ is: 'reject', code })
