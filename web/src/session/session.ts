/** Who is signed in: one small store beside the client that holds the token. */
import { useSyncExternalStore } from 'react';
import { refresh, signIn, signOut, whenSignedOut } from '../api/client';
import { ApiError } from '../api/error';
import type { User } from '../api/model';

export type Session =
  | { state: 'unknown' }
  | { state: 'unreachable'; error: ApiError }
  | { state: 'out' }
  | { state: 'in'; user: User };

let session: Session = { state: 'unknown' };
const listeners = new Set<() => void>();

function become(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

whenSignedOut(() => become({ state: 'out' }));

export function useSession(): Session {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );
}

/** Picks the session up again after a reload, through the cookie. */
export async function resume(): Promise<void> {
  try {
    become({ state: 'in', user: await refresh() });
  } catch (error) {
    const known = error instanceof ApiError ? error : new ApiError(0, String(error), null);
    // A refusal means signed out; anything else is no statement about the session.
    become(known.status >= 400 && known.status < 429 ? { state: 'out' } : { state: 'unreachable', error: known });
  }
}

export async function enter(username: string, password: string): Promise<void> {
  become({ state: 'in', user: await signIn(username, password) });
}

export async function leave(): Promise<void> {
  try {
    await signOut();
  } finally {
    become({ state: 'out' });
  }
}
