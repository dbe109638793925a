/** What the overview says and draws of databases: pure. */
import type { Databases, InstanceDetail, Series, Unmeasured } from '../api/model';
import type { ChartSpec } from '../charts/chart';
import { byteRate, coarse, percent, rate, text } from '../format/number';

/** The newest value of a series. */
export function newest(values: Series): number | null {
  return values.findLast((value) => value !== null) ?? null;
}

/** Blocks found in the cache, of all that were asked for, over the range; null where none was asked for or nothing is known. */
export function hitRatio(databases: Databases): number | null {
  let hit = 0;
  let asked = 0;
  for (const row of databases.data) {
    if (row.blks_hit == null || row.blks_read == null) continue;
    hit += row.blks_hit;
    asked += row.blks_hit + row.blks_read;
  }
  return asked === 0 ? null : hit / asked;
}

function why(unmeasured: Unmeasured, names: string[]): ChartSpec['missing'] {
  const reason = names.map((name) => unmeasured[name]).find((found) => found !== undefined);
  return reason === undefined ? null : { message: reason.message, fix: reason.fix ?? null };
}

/** Transactions, cache hits and temporary files of all databases together. */
export function throughputCharts(databases: Databases): ChartSpec[] {
  const { total, unmeasured } = databases;
  const perSecond = (value: number) => rate(value, '');
  return [
    {
      id: 'tps', title: 'Transactions', unit: 'per second', axis: 'decimal', format: perSecond, missing: why(unmeasured, ['xact_commit']),
      series: [
        { id: 'commit', name: 'commit', color: 1, values: total.commits },
        { id: 'rollback', name: 'rollback', color: 2, values: total.rollbacks },
      ],
    },
    {
      id: 'hit', title: 'Cache hit', unit: '% of blocks', axis: 'decimal', format: (value) => percent(value / 100), missing: why(unmeasured, ['blks_hit']),
      series: [{ id: 'hit', name: 'hit', color: 3, values: total.hit_ratio.map((value) => (value === null ? null : value * 100)) }],
    },
    {
      id: 'temp', title: 'Temporary files', unit: 'B/s', axis: 'binary', format: byteRate, missing: why(unmeasured, ['temp_bytes']),
      series: [{ id: 'temp', name: 'written', color: 4, values: total.temp_bytes }],
    },
  ];
}

/** What was the most in the range, where that is more than at its end. */
export function atMost(value: number | null | undefined, peak: number | null | undefined): string {
  return value == null || peak == null || peak <= value ? '' : `, at most ${peak}`;
}

/** The page's answer to "what is it busy with?": its load beside its CPUs, and who is blocked. */
export function overviewHeading(instance: InstanceDetail, load: number | null, oldestMs: number | null): string {
  const parts: string[] = [];
  if (load !== null) {
    const sessions = load < 9.95 ? load.toFixed(1) : load.toFixed(0);
    parts.push(instance.cpus == null ? `${sessions} active sessions` : `${sessions} active sessions on ${instance.cpus} ${instance.cpus === 1 ? 'CPU' : 'CPUs'}`);
  }
  if ((instance.blocked ?? 0) > 0) parts.push(`${instance.blocked} blocked`);
  if (oldestMs !== null && oldestMs >= 60_000) parts.push(`oldest transaction ${text(coarse(oldestMs))}`);
  return parts.length === 0 ? instance.name : parts.join(', ');
}
