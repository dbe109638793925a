/** What the server refused of a change, as people read it. */
import type { ApiError } from '../api/error';

/** What was refused, and in which line of which file, where it is about one. */
export interface Refusal {
  file: string | null;
  line: number | null;
  text: string;
}

/** A refusal that is about no line. */
export const told = (text: string): Refusal => ({ file: null, line: null, text });

export function refusal(error: unknown): Refusal {
  const known = error as Partial<ApiError> | null;
  if (known?.status === undefined || known.status === 0) return told('The server does not answer; nothing was changed.');
  if (known.status === 403) return told('Your role may not change this.');
  const details = known.details ?? [];
  const [, file, line] = /^(set\.toml|[\d.]+\.sql)?(?:(?:^| )line (\d+))?$/.exec(details[0]?.path ?? '') ?? [];
  const each = details.map(({ path, reason }) => (path === '.' ? reason : `${path.replace(/^line /, 'Line ')}: ${reason}`));
  return { file: file ?? null, line: line === undefined ? null : Number(line), text: each.length === 0 ? (known.message ?? '') : each.join('\n') };
}

/** Where a line begins and ends in a text. */
export function lineSpan(text: string, line: number): { start: number; end: number } {
  const lines = text.split('\n');
  const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return { start: Math.min(start, text.length), end: Math.min(start + (lines[line - 1]?.length ?? 0), text.length) };
}
