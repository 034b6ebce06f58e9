import type { MessageStream } from '@libp2p/interface'

/** Of more bytes the copy is not worth it. */
const maxCopiedBytes = 16_384

/**
 * Hands an encrypted packet to the connection in one piece. Noise gives its length and its content apart, and the socket
 * makes a system call and a segment of its own of each.
 */
export const sendWholePackets = (connection: Pick<MessageStream, 'send'>): void => {
  const send = connection.send.bind(connection)
  connection.send = (bytes) =>
    send(bytes instanceof Uint8Array || bytes.byteLength > maxCopiedBytes ? bytes : bytes.subarray())
}
