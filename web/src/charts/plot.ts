/** uPlot's options for our charts: steps, one shared cursor, zoom by dragging, axes in the reader's zone. */
import uPlot from 'uplot';
import type { FlaggedInterval, Grid } from '../api/model';
import { text, type Figure } from '../format/number';
import type { Instants } from '../time/range';
import { clock, day, minute, type Zone } from '../time/zone';
import { axisTop, colorOf, divisions, layers, stepEnds, type ChartSpec, type Layer } from './chart';
import type { ChartColors } from './colors';
import { drawFlags } from './flagMarks';

export const CHART_HEIGHT = 180;
/** The same for every chart, so that all share x-range and width. */
const AXIS_WIDTH = 68;
/** Half of the longest time label, which stands in the middle below its tick. */
const LAST_LABEL = 26;
const SYNC_KEY = 'time';
/** A shorter drag is a click. */
export const SHORTEST_DRAG = 4;

/** What the plot reads anew on every draw. */
export interface PlotState {
  spec: ChartSpec;
  grid: Grid;
  range: Instants;
  zone: Zone;
  flags: FlaggedInterval[];
  hidden: (series: string) => boolean;
  onZoom: (instants: Instants) => void;
  onCursor: (seconds: number | null) => void;
}

/** uPlot does not stack: it gets the sums of the layers. */
export function plotData(state: PlotState): uPlot.AlignedData {
  const { spec, grid } = state;
  const values = spec.stacked === true ? layersOf(state).map((layer) => layer.top) : spec.series.map((series) => series.values);
  return [stepEnds(grid), ...values];
}

function layersOf({ spec, grid, hidden }: PlotState): Layer[] {
  return layers(
    spec.series.map((series) => series.values),
    spec.series.map((series) => hidden(series.id)),
    grid.points,
  );
}

/** The highest of what is drawn, the limit included; null where there is nothing. */
function highest(state: PlotState): number | null {
  const { spec } = state;
  const [, ...drawn] = plotData(state);
  let top = spec.limit?.value ?? null;
  drawn.forEach((values, index) => {
    if (state.hidden(spec.series[index]?.id ?? '')) return;
    for (const value of values) if (value != null && (top === null || value > top)) top = value;
  });
  return top;
}

/** The limit, dashed; its label stands above the plot, where no bar covers it. */
function drawLimit(plot: uPlot, { limit }: ChartSpec, colors: ChartColors): void {
  if (limit == null) return;
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const y = plot.valToPos(limit.value, 'y', true);
  ctx.save();
  ctx.strokeStyle = colors.text;
  ctx.lineWidth = ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  ctx.moveTo(bbox.left, y);
  ctx.lineTo(bbox.left + bbox.width, y);
  ctx.stroke();
  ctx.restore();
}

/** Flat over each step, joined only where two neighbours were both measured; a gap stays open. */
function stepPaths(current: () => PlotState): uPlot.Series.PathBuilder {
  return (plot, index, from, to) => {
    const xs = plot.data[0];
    const ys = plot.data[index] ?? [];
    const step = current().grid.step_ms / 1000;
    const stroke = new Path2D();
    const fill = new Path2D();
    const floor = plot.valToPos(0, 'y', true);
    const base = current().spec.stacked === true ? layersOf(current())[index - 1]?.base : undefined;
    let drawing = false;
    for (let i = Math.max(0, from); i <= Math.min(xs.length - 1, to + 1); i += 1) {
      const x = xs[i];
      const y = ys[i];
      if (x === undefined || y === null || y === undefined) {
        drawing = false;
        continue;
      }
      const left = plot.valToPos(x - step, 'x', true);
      const right = plot.valToPos(x, 'x', true);
      const top = plot.valToPos(y, 'y', true);
      if (drawing) stroke.lineTo(left, top);
      else stroke.moveTo(left, top);
      stroke.lineTo(right, top);
      const below = base === undefined ? floor : plot.valToPos(base[i] ?? 0, 'y', true);
      fill.rect(left, top, right - left, below - top);
      drawing = true;
    }
    return { stroke, fill };
  };
}

function timeLabels(current: () => PlotState, splits: number[], increment: number): string[] {
  const { zone } = current();
  let lastDay = '';
  return splits.map((seconds) => {
    const ms = seconds * 1000;
    // A range of a second has no more than two moments that can be told apart.
    if (!Number.isInteger(seconds)) return '';
    const label = increment >= 86_400 ? day(ms, zone) : increment >= 60 ? minute(ms, zone) : clock(ms, zone);
    const today = day(ms, zone);
    const first = increment < 86_400 && lastDay !== '' && today !== lastDay;
    lastDay = today;
    return first ? `${label}\n${today}` : label;
  });
}

/** `40 ms`, not `40.0 ms`: on an axis the round value is exact. */
function axisLabel(figure: Figure): string {
  return text({ value: figure.value.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''), unit: figure.unit });
}

export function plotOptions(current: () => PlotState, width: number, colors: ChartColors): uPlot.Options {
  const { spec, zone } = current();
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const axis: uPlot.Axis = {
    stroke: colors.text,
    font,
    grid: { stroke: colors.line, width: 1 },
    ticks: { show: false },
  };
  const single = spec.series.length === 1;
  const binary = divisions(spec.axis);
  return {
    width,
    height: CHART_HEIGHT,
    padding: [8, LAST_LABEL, 0, 0],
    tzDate: (seconds) => (zone === 'utc' ? uPlot.tzDate(new Date(seconds * 1000), 'UTC') : new Date(seconds * 1000)),
    legend: { show: false },
    cursor: {
      y: false,
      points: { show: false },
      drag: { x: true, y: false, setScale: false },
      sync: {
        key: SYNC_KEY,
        setSeries: false,
        scales: ['x', null],
        filters: {
          pub: (type) => type === 'mousemove' || type === 'mouseleave',
          sub: (type) => type === 'mousemove' || type === 'mouseleave',
        },
      },
    },
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    scales: {
      x: { time: true, range: () => [current().range.start / 1000, current().range.end / 1000] },
      y: {
        // Not uPlot's own highest: it leaves out the step that ends after the range, the newest one.
        range: () => [0, axisTop(highest(current()))],
      },
    },
    axes: [
      { ...axis, size: 30, gap: 4, space: 64, values: (_plot, splits, _axis, _space, increment) => timeLabels(current, splits, increment) },
      {
        ...axis,
        size: AXIS_WIDTH,
        gap: 6,
        space: 32,
        ...(binary === undefined ? {} : { incrs: binary }),
        values: (_plot, splits) => splits.map((value) => (value === 0 ? '0' : axisLabel(current().spec.format(value)))),
      },
    ],
    series: [
      {},
      ...spec.series.map(
        (series): uPlot.Series => ({
          label: series.name,
          show: !current().hidden(series.id),
          // A pixel of the surface splits the layers of a stack.
          stroke: spec.stacked === true ? colors.surface : colors.token(colorOf(series)),
          width: spec.stacked === true ? 1 : 1.5,
          ...(spec.stacked === true ? { fill: colors.token(colorOf(series)) } : single ? { fill: colors.token(colorOf(series), 0.12) } : {}),
          paths: stepPaths(current),
          points: { show: false },
        }),
      ),
    ],
    hooks: {
      drawClear: [(plot) => drawFlags(plot, current().flags, colors)],
      draw: [(plot) => drawLimit(plot, current().spec, colors)],
      setCursor: [
        (plot) => {
          const left = plot.cursor.left ?? -1;
          current().onCursor(left < 0 ? null : plot.posToVal(left, 'x'));
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: dragged } = plot.select;
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (dragged < SHORTEST_DRAG || plot.cursor.drag?.x === false) return;
          current().onZoom({
            start: plot.posToVal(left, 'x') * 1000,
            end: plot.posToVal(left + dragged, 'x') * 1000,
          });
        },
      ],
    },
  };
}

/** Moves the cursor of this chart and of all that share it. */
export function moveCursor(plot: uPlot, seconds: number): void {
  // The third argument, sharing the move, is missing from uPlot's types.
  const shared: { setCursor: (at: { left: number; top: number }, fire: boolean, share: boolean) => void } = plot;
  shared.setCursor({ left: plot.valToPos(seconds, 'x'), top: 10 }, true, true);
}
