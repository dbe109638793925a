/**
 * The shapes of the API that the pages read, written by hand after the endpoint table.
 * Once `schema.d.ts` is generated from the OpenAPI document, these become aliases of it.
 */

/** RFC 3339 in UTC. */
export type Time = string;
export type Role = 'admin' | 'user' | 'viewer';

export interface User {
  id: string;
  username: string;
  role: Role;
  created_at: Time;
  last_login_at?: Time | null;
}

export interface SignedIn {
  access_token: string;
  expires_in: number;
  user: User;
}

export interface Grid {
  start: Time;
  step_ms: number;
  points: number;
}

/** One value per grid step; null is a step without a reading. */
export type Series = (number | null)[];

export interface Reason {
  code: 'setting' | 'version' | 'privilege' | 'role' | 'extension' | 'not_enough_data';
  message: string;
  fix?: string | null;
}

/** Column name to the reason why it has no value. */
export type Unmeasured = Partial<Record<string, Reason>>;

export interface Page<T> {
  data: T[];
  count: number;
  total: number;
}

export type HealthState = 'healthy' | 'warning' | 'critical' | 'no_data';

export interface NotReadable {
  set: string;
  column?: string | null;
  code: string;
  message: string;
  fix?: string | null;
}

export interface Instance {
  id: number;
  name: string;
  cluster?: string | null;
  role: 'primary' | 'standby' | null;
  version: string | null;
  version_num: number | null;
  host?: string | null;
  port?: number | null;
  timeline?: number | null;
  started_at?: Time | null;
  last_seen: Time | null;
  data_age_ms: number | null;
  state: HealthState;
  reasons: string[];
  load: number | null;
  load_trend?: { grid: Grid; values: Series } | null;
  tps: number | null;
  connections: number | null;
  connections_limit: number | null;
  replay_lag_ms: number | null;
  replay_lag_bytes: number | null;
  not_readable: NotReadable[];
  unmeasured?: Unmeasured | null;
  collector?: {
    id: string;
    name: string;
    hostname?: string | null;
    version?: string | null;
    status: string;
    last_seen?: Time | null;
    registered_at?: Time | null;
  } | null;
}

export interface SetState {
  set: string;
  state: 'works' | 'degraded' | 'missing' | 'error';
  code?: string | null;
  message?: string | null;
  fix?: string | null;
  last_reading?: Time | null;
  interval_seconds: number | null;
}

export interface InstanceDetail extends Instance {
  databases: { datid: number; name: string }[];
  sets: SetState[];
}

/** What one statement did in the range: counters are sums over it, times in ms, sizes in blocks or bytes. */
export interface StatementFigures {
  calls: number | null;
  total_exec_time_ms: number | null;
  mean_exec_time_ms: number | null;
  stddev_exec_time_ms?: number | null;
  min_exec_time_since_ms?: number | null;
  max_exec_time_since_ms?: number | null;
  since?: Time | null;
  rows: number | null;
  shared_blks_hit?: number | null;
  shared_blks_read?: number | null;
  shared_blks_dirtied?: number | null;
  shared_blks_written?: number | null;
  temp_blks_read?: number | null;
  temp_blks_written?: number | null;
  blk_read_time_ms?: number | null;
  blk_write_time_ms?: number | null;
  wal_records?: number | null;
  wal_fpi?: number | null;
  wal_bytes?: number | null;
  plans?: number | null;
  total_plan_time_ms?: number | null;
  jit_generation_time_ms?: number | null;
  cache_hit_ratio?: number | null;
  share_of_total?: number | null;
}

export type TextState = 'ok' | 'not_captured' | 'hidden' | 'not_readable';

export interface RankingRow extends StatementFigures {
  queryid: string;
  query: string | null;
  query_state?: TextState | null;
  database: string | null;
  user: string | null;
  toplevel: boolean;
  complete: boolean;
  trend?: Series | null;
}

export interface OthersRow extends StatementFigures {
  statements: number | null;
}

export type FlagReason =
  | 'reset'
  | 'evicted'
  | 'restart'
  | 'crash_restart'
  | 'gap'
  | 'entry_reset'
  | 'replaced'
  | 'late';

export interface FlaggedInterval {
  start: Time;
  end: Time;
  reason: FlagReason;
  message?: string | null;
  entries_total?: number | null;
}

export interface Ranking {
  data: RankingRow[];
  grid: Grid | null;
  count: number;
  others: OthersRow | null;
  flagged_intervals: FlaggedInterval[];
  unmeasured?: Unmeasured | null;
  totals: {
    calls: number | null;
    total_exec_time_ms: number | null;
    rows: number | null;
    statements: number | null;
  };
  track?: string | null;
  shares_measurable: boolean;
  generated_at?: Time | null;
}

export interface Statement {
  queryid: string;
  query: string | null;
  query_state?: TextState | null;
  databases: string[];
  users: string[];
  figures: StatementFigures;
  previous: StatementFigures | null;
  split: RankingRow[];
  flagged_intervals: FlaggedInterval[];
  unmeasured?: Unmeasured | null;
  complete: boolean;
  share_of_total: number | null;
}

export interface Timeline {
  grid: Grid;
  series: Partial<Record<string, Series>>;
  flagged_intervals: FlaggedInterval[];
  unmeasured?: Unmeasured | null;
}

export interface DatabaseRow {
  datid: number;
  name: string;
  numbackends?: number | null;
  xact_commit?: number | null;
  xact_rollback?: number | null;
  blks_read?: number | null;
  blks_hit?: number | null;
  tup_returned?: number | null;
  tup_fetched?: number | null;
  tup_inserted?: number | null;
  tup_updated?: number | null;
  tup_deleted?: number | null;
  temp_bytes?: number | null;
  deadlocks?: number | null;
  active_time_ms?: number | null;
  series?: Partial<Record<string, Series>> | null;
}

export interface Databases {
  grid: Grid | null;
  data: DatabaseRow[];
  unmeasured?: Unmeasured | null;
  flagged_intervals: FlaggedInterval[];
}

export interface Standby {
  application_name: string | null;
  client_addr?: string | null;
  pid: number | null;
  state: string | null;
  sync_state: string | null;
  sent_lsn?: string | null;
  write_lsn?: string | null;
  flush_lsn?: string | null;
  replay_lsn?: string | null;
  write_lag_ms?: number | null;
  flush_lag_ms?: number | null;
  replay_lag_ms?: number | null;
  sent_behind_bytes?: number | null;
  write_behind_bytes?: number | null;
  flush_behind_bytes?: number | null;
  replay_behind_bytes?: number | null;
  idle?: boolean | null;
  last_message_at?: Time | null;
}

export interface Replication {
  role: 'primary' | 'standby' | null;
  timeline: number | null;
  current_lsn?: string | null;
  standbys: Standby[];
  at: Time | null;
}

export interface Setting {
  name: string;
  setting: string | null;
  unit?: string | null;
  boot_val?: string | null;
  source: string | null;
  category?: string | null;
  short_desc?: string | null;
  pending_restart: boolean | null;
  changed_at?: Time | null;
}

export interface Settings {
  data: Setting[];
  count: number;
}
