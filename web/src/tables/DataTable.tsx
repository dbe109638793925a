import {
  memo,
  useCallback,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type CSSProperties,
  type KeyboardEvent,
  type ReactNode,
} from 'react';
import { Foreign } from '../format/Foreign';
import { Button } from '../shell/Button';
import { nextSort, sortRows, type Column, type Sort } from './column';
import styles from './DataTable.module.css';
import { steadyOrder } from './steadyOrder';
import { useInSight } from './useInSight';
import { useRoom } from './useRoom';

/** A table never shrinks below this; the page scrolls instead. */
const LEAST_ROWS = 12;

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowKey: (row: Row) => string;
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** Enter on a row, and a click anywhere in it unless `openByClick` is false. */
  onOpen?: (row: Row) => void;
  /** False where only a link in the row opens it: a click is for pointing at a figure or marking text. */
  openByClick?: boolean;
  /** One more row below all others, outside the order. */
  pinned?: Row | null;
  /** Stands in the box when there is no row. */
  empty?: ReactNode;
  /** The next answer is on its way: what is shown is of the old range. */
  outdated?: boolean;
  /** Takes the height that is left on the page. */
  fill?: boolean;
}

function rowHeight(): number {
  return typeof matchMedia === 'function' && matchMedia('(pointer: coarse)').matches ? 40 : 28;
}

/** A grid: sticky header and first column, sort, one tab stop with arrow keys, only the rows in sight. */
export function DataTable<Row>(props: Props<Row>) {
  const { label, columns, rows, rowKey, sort, onSort, onOpen, openByClick = true, pinned = null, empty, outdated, fill = false } = props;
  const box = useRef<HTMLDivElement>(null);
  const grid = useRef<HTMLTableElement>(null);
  const widths = useRoom(grid, columns.map(({ id, width, numeric, whole }) => ({ id, width, whole: numeric === true || whole === true })));
  const [active, setActive] = useState({ row: 0, column: 0 });
  const [pointed, setPointed] = useState(false);
  const [entered, setEntered] = useState(false);
  // A click moves the focus from row to row: the pointer alone keeps them where they are until it is done.
  const held = pointed || entered;

  const sorted = useMemo(() => sortRows(rows, columns, sort), [rows, columns, sort]);
  const wanted = sorted.map(rowKey);
  const { order, stale, settle } = useSteady(wanted, `${sort.id}/${sort.descending}`, held);
  const byKey = new Map(sorted.map((row) => [rowKey(row), row]));
  const ordered: Row[] = [];
  for (const key of order) {
    const row = byKey.get(key);
    if (row !== undefined) ordered.push(row);
  }

  const height = rowHeight();
  const { first, last, reveal } = useInSight(box, ordered.length, height);

  function focusCell(row: number, column: number) {
    const nextRow = Math.max(0, Math.min(ordered.length, row));
    const nextColumn = Math.max(0, Math.min(columns.length - 1, column));
    setActive({ row: nextRow, column: nextColumn });
    if (nextRow > 0) reveal(nextRow - 1);
    requestAnimationFrame(() => {
      box.current?.querySelector<HTMLElement>(`[data-cell="${nextRow}/${nextColumn}"]`)?.focus();
    });
  }

  function press(event: KeyboardEvent) {
    const { row, column } = active;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / height) - 2);
    const moves: Record<string, [number, number]> = {
      ArrowDown: [row + 1, column],
      ArrowUp: [row - 1, column],
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      Home: event.ctrlKey ? [0, 0] : [row, 0],
      End: event.ctrlKey ? [ordered.length, columns.length - 1] : [row, columns.length - 1],
      PageDown: [row + page, column],
      PageUp: [row - page, column],
    };
    const move = moves[event.key];
    if (move !== undefined) {
      event.preventDefault();
      focusCell(...move);
    } else if (event.key === 'Enter' || (event.key === ' ' && row === 0)) {
      const target = columns[column];
      const opened = ordered[row - 1];
      if (row === 0 && target?.value !== undefined) onSort(nextSort(sort, target));
      else if (opened !== undefined) onOpen?.(opened);
      else return;
      event.preventDefault();
    }
  }

  const focused = useCallback((row: number, column: number) => setActive({ row, column }), []);
  const newest = useRef(onOpen);
  useLayoutEffect(() => {
    newest.current = onOpen;
  });
  const open = useCallback((row: Row) => newest.current?.(row), []);
  const cellOf = (row: number) => (active.row === row ? active.column : null);

  const size = {
    '--table-width': `${widths.reduce((sum, width) => sum + width, 0)}px`,
    '--first-width': `${widths[0] ?? 0}px`,
    '--least-rows': Math.min(LEAST_ROWS, ordered.length + 1 + (pinned === null ? 0 : 1)),
  } as CSSProperties;
  return (
    <div
      className={styles.frame}
      data-fill={fill}
      data-outdated={outdated}
      style={size}
      onPointerEnter={() => setPointed(true)}
      onPointerLeave={() => setPointed(false)}
    >
      {stale && held && (
        <div className={styles.stale}>
          <Button onClick={settle}>New order available</Button>
        </div>
      )}
      <div ref={box} className={styles.box}>
        <table
          ref={grid}
          role="grid"
          aria-label={label}
          aria-rowcount={ordered.length + 1 + (pinned === null ? 0 : 1)}
          aria-colcount={columns.length}
          className={styles.table}
          onKeyDown={press}
        >
          <colgroup>
            {columns.map((column, index) => (
              <col key={column.id} style={column.grow === true ? undefined : { width: widths[index] }} />
            ))}
          </colgroup>
          <thead>
            <tr aria-rowindex={1}>
              {columns.map((column, index) => (
                <HeaderCell
                  key={column.id}
                  column={column}
                  sort={sort}
                  onSort={onSort}
                  cell={cellAttributes(0, index, cellOf(0), focused)}
                />
              ))}
            </tr>
          </thead>
          <tbody
            onFocus={() => setEntered(true)}
            onBlur={(event) => {
              if (!event.currentTarget.contains(event.relatedTarget)) setEntered(false);
            }}
          >
            {first > 0 && <Spacer height={first * height} columns={columns.length} />}
            {ordered.slice(first, last + 1).map((row, index) => (
              <BodyRow
                key={rowKey(row)}
                row={row}
                columns={columns}
                at={first + index + 1}
                active={cellOf(first + index + 1)}
                focused={focused}
                opens={onOpen !== undefined && openByClick}
                open={open}
              />
            ))}
            {last < ordered.length - 1 && (
              <Spacer height={(ordered.length - 1 - last) * height} columns={columns.length} />
            )}
          </tbody>
          {pinned !== null && (
            <tfoot>
              <tr aria-rowindex={ordered.length + 2}>
                {columns.map((column) => (
                  <Cell key={column.id} column={column} row={pinned} cell={{}} />
                ))}
              </tr>
            </tfoot>
          )}
        </table>
        {ordered.length === 0 && empty !== undefined && <div className={styles.empty}>{empty}</div>}
      </div>
    </div>
  );
}

/** Clicks on links and buttons are theirs, and whoever marks text wants the text. */
function partOfRow(target: EventTarget): boolean {
  if (target instanceof Element && target.closest('a, button') !== null) return true;
  return window.getSelection()?.isCollapsed === false;
}

/** Keeps the order of rows while one is pointed at, until the reader asks for the new one. */
function useSteady(wanted: string[], spec: string, held: boolean) {
  const [kept, setKept] = useState({ spec, order: wanted });
  const keeps = held && kept.spec === spec && kept.order.length > 0;
  const order = keeps ? steadyOrder(kept.order, wanted) : wanted;
  const same = (a: string[], b: string[]) => a.length === b.length && a.every((key, index) => key === b[index]);
  // Adjusting state while rendering is React's own way to follow props without a second paint.
  if (kept.spec !== spec || !same(kept.order, order)) setKept({ spec, order });
  return { order, stale: !same(order, wanted), settle: () => setKept({ spec, order: wanted }) };
}

interface BodyRowProps<Row> {
  row: Row;
  columns: Column<Row>[];
  /** Its number in the grid; the header is 0. */
  at: number;
  /** The column that has the tab stop, if it is in this row. */
  active: number | null;
  focused: (row: number, column: number) => void;
  opens: boolean;
  open: (row: Row) => void;
}

function PlainBodyRow<Row>({ row, columns, at, active, focused, opens, open }: BodyRowProps<Row>) {
  return (
    <tr
      aria-rowindex={at + 1}
      data-open={opens}
      onClick={(event) => {
        if (opens && !partOfRow(event.target)) open(row);
      }}
    >
      {columns.map((column, index) => (
        <Cell key={column.id} column={column} row={row} cell={cellAttributes(at, index, active, focused)} />
      ))}
    </tr>
  );
}

/** Scrolling and moving the cursor must not draw the rows that stay as they are. */
const BodyRow = memo(PlainBodyRow) as typeof PlainBodyRow;

function cellAttributes(
  row: number,
  column: number,
  active: number | null,
  focused: (row: number, column: number) => void,
): CellAttributes {
  return {
    'data-cell': `${row}/${column}`,
    tabIndex: active === column ? 0 : -1,
    onFocus: () => focused(row, column),
  };
}

interface CellAttributes {
  'data-cell'?: string;
  tabIndex?: number;
  onFocus?: () => void;
}

function slot<Row>(column: Column<Row>): CSSProperties {
  return { '--unit-slot': `${column.unitSlot ?? 0}ch` } as CSSProperties;
}

function Cell<Row>({ column, row, cell }: { column: Column<Row>; row: Row; cell: CellAttributes }) {
  const shown = column.cell(row);
  return (
    <td {...cell} data-numeric={column.numeric} data-whole={column.whole} style={column.unitSlot === undefined ? undefined : slot(column)}>
      {typeof shown === 'string' ? <Foreign text={shown} /> : shown}
    </td>
  );
}

interface HeaderProps<Row> {
  column: Column<Row>;
  sort: Sort;
  onSort: (sort: Sort) => void;
  cell: CellAttributes;
}

function HeaderCell<Row>({ column, sort, onSort, cell }: HeaderProps<Row>) {
  const sorts = column.value !== undefined;
  const sorted = sort.id === column.id;
  const direction = sort.descending ? 'descending' : 'ascending';
  return (
    <th
      {...cell}
      scope="col"
      data-column={column.id}
      data-numeric={column.numeric}
      data-sorts={sorts}
      data-hint={column.help}
      aria-sort={sorts ? (sorted ? direction : 'none') : undefined}
      onClick={sorts ? () => onSort(nextSort(sort, column)) : undefined}
    >
      {column.title}
      {sorted && (
        <span className={styles.sign} aria-hidden="true">
          {sort.descending ? '↓' : '↑'}
        </span>
      )}
    </th>
  );
}

function Spacer({ height, columns }: { height: number; columns: number }) {
  return (
    <tr aria-hidden="true" className={styles.spacer}>
      <td colSpan={columns} style={{ height }} />
    </tr>
  );
}
