import { describe, expect, test } from 'vitest';
import { parts, unseen, visible } from './visible';

describe('what is not seen', () => {
  test('stands as its code', () => {
    for (const [character, code] of [
      ['\u202e', 'U+202E'], ['\u2066', 'U+2066'], ['\u200f', 'U+200F'], ['\u061c', 'U+061C'], ['\u0007', 'U+0007'], ['\u001b', 'U+001B'],
      ['\u007f', 'U+007F'], ['\u0085', 'U+0085'], ['\u200b', 'U+200B'], ['\u00ad', 'U+00AD'], ['\ufeff', 'U+FEFF'], ['\u2028', 'U+2028'],
      ['\u{e0041}', 'U+E0041'], ['\ud800', 'U+D800'],
    ] as const) {
      expect(visible(`a${character}b`)).toBe(`a⟨${code}⟩b`);
      expect(parts(`a${character}b`, true)).toEqual([{ kind: 'plain', text: 'a' }, { kind: 'unseen', text: code }, { kind: 'plain', text: 'b' }]);
    }
  });

  test('line ends and tabs are the layout of texts that have lines, and of nothing else', () => {
    expect(visible('a\n\tb\r')).toBe('a⟨U+000A⟩⟨U+0009⟩b⟨U+000D⟩');
    expect(visible('a\n\tb\r', true)).toBe('a\n\tb\r');
    expect(unseen('a\n\tb')).toEqual([]);
    expect(unseen('a\u202eb\u202e\u0007')).toEqual(['U+202E', 'U+0007']);
  });

  test('what is seen stays: spaces, signs, and the joiners that scripts need', () => {
    for (const text of ['Jürgen’s “table”', 'a\u00a0b', '≈ 30.0 MiB', 'می\u200cخواهم', '👩\u200d💻', '表']) expect(visible(text)).toBe(text);
  });
});

describe('what is written from right to left', () => {
  test('is kept from what stands beside it', () => {
    expect(parts('blocked by شركة, 12 min', false)).toEqual([
      { kind: 'plain', text: 'blocked by ' }, { kind: 'leftward', text: 'شركة' }, { kind: 'plain', text: ', 12 min' },
    ]);
    expect(parts('שלום · שלום', false).map((part) => part.kind)).toEqual(['leftward', 'plain', 'leftward']);
  });

  test('a name stays together', () => {
    for (const name of ['شركة_العملاء', 'שלום עולם', 'شركة.عميل', 'عميل2024']) expect(parts(name, false)).toEqual([{ kind: 'leftward', text: name }]);
  });

  test('one that turns the direction turns nothing', () => {
    expect(parts('شركة\u202eRTL', false)).toEqual([{ kind: 'leftward', text: 'شركة' }, { kind: 'unseen', text: 'U+202E' }, { kind: 'plain', text: 'RTL' }]);
  });
});
