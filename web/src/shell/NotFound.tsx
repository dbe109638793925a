import { Link } from '@tanstack/react-router';
import styles from './Frame.module.css';

export function NotFound() {
  return (
    <main className={styles.alone}>
      <h1>No such page.</h1>
      <Link to="/">Fleet</Link>
    </main>
  );
}
