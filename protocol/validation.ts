/**
 * What a validator says of outside input. `ignore`: not wrong as such (another branch, too late, own overload), so
 * the sender keeps his name. `reject`: no honest peer sends this.
 */
export type Validation<T = undefined> =
  { is: 'accept'; value: T } | { is: 'ignore'; code: string } | { is: 'reject'; code: string }

export const accept = <T>(value: T): Validation<T> => ({ is: 'accept', value })
export const ignore = (code: string): { is: 'ignore'; code: string } => ({ is: 'ignore', code })
export const reject = (code: string): { is: 'reject'; code: string } => ({ is: 'reject', code })
