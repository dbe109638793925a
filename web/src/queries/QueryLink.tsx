import { Link } from '@tanstack/react-router';
import type { RankingRow } from '../api/model';
import { Foreign } from '../format/Foreign';
import { keepFilters, type Search } from '../shell/search';
import styles from './QueriesPage.module.css';
import { textOf } from './ranking';

/** Longer than this nobody reads in a hover. */
const HINT_LENGTH = 600;

/** One line of the statement's text; the way to its page. */
export function QueryLink({ instanceId, row }: { instanceId: string; row: RankingRow }) {
  const { text, missing } = textOf(row);
  const shown = text.length > HINT_LENGTH ? `${text.slice(0, HINT_LENGTH)} …` : text;
  return (
    <Link
      to="/instances/$instanceId/queries/$queryid"
      params={{ instanceId, queryid: row.queryid }}
      search={(old: Search) => keepFilters(old)}
      className={missing ? styles.noText : styles.sql}
      tabIndex={-1}
      data-hint={row.complete ? shown : `${shown}\nFor part of this range it was counted in 'others'.`}
    >
      <Foreign text={shown} />
    </Link>
  );
}
