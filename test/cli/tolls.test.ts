import { Command } from 'commander'
import { expect, test } from 'vitest'
import { maxEffort, type NetworkId, peerIdOfKey } from '../../protocol/index.ts'
import { sayToll, type TollOptions, withTollOption } from '../../src/cli/tolls.ts'
import { defaultMaxEffort } from '../../src/net/host.ts'
import { ed25519FromSeed } from '../../src/keys/ed25519.ts'
import { seedOf } from '../protocol/fixture.ts'

const parse = (...args: string[]): number => {
  const command = withTollOption(new Command(), 'with --peers').exitOverride()
  command.configureOutput({ writeErr: () => undefined })
  return command.parse(args, { from: 'user' }).opts<TollOptions>().maxEffort
}

test('R-PUZ-4 --max-effort is a number of hashes, ten seconds of work unless it is said', () => {
  expect(parse()).toBe(defaultMaxEffort)
  expect(parse('--max-effort', '0')).toBe(0)
  expect(parse('--max-effort', `${maxEffort}`)).toBe(maxEffort)
  for (const wrong of ['-1', '1.5', `${maxEffort + 1}`, 'much', '']) {
    expect(() => parse('--max-effort', wrong)).toThrow('hashes')
  }
})

test('R-PUZ-4 work that takes long is announced with the peer and the time', () => {
  let said = ''
  const io = {
    stdout: () => undefined,
    stderr: (text: string) => void (said += text),
    isTerminal: false,
    signal: new AbortController().signal,
    setExitCode: () => undefined,
  }
  const server = ed25519FromSeed(seedOf('server')).publicKey
  const client = ed25519FromSeed(seedOf('client')).publicKey
  const networkId = 'ab'.repeat(16) as NetworkId
  const puzzle = { networkId, purpose: 'sync/1', server, client, cookie: new Uint8Array(16), effort: 1 }
  sayToll(io)({ puzzle, expectedMs: 12_345 })
  expect(said).toBe(`${peerIdOfKey(server)} is under load and asks for work first: some 13 s\n`)
})
