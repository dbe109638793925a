/** The range, zone and live state of the current URL, and how to change them. */
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import type { Search } from '../shell/search';
import { rangeOf, zoomed, type Instants, type Range } from './range';
import type { Zone } from './zone';

export interface TimeState {
  range: Range;
  zone: Zone;
  /** Refreshing by itself: a relative range, and not switched off. */
  live: boolean;
}

export function useUrl(): Search {
  return useSearch({ strict: false });
}

/** Changes part of the URL; `replace` for what Back should not undo. */
export function useChangeUrl(): (change: Search, replace?: boolean) => void {
  const navigate = useNavigate();
  return useCallback(
    (change: Search, replace = false) => {
      void navigate({ to: '.', search: (old: Search) => ({ ...old, ...change }), replace, resetScroll: false });
    },
    [navigate],
  );
}

export function useTime(): TimeState {
  const search = useUrl();
  return useMemo(() => {
    const range = rangeOf(search);
    return {
      range,
      zone: search.zone === 'utc' ? 'utc' : 'browser',
      live: range.kind === 'last' && search.live !== 'off',
    };
  }, [search]);
}

export function useZoom(): (instants: Instants) => void {
  const { range } = useTime();
  const change = useChangeUrl();
  return useCallback((instants) => change(zoomed(range, instants)), [range, change]);
}

/** Live every five seconds at most, or as often as the shortest interval of what the page shows. */
export const SHORTEST_REFRESH_S = 5;
const DEFAULT_REFRESH_S = 10;
let refreshSeconds = DEFAULT_REFRESH_S;
const listeners = new Set<() => void>();

export function announceRefresh(seconds: number): void {
  const next = Math.max(SHORTEST_REFRESH_S, Math.round(seconds));
  if (next === refreshSeconds) return;
  refreshSeconds = next;
  for (const listener of listeners) listener();
}

export function useRefreshSeconds(): number {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => refreshSeconds,
  );
}
