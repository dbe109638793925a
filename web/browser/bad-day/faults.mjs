// What goes wrong, for real: how each fault is done and mended, the words that must tell it, and what of them must be true.
//
//   instance     whose page is looked at
//   inject       does it; its facts have `since`, when it began (a fault may begin anew: then that is moved on)
//   words        the sentence that must be told, with the figures in it as groups; a function of the facts where it names
//                what this very fault is about; absent where nothing is to be told
//   rule         seconds that the product's own rule for that sentence takes, beside reading and delivery
//   lies         what of the sentence, or of the API's figures, is not true: one text each
//   mend         undoes it; `goes` says within how many seconds the sentence must be gone, absent where it stays as history
//   afterwards   what must be so, or become so, when it is mended: one text for each that is not
import { INTERVAL_S } from './demo.mjs';
import { isAlive } from './postgresql.mjs';
import { pause, until } from './wait.mjs';

/** The demo's database with orders in it. */
const SHOP = 'shop';
/** Clocks are read at different moments: a second for each reading between the event and the sentence. */
const READINGS_MS = 2 * INTERVAL_S * 1000 + 2000;
/** The longest pause of a collector between two attempts, to deliver or to connect. */
const LONGEST_PAUSE_S = 60;
/** The demo fills the smallest spool in two minutes; a busy machine reads more rarely. */
const SPOOL_FULL_S = 900;

/** The moment of a time of day in UTC, the newest that is not in the future. */
function timeOfDay(text, now = Date.now()) {
  const day = new Date(now).toISOString().slice(0, 10);
  const moment = Date.parse(`${day}T${text}Z`);
  return moment > now + 60_000 ? moment - 86_400_000 : moment;
}

function lateOrEarly(what, told, happened, before = READINGS_MS, after = READINGS_MS) {
  if (told >= happened - before && told <= happened + after) return [];
  return [`${what} is told as ${new Date(told).toISOString()}, but was ${new Date(happened).toISOString()}`];
}

async function table(demo) {
  await demo.primary.query(
    `create table if not exists bad_day (id int primary key, n int not null);
     insert into bad_day select generate_series(1, 9), 0 on conflict do nothing`,
    SHOP,
  );
}

/** A session that updates a row in a transaction. */
async function holder(demo, id) {
  const session = demo.primary.session(SHOP);
  const [pid] = await session.run('select pg_backend_pid()');
  await session.run(`begin; update bad_day set n = n + 1 where id = ${id}`);
  return { session, pid };
}

/** Lets a session wait for a row; it goes on when the row is free. */
function waitFor(session, id) {
  session.run(`update bad_day set n = n + 1 where id = ${id}; commit`).catch(() => {});
}

async function blockedSessions(demo) {
  const [count] = await demo.primary.query(
    `select count(*) from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'bad day'`,
  );
  return Number(count);
}

export const FAULTS = [
  {
    name: 'blocking',
    what: 'a session idle in a transaction holds a row, three wait behind it in a chain',
    instance: 'demo-primary',
    rule: 60,
    goes: 2 * INTERVAL_S,
    async inject(demo) {
      await table(demo);
      const [root, second, third, fourth] = await Promise.all([1, 2, 3, 4].map((id) => holder(demo, id)));
      waitFor(second.session, 1);
      waitFor(third.session, 2);
      waitFor(fourth.session, 3);
      await until('three sessions wait', INTERVAL_S, async () => (await blockedSessions(demo)) === 3);
      return { since: Date.now(), root, all: [root, second, third, fourth] };
    },
    words: ({ root }) =>
      new RegExp(`(?<count>\\d+) sessions? (is|are) blocked[^.]*\\b${root.pid}\\b[^.]*idle in transaction[^.]*\\.`, 'i'),
    lies: ({ count }) => (Number(count) >= 3 ? [] : [`${count} are told as blocked, 3 are`]),
    async mend(demo, { root, all }) {
      await root.session.run('rollback');
      await until('nobody waits', INTERVAL_S, async () => (await blockedSessions(demo)) === 0);
      all.forEach(({ session }) => session.end());
    },
  },
  {
    name: 'prepared',
    what: 'a prepared transaction that nobody ends holds a row, one session waits for it',
    instance: 'demo-primary',
    rule: 60,
    goes: 2 * INTERVAL_S,
    async inject(demo) {
      await table(demo);
      const gid = `bad-day-${Date.now()}`;
      const { session } = await holder(demo, 5);
      await session.run(`prepare transaction '${gid}'`);
      session.end();
      const waiting = demo.primary.session(SHOP);
      await waiting.run('begin');
      waitFor(waiting, 5);
      await until('a session waits', INTERVAL_S, async () => (await blockedSessions(demo)) === 1);
      return { since: Date.now(), gid, waiting };
    },
    words: ({ gid }) => new RegExp(`(?<count>\\d+) sessions? (is|are) blocked[^.]*prepared transaction[^.]*${gid}[^.]*\\.`, 'i'),
    lies: ({ count }) => (Number(count) >= 1 ? [] : [`${count} are told as blocked, 1 is`]),
    async mend(demo, { gid, waiting }) {
      await demo.primary.query(`rollback prepared '${gid}'`, SHOP);
      await until('nobody waits', INTERVAL_S, async () => (await blockedSessions(demo)) === 0);
      waiting.end();
    },
  },
  {
    name: 'instance',
    what: 'the watched primary is stopped',
    instance: 'demo-primary',
    rule: 0,
    goes: LONGEST_PAUSE_S + 2 * INTERVAL_S,
    async inject(demo) {
      await demo.primary.stop();
      return { since: Date.now() };
    },
    words: /Down since (\d{4}-\d\d-\d\d )?(?<time>\d\d:\d\d:\d\d)[^.]*\./,
    async lies({ time }, { since }, demo) {
      const instance = await demo.instance('demo-primary');
      const alive = ['load', 'tps', 'connections'].filter((figure) => instance?.[figure] != null);
      return [
        ...lateOrEarly('the end of the instance', timeOfDay(time), since),
        ...(instance?.state === 'critical' ? [] : [`the instance is "${instance?.state}", not critical`]),
        ...alive.map((figure) => `${figure} is ${instance[figure]} while it is down`),
      ];
    },
    mend: (demo) => demo.primary.start(),
  },
  {
    name: 'collector',
    what: 'the collector is stopped where it stands',
    instance: 'demo-primary',
    // Two intervals, and not before two minutes: a collector that restarts or a network that hiccups is no news.
    rule: 120,
    goes: 2 * INTERVAL_S,
    async inject(demo) {
      const pid = demo.collector();
      process.kill(pid, 'SIGSTOP');
      return { since: Date.now(), pid };
    },
    words: /silent since (\d{4}-\d\d-\d\d )?(?<time>\d\d:\d\d:\d\d)[^.]*\./,
    lies: ({ time }, { since }) => lateOrEarly('the last word of the collector', timeOfDay(time), since),
    mend: (demo, { pid }) => process.kill(pid, 'SIGCONT'),
    async afterwards(demo, { since }) {
      const { id } = await demo.instance('demo-primary');
      const from = new Date(since - 60_000).toISOString();
      // A gap ends with the first reading after it.
      await until('the gap in the charts is told', LONGEST_PAUSE_S, async () => {
        const answer = await demo.get(`/instances/${id}/waits?start=${from}&end=${new Date().toISOString()}`);
        return answer?.gaps?.some((one) => one.reason === 'collector' && Date.parse(one.end) > since);
      });
      return [];
    },
  },
  {
    name: 'killed-collector',
    what: 'the collector is killed, and started again at once',
    instance: 'demo-primary',
    async inject(demo) {
      const killed = demo.collector();
      process.kill(killed, 'SIGKILL');
      return { since: Date.now(), killed };
    },
    async mend(demo, { killed }) {
      await until('the collector is started again', LONGEST_PAUSE_S, () => demo.collector() !== killed && !isAlive(killed));
    },
    async afterwards(demo, { since }) {
      const fresh = async () => {
        const instances = await demo.instances();
        return instances.length === 2 && instances.every((one) => Date.now() - one.data_age_ms > since);
      };
      await until('both instances are read again', LONGEST_PAUSE_S, fresh);
      const { data } = (await demo.get('/metrics/health')) ?? { data: [] };
      const torn = data.flatMap((one) => one.discarded).filter((one) => !['spool_full', 'spool_age'].includes(one.reason));
      return torn.map((one) => `${one.rows} rows of ${one.set} were lost: ${one.reason}`);
    },
  },
  {
    name: 'reset',
    what: 'the statistics of all statements are reset',
    instance: 'demo-primary',
    rule: 0,
    async inject(demo) {
      await demo.primary.query('select pg_stat_statements_reset()');
      return { since: Date.now() };
    },
    words: /[Ss]tatistics[^.]* were reset[^.]*?(?<time>\d\d:\d\d:\d\d)[^.]*\./,
    lies: ({ time }, { since }) => lateOrEarly('the reset', timeOfDay(time), since),
    mend: () => {},
    async afterwards(demo, { since }) {
      const { id } = await demo.instance('demo-primary');
      const from = new Date(since - 60_000).toISOString();
      const answer = await demo.get(`/instances/${id}/queries?start=${from}&end=${new Date().toISOString()}&limit=1`);
      const flag = answer?.flagged_intervals?.find((one) => one.reason === 'reset');
      if (flag === undefined) return ['no interval of the statements is flagged'];
      const covers = Date.parse(flag.start) <= since && Date.parse(flag.end) >= since - 2000;
      return covers ? [] : [`the flagged interval ${flag.start} to ${flag.end} does not have the reset in it`];
    },
  },
  {
    name: 'standby',
    what: 'replay is paused on the standby while the primary is written to',
    instance: 'demo-standby',
    rule: 30,
    // The demo pauses replay now and then by itself.
    goes: 120,
    async inject(demo) {
      const facts = { since: Date.now(), mended: false };
      const session = demo.standby.session();
      await session.run('select pg_wal_replay_pause()');
      // The demo's own play may let it go on: then the lag begins anew.
      facts.held = (async () => {
        while (!facts.mended) {
          const [paused] = await session.run('select pg_is_wal_replay_paused()');
          if (paused === 'f') {
            await session.run('select pg_wal_replay_pause()');
            facts.since = Date.now();
          }
          await pause(500);
        }
        await session.run('select pg_wal_replay_resume()');
        session.end();
      })();
      return facts;
    },
    words: /replay[^.]*? (?<lag>\d+)(?<unit> s|\u202f?s| min)\b[^.]*behind[^.]*\.|behind[^.]*replay[^.]*\./i,
    lies({ lag, unit }, { since }) {
      if (lag === undefined || unit.includes('min')) return [];
      const seconds = (Date.now() - since) / 1000;
      return Number(lag) <= seconds + 2 ? [] : [`${lag} s behind is told ${seconds.toFixed(0)} s after the pause began`];
    },
    async mend(demo, facts) {
      facts.mended = true;
      await facts.held;
    },
  },
  {
    name: 'spool',
    what: 'the server cannot be reached until the spool is full and its oldest records are dropped',
    instance: 'demo-primary',
    // It can be told only when the server is there again, and the collector tries.
    rule: LONGEST_PAUSE_S,
    async inject(demo) {
      const began = Date.now();
      demo.way.close();
      // What is in a file that was begun now has not been delivered: when the file is gone, it was dropped.
      const last = demo.spooled().at(-1) ?? '';
      let undelivered;
      try {
        await until('the spool is full and drops its oldest', SPOOL_FULL_S, () => {
          const names = demo.spooled();
          undelivered ??= names.find((name) => name > last);
          return undelivered !== undefined && !names.includes(undelivered);
        });
      } finally {
        await demo.way.open();
      }
      return { since: Date.now(), began };
    },
    words: /spool[^.]*\./i,
    lies: () => [],
    mend: () => {},
    async afterwards(demo, { began, since }) {
      const { data } = (await demo.get('/metrics/health')) ?? { data: [] };
      const lost = data.flatMap((one) => one.discarded).filter((one) => one.reason === 'spool_full');
      const { id } = await demo.instance('demo-primary');
      const range = `start=${new Date(began - 60_000).toISOString()}&end=${new Date().toISOString()}`;
      const answer = await demo.get(`/instances/${id}/queries?${range}&limit=1`);
      const flag = answer?.flagged_intervals?.find((one) => Date.parse(one.start) < since && Date.parse(one.end) > began);
      return [
        ...(lost.length > 0 ? [] : ['no lost row is counted']),
        ...(flag === undefined ? ['no interval of the statements is flagged'] : []),
      ];
    },
  },
  {
    name: 'store',
    what: "the postmaster of the server's own store is killed; the server starts it again",
    instance: 'demo-primary',
    async inject(demo) {
      await demo.store.stop('SIGKILL');
      return { since: Date.now() };
    },
    // The server's own affair.
    mend: () => {},
    async afterwards(demo, { since }) {
      const fresh = async () => (await demo.instance('demo-primary'))?.last_seen > new Date(since).toISOString();
      await until('measurements are stored again', 2 * LONGEST_PAUSE_S, fresh);
      return [];
    },
  },
];
