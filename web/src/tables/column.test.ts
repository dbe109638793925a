import { describe, expect, test } from 'vitest';
import { csv, nextSort, parseSort, sortRows, writeSort, type Column } from './column';
import { steadyOrder } from './steadyOrder';

interface Row {
  name: string;
  size: number | null;
}
const COLUMNS: Column<Row>[] = [
  { id: 'name', title: 'Name', width: 1, value: (row) => row.name, cell: () => null },
  { id: 'size', title: 'Size', unit: 'bytes', numeric: true, width: 1, value: (row) => row.size, cell: () => null },
  { id: 'trend', title: 'Trend', width: 1, cell: () => null },
];
const [NAME, SIZE] = COLUMNS as [Column<Row>, Column<Row>];

describe('sort in the URL', () => {
  const byTime = { id: 'time', descending: true };
  test('reads and writes', () => {
    expect(parseSort('-calls', byTime)).toEqual({ id: 'calls', descending: true });
    expect(parseSort('calls', byTime)).toEqual({ id: 'calls', descending: false });
    expect(parseSort(undefined, byTime)).toEqual(byTime);
    expect(parseSort('; drop', byTime)).toEqual(byTime);
    expect(writeSort(byTime, byTime)).toBeUndefined();
    expect(writeSort({ id: 'calls', descending: true }, byTime)).toBe('-calls');
  });

  test('numbers begin descending', () => {
    expect(nextSort(byTime, SIZE)).toEqual({ id: 'size', descending: true });
    expect(nextSort({ id: 'size', descending: true }, SIZE)).toEqual({ id: 'size', descending: false });
    expect(nextSort(byTime, NAME)).toEqual({ id: 'name', descending: false });
  });
});

describe('rows by a column', () => {
  const rows = [{ name: 'b10', size: null }, { name: 'b9', size: 2 }, { name: 'A1', size: 2 }, { name: 'é', size: -1 }];
  const names = (id: string, descending: boolean) => sortRows(rows, COLUMNS, { id, descending }).map((row) => row.name);

  test('numbers in words count as numbers', () => {
    expect(names('name', false)).toEqual(['A1', 'b9', 'b10', 'é']);
    expect(names('name', true)).toEqual(['é', 'b10', 'b9', 'A1']);
  });

  test('what has no value is last, and equal ones stay', () => {
    expect(names('size', false)).toEqual(['é', 'b9', 'A1', 'b10']);
    expect(names('size', true)).toEqual(['b9', 'A1', 'é', 'b10']);
  });

  test('a column that does not sort, or is not there, changes nothing', () => {
    expect(names('trend', true)).toEqual(rows.map((row) => row.name));
    expect(names('none', false)).toEqual(rows.map((row) => row.name));
  });
});

test('csv is raw, quoted, and leaves unmeasured fields empty', () => {
  const rows = [
    { name: 'a "b", c', size: 1.5 },
    { name: 'd', size: null },
  ];
  expect(csv(COLUMNS, rows)).toBe('Name,Size (bytes)\r\n"a ""b"", c",1.5\r\nd,\r\n');
});

test('csv has nothing that acts where it is opened', () => {
  const names = ['=1+1', '@sum', '-- a comment', '-7796235676539574219', 'a\u202eb', 'two\nlines', 'a "b", c'];
  const fields = ["'=1+1", "'@sum", "'-- a comment", '-7796235676539574219', 'a⟨U+202E⟩b', 'two⟨U+000A⟩lines', '"a ""b"", c"'];
  expect(csv([NAME], names.map((name) => ({ name, size: null })))).toBe(['Name', ...fields, ''].join('\r\n'));
  expect(csv([SIZE], [{ name: '', size: -1.5 }])).toBe('Size (bytes)\r\n-1.5\r\n');
});

test('csv has a field for each thing that a column shows', () => {
  const both: Column<Row> = { ...SIZE, copied: [{ title: 'Size', unit: 'bytes', value: (row) => row.size }, { title: 'Of', value: (row) => row.name }] };
  expect(csv([both], [{ name: 'a', size: 1 }])).toBe('Size (bytes),Of\r\n1,a\r\n');
});

describe('steady order', () => {
  test('keeps known keys where they are, drops gone ones, puts new ones last', () => {
    expect(steadyOrder(['a', 'b', 'c'], ['c', 'd', 'a'])).toEqual(['a', 'c', 'd']);
    expect(steadyOrder([], ['b', 'a'])).toEqual(['b', 'a']);
  });
});
