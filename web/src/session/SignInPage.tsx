import { useNavigate } from '@tanstack/react-router';
import { useId, useState, type SyntheticEvent } from 'react';
import { ApiError } from '../api/error';
import { useUrl } from '../time/useTime';
import { safeNext } from './next';
import { enter } from './session';
import styles from './SignInPage.module.css';

function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Sign-in failed.';
  if (error.status === 401) return 'Name or password is wrong.';
  if (error.status === 429) {
    return error.retryAfterSeconds === null
      ? 'Too many requests.'
      : `Too many requests. Next try in ${error.retryAfterSeconds} s.`;
  }
  if (error.status === 0) return 'The server does not answer.';
  return `${error.message} (${error.status})`;
}

export function SignInPage() {
  const { next } = useUrl();
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [password, setPassword] = useState('');
  const [shown, setShown] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const id = useId();

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await enter(name, password);
      await navigate({ href: safeNext(next), replace: true });
    } catch (error) {
      setProblem(sentence(error));
      setBusy(false);
    }
  }

  return (
    <main className={styles.page}>
      <form className={styles.card} onSubmit={(event) => void submit(event)} aria-labelledby={`${id}-title`}>
        <h1 id={`${id}-title`} className={styles.title}>
          <img src="/favicon.svg" alt="" width="24" height="24" />
          pgAnalytics
        </h1>
        <label className={styles.label} htmlFor={`${id}-name`}>
          Name
        </label>
        <input
          id={`${id}-name`}
          name="username"
          className={styles.input}
          value={name}
          onChange={(event) => setName(event.target.value)}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
        />
        <label className={styles.label} htmlFor={`${id}-password`}>
          Password
        </label>
        <div className={styles.password}>
          <input
            id={`${id}-password`}
            name="password"
            className={styles.input}
            type={shown ? 'text' : 'password'}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
            autoComplete="current-password"
            aria-describedby={`${id}-problem`}
            required
          />
          <button
            type="button"
            className={styles.show}
            aria-pressed={shown}
            aria-label="Show password"
            onClick={() => setShown(!shown)}
          >
            {shown ? 'Hide' : 'Show'}
          </button>
        </div>
        <p id={`${id}-problem`} className={styles.problem} role="alert">
          {problem}
        </p>
        <button type="submit" className={styles.submit} disabled={busy}>
          {busy ? 'Signing in …' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
