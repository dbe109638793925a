import { useEffect, useLayoutEffect, useState, type RefObject } from 'react';

/** A column as far as its width is concerned. */
export interface Roomy {
  id: string;
  width: number;
  /** Nothing in it may be cut: figures, and short words of ours. Its header never is. */
  whole: boolean;
}

/** Widths grow by this much at once, so that a digit more does not move the table again. */
const STEP = 16;
/** No figure is wider; it also ends the search for room that a layout does not give. */
const WIDEST = 400;

/**
 * The width of each column: at least its own, wider where a header, or a cell of which nothing may be cut, needs more.
 * It is measured before anything is painted, and never shrinks, so that nothing jumps.
 */
export function useRoom(table: RefObject<HTMLTableElement | null>, columns: readonly Roomy[]): number[] {
  const [grown, setGrown] = useState<Readonly<Record<string, number>>>({});
  const [, setWindow] = useState(0);
  // A narrower window takes the room away that columns had beyond their widths.
  useEffect(() => {
    const resized = () => setWindow(window.innerWidth);
    window.addEventListener('resize', resized);
    return () => window.removeEventListener('resize', resized);
  }, []);
  const widths = columns.map((column) => Math.max(column.width, grown[column.id] ?? 0));
  // The lists are new with every rendering: rows come and go without the columns being changed.
  useLayoutEffect(() => {
    const lacking: Record<string, number> = {};
    for (const row of table.current?.rows ?? []) {
      for (const cell of row.cells) {
        const column = columns[cell.cellIndex];
        const width = widths[cell.cellIndex];
        if (column === undefined || width === undefined || cell.colSpan > 1 || (cell.scope !== 'col' && !column.whole)) continue;
        const lacks = cell.scrollWidth - cell.clientWidth;
        if (lacks > 0 && width < WIDEST) {
          lacking[column.id] = Math.max(lacking[column.id] ?? 0, width + Math.ceil(lacks / STEP) * STEP);
        }
      }
    }
    if (Object.keys(lacking).length > 0) setGrown((old) => ({ ...old, ...lacking }));
  }, [table, columns, widths]);
  return widths;
}
