/** All reads of one page refresh as one POST /batch; each read keeps its last good answer when it fails. */
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { resolve, type Instants } from '../time/range';
import { announceRefresh, useRefreshSeconds, useTime } from '../time/useTime';
import { batch } from './client';
import { ApiError } from './error';

/** One read of a page: the newest good answer, when it came, and what went wrong since. */
export interface Read<T> {
  data: T | null;
  at: number;
  error: ApiError | null;
}

export type ReadsOf<T> = { [K in keyof T]: Read<T[K]> };

interface Answered<T> {
  reads: ReadsOf<T>;
  range: Instants;
}

export interface PageReads<T> {
  /** Null until the first answer, good or bad, has come. */
  reads: ReadsOf<T> | null;
  /** The range of what is shown. */
  range: Instants;
  /** The range, filters or order were changed and the new answer is not there yet. */
  outdated: boolean;
  /** The whole batch failed. */
  error: ApiError | null;
  retry: () => void;
}

const inSeconds = (ms: number): string => new Date(Math.floor(ms / 1000) * 1000).toISOString();

/** `start` and `end` as the API takes them. */
export function between(range: Instants): { start: string; end: string } {
  return { start: inSeconds(range.start), end: inSeconds(range.end) };
}

function asError(error: unknown): ApiError | null {
  if (error === null || error === undefined) return null;
  return error instanceof ApiError ? error : new ApiError(0, error instanceof Error ? error.message : 'unknown', null);
}

const lastGood = new Map<string, Read<unknown>>();
/** A ranking of a thousand statements is two megabytes. */
const LAST_GOOD_LIMIT = 12;

/** Nobody after this reader may see what was read. */
export function forgetReads(): void {
  lastGood.clear();
}

function remember(id: string, read: Read<unknown>): void {
  lastGood.delete(id);
  lastGood.set(id, read);
  const oldest = lastGood.keys().next();
  if (lastGood.size > LAST_GOOD_LIMIT && oldest.done !== true) lastGood.delete(oldest.value);
}

/**
 * `paths` names the page's reads for a range; `key` is everything but the time that they depend on.
 * `refreshSeconds` tells from the answers how often the page is worth refreshing.
 */
export function useReads<T>(
  key: readonly (string | number | null | undefined)[],
  paths: (range: Instants) => { [K in keyof T]: string },
  refreshSeconds: (reads: ReadsOf<T>) => number,
): PageReads<T> {
  const { range, live } = useTime();
  const every = useRefreshSeconds();
  const rangeKey = range.kind === 'last' ? [range.text] : [range.start, range.end];
  const query = useQuery<Answered<T>>({
    queryKey: [...key, ...rangeKey],
    queryFn: async ({ signal }) => {
      const instants = resolve(range, Date.now());
      const wanted = Object.entries<string>(paths(instants));
      const answers = await batch(
        wanted.map(([, path]) => path),
        signal,
      );
      const reads = wanted.map(([name], index) => {
        const id = JSON.stringify([...key, ...rangeKey, name]);
        const answer = answers[index];
        if (answer?.ok === true) {
          const read: Read<unknown> = { data: answer.body, at: Date.now(), error: null };
          remember(id, read);
          return [name, read];
        }
        const old = lastGood.get(id);
        return [name, { data: old?.data ?? null, at: old?.at ?? 0, error: answer?.error ?? null }];
      });
      return { reads: Object.fromEntries(reads) as ReadsOf<T>, range: instants };
    },
    placeholderData: keepPreviousData,
    refetchInterval: (state) => {
      if (!live) return false;
      return (asError(state.state.error)?.retryAfterSeconds ?? every) * 1000;
    },
    refetchOnWindowFocus: live,
    staleTime: live ? 1000 : 60_000,
    retry: false,
    gcTime: 60_000,
    // Answers are drawn anew anyway; comparing two of them costs more than it saves.
    structuralSharing: false,
    // Without a network the page says so instead of waiting in silence.
    networkMode: 'always',
  });

  const { data, isPlaceholderData, refetch } = query;
  const seconds = data === undefined ? null : refreshSeconds(data.reads);
  useEffect(() => {
    if (seconds !== null) announceRefresh(seconds);
  }, [seconds]);

  // The page says which range it shows, for whoever drives it: `start/end` of the answers on the screen.
  const shown = data === undefined || isPlaceholderData ? '' : Object.values(between(data.range)).join('/');
  useEffect(() => {
    document.documentElement.dataset['shown'] = shown;
  }, [shown]);

  return {
    reads: data?.reads ?? null,
    range: data?.range ?? resolve(range, Date.now()),
    outdated: isPlaceholderData,
    error: asError(query.error),
    retry: () => void refetch(),
  };
}
