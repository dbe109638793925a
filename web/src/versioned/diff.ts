export type DiffKind = 'place' | 'added' | 'removed' | 'same';

/** The lines of a unified diff. */
export function diffLines(diff: string): { kind: DiffKind; text: string }[] {
  const lines = diff.endsWith('\n') ? diff.slice(0, -1) : diff;
  if (lines === '') return [];
  const kinds: Record<string, DiffKind> = { '@': 'place', '+': 'added', '-': 'removed' };
  return lines.split('\n').map((text) => ({ kind: kinds[text.charAt(0)] ?? 'same', text }));
}
