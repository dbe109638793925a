import type { Grid } from '../api/model';
import { Foreign } from '../format/Foreign';
import { text } from '../format/number';
import { exactMoment, type Zone } from '../time/zone';
import { stepEnds, type ChartSpec } from './chart';
import styles from './TimeChart.module.css';

/** Every value of the chart; newest first. */
export function ChartValues({ spec, grid, zone }: { spec: ChartSpec; grid: Grid; zone: Zone }) {
  const ends = stepEnds(grid);
  return (
    <div className={styles.values} tabIndex={0} role="region" aria-label={`${spec.title} as a table`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Until</th>
            {spec.series.map((series) => (
              <th key={series.id} scope="col">
                <Foreign text={series.name} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {ends
            .map((seconds, index) => (
              <tr key={seconds}>
                <th scope="row">{exactMoment(seconds * 1000, zone)}</th>
                {spec.series.map((series) => {
                  const value = series.values[index];
                  return <td key={series.id}>{value === null || value === undefined ? '–' : text(spec.format(value))}</td>;
                })}
              </tr>
            ))
            .reverse()}
        </tbody>
      </table>
    </div>
  );
}
