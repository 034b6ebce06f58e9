import { setTimeout as wait } from 'node:timers/promises'
import {
  challengeAnswerCodec,
  challengeRequestCodec,
  protocols,
  syncAnswerCodec,
  syncRequestCodec,
} from '../../protocol/index.ts'
import { createEd25519Verifier } from '../../src/keys/ed25519.ts'
import { messageOf } from '../../src/errors.ts'
import { createProbeRoots } from '../../src/net/certificate-chain.ts'
import { probeTls } from '../../src/net/probe.ts'
import { realWorld } from '../../src/world.ts'
import { createTestNetwork, questionBy } from '../fixtures/test-network.ts'
import type { LocalHost } from '../net/local-hosts.ts'
import { seedOf } from '../protocol/fixture.ts'
import { epoch, networkOptions } from './parties.ts'

/** Answered of those made, by what was asked, the longest wait for an answer, and what the others said. */
export type Tally = Record<string, { made: number; answered: number; longestMs: number; failures: string[] }>

/** What honest peers do with the victim all the time, with the deadlines of a real network (responseMs 5 s). */
export interface Honest extends AsyncDisposable {
  /** Asks until the signal aborts; resolves with what came of it. */
  ask(signal: AbortSignal): Promise<Tally>
}

const timeoutMs = 5_000
/** Of each kind, one after the other with this pause; an address may connect five times a second. */
const pauseMs = { challenge: 200, sync: 200, probe: 200, dial: 500 }

export const startHonest = async (challengers: readonly number[], caPem: string): Promise<Honest> => {
  const roots = createProbeRoots([caPem])
  const network = await createTestNetwork(networkOptions)
  const own = network.rows[0]!
  const target = { peerKey: own.peer, address: { ip: network.ip(0), port: own.p2p } }
  const { verify } = createEd25519Verifier({ maxKeys: 16 })
  const [first, second, third] = challengers as [number, number, number]
  const [asking, probing, dialling] = (await Promise.all(
    [first, second, third].map((index) => network.startPeer({ index })),
  )) as [LocalHost, LocalHost, LocalHost]
  const options = { timeoutMs, dialTimeoutMs: timeoutMs, maxResponseBytes: 500_000 }

  const challenge = async (signal: AbortSignal): Promise<string | null> => {
    const { payload, signature } = questionBy(network, first, 0, epoch)
    const request = challengeRequestCodec.encode(['challenge', payload, signature])
    const bytes = await asking.request(target, protocols.challenge, request, { ...options, signal })
    const answer = challengeAnswerCodec.decode(bytes)
    return answer.is === 'ok' && answer.value[0] === 'receipt' ? null : JSON.stringify(answer)
  }

  const sync = async (signal: AbortSignal): Promise<string | null> => {
    const request = syncRequestCodec.encode(['of-seat', 3, 0, 4])
    const bytes = await probing.request(target, protocols.sync, request, { ...options, signal })
    const answer = syncAnswerCodec.decode(bytes)
    return answer.is === 'ok' && answer.value[0] === 'attestations' ? null : JSON.stringify(answer)
  }

  const probe = async (signal: AbortSignal): Promise<string | null> => {
    const probed = await probeTls({
      host: own.host,
      ip: network.ip(0),
      port: own.tls,
      nonce: seedOf('probe'),
      roots,
      expected: { peerKey: own.peer, seat: own.seat, stake: own.stake },
      networkId: network.networkId,
      timeoutMs,
      world: realWorld(),
      localAddress: network.ip(second),
      now: Date.now(),
      verify,
      signal,
    })
    return probed.is === 'ok' ? null : probed.detail
  }

  /** A connection of its own, handshake and all. */
  const dial = async (signal: AbortSignal): Promise<string | null> => {
    await dialling.knock(target, { timeoutMs, signal })
    return null
  }

  /** Each gives null, or why it failed. */
  const kinds: Record<keyof typeof pauseMs, (signal: AbortSignal) => Promise<string | null>> = {
    challenge,
    sync,
    probe,
    dial,
  }

  const keepAsking = async (name: keyof typeof pauseMs, tally: Tally, signal: AbortSignal): Promise<void> => {
    const row: Tally[string] = (tally[name] = { made: 0, answered: 0, longestMs: 0, failures: [] })
    while (!signal.aborted) {
      const begunMs = performance.now()
      const failure = await kinds[name](signal).catch((error: unknown) => messageOf(error))
      // Cut off by the end of the run: it says nothing.
      if (signal.aborted && failure !== null) return
      row.made++
      if (failure === null) row.answered++
      else row.failures.push(failure)
      row.longestMs = Math.max(row.longestMs, Math.round(performance.now() - begunMs))
      await wait(pauseMs[name], undefined, { signal }).catch(() => undefined)
    }
  }

  return {
    ask: async (signal) => {
      const tally: Tally = {}
      const names = Object.keys(kinds) as (keyof typeof pauseMs)[]
      await Promise.all(names.map((name) => keepAsking(name, tally, signal)))
      return tally
    },
    [Symbol.asyncDispose]: () => network.stop(),
  }
}
