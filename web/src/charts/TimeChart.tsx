import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { FlaggedInterval, Gap, Grid } from '../api/model';
import { Foreign } from '../format/Foreign';
import { text } from '../format/number';
import { visible } from '../format/visible';
import { CapabilityNotice } from '../notices/Notice';
import { flagSentence } from '../notices/flags';
import { marks } from '../notices/gaps';
import { Button } from '../shell/Button';
import { useScheme } from '../theme/theme';
import type { Instants } from '../time/range';
import { exactMoment, type Zone } from '../time/zone';
import { stepAt, stepEnds, type ChartSpec } from './chart';
import { ChartLegend } from './ChartLegend';
import { ChartValues } from './ChartValues';
import { chartColors } from './colors';
import { CHART_HEIGHT, SHORTEST_DRAG, moveCursor, plotData, plotOptions, type PlotState } from './plot';
import styles from './TimeChart.module.css';

interface Props {
  spec: ChartSpec;
  grid: Grid;
  range: Instants;
  zone: Zone;
  flags: FlaggedInterval[];
  /** Where nothing was read. */
  gaps: Gap[];
  /** `chart.series` of every series that is not shown. */
  hidden: string[];
  onHide: (hidden: string[]) => void;
  onZoom: (instants: Instants) => void;
  /** The new range is on its way. */
  outdated: boolean;
  /** In wide windows the figures stand beside the plot instead of below it. */
  beside?: boolean;
  /** A click, or Enter at the cursor, picks a step. */
  onPick?: (step: number) => void;
}

/** One chart: title and unit, the plot, its figures as a table, and the values as a table on demand. */
export function TimeChart({ spec, grid, range, zone, flags: happened, gaps, hidden, onHide, onZoom, outdated, beside = false, onPick }: Props) {
  const [cursor, setCursor] = useState<number | null>(null);
  const [spoken, setSpoken] = useState('');
  const [asTable, setAsTable] = useState(false);
  const [width, setWidth] = useState(0);
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const pressedAt = useRef(0);
  const scheme = useScheme();
  const id = useId();
  const measured = spec.series.some((series) => series.values.some((value) => value !== null));
  const missing = !measured && spec.missing !== null && spec.missing !== undefined ? spec.missing : null;
  const flags = useMemo(() => marks(happened, gaps), [happened, gaps]);
  const isHidden = (series: string) => hidden.includes(`${spec.id}.${series}`);

  const state = useRef<PlotState | null>(null);
  const current: PlotState = {
    spec, grid, range, zone, flags, hidden: isHidden, onZoom,
    onCursor: (seconds) => setCursor(seconds === null ? null : stepAt(grid, seconds)),
  };
  useLayoutEffect(() => {
    state.current = current;
  });

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const shown = missing === null && !asTable && width > 0;
  const names = spec.series.map((series) => series.id).join();
  useEffect(() => {
    const element = frame.current;
    const first = state.current;
    if (!shown || element === null || first === null) return;
    const made = new uPlot(plotOptions(() => state.current ?? first, width, chartColors()), plotData(first), element);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [shown, width, scheme, zone, names]);

  useEffect(() => {
    if (plot.current !== null && state.current !== null) plot.current.setData(plotData(state.current));
  }, [spec, grid, range.start, range.end, flags]);

  const hiddenHere = spec.series.map((series) => isHidden(series.id)).join();
  useEffect(() => {
    hiddenHere.split(',').forEach((value, index) => plot.current?.setSeries(index + 1, { show: value !== 'true' }));
    // The layers above a hidden one come down.
    if (state.current?.spec.stacked === true) plot.current?.setData(plotData(state.current));
  }, [hiddenHere]);

  function press(event: KeyboardEvent) {
    if (event.key === 'Escape' && plot.current !== null) cancelDrag(plot.current);
    if (event.key === 'Enter' && cursor !== null) onPick?.(cursor);
    const direction = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (direction === 0 || plot.current === null) return;
    event.preventDefault();
    const start = direction > 0 ? -1 : grid.points;
    const next = Math.max(0, Math.min(grid.points - 1, (cursor ?? start) + direction));
    const seconds = stepEnds(grid)[next];
    if (seconds === undefined) return;
    moveCursor(plot.current, seconds - grid.step_ms / 2000);
    setSpoken(reading(next));
  }

  function reading(index: number): string {
    const seconds = stepEnds(grid)[index] ?? 0;
    const values = spec.series.map((series) => {
      const value = series.values[index];
      return `${series.name} ${value === null || value === undefined ? 'no reading' : text(spec.format(value))}`;
    });
    return visible(`${exactMoment(seconds * 1000, zone)}: ${values.join(', ')}`);
  }

  const at = cursor === null ? null : (stepEnds(grid)[cursor] ?? null);
  const flagged = at === null ? undefined : flags.find((flag) => overlaps(flag, at * 1000, grid.step_ms));
  return (
    <figure className={styles.chart} data-outdated={outdated} data-beside={beside} aria-labelledby={`${id}-title`}>
      <figcaption className={styles.caption}>
        <h3 id={`${id}-title`}>
          {spec.title} <span className={styles.unit}>{spec.unit}</span>
        </h3>
        {missing === null && spec.limit != null && (
          <span className={styles.limit} data-hint={`The dashed line: ${spec.limit.label}`}>
            <span className={styles.dashes} aria-hidden="true" />
            {spec.limit.label}
          </span>
        )}
        <span className={styles.flag}>{flagged !== undefined && <Foreign text={flagSentence(flagged, zone, Date.now())} lines />}</span>
        {missing === null && (
          <Button quiet label={`${asTable ? 'Show as chart' : 'Show as table'}: ${spec.title}`} onClick={() => setAsTable(!asTable)}>
            {asTable ? 'Show as chart' : 'Show as table'}
          </Button>
        )}
      </figcaption>
      {/* The plot takes the keyboard: arrows move the cursor, and what it reads is spoken. */}
      <div
        ref={frame}
        className={styles.plot}
        style={{ height: CHART_HEIGHT }}
        {...(shown
          ? {
              role: 'application',
              tabIndex: 0,
              'aria-label': `${spec.title}, ${spec.unit}. Left and right arrow keys read the values${onPick === undefined ? '' : ', Enter picks the moment'}.`,
              onKeyDown: press,
              onPointerDown: (event) => (pressedAt.current = event.clientX),
              onClick: (event) => {
                if (cursor !== null && Math.abs(event.clientX - pressedAt.current) < SHORTEST_DRAG) onPick?.(cursor);
              },
            }
          : {})}
      >
        {missing !== null && <CapabilityNotice message={missing.message} fix={missing.fix} />}
        {missing === null && asTable && <ChartValues spec={spec} grid={grid} zone={zone} />}
      </div>
      <span className="visually-hidden" aria-live="polite">
        {spoken}
      </span>
      {missing === null && (
        <ChartLegend spec={spec} cursor={cursor} at={at} zone={zone} hidden={hidden} onHide={onHide} />
      )}
    </figure>
  );
}

/** Esc while dragging: the selection goes, and letting go zooms nothing. */
function cancelDrag(plot: uPlot): void {
  const drag = plot.cursor.drag;
  if (drag === undefined) return;
  drag.x = false;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  document.addEventListener('mouseup', () => setTimeout(() => (drag.x = true)), { once: true });
}

function overlaps(flag: FlaggedInterval, end: number, step: number): boolean {
  return Date.parse(flag.start) < end && Date.parse(flag.end) > end - step;
}
