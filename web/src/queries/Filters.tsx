import { useEffect, useRef, useState } from 'react';
import type { InstanceDetail } from '../api/model';
import { Copy } from '../notices/Copy';
import { Button } from '../shell/Button';
import { Popover } from '../shell/Popover';
import { csv, type Column } from '../tables/column';
import { useShortcuts } from '../time/shortcuts';
import { useChangeUrl, useUrl } from '../time/useTime';
import { DEFAULT_COLUMNS } from './columns';
import styles from './Filters.module.css';
import type { Line } from './ranking';

/** A pause in typing this long sends the search. */
const SEARCH_MS = 250;

interface Props {
  instance: InstanceDetail | null;
  columns: Column<Line>[];
  shown: Column<Line>[];
  rows: Line[];
}

/** Search, the filters in force as chips, the columns, and a copy of what is shown. */
export function Filters({ instance, columns, shown, rows }: Props) {
  const url = useUrl();
  const change = useChangeUrl();
  const databases = instance?.databases.map((one) => one.name) ?? [];
  const users = [...new Set(rows.flatMap((row) => (row.others === true ? [] : row.user)))].sort();

  return (
    <div className={styles.filters}>
      <SearchField />
      <Choice title="Database" chosen={url.db} options={databases} pick={(value) => change({ db: value })} />
      <Choice title="User" chosen={url.user} options={users} pick={(value) => change({ user: value })} />
      <Chip
        label="Top-level"
        on={url.level !== 'all'}
        hint="Nested statements are counted inside their callers."
        toggle={() => change({ level: url.level === 'all' ? undefined : 'all' })}
      />
      <span className={styles.rest} />
      <Copy text={() => csv(shown, rows)} what="of the table as CSV" label="Copy CSV" />
      <Popover label="Columns" title="Columns" align="end">
        <ColumnChooser columns={columns} />
      </Popover>
    </div>
  );
}

function SearchField() {
  const url = useUrl();
  const change = useChangeUrl();
  const [typed, setTyped] = useState(url.q ?? '');
  const [sent, setSent] = useState(url.q ?? '');
  const field = useRef<HTMLInputElement>(null);
  // The URL changed by other means than this field: Back, or "Clear filters".
  if ((url.q ?? '') !== sent) {
    setSent(url.q ?? '');
    setTyped(url.q ?? '');
  }
  useEffect(() => {
    if (typed === sent) return;
    const timer = setTimeout(() => {
      setSent(typed);
      change({ q: typed === '' ? undefined : typed }, true);
    }, SEARCH_MS);
    return () => clearTimeout(timer);
  }, [typed, sent, change]);
  useShortcuts({ '/': () => field.current?.focus() });
  return (
    <input
      ref={field}
      type="search"
      className={styles.search}
      aria-label="Search in statement texts"
      placeholder="Search in texts ( / )"
      value={typed}
      onChange={(event) => setTyped(event.target.value)}
    />
  );
}

interface ChoiceProps {
  title: string;
  chosen: string | undefined;
  options: string[];
  pick: (value: string | undefined) => void;
}

function Choice({ title, chosen, options, pick }: ChoiceProps) {
  if (chosen !== undefined) return <Chip label={`${title}: ${chosen}`} on toggle={() => pick(undefined)} />;
  return (
    <Popover label={title} title={title}>
      {(close) => (
        <ul className={styles.options}>
          {options.length === 0 && <li>None known yet.</li>}
          {options.map((option) => (
            <li key={option}>
              <Button
                quiet
                onClick={() => {
                  pick(option);
                  close();
                }}
              >
                {option}
              </Button>
            </li>
          ))}
        </ul>
      )}
    </Popover>
  );
}

interface ChipProps {
  label: string;
  on: boolean;
  hint?: string;
  toggle: () => void;
}

/** A filter in force; a click lifts it. */
function Chip({ label, on, hint, toggle }: ChipProps) {
  return (
    <button type="button" className={styles.chip} aria-pressed={on} data-hint={hint} onClick={toggle}>
      {label} {on && <span aria-hidden="true">×</span>}
    </button>
  );
}

function ColumnChooser({ columns }: { columns: Column<Line>[] }) {
  const url = useUrl();
  const change = useChangeUrl();
  const chosen = url.cols?.split(',') ?? DEFAULT_COLUMNS;

  function toggle(id: string) {
    const next = columns
      .map((column) => column.id)
      .filter((one) => (one === id ? !chosen.includes(id) : chosen.includes(one)));
    const same = next.length === DEFAULT_COLUMNS.length && next.every((one) => DEFAULT_COLUMNS.includes(one));
    change({ cols: same ? undefined : next.join(',') }, true);
  }

  return (
    <ul className={styles.columns}>
      {columns.slice(1).map((column) => (
        <li key={column.id}>
          <label>
            <input type="checkbox" checked={chosen.includes(column.id)} onChange={() => toggle(column.id)} />
            {column.title}
          </label>
        </li>
      ))}
    </ul>
  );
}
