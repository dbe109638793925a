import { useRef, useState } from 'react';
import { Foreign } from '../format/Foreign';
import { exact, text } from '../format/number';
import { useRoom } from '../tables/useRoom';
import { clock, type Zone } from '../time/zone';
import { colorOf, listed, summary, type ChartSeries, type ChartSpec } from './chart';
import styles from './TimeChart.module.css';

interface Props {
  spec: ChartSpec;
  cursor: number | null;
  /** Epoch seconds of the cursor's step. */
  at: number | null;
  zone: Zone;
  hidden: string[];
  onHide: (hidden: string[]) => void;
}

/** The names take what the figures leave. */
const COLUMNS = [{ id: 'name', width: 0, whole: false }, ...['cursor', 'last', 'mean', 'max'].map((id) => ({ id, width: 60, whole: true }))];

/** The chart's figures as text; a click on a name shows only that series, a second click all. */
export function ChartLegend({ spec, cursor, at, zone, hidden, onHide }: Props) {
  const [unfolded, setUnfolded] = useState(false);
  const table = useRef<HTMLTableElement>(null);
  const widths = useRoom(table, COLUMNS);
  const { shown: busy, idle } = listed(spec.series);
  const own = spec.series.map((series) => `${spec.id}.${series.id}`);
  const foreign = hidden.filter((key) => !own.includes(key));
  const many = spec.series.length > 1;
  const nothing = spec.series.every((series) => series.values.every((value) => value === null));

  function isolate(key: string) {
    const others = own.filter((one) => one !== key);
    const alone = others.every((one) => hidden.includes(one)) && !hidden.includes(key);
    onHide(alone ? foreign : [...foreign, ...others]);
  }

  const shown = (value: number | null | undefined) => (value === null || value === undefined ? '–' : text(spec.format(value)));
  const hint = (value: number | null | undefined) =>
    value === null || value === undefined ? 'No reading.' : `${exact(value)} ${spec.unit}`;
  if (nothing) return <p className={styles.nothing}>Nothing was read in this range.</p>;
  return (
    <table ref={table} className={styles.legend}>
      <colgroup>
        {COLUMNS.map(({ id, whole }, index) => (
          <col key={id} style={whole ? { width: widths[index] } : undefined} />
        ))}
      </colgroup>
      <thead>
        <tr>
          <th scope="col">
            <span className="visually-hidden">Series</span>
          </th>
          <th scope="col">{at === null ? '' : clock(at * 1000, zone)}</th>
          <th scope="col">Last</th>
          <th scope="col">Mean</th>
          <th scope="col">Max</th>
        </tr>
      </thead>
      <tbody>
        {[...busy, ...(unfolded ? idle : [])].map((series: ChartSeries) => {
          const figures = summary(series.values);
          const mean = series.mean === undefined ? figures.mean : series.mean;
          const now = cursor === null ? undefined : (series.values[cursor] ?? null);
          const swatch = <span className={styles.swatch} style={{ background: `var(--${colorOf(series)})` }} />;
          const key = `${spec.id}.${series.id}`;
          return (
            <tr key={series.id} data-hidden={hidden.includes(key)}>
              <th scope="row" data-hint={series.name}>
                {many ? (
                  <button type="button" className={styles.series} onClick={() => isolate(key)}>
                    {swatch}
                    <span className={styles.name}>
                      <Foreign text={series.name} />
                    </span>
                  </button>
                ) : (
                  <span className={styles.series}>
                    {swatch}
                    <span className={styles.name}>
                      <Foreign text={series.name} />
                    </span>
                  </span>
                )}
              </th>
              <td>{now === undefined ? '' : shown(now)}</td>
              <td data-hint={hint(figures.last)}>{shown(figures.last)}</td>
              <td data-hint={hint(mean)}>{shown(mean)}</td>
              <td data-hint={hint(figures.max)}>{shown(figures.max)}</td>
            </tr>
          );
        })}
        {idle.length > 0 && (
          <tr>
            <th scope="row" colSpan={5}>
              <button type="button" className={styles.fold} aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
                {unfolded ? `Hide those ${spec.idle ?? 'at zero'}` : `${idle.length} ${spec.idle ?? 'at zero'}`}
              </button>
            </th>
          </tr>
        )}
      </tbody>
    </table>
  );
}
