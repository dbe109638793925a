import { expect, it } from 'vitest';
import type { Changes, Schema } from '../api/model';
import { changeText, schemaHeading, type ChangeRow } from './schema';

const NO_SCHEMA: Schema = { findings: [], objects: [], not_readable: [] };
const NONE: Changes = { data: [], count: 0, total: 0, cut: false, kinds: [], databases: [], not_readable: [] };

function change(action: string, property: string, before: string | null, after: string | null): ChangeRow {
  return { at: '2026-03-01T12:00:00Z', kind: 'columns', action, id: '20', name: 'public.orders', changes: [{ property, before, after }] };
}

it('says how much there is to mend and how much changed', () => {
  expect(schemaHeading(NO_SCHEMA, NONE)).toBe('Nothing to mend, no change');
  expect(schemaHeading(null, { ...NONE, total: 1 })).toBe('1 change');
  expect(schemaHeading(null, { ...NONE, total: 5000, cut: true })).toBe('at least 5,000 changes');
  expect(schemaHeading(null, null)).toBe('Schema');
});

it('tells of lists what differs, and of the rest both values', () => {
  const columns = changeText(change('changed', 'columns', 'id integer, price numeric(10,2), "a, b" text', 'id bigint, price numeric(10,2), "a, b" text'));
  expect(columns).toBe('− id integer, + id bigint');
  expect(changeText(change('changed', 'columns', 'a int, b int', 'b int, a int'))).toBe('columns in another order');
  expect(changeText(change('changed', 'setting', '4096', '65536'))).toBe('setting: 4096 → 65536');
  expect(changeText(change('changed', 'reloptions', null, 'fillfactor=70'))).toBe('reloptions: none → fillfactor=70');
  expect(changeText(change('created', 'contype', null, 'p'))).toBe('contype: p');
  expect(changeText(change('created', 'is_deferred', null, 'false'))).toBe('');
});
