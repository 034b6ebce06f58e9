/** A bar on a terminal, a line every tenth elsewhere; on the error stream, since results are JSON lines. */
export const createProgress = (label: string) => {
  let tenths = -1
  const isTerminal = process.stderr.isTTY
  return {
    set(done: number, total: number): void {
      const share = total === 0 ? 1 : done / total
      if (isTerminal) {
        const filled = Math.floor(share * 30)
        process.stderr.write(
          `\r${label} [${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${Math.floor(share * 100)} %`,
        )
      } else if (Math.floor(share * 10) > tenths) {
        tenths = Math.floor(share * 10)
        process.stderr.write(`${label} ${tenths * 10} %\n`)
      }
    },
    end(): void {
      if (isTerminal) process.stderr.write('\n')
    },
  }
}
