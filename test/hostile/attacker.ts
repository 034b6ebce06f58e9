import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { createTestNetwork } from '../fixtures/test-network.ts'
import { type RawPeer, startRawPeer } from '../net/raw-peer.ts'
import { attacks } from './attacks.ts'
import type { Battlefield } from './attack.ts'
import { networkOptions } from './parties.ts'

/** One attack in a process of its own, so that it does not starve those who measure. `attacker.ts NAME SEATS`. */
const [name, seatsText = '[]'] = process.argv.slice(2)
const attack = attacks.find((one) => one.name === name)
if (attack === undefined) throw new Error(`there is no attack ${name}`)

const network = await createTestNetwork(networkOptions)
const abort = new AbortController()
const counts = new Map<string, number>()
const peers: RawPeer[] = []
const { peer: peerKey, p2p, tls } = network.rows[0]!
const ip = network.ip(0)
const address = (number: number): string => `127.9.${Math.floor(number / 200)}.${1 + (number % 200)}`

const started = async (peer: Promise<RawPeer>): Promise<RawPeer> => {
  peers.push(await peer)
  return await peer
}

const field: Battlefield = {
  network,
  victim: { p2p: { ip, port: p2p }, tls: { ip, port: tls }, peerKey },
  seats: JSON.parse(seatsText) as number[],
  seat: async (index) =>
    await started(
      startRawPeer(network.ip(index), await generateKeyPairFromSeed('Ed25519', network.keys[index]!.seed)),
    ),
  stranger: (number) => started(startRawPeer(address(1_000 + number))),
  address,
  sent: (what, count = 1) => counts.set(what, (counts.get(what) ?? 0) + count),
  signal: abort.signal,
}

let running: Promise<void> | null = null
process.on('uncaughtException', (error) => process.stderr.write(`attacker: ${error.message}\n`))
process.on('message', (command: { is: 'begin' | 'end' | 'stop' }) => {
  void (async () => {
    if (command.is === 'begin') {
      running = attack
        .run(field)
        .catch((error: Error) => void process.stderr.write(`attacker: ${error.message}\n`))
      process.send!({ is: 'begun' })
    } else if (command.is === 'end') {
      abort.abort()
      await running
      await Promise.allSettled(peers.map((peer) => peer[Symbol.asyncDispose]()))
      process.send!(Object.fromEntries(counts))
    } else process.exit(0)
  })()
})
process.on('disconnect', () => process.exit(0))
process.send!({ is: 'ready' })
