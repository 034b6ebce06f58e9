import { readFileSync } from 'node:fs'
import { parser } from '@prometheus-io/lezer-promql'
import { collectDefaultMetrics } from 'prom-client'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { createNodeMetrics } from '../../src/node/metrics.ts'

const read = (name: string): string => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')

interface Declared {
  name: string
  help: string
  type: string
  labels: readonly string[]
}

const Shown = z.object({ name: z.string(), help: z.string(), labelNames: z.array(z.string()).default([]) })

/** What a daemon exports, the process's own metrics included. */
const declared: readonly Declared[] = (() => {
  const { registry } = createNodeMetrics()
  collectDefaultMetrics({ register: registry })
  return registry.getMetricsAsArray().map((metric) => {
    const { name, help, labelNames } = Shown.parse(metric)
    return { name, help, labels: labelNames, type: metric.constructor.name.toLowerCase() }
  })
})()
const own = declared.filter(({ name }) => name.startsWith('secnode_'))

/** By every name under which a query finds it. */
const labelsBySeries = new Map<string, ReadonlySet<string>>([['up', new Set(['job', 'instance'])]])
for (const { name, type, labels } of declared) {
  const all = new Set([...labels, 'job', 'instance'])
  if (type !== 'histogram') labelsBySeries.set(name, all)
  else {
    labelsBySeries.set(`${name}_bucket`, new Set([...all, 'le']))
    for (const suffix of ['_sum', '_count']) labelsBySeries.set(name + suffix, all)
  }
}

type SyntaxNode = ReturnType<typeof parser.parse>['topNode']

/** Why Prometheus would not take a query, or would find nothing by it. */
const faultsOf = (expression: string): string[] => {
  const faults: string[] = []
  const used = new Set<string>()
  const named = new Set<string>()
  const textOf = (node: SyntaxNode): string => expression.slice(node.from, node.to)
  parser.parse(expression).iterate({
    enter(ref) {
      if (ref.type.isError) faults.push(`syntax error at ${ref.from}: ${expression}`)
      if (ref.name === 'LabelName') named.add(textOf(ref.node))
      if (ref.name !== 'VectorSelector') return
      const name = ref.node.getChild('Identifier')
      const labels = name === null ? undefined : labelsBySeries.get(textOf(name))
      if (labels === undefined) {
        faults.push(`no metric ${name === null ? 'is named' : textOf(name)}: ${expression}`)
        return
      }
      for (const label of labels) used.add(label)
      for (const matcher of ref.node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
        const label = textOf(matcher.getChild('LabelName')!)
        if (!labels.has(label)) faults.push(`${textOf(name!)} has no label ${label}: ${expression}`)
      }
    },
  })
  for (const label of named) if (!used.has(label)) faults.push(`nothing has a label ${label}: ${expression}`)
  return faults
}

const Duration = z.string().regex(/^([0-9]+(ms|[smhdwy]))+$/)
/** https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/ */
const RuleFile = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        interval: Duration.optional(),
        limit: z.int().optional(),
        rules: z
          .array(
            z.strictObject({
              alert: z.string().regex(/^Secnode[A-Z][A-Za-z]+$/),
              expr: z.string().min(1),
              for: Duration.optional(),
              keep_firing_for: Duration.optional(),
              labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
              annotations: z.strictObject({ summary: z.string().min(10), description: z.string().min(10) }),
            }),
          )
          .min(1),
      }),
    )
    .min(1),
})

const Target = z.looseObject({ refId: z.string(), expr: z.string().min(1) })
const Panel = z.looseObject({
  id: z.int(),
  type: z.enum(['row', 'stat', 'table', 'timeseries']),
  title: z.string().min(1),
  gridPos: z.strictObject({
    x: z.int().min(0),
    y: z.int().min(0),
    w: z.int().min(1).max(24),
    h: z.int().min(1),
  }),
  targets: z.array(Target).min(1).optional(),
})
const Dashboard = z.looseObject({
  uid: z.string(),
  schemaVersion: z.int().min(36),
  panels: z.array(Panel).min(1),
  templating: z.strictObject({ list: z.array(z.looseObject({ name: z.string() })) }),
})

const rules = RuleFile.parse(parse(read('monitoring/prometheus-rules.yml'))).groups.flatMap(
  (group) => group.rules,
)
const dashboard = Dashboard.parse(JSON.parse(read('monitoring/grafana-dashboard.json')))
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

describe('the reader of queries', () => {
  test('takes what is right and finds what is not', () => {
    expect(faultsOf('sum by (verdict) (rate(secnode_verdicts_total{instance="a"}[5m])) > 0')).toEqual([])
    expect(faultsOf('histogram_quantile(0.5, sum by (le) (rate(secnode_visit_seconds_bucket[1h])))')).toEqual(
      [],
    )
    expect(faultsOf('sum(secnode_epoch')).toHaveLength(1)
    expect(faultsOf('secnode_epoche')[0]).toContain('no metric secnode_epoche')
    expect(faultsOf('secnode_visit_seconds')[0]).toContain('no metric')
    expect(faultsOf('secnode_epoch{verdict="valid"}')[0]).toContain('has no label verdict')
    expect(faultsOf('sum by (code) (secnode_epoch)')[0]).toContain('nothing has a label code')
  })
})

describe('docs/monitoring/prometheus-rules.yml', () => {
  test.each(rules)(
    '$alert: its expression parses, and every metric and label in it is exported',
    ({ expr }) => {
      expect(faultsOf(expr)).toEqual([])
    },
  )

  test('each alert has a name of its own; templates name labels that its expression keeps', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, expr, annotations } of rules) {
      for (const text of Object.values(annotations)) {
        for (const [, label] of text.matchAll(/\{\{\s*\$labels\.(\w+)/g)) {
          const kept = /\bby \(([^)]*)\)/.exec(expr)?.[1]?.split(/,\s*/)
          expect(kept ?? [label], `${alert}: ${label}`).toContain(label)
        }
      }
    }
  })

  test('docs/monitoring.md has a row for each', () => {
    const docs = read('monitoring.md')
    for (const { alert } of rules) expect(docs).toContain(`| \`${alert}\` |`)
  })
})

describe('docs/monitoring/grafana-dashboard.json', () => {
  test('every query parses, and every metric and label in it is exported', () => {
    expect(expressions.length).toBeGreaterThan(30)
    expect(expressions.flatMap(faultsOf)).toEqual([])
  })

  test('its variables are declared, its panels have ids of their own and do not overlap', () => {
    const names = new Set(dashboard.templating.list.map(({ name }) => name))
    const used = [...JSON.stringify(dashboard.panels).matchAll(/\$\{?([a-z_]+)\}?/g)].map(([, name]) => name!)
    expect([...new Set(used)].filter((name) => !names.has(name))).toEqual([])
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length)
    const taken = new Set<string>()
    for (const { gridPos, title } of dashboard.panels) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken.has(`${x} ${y}`), title).toBe(false)
          taken.add(`${x} ${y}`)
        }
      }
    }
  })
})

/** https://prometheus.io/docs/practices/naming/ */
describe('the metrics', () => {
  test('are named by the conventions of Prometheus, in base units, with a help', () => {
    for (const { name, help, type } of own) {
      expect(name).toMatch(/^secnode(_[a-z0-9]+)+$/)
      expect(help.length, name).toBeGreaterThan(10)
      expect(name.endsWith('_total'), name).toBe(type === 'counter')
      expect(name).not.toMatch(/_(ms|millis|milliseconds|minutes|hours|kb|mb|gb|percent)(_|$)/)
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
    }
  })

  test('docs/monitoring.md has a row for each, with its type and its labels', () => {
    const docs = read('monitoring.md')
    for (const { name, type, labels } of own) {
      const shown = labels.map((label) => `\`${label}\``).join(', ')
      expect(docs, name).toContain(`| \`${name}\` | ${type} | ${shown}${shown === '' ? '' : ' '}|`)
    }
  })
})
