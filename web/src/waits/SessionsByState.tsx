import { useMemo } from 'react';
import type { Connections } from '../api/model';
import { TimeChart } from '../charts/TimeChart';
import { statesChart } from './sessionCharts';
import type { SharedChartProps } from './WaitsChart';

/** Client connections by state, stacked. */
export function SessionsByState({ connections, ...shared }: SharedChartProps & { connections: Connections }) {
  const spec = useMemo(() => statesChart(connections), [connections]);
  return <TimeChart spec={spec} grid={connections.grid} flags={connections.flagged_intervals} gaps={connections.gaps} {...shared} />;
}
