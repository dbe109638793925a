import { useQueryClient } from '@tanstack/react-query';
import { Outlet, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { forgetReads } from '../api/useReads';
import { Foreign } from '../format/Foreign';
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
  const router = useRouter();
  useEffect(() => {
    if (session.state === 'unknown') void resume();
    if (session.state === 'out') {
      queries.clear();
      forgetReads();
      // Once, from where the reader is: a way that followed the location would chase its own redirect.
      const here = router.state.location.href;
      void router.navigate({ to: '/sign-in', search: here === '/' ? {} : { next: here }, replace: true });
    }
  }, [session.state, queries, router]);

  if (session.state === 'unreachable') {
    return (
      <main className={styles.alone}>
        <h1>The server does not answer.</h1>
        <p>
          <Foreign text={session.error.message} /> ({session.error.status}) <Button onClick={() => void resume()}>Retry</Button>
        </p>
      </main>
    );
  }
  if (session.state === 'unknown' || session.state === 'out') return <main className={styles.alone} aria-busy="true" />;
  return (
    <>
      <TopBar />
      <Outlet />
      <HintLayer />
      <KeyHelp />
    </>
  );
}
