import { useIsFetching } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { Foreign } from '../format/Foreign';
import { leave, useSession } from '../session/session';
import { nextTheme, useTheme } from '../theme/theme';
import { TimeControls } from '../time/TimeControls';
import { Button } from './Button';
import { Popover } from './Popover';
import { keepTime, type Search } from './search';
import styles from './TopBar.module.css';

const THEME_LABEL = { system: 'System theme', light: 'Light theme', dark: 'Dark theme' } as const;
const THEME_SIGN = { system: '◐', light: '○', dark: '●' } as const;

/** A thin bar once a refresh takes longer than a glance. */
function Busy() {
  const fetching = useIsFetching() > 0;
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(fetching), fetching ? 150 : 0);
    return () => clearTimeout(timer);
  }, [fetching]);
  return <div className={styles.busy} data-busy={late} aria-hidden="true" />;
}

export function TopBar() {
  const session = useSession();
  const theme = useTheme();
  return (
    <header className={styles.bar}>
      <Link to="/" search={(old: Search) => keepTime(old)} className={styles.brand}>
        <img src="/favicon.svg" alt="" width="18" height="18" />
        pgAnalytics
      </Link>
      <nav className={styles.nav} aria-label="Main">
        <Link to="/" search={(old: Search) => keepTime(old)} activeOptions={{ includeSearch: false }}>
          Fleet
        </Link>
        <Link to="/catalogue" search={(old: Search) => keepTime(old)} activeOptions={{ includeSearch: false }}>
          Catalogue
        </Link>
        {session.state === 'in' && session.user.role === 'admin' && (
          <>
            <Link to="/collectors" search={(old: Search) => keepTime(old)} activeOptions={{ includeSearch: false }}>
              Collectors
            </Link>
            <Link to="/store" search={(old: Search) => keepTime(old)} activeOptions={{ includeSearch: false }}>
              Store
            </Link>
          </>
        )}
      </nav>
      <TimeControls />
      <div className={styles.user}>
        <Button label={THEME_LABEL[theme]} hint={`${THEME_LABEL[theme]}. Click for the next.`} onClick={nextTheme}>
          {THEME_SIGN[theme]}
        </Button>
        {session.state === 'in' && (
          <Popover label={<Foreign text={session.user.username} />} title="Account" align="end">
            <p className={styles.who}>
              <Foreign text={session.user.username} /> <span>{session.user.role}</span>
            </p>
            <Button onClick={() => void leave()}>Sign out</Button>
          </Popover>
        )}
      </div>
      <Busy />
    </header>
  );
}
