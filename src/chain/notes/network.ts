/** Which network a key or an address is written for. Sprout writes `test` and `regtest` alike. */
export type NoteNetwork = 'main' | 'test' | 'regtest'
