import type { ReactNode } from 'react';
import type { StoreSizes } from '../api/model';
import { Sparkline } from '../charts/Sparkline';
import { bytes, exact, text } from '../format/number';
import { Missing } from '../format/Num';
import { useSentence } from '../time/useSentence';
import { day, exactMoment, type Zone } from '../time/zone';
import { growthText } from './store';
import styles from './StorePage.module.css';

interface Props {
  sizes: StoreSizes;
  zone: Zone;
  outdated: boolean;
}

/** What the store takes, what it grows by, and until when there is room. */
export function GrowthFigures({ sizes, zone, outdated }: Props) {
  const { disk, since } = sizes;
  const sentence = useSentence();
  const moment = (at: string) => exactMoment(Date.parse(at), zone);
  const size = (value: number | null | undefined, reason: string): ReactNode =>
    value == null ? <Missing reason={reason} focusable /> : <span data-hint={`${exact(value)} bytes`} tabIndex={0}>{text(bytes(value))}</span>;
  const why = disk.reason ?? 'It is not known.';
  const figures: [string, ReactNode][] = [
    ['Database', size(sizes.bytes, '')],
    [
      'Growth',
      sizes.bytes_per_day == null ? (
        <Missing reason={sizes.reason ?? 'Not enough data.'} focusable />
      ) : (
        <span data-hint={`${exact(sizes.bytes_per_day)} bytes a day${since == null ? '' : `\nsince ${moment(since)}`}`} tabIndex={0}>
          {growthText(sizes.bytes_per_day)}
        </span>
      ),
    ],
    ['Trend', sizes.history.length < 2 ? <Missing reason={sizes.reason ?? 'Not enough data.'} focusable /> : <Sparkline values={sizes.history.map((note) => note.bytes)} />],
    ['Free on its disk', size(disk.free_bytes, why)],
    ['Full', disk.full_at == null ? <Missing reason={why} focusable /> : <span data-hint={moment(disk.full_at)} tabIndex={0}>{day(Date.parse(disk.full_at), zone)}</span>],
  ];
  const notes = [
    sizes.noted_at == null ? null : `Sizes were noted ${moment(sizes.noted_at)}.`,
    since == null ? (sizes.reason ?? null) : `Growth is since ${moment(since)}, and goes on like that only if the same is measured.`,
    // While growth is not known nothing more needs to be said of a disk that is.
    since == null && disk.free_bytes != null ? null : (disk.reason ?? null),
  ];
  return (
    <section className={styles.figures} aria-label="Growth" data-outdated={outdated}>
      <dl>
        {figures.map(([title, figure]) => (
          <div key={title} className={styles.figure}>
            <dt>{title}</dt>
            <dd>{figure}</dd>
          </div>
        ))}
      </dl>
      <p className={styles.notes}>{notes.filter((note) => note !== null).map((note) => sentence(note)).join(' ')}</p>
    </section>
  );
}
