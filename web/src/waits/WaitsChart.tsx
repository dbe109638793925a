import { useMemo } from 'react';
import type { Waits } from '../api/model';
import { TimeChart } from '../charts/TimeChart';
import type { Instants } from '../time/range';
import type { Zone } from '../time/zone';
import { waitsChart } from './sessionCharts';

/** What every chart of a page is told; `hidden` and `onHide` are of the URL. */
export interface SharedChartProps {
  range: Instants;
  zone: Zone;
  hidden: string[];
  onHide: (hidden: string[]) => void;
  onZoom: (instants: Instants) => void;
  outdated: boolean;
}

interface Props extends SharedChartProps {
  waits: Waits;
  /** The number of CPUs of the instance's host; null where it is not known. */
  cpus: number | null;
}

/** Average active sessions by what they wait for, stacked in the order of the wait classes, with the CPUs as a line. */
export function WaitsChart({ waits, cpus, ...shared }: Props) {
  const spec = useMemo(() => waitsChart(waits, cpus), [waits, cpus]);
  return <TimeChart spec={spec} grid={waits.grid} flags={waits.flagged_intervals} gaps={waits.gaps} beside {...shared} />;
}
