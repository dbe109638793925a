import { Navigate, Outlet, useLocation } from '@tanstack/react-router';
import { useEffect } from 'react';
import { resume, useSession } from '../session/session';
import { Button } from './Button';
import styles from './Frame.module.css';
import { HintLayer } from './HintLayer';
import { TopBar } from './TopBar';

/** What surrounds every page of somebody who is signed in. */
export function Frame() {
  const session = useSession();
  const here = useLocation({ select: (location) => location.href });
  useEffect(() => {
    if (session.state === 'unknown') void resume();
  }, [session.state]);

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
    </>
  );
}
