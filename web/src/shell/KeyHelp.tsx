import { useRef } from 'react';
import { useShortcuts } from '../time/shortcuts';
import { Button } from './Button';
import styles from './KeyHelp.module.css';

const KEYS = [
  ['t', 'Time range'],
  ['-', 'Zoom out'],
  ['l', 'Live refresh on or off'],
  ['/', 'Search'],
  ['← →', 'In a chart: read its values. In a table: move'],
  ['Enter', 'In a table: open the row, or sort by the column'],
  ['Esc', 'Close, or cancel a zoom'],
  ['?', 'This list'],
] as const;

/** What the keyboard can do, on `?`. */
export function KeyHelp() {
  const dialog = useRef<HTMLDialogElement>(null);
  useShortcuts({ '?': () => dialog.current?.showModal() });
  return (
    <dialog ref={dialog} className={styles.help} aria-labelledby="key-help">
      <h2 id="key-help">Keys</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <Button onClick={() => dialog.current?.close()}>Close</Button>
    </dialog>
  );
}
