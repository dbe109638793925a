/**
 * The one door to the API: bearer token, one refresh on 401, batches of reads.
 * The access token lives here, in memory only; the refresh token is an HttpOnly cookie.
 */
import { ApiError } from './error';
import type { BatchAnswers, SignedIn, User } from './model';

const BASE = '/api/v1';
const REFRESH_LOCK = 'pganalytics-refresh';
/** A token this close to its end is refreshed before it is used. */
const EARLY_MS = 20_000;
/** The API's limit of reads in one batch. */
export const BATCH_LIMIT = 20;

let access: { token: string; until: number } | null = null;
let refreshing: Promise<User> | null = null;
let onSignedOut: () => void = () => undefined;

/** Called once the refresh token no longer opens the door. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener;
}

async function answer(path: string, init: RequestInit): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { ...init, credentials: 'same-origin' });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === 'AbortError') throw cause;
    throw new ApiError(0, 'The server does not answer.', null);
  }
  const text = await response.text();
  let body: unknown = null;
  if (text !== '') {
    try {
      body = JSON.parse(text);
    } catch {
      throw new ApiError(response.status, 'The answer was not JSON.', response.headers.get('X-Request-ID'));
    }
  }
  if (!response.ok) throw ApiError.from(response.status, body, response.headers);
  return body;
}

function post(body: unknown, token?: string): RequestInit {
  const headers: Record<string, string> = { 'Content-Type': 'application/json' };
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`;
  return { method: 'POST', headers, body: JSON.stringify(body) };
}

function keep(signedIn: SignedIn): User {
  access = { token: signedIn.access_token, until: Date.now() + signedIn.expires_in * 1000 };
  return signedIn.user;
}

export async function signIn(username: string, password: string): Promise<User> {
  return keep((await answer('/auth/login', post({ username, password }))) as SignedIn);
}

export async function signOut(): Promise<void> {
  const token = access?.token;
  access = null;
  await answer('/auth/logout', post({}, token));
}

/** Takes a new access token with the cookie; tabs take turns, so that none uses an old cookie. */
export function refresh(): Promise<User> {
  refreshing ??= takeTurn(async () => {
    const signedIn = (await answer('/auth/refresh', post({}))) as SignedIn | null;
    // 204: there is no cookie, so nobody is signed in here.
    if (signedIn === null) throw new ApiError(401, 'Nobody is signed in.', null);
    return keep(signedIn);
  }).finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function takeTurn<T>(work: () => Promise<T>): Promise<T> {
  // Browsers offer locks on https and loopback only.
  const locks = (navigator as { locks?: LockManager }).locks;
  return locks === undefined ? work() : await locks.request(REFRESH_LOCK, work);
}

async function authorized(path: string, init: (token: string) => RequestInit): Promise<unknown> {
  if (access === null || access.until - EARLY_MS < Date.now()) await refreshOrLeave();
  try {
    return await answer(path, init(access?.token ?? ''));
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
  }
  await refreshOrLeave();
  return answer(path, init(access?.token ?? ''));
}

async function refreshOrLeave(): Promise<void> {
  try {
    await refresh();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      access = null;
      onSignedOut();
    }
    throw error;
  }
}

export type BatchAnswer = { ok: true; body: unknown } | { ok: false; error: ApiError };

/** Sends all reads of one refresh as one request; each has its own outcome. */
export async function batch(paths: string[], signal?: AbortSignal): Promise<BatchAnswer[]> {
  if (paths.length > BATCH_LIMIT) throw new RangeError(`a batch takes at most ${BATCH_LIMIT} reads`);
  const body = (await authorized('/batch', (token) => ({
    ...post({ requests: paths.map((path) => ({ path })) }, token),
    ...(signal === undefined ? {} : { signal }),
  }))) as BatchAnswers;
  return paths.map((_, index) => {
    const one = body.responses[index];
    if (one === undefined) return { ok: false, error: new ApiError(502, 'The batch came back short.', null) };
    if (one.status >= 200 && one.status < 300) return { ok: true, body: one.body };
    return { ok: false, error: ApiError.from(one.status, one.body) };
  });
}

/** What a change sends: one body or none, and what it was made from. */
export interface Sent {
  json?: unknown;
  toml?: string;
  ifMatch?: string | undefined;
  ifNoneMatch?: string | undefined;
}

/** Changes something; answers what is in force then. */
export function change(method: 'PUT' | 'POST' | 'DELETE', path: string, sent: Sent): Promise<unknown> {
  const headers: Record<string, string> = {};
  if (sent.json !== undefined) headers['Content-Type'] = 'application/json';
  if (sent.toml !== undefined) headers['Content-Type'] = 'application/toml';
  if (sent.ifMatch !== undefined) headers['If-Match'] = sent.ifMatch;
  if (sent.ifNoneMatch !== undefined) headers['If-None-Match'] = sent.ifNoneMatch;
  const body = sent.toml ?? (sent.json === undefined ? null : JSON.stringify(sent.json));
  return authorized(path, (token) => ({ method, headers: { ...headers, Authorization: `Bearer ${token}` }, body }));
}

/** `?a=1&b=2` of the given values; absent ones are left out. */
export function queryString(values: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== '') search.set(name, String(value));
  }
  const text = search.toString();
  return text === '' ? '' : `?${text}`;
}
