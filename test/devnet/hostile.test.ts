import { afterEach, describe, expect, test } from 'vitest'
import {
  bytesToHex,
  cidOf,
  type Epoch,
  type Finding,
  type ProposalAnswer,
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
import { attest, createTestNetwork, type TestNetwork } from '../fixtures/test-network.ts'
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

describe('a dribbler', () => {
  test('R-CP-3 misses another attestation that came too late in each answer to a proposer, and tells others the rest', async () => {
    network = await createTestNetwork({ nodes: 8, params: { committee: 3 } })
    const node = await network.start(1, { height: network.height(9) })
    const { daemon, row } = node
    const { conduct } = deviationOf({ kind: 'dribbler' } as PreparedNode, [])
    const dribbler = conduct!(honestConduct(daemon.node.chain), daemon.node)
    const vote: ProposalAnswer = ['vote', new Uint8Array(96)]
    expect(dribbler.answerProposal!(2, vote)).toEqual(vote)

    const sent: Epoch[] = []
    const digests = new Map<Epoch, Uint8Array>()
    for (const epoch of [3, 4, 5, 8]) {
      const context = await node.context(epoch)
      const { attestation, ...signed } = attest(network, context, 1)
      digests.set(epoch, cidOf(signed.payload).multihash.digest)
      await dribbler.publish!(context, signed, () => {
        sent.push(attestation.epoch)
        return Promise.resolve()
      })
    }
    expect(sent).toEqual([3, 4])
    const missing = (epoch: Epoch): ProposalAnswer => [
      'wants',
      [[epoch, row.seat, digests.get(epoch)!]],
      [],
      [],
    ]
    const answers = [2, 2, 3, 2].map((from) => dribbler.answerProposal!(from, vote))
    expect(answers).toEqual([missing(5), missing(8), missing(5), missing(5)])
    const later: ProposalAnswer = ['later', 'view-not-open']
    expect(dribbler.answerProposal!(2, later)).toEqual(later)
  })
})
