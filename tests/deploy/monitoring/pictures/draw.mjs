// Pictures of the dashboards with what a Prometheus saw, drawn by Grafana's own components in Chromium. Not a part of the
// tests: its packages take half a gigabyte. tests/deploy/monitoring/run --pictures
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { Expressions, dashboards, legendOf, panelsOf, substitute } from '../expressions.mjs'
import { check } from '../../../e2e/words.mjs'

const HERE = import.meta.dirname
const FOLDER = process.env.HNX_PICTURE_PACKAGES ?? path.join(HERE, 'node_modules')
const POINTS = 400
const WIDTH_PX = 1280
const GRID_ROW_PX = 38
const COLOURS = 128

function run (program, ...words) {
  const done = spawnSync(program, words, { encoding: 'utf8', cwd: HERE, env: { ...process.env, NODE_PATH: FOLDER } })
  check(done.status === 0, `${program} ${words[0]}: ${done.error?.message ?? done.stderr}`)
}

function bundle (file) {
  if (!fs.existsSync(FOLDER)) {
    run('npm', 'install', '--before=2026-10-01', '--ignore-scripts', '--legacy-peer-deps', '--no-package-lock', '--no-audit', '--no-fund')
    run('node', path.join(FOLDER, 'esbuild/install.js'))
  }
  run(path.join(FOLDER, '.bin/esbuild'), 'app.jsx', '--bundle', `--outfile=${file}`, `--alias:@grafana/ui=${FOLDER}/@grafana/ui/dist/cjs/index.cjs`,
    '--define:process.env.NODE_ENV="production"', '--define:global=window', '--format=iife', '--log-level=error',
    ...['svg', 'woff2', 'woff', 'ttf', 'png'].map((kind) => `--loader:.${kind}=dataurl`))
}

async function seriesOf (prometheus, dashboard, from, to) {
  const variables = await new Expressions(prometheus, from, to).variablesOf(dashboard)
  const step = Math.max(1, Math.ceil((to - from) / POINTS))
  const series = {}
  for (const panel of panelsOf(dashboard)) {
    series[panel.id] = []
    for (const { expr, legendFormat } of panel.targets) {
      const found = await prometheus.range(substitute(expr, variables), from, to, step)
      for (const { metric, values } of found) {
        series[panel.id].push({ legend: legendOf(legendFormat, metric), values: values.map(([at, value]) => [at, Number.isFinite(value) ? value : null]) })
      }
    }
  }
  return series
}

export async function drawDashboards (prometheus, from, to, scratch, folder) {
  bundle(path.join(scratch, 'app.js'))
  fs.mkdirSync(folder, { recursive: true })
  for (const dashboard of dashboards()) {
    const answers = {
      '/': ['text/html', '<!doctype html><link rel="stylesheet" href="/app.css"><div id="root"></div><script src="/app.js"></script>'],
      '/app.js': ['text/javascript', fs.readFileSync(path.join(scratch, 'app.js'))],
      '/app.css': ['text/css', fs.readFileSync(path.join(scratch, 'app.css'))],
      '/data.json': ['application/json', JSON.stringify({ dashboard, from, to, series: await seriesOf(prometheus, dashboard, from, to) })]
    }
    const server = http.createServer((request, response) => {
      const [type, body] = answers[request.url] ?? ['text/plain', '']
      response.writeHead(request.url in answers ? 200 : 404, { 'content-type': type })
      response.end(body)
    })
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
    const rows = Math.max(...dashboard.panels.flatMap((panel) => [panel, ...panel.panels ?? []]).map(({ gridPos }) => gridPos.y + gridPos.h))
    const picture = path.join(folder, dashboard.file.replace('.json', '.png'))
    const raw = path.join(scratch, 'raw.png')
    await chromium(`http://127.0.0.1:${server.address().port}/`, raw, rows * GRID_ROW_PX, scratch)
    server.closeAllConnections()
    server.close()
    run('/usr/bin/python3', '-c', `from PIL import Image; Image.open("${raw}").convert("RGB").quantize(${COLOURS}).save("${picture}", optimize=True)`)
    console.log(`${picture}: ${fs.statSync(picture).size} bytes`)
  }
}

async function chromium (url, file, height, scratch) {
  const child = spawn('chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', `--user-data-dir=${path.join(scratch, 'chromium')}`,
    `--window-size=${WIDTH_PX},${height}`, '--virtual-time-budget=20000', `--screenshot=${file}`, url], { stdio: 'ignore' })
  await new Promise((resolve) => child.on('exit', resolve))
  check(fs.existsSync(file), 'Chromium made no picture')
}
