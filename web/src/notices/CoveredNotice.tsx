import type { Covered } from '../api/model';
import { Notice } from './Notice';

/** How much of the range was read, where that is not nearly all of it. */
export function CoveredNotice({ covered }: { covered: Covered }) {
  return covered.message == null ? null : <Notice kind="note">{covered.message}</Notice>;
}
