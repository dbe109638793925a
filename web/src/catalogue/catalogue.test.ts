import { expect, it } from 'vitest';
import type { MeasuredSets } from '../api/model';
import { catalogueHeading, catalogueRows } from './catalogue';

it('shows each column with the version from which it is known', () => {
  const column = { name: 'calls', type: 'int8', kind: 'counter', unit: 'count', help: 'Calls.' };
  const sets: MeasuredSets = {
    count: 2,
    data: [
      { set: 's', help: 'S.', scope: 'instance', kind: 'figures', group: 'g', interval_seconds: 60, role: 'any', extension: 'ext', versions: ['1.2', '1.8'], columns: [column, { ...column, name: 'plans', since: '1.8' }] },
      { set: 'host_cpu', help: 'H.', scope: 'host', kind: 'figures', group: 'sysstat', interval_seconds: 60, role: 'any', extension: null, versions: [], columns: [{ ...column, unit: 'none' }] },
    ],
  };
  const rows = catalogueRows(sets);
  expect(rows.map((row) => row.since)).toEqual(['1.2', '1.8', null]);
  expect(rows[0]?.product).toBe('ext');
  expect(rows[2]?.unit).toBeNull();
  expect(catalogueHeading(rows)).toBe('2 sets with 3 columns are measured');
});
