// The expressions of dashboards and alerts, and what a Prometheus answers to each.
import fs from 'node:fs'
import path from 'node:path'
import { check, checkEqual, sourceDir } from '../../e2e/words.mjs'

const FOLDER = path.join(sourceDir, 'dashboards')
const RATE_INTERVAL = '15s'
const RANGE = '10m'
const POINTS_MAX = 600
// A namespace is Kubernetes': there is none here, and "All" means none too.
const VARIABLES_WITHOUT_VALUES = ['namespace']

export function dashboards () {
  return fs.readdirSync(FOLDER).filter((file) => file.endsWith('.json')).sort()
    .map((file) => ({ file, ...JSON.parse(fs.readFileSync(path.join(FOLDER, file), 'utf8')) }))
}

export const panelsOf = ({ panels }) => panels.flatMap((panel) => [panel, ...panel.panels ?? []]).filter(({ type }) => type !== 'row')

export const legendOf = (format, metric) => format.replace(/{{(\w+)}}/g, (_, label) => metric[label] ?? '')

// As Grafana does.
export function substitute (expr, variables) {
  return expr.replaceAll('$__rate_interval', RATE_INTERVAL).replaceAll('$__range', RANGE)
    .replace(/\$\{?([a-z]+)\}?/g, (_, name) => {
      check(name in variables, `$${name} is not defined: ${expr}`)
      return variables[name]
    })
}

// Every comparison says 0 or 1 instead of leaving series out: what is left out otherwise is data all the same.
export function withBool (expr) {
  return expr.split(/({[^}]*}|\[[^\]]*\]|"[^"]*")/).map((part, index) =>
    index % 2 ? part : part.replace(/(==|!=|>=|<=|>|<)(?!\s*bool\b)/g, '$1 bool')).join('')
}

const isReal = ({ values }) => values.some(([, value]) => Number.isFinite(value))

export class Expressions {
  // What happened between two times, in seconds.
  constructor (prometheus, from, to) {
    Object.assign(this, { prometheus, from, to, step: Math.max(1, Math.ceil((to - from) / POINTS_MAX)) })
  }

  // Series with at least one number.
  async #data (expr) {
    return (await this.prometheus.range(expr, this.from, this.to, this.step)).filter(isReal)
  }

  // Every one at "All".
  async variablesOf (dashboard) {
    const values = {}
    for (const { name, type, query, allValue } of dashboard.templating.list) {
      if (type === 'query') {
        const [, selector, label] = query.query.match(/^label_values\((.*), (\w+)\)$/)
        const words = new URLSearchParams({ 'match[]': substitute(selector, values), start: this.from, end: this.to })
        const found = await this.prometheus.get(`label/${label}/values?${words}`)
        check(found.length || VARIABLES_WITHOUT_VALUES.includes(name), `${dashboard.file}: the variable ${name} has no values`)
        values[name] = allValue ?? `(${found.map((value) => value.replaceAll('.', '\\\\.')).join('|')})`
      } else if (type !== 'datasource') values[name] = query
    }
    return values
  }

  // Complaints about panels without data, and about legends that name a label which no series has.
  async checkDashboards () {
    const faults = []
    let count = 0
    for (const dashboard of dashboards()) {
      const variables = await this.variablesOf(dashboard)
      for (const { title, targets } of panelsOf(dashboard)) {
        for (const { expr, legendFormat } of targets) {
          count++
          const data = await this.#data(substitute(expr, variables))
          if (!data.length) faults.push(`${dashboard.file}: "${title}" has no data: ${expr}`)
          for (const [, label] of legendFormat.matchAll(/{{(\w+)}}/g)) {
            if (data.length && !data.some(({ metric }) => metric[label])) faults.push(`${dashboard.file}: "${title}" has no label ${label}: ${expr}`)
          }
        }
      }
      for (const { name, expr } of dashboard.annotations.list) {
        count++
        if (!(await this.#data(expr)).length) faults.push(`${dashboard.file}: the annotation ${name} has no data`)
      }
    }
    console.log(`${count} expressions of dashboards`)
    checkEqual('what is wrong with dashboards', faults, [])
  }

  // Every rule is evaluated without an error, and what it judges is there.
  async checkRules () {
    const { groups } = await this.prometheus.get('rules')
    const rules = groups.flatMap(({ rules }) => rules)
    const faults = rules.filter(({ health, lastError }) => health !== 'ok' || lastError).map(({ name, lastError }) => `${name}: ${lastError}`)
    for (const { name, query } of rules) {
      const [, inner] = query.match(/^absent\((.*)\)$/) ?? []
      if (!(await this.#data(withBool(inner ?? query))).length) faults.push(`${name} has nothing to judge: ${query}`)
    }
    console.log(`${rules.length} rules`)
    checkEqual('what is wrong with rules', faults, [])
  }
}
