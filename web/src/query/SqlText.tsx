import { useEffect, useMemo, useState } from 'react';
import type { Statement } from '../api/model';
import { Foreign } from '../format/Foreign';
import { Copy } from '../notices/Copy';
import { textOf } from '../queries/ranking';
import { Button } from '../shell/Button';
import { laidOut, loadFormatter } from './sqlFormat';
import styles from './SqlText.module.css';

const LINES = 12;
const LINE_HEIGHT = 18;

/** The statement, formatted; twelve lines, then all. Copies the original. Always text, never markup. */
export function SqlText({ statement }: { statement: Statement }) {
  const [format, setFormat] = useState<{ run: (sql: string) => string } | null>(null);
  const [all, setAll] = useState(false);
  const sql = statement.query ?? null;
  useEffect(() => {
    let wanted = true;
    loadFormatter()
      .then((run) => {
        if (wanted) setFormat({ run });
      })
      // Without the formatter the text stays plain.
      .catch(() => wanted && setFormat({ run: (plain) => plain }));
    return () => {
      wanted = false;
    };
  }, []);
  const lines = useMemo(
    () => (sql === null || format === null ? null : laidOut(sql, format.run).split('\n')),
    [sql, format],
  );

  if (sql === null) return <p className={styles.missing}>{textOf(statement).text}</p>;
  const shown = lines === null ? sql : (all ? lines : lines.slice(0, LINES)).join('\n');
  return (
    <div className={styles.frame}>
      <pre
        className={styles.sql}
        tabIndex={0}
        role="region"
        aria-label="Statement text"
        style={lines === null ? { height: LINES * LINE_HEIGHT + 16, overflow: 'hidden' } : undefined}
      >
        <Foreign text={shown} lines />
      </pre>
      <div className={styles.actions}>
        <Copy text={sql} what="the statement" />
        {lines !== null && lines.length > LINES && (
          <Button quiet onClick={() => setAll(!all)}>
            {all ? `Show ${LINES} lines` : `Show all ${lines.length} lines`}
          </Button>
        )}
      </div>
    </div>
  );
}
