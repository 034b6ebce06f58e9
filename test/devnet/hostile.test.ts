import { afterEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  type Finding,
  protocols,
  relayProtocol,
  seenFault,
  targetsOf,
  indexOfSeat,
  Verdict,
} from '../../protocol/index.ts'
import { deviationOf } from '../../src/devnet/deviants.ts'
import { type Hog, startHog } from '../../src/devnet/hog.ts'
import type { PreparedNode } from '../../src/devnet/prepare.ts'
import { honestConduct } from '../../src/node/conduct.ts'
import { createTestNetwork, type TestNetwork } from '../fixtures/test-network.ts'
import { until } from '../net/local-hosts.ts'

let network: TestNetwork
let hog: Hog | null = null
afterEach(async () => {
  await hog?.stop()
  hog = null
  await network.stop()
})

describe('a hog', () => {
  test('holds streams and connections at the nodes that are none, takes again what it loses, and lets go of all', async () => {
    network = await createTestNetwork({ nodes: 8, params: { committee: 3 } })
    const [victim, own] = [await network.start(0), await network.start(1)]
    const { host } = victim.daemon
    const ips = Array.from({ length: 4 }, (_, i) => network.ip(200 + i))
    const hogs = new Set(network.rows.slice(1).map(({ peer }) => bytesToHex(peer)))
    hog = await startHog(own.daemon.node, { ips, hogs })

    const held = [...Object.values(protocols).filter((name) => name !== protocols.dialBack), relayProtocol]
    const holdsAll = (): boolean => held.every((name) => host.openStreams(name) > 0)
    await until(holdsAll)
    // Its daemon may have connected too.
    const [peer] = host.peers()
    expect(peer?.peerKey).toEqual(own.row.peer)
    expect(peer?.connections).toBeGreaterThanOrEqual(2)

    await host.disconnect(own.row.peer)
    await until(holdsAll)

    await hog.stop()
    await until(() => host.openStreams(...held) === 0)
  })
})

describe('a liar about addresses', () => {
  test('R-TALLY-3 names others than it found, of valid targets that are not such liars', async () => {
    network = await createTestNetwork({ nodes: 8, params: { committee: 5 } })
    const node = await network.start(1)
    const { daemon, row } = node
    const epoch = await node.context(2)
    const targets = targetsOf(epoch.committees, indexOfSeat(epoch.snapshot, row.seat))
    const planned = (index: number): PreparedNode =>
      ({ kind: 'false-address', keys: network.keys[index]! }) as PreparedNode
    const { conduct } = deviationOf(planned(1), [planned(1), planned(targets[0]!)])
    const receipt = { payload: new Uint8Array(1), signature: new Uint8Array(64) }
    const address = Uint8Array.of(127, 0, 0, 9)
    const found = targets.map((_, i): Finding =>
      i === 1
        ? { evidence: seenFault(Verdict.timeout, 'no answer'), address: null }
        : { evidence: { verdict: Verdict.valid, receipt }, address },
    )
    const said = await conduct!(honestConduct(daemon.node.chain), daemon.node).attested!(epoch, found)
    expect(said.map(({ evidence }) => evidence)).toEqual(found.map(({ evidence }) => evidence))
    expect(said[0]).toEqual(found[0])
    expect(said[1]).toEqual(found[1])
    for (const finding of said.slice(2)) {
      expect(finding.address).toHaveLength(4)
      expect(finding.address).not.toEqual(address)
    }
  })
})
