/**
 * Names, statements and messages come from elsewhere, and may hold characters that are not seen but act on what stands
 * around them: those that turn the direction of writing, control characters, separators, marks of no width. They are
 * shown by their codes. Pure.
 */

/** Marks that letters of some scripts need, and signs that are seen although Unicode counts them among the formatting. */
const NEEDED = '[\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u200c\\u200d\\u{110bd}\\u{110cd}]';
const UNSEEN = `(?!${NEEDED})[\\p{Cc}\\p{Cf}\\p{Cs}\\p{Zl}\\p{Zp}]`;
const EACH_UNSEEN = new RegExp(UNSEEN, 'gu');
/** Line ends and tabs are the layout of texts that have lines. */
const EACH_UNSEEN_IN_LINES = new RegExp(`(?![\\n\\r\\t])${UNSEEN}`, 'gu');

/** The blocks that Unicode keeps for scripts that are written from right to left. */
const LEFTWARD = '\\u0590-\\u08ff\\ufb1d-\\ufdff\\ufe70-\\ufefc\\u{10800}-\\u{10fff}\\u{1e800}-\\u{1efff}';
/** Such letters, with the digits that belong to them and what joins them to more of their kind. */
const RUN = new RegExp(`[${LEFTWARD}](?:[${LEFTWARD}\\p{M}\\p{N}_]|[ .-]+(?=[${LEFTWARD}]))*`, 'gu');

const each = (lines: boolean): RegExp => (lines ? EACH_UNSEEN_IN_LINES : EACH_UNSEEN);

/** `U+202E` */
function code(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

export type Part =
  | { kind: 'plain'; text: string }
  /** A character that is not seen, by its code. */
  | { kind: 'unseen'; text: string }
  /** Written from right to left: to be kept from what stands beside it. */
  | { kind: 'leftward'; text: string };

function split(text: string, pattern: RegExp, found: (match: string) => Part, between: (rest: string) => Part[]): Part[] {
  const all: Part[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    all.push(...between(text.slice(from, match.index)), found(match[0]));
    from = match.index + match[0].length;
  }
  return [...all, ...between(text.slice(from))];
}

/** The text in parts that do not act on each other; `lines` leaves line ends and tabs as they are. */
export function parts(text: string, lines: boolean): Part[] {
  const plain = (rest: string): Part[] => (rest === '' ? [] : [{ kind: 'plain', text: rest }]);
  const directed = (rest: string) => split(rest, RUN, (run) => ({ kind: 'leftward', text: run }), plain);
  return split(text, each(lines), (one) => ({ kind: 'unseen', text: code(one) }), directed);
}

/** The text for where no element can be: titles, labels, spreadsheets. `⟨U+202E⟩` stands for what is not seen. */
export function visible(text: string, lines = false): string {
  return text.replace(each(lines), (one) => `⟨${code(one)}⟩`);
}

/** The codes of what is not seen in a text; each once. */
export function unseen(text: string, lines = true): string[] {
  return [...new Set(text.match(each(lines)) ?? [])].map(code);
}

/** A name or a string within SQL, with what is not seen written out as `escape` writes its six hexadecimal digits. */
export function writtenOut(text: string, escape: (hex: string) => string): string {
  return text.replace(EACH_UNSEEN, (one) => escape((one.codePointAt(0) ?? 0).toString(16).padStart(6, '0')));
}
