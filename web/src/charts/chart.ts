/** What a chart shows: data before drawing. Pure. */
import type { Grid, Series } from '../api/model';
import type { Figure } from '../format/number';

export interface ChartSeries {
  id: string;
  name: string;
  /** 1 to 10, `--data-n`; it belongs to the name, not to the rank. */
  color: number;
  /** A colour of the tokens by its name, `wait-cpu`; instead of `color`. */
  token?: string;
  values: Series;
  /** Over the whole range, where the mean of the steps would not be it. */
  mean?: number | null;
}

export interface ChartSpec {
  id: string;
  title: string;
  unit: string;
  series: ChartSeries[];
  format: (value: number) => Figure;
  /** How the axis divides: tens, or powers of two. */
  axis: 'decimal' | 'binary';
  /** Each series stands on the one before; hidden ones leave no room. */
  stacked?: boolean;
  /** A dashed line, such as the number of CPUs. */
  limit?: { value: number; label: string } | null | undefined;
  /** What is said of series that are zero all the time: `at zero`. */
  idle?: string;
  /** Why there is nothing to draw, and the SQL that mends it. */
  missing?: { message: string; fix?: string | null } | null | undefined;
}

export interface Summary {
  last: number | null;
  mean: number | null;
  max: number | null;
}

export function summary(values: Series): Summary {
  let last: number | null = null;
  let max: number | null = null;
  let sum = 0;
  let counted = 0;
  for (const value of values) {
    if (value === null) continue;
    last = value;
    max = max === null ? value : Math.max(max, value);
    sum += value;
    counted += 1;
  }
  return { last, mean: counted === 0 ? null : sum / counted, max };
}

/** With fewer series the legend lists all of them. */
const FOLDED_ABOVE = 3;

/** The legend's series: those that did something, and those that were zero whenever they were read. */
export function listed(series: readonly ChartSeries[]): { shown: ChartSeries[]; idle: ChartSeries[] } {
  const isIdle = ({ values }: ChartSeries) => values.some((value) => value !== null) && values.every((value) => value === null || value === 0);
  const idle = series.filter(isIdle);
  if (series.length <= FOLDED_ABOVE || idle.length < 2) return { shown: [...series], idle: [] };
  return { shown: series.filter((one) => !isIdle(one)), idle };
}

/** Where a layer of a stack begins and ends. */
export interface Layer {
  base: Series;
  top: Series;
}

/** Sums of layers from the first up. A step that any shown layer lacks is a gap in all of them. */
export function layers(series: readonly Series[], hidden: readonly boolean[], points: number): Layer[] {
  const shown = series.filter((_, index) => hidden[index] !== true);
  const gap = Array.from({ length: points }, (_, step) => shown.length === 0 || shown.some((values) => values[step] == null));
  let below: Series = gap.map((missing) => (missing ? null : 0));
  return series.map((values, index) => {
    const base = below;
    if (hidden[index] === true) return { base, top: base };
    const top = base.map((sum, step) => (sum === null ? null : sum + (values[step] ?? 0)));
    below = top;
    return { base, top };
  });
}

/** The name of a series' colour in the tokens. */
export function colorOf(series: ChartSeries): string {
  return series.token ?? `data-${series.color}`;
}

/** The end of each step in epoch seconds: where uPlot wants a stepped increment. */
export function stepEnds(grid: Grid): number[] {
  const start = Date.parse(grid.start);
  return Array.from({ length: grid.points }, (_, index) => (start + (index + 1) * grid.step_ms) / 1000);
}

/** The step that an instant (epoch seconds) lies in; null outside the grid. */
export function stepAt(grid: Grid, seconds: number): number | null {
  const index = Math.ceil((seconds * 1000 - Date.parse(grid.start)) / grid.step_ms) - 1;
  return index >= 0 && index < grid.points ? index : null;
}

const BINARY_STEPS = Array.from({ length: 60 }, (_, power) => 2 ** power);

/** Axis divisions of bytes. */
export function divisions(axis: ChartSpec['axis']): number[] | undefined {
  return axis === 'binary' ? BINARY_STEPS : undefined;
}

/** The top of the axis: a little air above the highest value; an idle chart still has a floor. */
export function axisTop(highest: number | null): number {
  return highest === null || highest <= 0 ? 1 : highest * 1.08;
}
