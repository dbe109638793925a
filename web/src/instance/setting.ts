/** What the settings page derives from one setting. Pure. */
import type { Setting } from '../api/model';
import { bytes, text } from '../format/number';

/** Set by somebody, and to something else; what each session sets for itself has no source here. */
export const isChanged = (setting: Setting): boolean =>
  setting.setting != null &&
  setting.source != null &&
  setting.source !== 'default' &&
  setting.source !== 'override' &&
  setting.setting !== setting.boot_val;

const KIB: Partial<Record<string, number>> = { B: 1 / 1024, kB: 1, '8kB': 8, '16kB': 16, MB: 1024 };

/** `128 MiB` for 16384 blocks of 8 kB, `30 s`; 0 and -1 often stand for something else, and stay as they are. */
export function inUnit(value: string, unit: string | null | undefined): string {
  const number = Number(value);
  if (unit == null || !(number > 0)) return value;
  const size = KIB[unit];
  return size === undefined ? `${value} ${unit}` : text(bytes(number * size * 1024));
}
