import type { Statement } from '../api/model';
import { average, count, duration, percent } from '../format/number';
import { rowsPerCall } from '../queries/ranking';
import styles from './QueryPage.module.css';
import { Stat } from './Stat';

/** A rise of time by a quarter is worth a colour. */
const ALARMING = 0.25;

interface Props {
  statement: Statement;
  /** How long the range is, in words. */
  length: string;
  outdated: boolean;
}

/** What the statement did in the range, each figure beside the equal period before. */
export function Figures({ statement, length, outdated }: Props) {
  const { figures, previous } = statement;
  const reason = (column: string, otherwise: string) => statement.unmeasured[column]?.message ?? otherwise;
  const earlier = previous == null ? 'none' : (previous.calls ?? 0) > 0 ? 'ran' : 'idle';
  return (
    <section aria-label="Figures" data-outdated={outdated} className={styles.figures}>
      <dl>
        <Stat title="Time" value={figures.total_exec_time_ms} previous={previous?.total_exec_time_ms} earlier={earlier} format={duration} unit="ms" source="pg_stat_statements.total_exec_time" reason={reason('total_exec_time_ms', 'Not enough data.')} alarming={ALARMING} />
        <Stat title="Calls" value={figures.calls} previous={previous?.calls} earlier={earlier} format={count} unit="calls" source="pg_stat_statements.calls" reason={reason('calls', 'Not enough data.')} />
        <Stat title="Mean" value={figures.mean_exec_time_ms} previous={previous?.mean_exec_time_ms} earlier={earlier} format={duration} unit="ms" source="total_exec_time / calls" reason={reason('mean_exec_time_ms', 'No call finished in this range.')} alarming={ALARMING} />
        <Stat title="Rows/call" value={rowsPerCall(figures)} previous={previous == null ? null : rowsPerCall(previous)} earlier={earlier} format={average} unit="rows per call" source="rows / calls" reason={reason('rows', 'No call finished in this range.')} />
        <Stat title="Share" value={statement.share_of_total} previous={previous?.share_of_total} earlier={earlier} format={percent} unit="(1 is all top-level statements)" source="pg_stat_statements.total_exec_time" reason="Shares use top-level statements only." />
      </dl>
      <p>{earlier === 'none' ? `nothing was read in the ${length} before` : `compared with the ${length} before`}</p>
    </section>
  );
}
