import type { MessageStream } from '@libp2p/interface'
import { expect, test } from 'vitest'
import { concatBytes } from '../../protocol/index.ts'
import { sendWholePackets } from '../../src/net/whole-packets.ts'

type Bytes = Parameters<MessageStream['send']>[0]

/** A list of arrays, as Noise hands them over. */
const listOf = (...pieces: readonly Uint8Array[]): Bytes => {
  const whole = concatBytes(...pieces)
  return { byteLength: whole.length, subarray: () => whole } as unknown as Bytes
}

test('a packet in pieces is sent in one, and a long one as it is', () => {
  const sent: Bytes[] = []
  const connection: Pick<MessageStream, 'send'> = { send: (bytes) => sent.push(bytes) > 1 }
  sendWholePackets(connection)
  const long = listOf(new Uint8Array(2), new Uint8Array(65_535))
  expect(connection.send(listOf(Uint8Array.of(0, 3), Uint8Array.of(1, 2, 3)))).toBe(false)
  expect(connection.send(long)).toBe(true)
  expect(sent).toEqual([Uint8Array.of(0, 3, 1, 2, 3), long])
})
