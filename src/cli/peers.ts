import { resolve } from 'node:path'
import { Command } from 'commander'
import type { PeerStatus } from '../service/status.ts'
import { realWorld } from '../world.ts'
import { PeersAnswer } from '../web/control/schemas.ts'
import type { CliIo } from './io.ts'
import { askRunning } from './running-daemon.ts'
import { showOrWatch, type WatchFlags } from './watch.ts'
import { screenOf, withWatchOptions } from './watch-options.ts'
import { formatTable } from './week-table.ts'

/** `secnode peers`: to whom the node is connected. */
export const peersCommand = (io: CliIo): Command =>
  withWatchOptions(new Command('peers').description('show whom the running node is connected to'))
    .addHelpText('after', '\nExamples:\n  $ secnode peers\n  $ secnode peers --json | jq length\n')
    .action(async (flags: WatchFlags & { dir: string }) => {
      const dir = resolve(flags.dir)
      const ask = (): Promise<PeerStatus[]> => askRunning(dir, '/peers', PeersAnswer, io.signal)
      await showOrWatch(io, flags, ask, formatPeers, realWorld(), screenOf(process.stdout))
    })

export const formatPeers = (peers: readonly PeerStatus[]): string => {
  const registered = peers.filter(({ isRegistered }) => isRegistered).length
  return [
    formatTable(
      ['seat', 'host', 'address', 'way', 'connections', 'score', 'peer'],
      peers.map(({ seat, host, address, direction, connections, score, peer }) => [
        seat === null ? '-' : String(seat),
        host ?? '-',
        address ?? '-',
        direction,
        String(connections),
        score.toFixed(1),
        peer,
      ]),
      new Set([0, 4, 5]),
    ),
    `${peers.length} peers, ${registered} of them registered\n`,
  ].join('\n')
}
