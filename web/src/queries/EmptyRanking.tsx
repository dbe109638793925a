import type { InstanceDetail, Ranking } from '../api/model';
import { Foreign } from '../format/Foreign';
import { coarse, count, text } from '../format/number';
import { isRead } from '../instance/watched';
import { Button } from '../shell/Button';
import type { Instants } from '../time/range';
import { useChangeUrl, useTime, useUrl } from '../time/useTime';
import { span } from '../time/zone';

interface Props {
  ranking: Ranking;
  instance: InstanceDetail | null;
  range: Instants;
}

/** Why there is no row, and the one thing to do about it. */
export function EmptyRanking({ ranking, instance, range }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  const { zone } = useTime();
  const set = instance?.sets.find((one) => one.set === 'pg_stat_statements');
  const filtered = url.q !== undefined || url.db !== undefined || url.user !== undefined;

  const when = span(range.start, range.end, zone, Date.now(), ' and ');

  if (instance !== null && !isRead(instance) && ranking.covered.ms <= 0) return `No figures of statements were read between ${when}.`;
  if (set?.state === 'missing' || set?.state === 'error') {
    return (
      <>
        <Foreign text={set.message ?? 'Statements are not readable.'} /> {typeof set.fix === 'string' && <code><Foreign text={set.fix} lines /></code>}
      </>
    );
  }
  if (ranking.monitoring != null && url.monitoring !== 'show') {
    return (
      <>
        Only statements of monitoring match. <Button onClick={() => change({ monitoring: 'show' })}>Show them</Button>
      </>
    );
  }
  if (filtered) {
    return (
      <>
        None of {text(count(ranking.totals.statements))} statements matches.{' '}
        <Button onClick={() => change({ q: undefined, db: undefined, user: undefined })}>Clear filters</Button>
      </>
    );
  }
  const registered = instance?.collector?.registered_at;
  if (set === undefined || set.last_reading == null) {
    const interval = set?.interval_seconds ?? null;
    return (
      <>
        No figures yet.{' '}
        {typeof registered === 'string' &&
          `The collector registered ${text(coarse(Math.max(1000, Date.now() - Date.parse(registered))))} ago; `}
        {typeof registered === 'string' ? 'rates' : 'Rates'} need two readings
        {interval == null ? '' : ` (about ${interval} s)`}.
      </>
    );
  }
  return ranking.covered.ms > 0 ? `No statement finished between ${when}.` : `No figures of statements were read between ${when}.`;
}
