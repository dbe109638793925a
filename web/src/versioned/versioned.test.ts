import { expect, test } from 'vitest';
import { ApiError } from '../api/error';
import type { TemplateChange } from '../api/model';
import { diffLines } from './diff';
import { followed, madeFrom } from './draft';
import { outcomeSentence } from './outcome';
import { lineSpan, refusal } from './refusal';

test('a draft follows a newer version as long as nothing of anybody is lost', () => {
  const version = (number: number, typed: string) => ({ version: number, etag: `"${number}"`, typed });
  // Nothing was typed: it is the newer one.
  expect(followed('a', version(1, 'a'), version(2, 'b'))).toBe('b');
  // What was typed is what the other one wrote, or that one changed nothing of the text.
  expect(followed('b', version(1, 'a'), version(2, 'b'))).toBe('b');
  expect(followed('c', version(1, 'a'), version(2, 'a'))).toBe('c');
  expect(followed('c', version(1, 'a'), version(2, 'b'))).toBeNull();
});

test('a change says what it was made from', () => {
  expect(madeFrom('"1-a"')).toEqual({ ifMatch: '"1-a"' });
  expect(madeFrom(null)).toEqual({ ifNoneMatch: '*' });
});

test('a refusal has its line, if it is about one', () => {
  const error = (status: number, path: string) => new ApiError(status, 'The configuration is refused.', null, null, [{ path, reason: 'unknown key' }]);
  expect(refusal(error(400, 'line 12'))).toEqual({ file: null, line: 12, text: 'Line 12: unknown key' });
  expect(refusal(error(400, 'prod-1'))).toEqual({ file: null, line: null, text: 'prod-1: unknown key' });
  expect(refusal(error(400, '.'))).toEqual({ file: null, line: null, text: 'unknown key' });
  expect(refusal(error(400, '9.6.sql line 3'))).toEqual({ file: '9.6.sql', line: 3, text: '9.6.sql line 3: unknown key' });
  expect(refusal(error(400, 'set.toml'))).toEqual({ file: 'set.toml', line: null, text: 'set.toml: unknown key' });
  expect(refusal(new ApiError(0, 'x', null)).text).toMatch(/nothing was changed/);
  expect(refusal(new ApiError(404, 'No such collector.', null)).text).toBe('No such collector.');
  expect(refusal(new TypeError('x')).text).toMatch(/nothing was changed/);
});

test('a line is found in a text', () => {
  const text = 'one\ntwo\n\nfour';
  expect(lineSpan(text, 1)).toEqual({ start: 0, end: 3 });
  expect(lineSpan(text, 3)).toEqual({ start: 8, end: 8 });
  expect(lineSpan(text, 4)).toEqual({ start: 9, end: 13 });
  expect(lineSpan(text, 9)).toEqual({ start: 13, end: 13 });
});

test('a diff has its kinds of lines', () => {
  expect(diffLines('')).toEqual([]);
  expect(diffLines('@@ -1 +1 @@\n-a\n+b\n c\n').map((line) => line.kind)).toEqual(['place', 'removed', 'added', 'same']);
});

test('what a change comes to for collectors', () => {
  const said = (collectors: number, changed: number, refusing: number) =>
    outcomeSentence({ version: 1, etag: null, changed: true, collectors, collectors_changed: changed, collectors_refusing: refusing, outcomes: [] } satisfies TemplateChange);
  expect(said(0, 0, 0)).toBe('No collector has these labels.');
  expect(said(1, 0, 0)).toBe('It is for 1 collector; nothing changes for any of them.');
  expect(said(3, 1, 0)).toBe('It is for 3 collectors; 1 of them gets something else.');
  expect(said(3, 1, 2)).toBe('It is for 3 collectors; 2 would refuse what they get, so it cannot be saved.');
});
