/** SQL laid out over lines. The formatter is loaded when the first statement is shown. */
type Format = (sql: string) => string;

/** Longer texts stay as they are: formatting them would block the page. */
export const FORMAT_LIMIT = 20_000;

let loading: Promise<Format> | null = null;

export function loadFormatter(): Promise<Format> {
  loading ??= import('sql-formatter').then(
    ({ formatDialect, postgresql }) =>
      (sql) =>
        formatDialect(sql, { dialect: postgresql, tabWidth: 2, expressionWidth: 80, keywordCase: 'preserve' }),
  );
  return loading;
}

/** The text itself when it is too long or not understood. */
export function laidOut(sql: string, format: Format): string {
  if (sql.length > FORMAT_LIMIT) return sql;
  try {
    return format(sql);
  } catch {
    return sql;
  }
}
