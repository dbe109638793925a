import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type * as Client from './client';
import { ApiError } from './error';

const USER = { id: '1', username: 'admin', role: 'admin', created_at: '2026-01-01T00:00:00Z' };

interface Sent {
  path: string;
  authorization: string | null;
  body: unknown;
}

let sent: Sent[];
let answers: Map<string, (() => Response)[]>;
let client: typeof Client;

function json(status: number, body: unknown, headers: Record<string, string> = {}): () => Response {
  return () => new Response(JSON.stringify(body), { status, headers });
}

function session(token: string): () => Response {
  return json(200, { access_token: token, expires_in: 900, user: USER });
}

beforeEach(async () => {
  sent = [];
  answers = new Map();
  vi.resetModules();
  vi.stubGlobal('navigator', {});
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    const path = url.replace('/api/v1', '');
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : null;
    sent.push({ path, authorization: new Headers(init.headers).get('Authorization'), body });
    const next = answers.get(path)?.shift();
    return next === undefined ? Promise.reject(new TypeError(`no answer for ${path}`)) : Promise.resolve(next());
  });
  client = await import('./client');
});

afterEach(() => vi.unstubAllGlobals());

describe('batch', () => {
  test('each read has its own outcome', async () => {
    answers.set('/auth/login', [session('a')]);
    answers.set('/batch', [
      json(200, {
        responses: [
          { status: 200, body: { fine: true } },
          { status: 404, body: { code: 404, error: 'not_found', message: 'No.', request_id: 'r1' } },
        ],
      }),
    ]);
    await client.signIn('admin', 'secret');
    const [good, bad, short] = await client.batch(['/a', '/b', '/c']);
    expect(good).toEqual({ ok: true, body: { fine: true } });
    expect(bad).toMatchObject({ ok: false, error: { status: 404, message: 'No.', requestId: 'r1' } });
    expect(short).toMatchObject({ ok: false, error: { status: 502 } });
    expect(sent.at(-1)).toEqual({
      path: '/batch',
      authorization: 'Bearer a',
      body: { requests: [{ path: '/a' }, { path: '/b' }, { path: '/c' }] },
    });
  });

  test('a 401 refreshes once and asks again with the new token', async () => {
    answers.set('/auth/login', [session('old')]);
    answers.set('/auth/refresh', [session('new')]);
    answers.set('/batch', [json(401, {}), json(200, { responses: [{ status: 200, body: 1 }] })]);
    await client.signIn('admin', 'secret');
    expect(await client.batch(['/a'])).toEqual([{ ok: true, body: 1 }]);
    expect(sent.map((one) => [one.path, one.authorization])).toEqual([
      ['/auth/login', null],
      ['/batch', 'Bearer old'],
      ['/auth/refresh', null],
      ['/batch', 'Bearer new'],
    ]);
  });

  test('two pages of a reload share one refresh', async () => {
    answers.set('/auth/refresh', [session('one')]);
    const answer = json(200, { responses: [{ status: 200, body: 1 }] });
    answers.set('/batch', [answer, answer]);
    await Promise.all([client.batch(['/a']), client.batch(['/b'])]);
    expect(sent.filter((one) => one.path === '/auth/refresh')).toHaveLength(1);
  });

  test('a refused refresh signs out; a broken one does not', async () => {
    const signedOut = vi.fn();
    client.whenSignedOut(signedOut);
    answers.set('/auth/refresh', [json(503, { message: 'The store does not answer.' }), json(401, { message: 'Sign in.' })]);
    await expect(client.batch(['/a'])).rejects.toMatchObject({ status: 503 });
    expect(signedOut).not.toHaveBeenCalled();
    await expect(client.batch(['/a'])).rejects.toMatchObject({ status: 401 });
    expect(signedOut).toHaveBeenCalledOnce();
  });

  test('too many requests say when to come back; no answer is status 0', async () => {
    answers.set('/auth/login', [session('a')]);
    answers.set('/batch', [json(429, { message: 'Too many requests.', request_id: 'r2' }, { 'Retry-After': '12' })]);
    await client.signIn('admin', 'secret');
    await expect(client.batch(['/a'])).rejects.toMatchObject({ status: 429, retryAfterSeconds: 12, requestId: 'r2' });
    await expect(client.batch(['/a'])).rejects.toMatchObject({ status: 0 });
  });

  test('more reads than a batch takes are a mistake of ours', async () => {
    await expect(client.batch(Array.from({ length: 21 }, () => '/a'))).rejects.toThrow(RangeError);
  });
});

test('an error without a body is still an error', () => {
  const error = ApiError.from(500, null);
  expect([error.status, error.requestId, error.retryAfterSeconds]).toEqual([500, null, null]);
});

test('query strings leave out what is absent', () => {
  expect(client.queryString({ a: 1, b: undefined, c: null, d: '', e: 'x y', f: true })).toBe('?a=1&e=x+y&f=true');
  expect(client.queryString({ a: undefined })).toBe('');
});
