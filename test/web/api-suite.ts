import { Ajv2020 } from 'ajv/dist/2020.js'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Challenge, Downtime, Exception } from '../../src/web/resources/history/schemas.ts'
import type { Earning, Payment } from '../../src/web/resources/money/schemas.ts'
import type { EpochRow } from '../../src/web/resources/epochs/schemas.ts'
import type { ErrorAnswer } from '../../src/web/api/schemas.ts'
import type { NodeDetail, NodeRow, TlsState } from '../../src/web/resources/nodes/schemas.ts'
import type { VerdictDetail } from '../../src/web/resources/verdicts/schemas.ts'
import type { WeekDetail, WeekSeat } from '../../src/web/resources/weeks/schemas.ts'
import { type Answer, ask } from './ask.ts'
import type { PlayedPage } from './played-page.ts'

interface Operation {
  parameters: { name: string; in: 'path' | 'query'; required: boolean; schema: object }[]
  responses: Record<string, { content?: Record<string, { schema: { $ref: string } }> }>
}

interface OpenApi {
  openapi: string
  paths: Record<string, { get: Operation }>
  components: { schemas: Record<string, object> }
}

interface List<T> {
  items: T[]
  page: number
  limit: number
  total: number
}

const formats = {
  'date-time': (text: string) => !Number.isNaN(Date.parse(text)) && text.endsWith('Z'),
  base64: (text: string) => Buffer.from(text, 'base64').toString('base64') === text,
}

export const describeApi = (page: () => PlayedPage): void => {
  // Its own address, so that no other test's requests count against it.
  const localAddress = '127.61.0.1'
  const get = (path: string, headers: Record<string, string> = {}): Promise<Answer> =>
    ask(page().url, `/api/v1${path}`, { headers, localAddress })
  const json = async <T>(path: string): Promise<T> => {
    const answer = await get(path)
    expect(answer.status, `${path}: ${answer.body.slice(0, 200)}`).toBe(200)
    return JSON.parse(answer.body) as T
  }
  const pathsOf = (openApi: OpenApi): string[] => Object.keys(openApi.paths)

  describe('the API', () => {
    let openApi: OpenApi
    let ajv: Ajv2020
    let sample: Record<string, string>

    beforeAll(async () => {
      openApi = JSON.parse((await get('/openapi.json')).body) as OpenApi
      ajv = new Ajv2020({ strict: true, allErrors: true, formats })
      ajv.addVocabulary(['openapi', 'info', 'servers', 'tags', 'paths', 'components'])
      ajv.addSchema({ $id: 'openapi', ...openApi })
      const { plan } = page().devnet.prepared
      const { failing, rebuilt, epoch } = page()
      const seat = String(failing)
      const { items } = await json<List<Challenge>>(`/nodes/${seat}/challenges?week=${plan.week}&limit=200`)
      const { challenger } = items.find(
        (one) => one.epoch === epoch && one.said === 'unreachable' && one.challenger !== rebuilt,
      )!
      const verdict = await json<VerdictDetail>(`/nodes/${seat}/epochs/${epoch}/verdicts/${challenger}`)
      sample = {
        seat,
        epoch: String(epoch),
        challenger: String(challenger),
        week: plan.week,
        height: '3',
        cid: verdict.evidence!.cid,
        stake: page().own.address,
        q: 'n1.devnet',
        state: 'active',
        standing: 'invalid',
        host: 'devnet',
        page: '1',
        limit: '3',
      }
    })

    const urlOf = (path: string, names: readonly string[]): string => {
      // Who is never there attests nothing.
      const values = path.startsWith('/attestations/') ? { ...sample, seat: sample['challenger']! } : sample
      const query = names.map((name) => `${name}=${encodeURIComponent(values[name]!)}`).join('&')
      const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!)
      return query === '' ? filled : `${filled}?${query}`
    }
    const validatorOf = (path: string, status: string) => {
      const { $ref } = openApi.paths[path]!.get.responses[status]!.content!['application/json']!.schema
      return ajv.getSchema(`openapi${$ref}`)!
    }

    test('every answer is as the OpenAPI document says, with and without each parameter', async () => {
      expect(openApi.openapi).toBe('3.1.0')
      expect(pathsOf(openApi).length).toBeGreaterThan(25)
      for (const path of pathsOf(openApi)) {
        const { parameters } = openApi.paths[path]!.get
        const inQuery = parameters.filter((parameter) => parameter.in === 'query')
        const required = inQuery.filter((parameter) => parameter.required).map(({ name }) => name)
        const all = inQuery.map(({ name }) => name)
        for (const names of new Set([required, all])) {
          const url = urlOf(path, names)
          const validate = validatorOf(path, '200')
          const isValid = validate(await json(url))
          expect(isValid, `${url}: ${ajv.errorsText(validate.errors)}`).toBe(true)
        }
      }
    })

    test('every schema of the document compiles, and an answer that is not as it says is found', () => {
      for (const name of Object.keys(openApi.components.schemas)) {
        expect(ajv.getSchema(`openapi#/components/schemas/${name}`), name).toBeTypeOf('function')
      }
      const validate = ajv.getSchema('openapi#/components/schemas/Challenge')!
      const challenge = { epoch: 1, seat: 2, challenger: 3, verdict: 0, said: 'valid', time: null }
      expect(validate(challenge)).toBe(true)
      expect(validate({ ...challenge, seat: -1 })).toBe(false)
      const { time: _, ...incomplete } = challenge
      expect(validate(incomplete)).toBe(false)
      expect(validate({ ...challenge, secret: 'x' })).toBe(false)
    })

    test('errors have one shape, with a code', async () => {
      const validate = validatorOf('/status', '404')
      const cases: [string, number, string][] = [
        ['/nope', 404, 'NOT_FOUND'],
        ['/nodes/4000000000', 404, 'NOT_FOUND'],
        ['/nodes/1e3', 400, 'BAD_PARAMETER'],
        ['/nodes/99999999999', 400, 'BAD_PARAMETER'],
        ['/nodes?limit=0', 400, 'BAD_PARAMETER'],
        ['/nodes?limit=201', 400, 'BAD_PARAMETER'],
        ['/nodes?page=0', 400, 'BAD_PARAMETER'],
        ['/nodes?colour=red', 400, 'BAD_PARAMETER'],
        ['/nodes?page=1&page=2', 400, 'BAD_PARAMETER'],
        ['/nodes?stake=;drop', 400, 'BAD_PARAMETER'],
        ['/weeks/2026-W99', 400, 'BAD_PARAMETER'],
        ['/weeks/1999-W01', 404, 'NOT_FOUND'],
        ['/epochs/4000000', 404, 'NOT_FOUND'],
        ['/blocks/4000000', 404, 'NOT_FOUND'],
        ['/evidence/bafy', 400, 'BAD_PARAMETER'],
        [`/evidence/b${'a'.repeat(58)}`, 400, 'BAD_PARAMETER'],
        ['/earnings', 400, 'BAD_PARAMETER'],
        ['/search?q=', 400, 'BAD_PARAMETER'],
      ]
      for (const [path, status, code] of cases) {
        const answer = await get(path)
        expect(answer.status, path).toBe(status)
        const error = JSON.parse(answer.body) as ErrorAnswer
        expect(validate(error), path).toBe(true)
        expect(error.error.code, path).toBe(code)
      }
    })

    test('an ETag spares who has the answer already, until the chain moves', async () => {
      for (const path of ['/nodes', `/weeks/${sample['week']!}`, '/epochs', '/blocks?limit=2']) {
        // The first answer has to be worked out, and peers come and go: what stands still has a mark.
        let etag = ''
        const again = async (): Promise<{ status: number; body: string }> => {
          etag = (await get(path)).headers.etag ?? ''
          const { status, body } = await get(path, { 'if-none-match': `"other", ${etag}` })
          return { status, body }
        }
        await expect.poll(again, { timeout: 90_000 }).toEqual({ status: 304, body: '' })
        await page().devnet.control.mineOne()
        expect((await get(path, { 'if-none-match': etag })).status, path).toBe(200)
      }
      expect((await get('/status')).headers['cache-control']).toBe('no-store')
    })

    test('pages of a list are the list', async () => {
      const all = await json<List<NodeRow>>('/nodes')
      expect(all.items.map(({ seat }) => seat)).toEqual([0, 1, 2, 3, 4, 5])
      const parts = await Promise.all(
        [1, 2, 3, 4].map((number) => json<List<NodeRow>>(`/nodes?limit=2&page=${number}`)),
      )
      expect(parts.map(({ items }) => items.length)).toEqual([2, 2, 2, 0])
      expect(parts.flatMap(({ items }) => items.map(({ seat }) => seat))).toEqual([0, 1, 2, 3, 4, 5])
      expect(parts.every(({ total }) => total === 6)).toBe(true)
    })

    test('own nodes by their stakes, and nodes by what came of them', async () => {
      const { own, ownSeat, failing, devnet } = page()
      const stakes = `${own.address},${devnet.prepared.nodes[2]!.address}`
      const mine = await json<List<NodeRow>>(`/nodes?stake=${stakes}`)
      expect(mine.items.map(({ stake }) => stake)).toEqual(expect.arrayContaining(stakes.split(',')))
      expect(mine.total).toBe(2)
      const detail = await json<NodeDetail>(`/nodes/${ownSeat}`)
      expect(detail).toMatchObject({ isOwn: true, host: own.host, state: 'active', peer: own.keys.peerId })
      const down = await json<List<NodeRow>>('/nodes?standing=invalid')
      expect(down.items.map(({ seat }) => seat)).toEqual([failing])
      expect(down.items[0]).toMatchObject({ outcome: 'invalid: unreachable', address: null })
    })

    test('R-VERD-1 R-TALLY-1 downtimes with start, end and reason; exceptions; certificates', async () => {
      const { failing, ownSeat, devnet } = page()
      const { week } = devnet.prepared.plan
      const downtimes = await json<List<Downtime>>(`/nodes/${failing}/downtimes?week=${week}`)
      const last = downtimes.items[0]!
      expect(last).toMatchObject({ seat: failing, reason: 'invalid: unreachable' })
      expect(Date.parse(last.start.time!)).toBeLessThan(Date.parse('2026-11-24T00:00:00Z'))
      const all = await json<List<Downtime>>(`/downtimes?week=${week}`)
      expect(all.items.filter(({ seat }) => seat === failing)).toEqual(downtimes.items)

      const { epoch } = sample
      const exceptions = await json<List<Exception>>(`/exceptions?epoch=${epoch!}`)
      const against = exceptions.items.filter(({ seat, kind }) => seat === failing && kind === 'verdict')
      expect(against.length).toBeGreaterThan(1)
      expect(against.every(({ said }) => said === 'unreachable')).toBe(true)
      const { start } = await json<EpochRow>(`/epochs/${epoch!}`)
      const challenges = await json<List<Challenge>>(`/challenges?epoch=${epoch!}`)
      expect(new Set([...challenges.items, ...exceptions.items].map(({ time }) => time))).toEqual(
        new Set([start.time]),
      )
      const certificates = await json<List<TlsState>>(`/certificates?epoch=${epoch!}`)
      const stateOf = (seat: number) => certificates.items.find((one) => one.seat === seat)?.state
      expect([stateOf(ownSeat), stateOf(failing)]).toEqual(['valid', 'unknown'])
    })

    test('R-CP-5 R-TALLY-6 R-PAY-4 a week with its anchor, tally and payout, as the devnet has them', async () => {
      const { devnet, ownSeat, failing } = page()
      const { week } = devnet.prepared.plan
      const detail = await json<WeekDetail>(`/weeks/${week}`)
      expect(detail).toMatchObject({
        state: 'anchored',
        digest: devnet.digest,
        payout: { state: 'paid', difference: '0', faults: [] },
        totals: { paid: devnet.document.totals.paid, fund: devnet.document.totals.fund },
      })
      expect(detail.anchor?.height).toBe(devnet.document.anchor?.height)
      expect(detail.payout.txids).toHaveLength(1)
      const seats = await json<List<WeekSeat>>(`/weeks/${week}/seats`)
      expect(seats.items.map(({ seat, score, amount }) => ({ seat, score, amount }))).toEqual(
        devnet.document.seats.map(({ seat, score, amount }) => ({ seat, score, amount })),
      )
      const payments = await json<List<Payment>>(`/payments?week=${week}`)
      expect(payments.items.every(({ state, due, paid }) => state === 'exact' && due === paid)).toBe(true)
      expect(payments.items.every(({ txids }) => txids.join() === detail.payout.txids.join())).toBe(true)
      const own = await json<List<Payment>>(`/payments?week=${week}&stake=${page().own.address}`)
      expect(own.items).toEqual(payments.items.filter(({ seat }) => seat === ownSeat))
      expect(payments.items.some(({ seat }) => seat === failing)).toBe(false)
      const earnings = await json<List<Earning>>(`/earnings?stake=${page().own.address}`)
      const earned = earnings.items.find((earning) => earning.week === week)!
      const { amount } = devnet.document.seats.find(({ seat }) => seat === ownSeat)!
      expect(earned).toMatchObject({
        seat: ownSeat,
        amount,
        paid: amount,
        payment: 'paid',
        txids: detail.payout.txids,
      })
    })

    test('R-EVID-1 R-ATT-6 a verdict with its signed attestation and the block behind it, fetched and checked', async () => {
      const { seat, epoch, challenger } = sample
      const path = `/nodes/${seat!}/epochs/${epoch!}/verdicts/${challenger!}`
      const verdict = await json<VerdictDetail>(path)
      expect(verdict).toMatchObject({ said: 'unreachable', verdict: 2 })
      expect(verdict.attestation?.payload.length).toBeGreaterThan(100)
      expect(verdict.evidence?.block?.length).toBeGreaterThan(100)
      expect(verdict.saw).toMatch(/./)
      const states = Object.fromEntries(verdict.checks.map(({ about, is }) => [about, is]))
      expect(states).toMatchObject({ signature: 'holds', evidence: 'holds', receipts: 'holds' })
    })

    test('no answer and no page has a key or a credential of the node', async () => {
      const paths = pathsOf(openApi).map((path) => {
        const { parameters } = openApi.paths[path]!.get
        const required = parameters.filter((one) => one.in === 'query' && one.required)
        return `/api/v1${urlOf(
          path,
          required.map(({ name }) => name),
        )}`
      })
      const { seat, epoch, challenger, week } = sample
      const fixed = '/ /network /nodes /weeks /explorer /api /metrics /api/v1/openapi.json /nowhere'
      const pages = [
        ...fixed.split(' '),
        `/nodes/${seat!}/epochs/${epoch!}/by/${challenger!}`,
        `/weeks/${week!}`,
      ]
      expect(page().secrets).toHaveLength(5)
      for (const path of [...paths, ...pages]) {
        const { body } = await ask(page().url, path, { localAddress: '127.61.0.2' })
        for (const secret of page().secrets) expect(body.includes(secret), path).toBe(false)
      }
    })
  })
}
