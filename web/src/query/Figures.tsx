import type { Statement } from '../api/model';
import { average, count, duration, percent } from '../format/number';
import { rowsPerCall } from '../queries/ranking';
import { compared, comparedWith } from './comparison';
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
  const { figures } = statement;
  const reason = (column: string, otherwise: string) => statement.unmeasured[column]?.message ?? otherwise;
  return (
    <section aria-label="Figures" data-outdated={outdated} className={styles.figures}>
      <dl>
        <Stat title="Time" value={figures.total_exec_time_ms} before={compared(statement, 'total_exec_time_ms')} format={duration} unit="ms" source="pg_stat_statements.total_exec_time" reason={reason('total_exec_time_ms', 'Not enough data.')} alarming={ALARMING} />
        <Stat title="Calls" value={figures.calls} before={compared(statement, 'calls')} format={count} unit="calls" source="pg_stat_statements.calls" reason={reason('calls', 'Not enough data.')} />
        <Stat title="Mean" value={figures.mean_exec_time_ms} before={compared(statement, 'mean_exec_time_ms')} format={duration} unit="ms" source="total_exec_time / calls" reason={reason('mean_exec_time_ms', 'No call finished in this range.')} alarming={ALARMING} />
        <Stat title="Rows/call" value={rowsPerCall(figures)} before={compared(statement, 'rows_per_call')} format={average} unit="rows per call" source="rows / calls" reason={reason('rows', 'No call finished in this range.')} />
        <Stat title="Share" value={statement.share_of_total} before={compared(statement, 'share_of_total')} format={percent} unit="(1 is all top-level statements)" source="pg_stat_statements.total_exec_time" reason="Shares use top-level statements only." />
      </dl>
      <p>{comparedWith(statement, length)}</p>
    </section>
  );
}
