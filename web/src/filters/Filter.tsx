import { useEffect, useRef, useState } from 'react';
import { Foreign } from '../format/Foreign';
import { Button } from '../shell/Button';
import { Popover } from '../shell/Popover';
import type { Column } from '../tables/column';
import { useShortcuts } from '../time/shortcuts';
import { useChangeUrl, useUrl } from '../time/useTime';
import styles from './Filter.module.css';

/** A pause in typing this long sends the search. */
const SEARCH_MS = 250;

interface SearchProps {
  /** What is looked through, for those who do not see the field. */
  label: string;
  placeholder: string;
}

/** What is typed goes into the URL after a pause. */
export function SearchField({ label, placeholder }: SearchProps) {
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
      // Back undoes a search as a whole, not letter by letter.
      change({ q: typed === '' ? undefined : typed }, typed !== '' && sent !== '');
    }, SEARCH_MS);
    return () => clearTimeout(timer);
  }, [typed, sent, change]);
  useShortcuts({ '/': () => field.current?.focus() });
  return (
    <input
      ref={field}
      type="search"
      className={styles.search}
      aria-label={label}
      placeholder={placeholder}
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

/** One of several, as a chip once it is chosen. */
export function Choice({ title, chosen, options, pick }: ChoiceProps) {
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
                <Foreign text={option} />
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
export function Chip({ label, on, hint, toggle }: ChipProps) {
  return (
    <button type="button" className={styles.chip} aria-pressed={on} data-hint={hint} onClick={toggle}>
      <Foreign text={label} /> {on && <span aria-hidden="true">×</span>}
    </button>
  );
}

interface ChooserProps<Row> {
  columns: Column<Row>[];
  /** Shown unless the reader chose otherwise. */
  defaults: string[];
}

/** Which columns a table shows; the first one always. */
export function ColumnChooser<Row>({ columns, defaults }: ChooserProps<Row>) {
  const url = useUrl();
  const change = useChangeUrl();
  const chosen = url.cols?.split(',') ?? defaults;

  function toggle(id: string) {
    const next = columns
      .map((column) => column.id)
      .filter((one) => (one === id ? !chosen.includes(id) : chosen.includes(one)));
    const same = next.length === defaults.length && next.every((one) => defaults.includes(one));
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
