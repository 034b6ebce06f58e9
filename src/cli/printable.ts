/** Other nodes' words end on a terminal: nothing but what a line of text is made of. */
export const printable = (text: string): string => text.replaceAll(/[^ -~…×]/g, '?')

/** One line of ours that may quote such words: letters of all languages stay, escapes and turns of direction do not. */
export const withoutEscapes = (line: string): string => line.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')

/** The same value in JSON of ASCII only: what JSON leaves as it is includes controls that terminals obey. */
export const asciiJson = (json: string): string =>
  json.replaceAll(/[^\n -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
