// One dashboard, drawn with Grafana's own components from what /data.json says: {dashboard, from, to, series: {panel id: [...]}}.
import React from 'react'
import { createRoot } from 'react-dom/client'
import { EventBusSrv, FieldType, ThemeContext, ThresholdsMode, createTheme, dateTime, getDisplayProcessor, toDataFrame } from '@grafana/data'
import { BigValue, BigValueColorMode, BigValueGraphMode, BigValueJustifyMode, BigValueTextMode, PanelChrome, PanelContextProvider, TimeSeries, TooltipDisplayMode,
  LegendDisplayMode, GlobalStyles } from '@grafana/ui'

const GRID = { columns: 24, rowPx: 30, gapPx: 8 }
const theme = createTheme({ colors: { mode: 'dark' } })
const bus = new EventBusSrv()

function framesOf (panel, series) {
  const { defaults, overrides } = panel.fieldConfig
  const thresholds = { mode: ThresholdsMode.Absolute, steps: defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) }
  return series.map(({ legend, values }, seriesIndex) => {
    const fixed = overrides.find(({ matcher }) => new RegExp(matcher.options).test(legend))
    const config = { ...defaults, thresholds, displayName: legend, ...fixed && { color: fixed.properties[0].value } }
    const frame = toDataFrame({ fields: [
      { name: 'time', type: FieldType.time, values: values.map(([at]) => at * 1000), config: {} },
      { name: legend, type: FieldType.number, values: values.map(([, value]) => value), config }] })
    for (const field of frame.fields) {
      field.state = { seriesIndex, displayName: field.config.displayName }
      field.display = getDisplayProcessor({ field, theme, timeZone: 'utc' })
    }
    return frame
  })
}

function Stat ({ panel, series, width, height }) {
  const { defaults } = panel.fieldConfig
  const config = { unit: defaults.unit, decimals: defaults.decimals, mappings: defaults.mappings, color: { mode: 'thresholds' },
    thresholds: { mode: ThresholdsMode.Absolute, steps: defaults.thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })) } }
  const display = getDisplayProcessor({ field: { type: FieldType.number, config, values: [] }, theme })
  const each = Math.floor(width / Math.max(1, series.length))
  return <div style={{ display: 'flex' }}>{series.map(({ legend, values }) => {
    const last = values.map(([, value]) => value).filter(Number.isFinite).at(-1)
    return <BigValue key={legend} width={each} height={height} theme={theme} colorMode={BigValueColorMode.Value} graphMode={BigValueGraphMode.None}
      justifyMode={BigValueJustifyMode.Auto} textMode={series.length > 1 ? BigValueTextMode.ValueAndName : BigValueTextMode.Value}
      value={{ ...display(last), title: legend }} />
  })}</div>
}

function Graph ({ panel, series, width, height, timeRange }) {
  const frames = framesOf(panel, series)
  return <TimeSeries width={width} height={height} frames={frames} timeRange={timeRange} timeZone='utc'
    legend={{ ...panel.options.legend, calcs: [], displayMode: LegendDisplayMode.List, showLegend: true }}
    tooltip={{ mode: TooltipDisplayMode.None }}>{() => null}</TimeSeries>
}

function Panel ({ panel, series, timeRange, box }) {
  return <div style={{ position: 'absolute', left: box.x, top: box.y, width: box.w, height: box.h }}>
    <PanelChrome width={box.w} height={box.h} title={panel.title} description={panel.description} padding='none'>
      {(innerWidth, innerHeight) => series.length === 0 ? <div style={{ padding: 20 }}>No data</div>
        : panel.type === 'stat' ? <Stat panel={panel} series={series} width={innerWidth} height={innerHeight} />
          : <Graph panel={panel} series={series} width={innerWidth} height={innerHeight} timeRange={timeRange} />}
    </PanelChrome>
  </div>
}

function Dashboard ({ dashboard, from, to, series }) {
  const column = window.innerWidth / GRID.columns
  const timeRange = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: dateTime(from * 1000), to: dateTime(to * 1000) } }
  const panels = dashboard.panels.flatMap((panel) => [panel, ...panel.panels ?? []])
  return <PanelContextProvider value={{ eventsScope: 'x', eventBus: bus }}>
    {panels.map((panel) => {
      const { x, y, w, h } = panel.gridPos
      const box = { x: x * column + GRID.gapPx / 2, y: y * (GRID.rowPx + GRID.gapPx), w: w * column - GRID.gapPx, h: h * (GRID.rowPx + GRID.gapPx) - GRID.gapPx }
      if (panel.type === 'row') return <h4 key={panel.id} style={{ position: 'absolute', left: box.x, top: box.y + 8 }}>{panel.title}</h4>
      return <Panel key={panel.id} panel={panel} series={series[panel.id] ?? []} timeRange={timeRange} box={box} />
    })}
  </PanelContextProvider>
}

document.body.style.cssText = `margin: 0; overflow: hidden; background: ${theme.colors.background.canvas}; color: ${theme.colors.text.primary}; font: 13px Inter, sans-serif`
fetch('/data.json').then((answer) => answer.json()).then((data) => {
  createRoot(document.getElementById('root')).render(<ThemeContext.Provider value={theme}><GlobalStyles /><Dashboard {...data} /></ThemeContext.Provider>)
})
