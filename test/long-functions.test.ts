import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const maxLines = 100

interface LongFunction {
  file: string
  name: string
  /** What stands in a comment above it: `// long: why`. */
  reason: string | null
}

/** Functions of more lines, as the linter counts them. */
const longFunctions = (folders: readonly string[]): LongFunction[] => {
  const directory = mkdtempSync(join(tmpdir(), 'secnode-long-'))
  try {
    const config = join(directory, 'oxlintrc.json')
    const rules = { 'max-lines-per-function': ['error', { max: maxLines }] }
    writeFileSync(config, JSON.stringify({ plugins: [], categories: { correctness: 'off' }, rules }))
    const oxlint = join(root, 'node_modules', '.bin', 'oxlint')
    const { stdout } = spawnSync(oxlint, ['-c', config, '-f', 'json', ...folders], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    })
    const { diagnostics } = JSON.parse(stdout) as Report
    return diagnostics.map(({ filename, labels }) => {
      const lines = readFileSync(join(root, filename), 'utf8').split('\n')
      const at = labels[0]!.span.line - 1
      const name = /(?:const|function\*?|async) (\w+)|(\w+)\(/.exec(lines[at]!)
      const reason = /^\s*\/\/ long: (.+)$/.exec(lines[at - 1] ?? '')
      return { file: filename, name: name?.[1] ?? name?.[2] ?? '?', reason: reason?.[1] ?? null }
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
}

interface Report {
  diagnostics: { filename: string; labels: { span: { line: number } }[] }[]
}

/** Those that are still longer, and have no better reason than that nobody has split them yet. */
const leftovers: ReadonlySet<string> = new Set([
  'sim/messages/certifying.ts createCertifying',
  'sim/messages/challenges.ts createChallenges',
  'sim/messages/events.ts createEventQueue',
  'sim/messages/gossip.ts createGossip',
  'sim/messages/observed.ts createObserved',
  'sim/messages/publishing.ts createPublishing',
  'sim/messages/starts.ts createStarts',
  'sim/messages/traffic.ts createTraffic',
  'sim/messages/weeks.ts createWeeks',
  'sim/statistical/account.ts createAccount',
  'sim/statistical/relay.ts createRelayUse',
  'sim/statistical/run.ts runStatistical',
  'src/admission/places.ts createPlaces',
  'src/admission/streams.ts createStreamAdmission',
  'src/chain-node/follower/chain-state.ts openChainState',
  'src/devnet/chain/block-tree.ts createBlockTree',
  'src/devnet/chain/chain.ts createEmbeddedChain',
  'src/devnet/chain/mempool.ts createMempool',
  'src/net/gater.ts createGater',
  'src/net/host.ts createHost',
  'src/net/links.ts createLinks',
  'src/net/puzzle-gate.ts createPuzzleGate',
  'src/net/service.ts createService',
  'src/net/tls-endpoint.ts createTlsEndpoint',
  'src/node/contact/contact.ts createContact',
  'src/node/epoch-work.ts createEpochWork',
  'src/node/metrics.ts createNodeMetrics',
  'src/node/outgoing.ts createOutgoing',
  'src/node/responder.ts startResponder',
  'src/node/takeover.ts createTakeover',
  'src/relay/hop.ts createRelayHop',
  'src/service/self-diagnosis/observe.ts createObserver',
  'src/store/registry-rows.ts openRegistryRows',
  'src/web/view/week-views.ts createWeekViews',
])

test('no function is longer than a hundred lines without a reason beside it', () => {
  const unexplained = longFunctions(['src', 'protocol', 'sim'])
    .filter(({ reason }) => reason === null)
    .map(({ file, name }) => `${file} ${name}`)
  expect(unexplained.filter((one) => !leftovers.has(one))).toEqual([])
})

test('the linter finds what it is for', () => {
  const directory = mkdtempSync(join(root, 'test', 'long-'))
  try {
    const body = Array.from({ length: maxLines }, (_, i) => `  void ${i}`).join('\n')
    const file = join(directory, 'long.ts')
    writeFileSync(file, `// long: a test\nexport const long = () => {\n${body}\n}\n`)
    const found = longFunctions([directory])
    expect(found).toMatchObject([{ name: 'long', reason: 'a test' }])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
