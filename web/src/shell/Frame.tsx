import { useQueryClient } from '@tanstack/react-query';
import { Navigate, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect } from 'react';
import { forgetReads } from '../api/useReads';
import { resume, useSession } from '../session/session';
import { Button } from './Button';
import styles from './Frame.module.css';
import { HintLayer } from './HintLayer';
import { KeyHelp } from './KeyHelp';
import { TopBar } from './TopBar';

/** What surrounds every page of somebody who is signed in. */
export function Frame() {
  const session = useSession();
  const queries = useQueryClient();
  const here = useLocation({ select: (location) => location.href });
  useEffect(() => {
    if (session.state === 'unknown') void resume();
    if (session.state === 'out') {
      queries.clear();
      forgetReads();
    }
  }, [session.state, queries]);

  if (session.state === 'out') return <Navigate to="/sign-in" search={here === '/' ? {} : { next: here }} replace />;
  if (session.state === 'unreachable') {
    return (
      <main className={styles.alone}>
        <h1>The server does not answer.</h1>
        <p>
          {session.error.message} ({session.error.status}) <Button onClick={() => void resume()}>Retry</Button>
        </p>
      </main>
    );
  }
  if (session.state === 'unknown') return <main className={styles.alone} aria-busy="true" />;
  return (
    <>
      <TopBar />
      <Outlet />
      <HintLayer />
      <KeyHelp />
    </>
  );
}
