import { useMemo } from 'react';
import type { Wal } from '../api/model';
import type { ChartSpec } from '../charts/chart';
import { TimeChart } from '../charts/TimeChart';
import type { Instants } from '../time/range';
import type { Zone } from '../time/zone';
import { checkpointsChart, walChart } from './walCharts';

interface Props {
  /** The answer of `/instances/{id}/wal`. */
  wal: Wal;
  /** The range of what is shown. */
  range: Instants;
  zone: Zone;
  /** `chart.series` of every series that is not shown. */
  hidden: string[];
  onHide: (hidden: string[]) => void;
  onZoom: (instants: Instants) => void;
  outdated: boolean;
}

function Chart({ spec, wal, ...rest }: Props & { spec: ChartSpec }) {
  return <TimeChart spec={spec} grid={wal.grid} flags={wal.flagged_intervals} gaps={wal.gaps} {...rest} />;
}

/** WAL written, or replayed on a standby, in bytes per second. */
export function WalRateChart(props: Props) {
  const spec = useMemo(() => walChart(props.wal), [props.wal]);
  return <Chart {...props} spec={spec} />;
}

/** Checkpoints, timed and requested. */
export function CheckpointsChart(props: Props) {
  const spec = useMemo(() => checkpointsChart(props.wal), [props.wal]);
  return <Chart {...props} spec={spec} />;
}
