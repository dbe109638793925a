import { useMemo } from 'react';
import type { Disks, FlaggedInterval, Host } from '../api/model';
import { TimeChart } from '../charts/TimeChart';
import type { Instants } from '../time/range';
import type { Zone } from '../time/zone';
import { cpuChart, fullChart, latencyChart, memoryChart, networkChart, pressureChart } from './hostCharts';

/** Fullness is a state: nothing that happened makes it a lower bound. */
const NO_FLAGS: FlaggedInterval[] = [];

interface Props {
  /** Answers of `/instances/{id}/host` and `/disks` over one range; null while they are not there. */
  host: Host | null;
  disks: Disks | null;
  range: Instants;
  zone: Zone;
  hidden: string[];
  onHide: (hidden: string[]) => void;
  onZoom: (instants: Instants) => void;
  outdated: boolean;
}

/** Host CPU, memory, pressure, network, disk latency and disk fullness: charts for the page's own grid of charts. */
export function HostCharts({ host, disks, ...shared }: Props) {
  const cpu = useMemo(() => (host === null ? null : cpuChart(host)), [host]);
  const memory = useMemo(() => (host === null ? null : memoryChart(host)), [host]);
  const pressure = useMemo(() => (host === null ? null : pressureChart(host)), [host]);
  const network = useMemo(() => (host === null ? null : networkChart(host)), [host]);
  const latency = useMemo(() => (disks === null ? null : latencyChart(disks)), [disks]);
  const full = useMemo(() => (disks === null ? null : fullChart(disks)), [disks]);
  return (
    <>
      {host !== null && cpu !== null && <TimeChart spec={cpu} grid={host.grid} flags={host.flagged_intervals} gaps={host.gaps} {...shared} />}
      {host !== null && memory !== null && <TimeChart spec={memory} grid={host.grid} flags={NO_FLAGS} gaps={host.gaps} {...shared} />}
      {host !== null && pressure !== null && <TimeChart spec={pressure} grid={host.grid} flags={host.flagged_intervals} gaps={host.gaps} {...shared} />}
      {host !== null && network !== null && <TimeChart spec={network} grid={host.grid} flags={host.flagged_intervals} gaps={host.gaps} {...shared} />}
      {disks !== null && latency !== null && <TimeChart spec={latency} grid={disks.grid} flags={disks.flagged_intervals} gaps={disks.gaps} {...shared} />}
      {disks !== null && full !== null && <TimeChart spec={full} grid={disks.grid} flags={NO_FLAGS} gaps={disks.gaps} {...shared} />}
    </>
  );
}
