/** The state of every view, as it stands in the URL. All values are strings; absent means default. */
export interface Search {
  /** `1h`: the last while. */
  range?: string | undefined;
  /** Absolute range, RFC 3339; both or neither. */
  start?: string | undefined;
  end?: string | undefined;
  zone?: string | undefined;
  /** `off`: no live refresh. */
  live?: string | undefined;
  /** Column, with a leading `-` for descending. */
  sort?: string | undefined;
  /** Visible columns, comma-separated. */
  cols?: string | undefined;
  /** Hidden series, comma-separated `chart.series`. */
  hide?: string | undefined;
  q?: string | undefined;
  db?: string | undefined;
  user?: string | undefined;
  /** `all`: nested statements too. */
  level?: string | undefined;
  /** `show`: monitoring's own statements too. */
  monitoring?: string | undefined;
  schema?: string | undefined;
  /** `list`: each partition by itself. */
  partitions?: string | undefined;
  /** The oid of the table whose partitions or indexes are shown. */
  table?: string | undefined;
  finding?: string | undefined;
  /** What tells active sessions apart, instead of the class of their waits. */
  by?: string | undefined;
  /** Of objects that changed. */
  kind?: string | undefined;
  /** Which part of a tab that has several. */
  part?: string | undefined;
  /** The moment of a state, RFC 3339. */
  at?: string | undefined;
  /** Where to go after signing in. */
  next?: string | undefined;
}

const KEYS = [
  'range',
  'start',
  'end',
  'zone',
  'live',
  'sort',
  'cols',
  'hide',
  'q',
  'db',
  'user',
  'level',
  'monitoring',
  'schema',
  'partitions',
  'table',
  'finding',
  'by',
  'kind',
  'part',
  'at',
  'next',
] as const satisfies readonly (keyof Search)[];

/** Keeps the known keys; whatever else a link carries is ignored. */
export function validSearch(raw: Record<string, unknown>): Search {
  const search: Search = {};
  for (const key of KEYS) {
    const value = raw[key];
    if (typeof value === 'string' && value !== '') search[key] = value;
  }
  return search;
}

export function parseSearch(text: string): Record<string, unknown> {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const known = new URLSearchParams();
  for (const key of KEYS) {
    const value = search[key];
    if (typeof value === 'string' && value !== '') known.set(key, value);
  }
  // Colons, commas and slashes are legal in a query and readable.
  const text = known.toString().replaceAll('%3A', ':').replaceAll('%2C', ',').replaceAll('%2F', '/');
  return text === '' ? '' : `?${text}`;
}

/** What every link takes along: range, zone and live. */
export function keepTime(search: Search): Search {
  const { range, start, end, zone, live } = search;
  return { range, start, end, zone, live };
}

/** From a list to one of its rows: the database and the user stay chosen. */
export function keepFilters(search: Search): Search {
  return { ...keepTime(search), db: search.db, user: search.user };
}
