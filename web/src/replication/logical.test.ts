import { expect, it } from 'vitest';
import type { LogicalReplication } from '../api/model';
import { decodingSentence, operations, type PublicationRow } from './logical';

const decoding = (spill_bytes: number | null, total_bytes: number | null) =>
  decodingSentence({ decoding: [{ slot_name: 'to_crm', spill_bytes, total_bytes }] } as LogicalReplication);

it('tells of spilling where it is much', () => {
  expect(decoding(4096, 8192)).toBe('4\u00a0KiB went through the disk, 50\u00a0% of what was decoded: large transactions, for which logical_decoding_work_mem is small.');
  expect(decoding(1, 8192)).toBeNull();
  expect(decoding(null, null)).toBeNull();
});

it('names what is published', () => {
  const publication = (all: string[], via_root: boolean | null): PublicationRow => ({ database: 'shop', name: 'p', operations: all, via_root });
  expect(operations(publication(['insert', 'update', 'delete', 'truncate'], true))).toBe('all changes, via root');
  expect(operations(publication(['insert'], null))).toBe('insert');
});
