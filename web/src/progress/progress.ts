/** How far long commands are, in words. Pure. */
import type { RunningCommand } from '../api/model';
import { bytes, count, percent, text } from '../format/number';

type Stage = NonNullable<RunningCommand['stage']>;

const UNITS: Record<Stage['unit'], string> = {
  blocks: 'blocks', rows: 'rows', bytes: '', indexes: 'indexes', sessions: 'sessions that it waits for', statistics: 'statistics',
};

/** `25 %` where the total is known, else how much is done. */
export function brief(stage: Stage): string {
  return stage.share == null ? done(stage) : text(percent(stage.share));
}

/** `50 of 200 blocks` */
export function done(stage: Stage): string {
  const number = (value: number) => text(stage.unit === 'bytes' ? bytes(value) : count(value));
  const of = stage.total == null ? number(stage.done) : `${number(stage.done)} of ${number(stage.total)}`;
  return `${of} ${UNITS[stage.unit]}`.trimEnd();
}

/** What a command works on: `public.orders`, or the index that it makes of it. */
export function target(command: RunningCommand): string | null {
  if (command.relation == null) return command.index ?? null;
  return command.index == null ? command.relation : `${command.relation}, index ${command.index}`;
}
