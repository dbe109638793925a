import styles from './Frame.module.css';
import { Button } from './Button';

/** A page that could not be drawn: our mistake, said plainly, without losing the way out. */
export function Broken({ error, reset }: { error: unknown; reset: () => void }) {
  return (
    <main className={styles.alone} role="alert">
      <h1>This page could not be drawn.</h1>
      <p>
        {error instanceof Error ? error.message : 'No reason is known.'} <Button onClick={reset}>Retry</Button> <a href="/">Fleet</a>
      </p>
    </main>
  );
}
